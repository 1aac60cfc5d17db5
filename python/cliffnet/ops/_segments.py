"""What nodes hand to the edges that name them, and the sums of what arrives, the same bits in every run.

On CPUs torch adds in the order of the edges. On CUDA devices it adds in any order, so there the edges are sorted by
node and each sum is taken in their order; the two operators are each other's derivative.
"""

from typing import Any

import torch
from torch import Tensor

from cliffnet import reference
from cliffnet.ops._bilinear import is_blade_major
from cliffnet.ops._operator import Gradients, Operator

_SORTED = "_cliffnet_sorted"


def gather(values: Tensor, index: Tensor) -> Tensor:
    """Return ``values[index]``; see :func:`cliffnet.reference.gather`."""
    if values.is_cuda and values.requires_grad and torch.is_grad_enabled():
        return sorted_gather(values, index, *sorted_by(index, values.shape[0]))  # type: ignore[no-any-return]
    return reference.gather(values, index)


def segment_sum(values: Tensor, index: Tensor, count: int) -> Tensor:
    """Sum the values with the same index; see :func:`cliffnet.reference.segment_sum`."""
    if values.is_cuda:
        return sorted_segment_sum(values, index, *sorted_by(index, count))  # type: ignore[no-any-return]
    return reference.segment_sum(values, index, count)


def sorted_by(index: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Sort entries by node.

    The result stays with the tensor ``index`` as long as that is not changed, for the layers of a network share it.

    Parameters
    ----------
    index : Tensor
        The node of each entry, shape ``(entries,)``.
    count : int
        Number of nodes.

    Returns
    -------
    order, begins : Tensor
        Shapes ``(entries,)`` and ``(count + 1,)``, int64: the entries sorted by node and, of one node, by number, and
        where those of each node begin.
    """
    keeps = not torch.compiler.is_compiling() and not index.is_inference()
    if keeps:
        version, nodes, found = getattr(index, _SORTED, (None, None, None))
        if found is not None and (version, nodes) == (index._version, count):
            return found  # type: ignore[no-any-return]
    ascending, order = torch.sort(index, stable=True)
    result = order, torch.searchsorted(ascending, torch.arange(count + 1, device=index.device, dtype=index.dtype))
    if keeps:
        setattr(index, _SORTED, (index._version, count, result))
    return result


def _like(values: Tensor, count: int) -> Tensor:
    """Return an empty tensor of so many entries in the memory format of ``values``."""
    shape = (count, *values.shape[1:])
    if is_blade_major(values):
        return values.new_empty((shape[-1], *shape[:-1])).movedim(0, -1)
    return values.new_empty(shape)


class _Gather(Operator):
    """``out[e] = values[index[e]]``; ``order`` and ``begins`` are those of :func:`sorted_by`."""

    name = "gather"
    schema = "(Tensor values, Tensor index, Tensor order, Tensor begins) -> Tensor"
    tensors = 4

    def fake(self, values: Tensor, index: Tensor, order: Tensor, begins: Tensor) -> Tensor:
        return _like(values, index.shape[0])

    def reference(self, values: Tensor, index: Tensor, order: Tensor, begins: Tensor) -> Tensor:
        return reference.gather(values, index)

    def composed(self, values: Tensor, index: Tensor, order: Tensor, begins: Tensor) -> Tensor:
        return reference.gather(values, index)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        (cotangent,) = cotangents
        by_values = None if cotangent is None else sorted_segment_sum(cotangent, *arguments[1:])
        return by_values, None, None, None


class _SegmentSum(Operator):
    """``out[i] = sum of values[e] over index[e] = i``, for each i the entries ``order[begins[i] : begins[i + 1]]``."""

    name = "segment_sum"
    schema = "(Tensor values, Tensor index, Tensor order, Tensor begins) -> Tensor"
    tensors = 4

    def fake(self, values: Tensor, index: Tensor, order: Tensor, begins: Tensor) -> Tensor:
        return _like(values, begins.shape[0] - 1)

    def reference(self, values: Tensor, index: Tensor, order: Tensor, begins: Tensor) -> Tensor:
        return reference.segment_sum(values, index, begins.shape[0] - 1)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        (cotangent,) = cotangents
        by_values = None if cotangent is None else sorted_gather(cotangent, *arguments[1:])
        return by_values, None, None, None


sorted_gather = _Gather()
sorted_segment_sum = _SegmentSum()
