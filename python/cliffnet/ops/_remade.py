"""Inputs of recorded steps that are not kept for the backward pass, because the step they come from makes them again.

A step whose outputs are quick to make, a norm or a gate for instance, sets ``context.is_remade`` and has a static
method ``remade(context, tensors)``, which makes the outputs from the tensors that it kept, connected to these where
derivatives are recorded. The step after it then keeps the step instead of its outputs. Whoever else holds such an
output, a hook for instance, gets its derivatives too: as long as the tensor lives, it is used itself.
"""

import weakref
from collections.abc import Sequence
from typing import Any

from torch import Tensor


def keep(context: Any, tensors: Sequence[Tensor | None]) -> None:
    """Keep tensors for the backward pass, those that can be made again only by where they come from."""
    origins = {}
    for place, tensor in enumerate(tensors):
        node = None if tensor is None else tensor.grad_fn
        if tensor is not None and getattr(node, "is_remade", False):
            origins[place] = (weakref.ref(tensor), tensor._version, node, tensor.output_nr)
    context.origins = origins
    context.save_for_backward(*(None if place in origins else tensor for place, tensor in enumerate(tensors)))


def kept(context: Any) -> tuple[Any, ...]:
    """Return the tensors that :func:`keep`, or ``save_for_backward``, was given."""
    unpacked: tuple[tuple[Any, ...], list[int | None]] | None = getattr(context, "unpacked", None)
    if unpacked is not None:
        context.unpacked = None
        tensors, versions = unpacked
        # the pass that unpacked them may have ended before this step; torch refuses what was changed since then
        if _versions(tensors) == versions:
            return tensors
    restored = list(context.saved_tensors)
    made: dict[Any, tuple[Tensor | None, ...]] = {}
    for place, (reference, version, node, output) in getattr(context, "origins", {}).items():
        tensor = reference()
        if tensor is None or tensor._version != version:
            if node not in made:
                given = kept(node)
                # for the backward pass of that step, which comes next: tensors of checkpoints are unpacked only once
                node.unpacked = given, _versions(given)
                made[node] = node._forward_cls.remade(node, given)
            tensor = made[node][output]
        restored[place] = tensor
    return tuple(restored)


def _versions(tensors: Sequence[Tensor | None]) -> list[int | None]:
    return [None if tensor is None else tensor._version for tensor in tensors]
