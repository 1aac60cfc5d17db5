"""Making multivectors known to pytrees, safe loading, data loaders and algebras; done once, on import."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils import _pytree
from torch.utils.data._utils.collate import collate, default_collate_fn_map

from cliffnet import functional as F
from cliffnet.algebra import Algebra, Layout
from cliffnet.algebra._algebra import _restore
from cliffnet.algebra._constructors import provide
from cliffnet.multivector._multivector import Multivector
from cliffnet.multivector._parse import parse
from cliffnet.multivector._torch_functions import on_common_layout


def _flatten(multivector: Multivector) -> tuple[list[Any], Layout]:
    return [multivector._tensor], multivector._layout


def _flatten_with_keys(multivector: Multivector) -> tuple[list[tuple[_pytree.KeyEntry, Any]], Layout]:
    return [(_pytree.GetAttrKey("tensor"), multivector._tensor)], multivector._layout


def _unflatten(children: Any, layout: Layout) -> Multivector:
    (tensor,) = children
    return Multivector._make(tensor, layout)


def _to_dumpable(layout: Layout) -> dict[str, Any]:
    """Return the layout as JSON values, for saved programs."""
    algebra = layout.algebra
    return {
        "metric": list(algebra.metric),
        "names": list(algebra.generator_labels),
        "basis": None if algebra._custom_basis is None else list(algebra._custom_basis),
        "blade_masks": list(layout.blade_masks),
        "blade_signs": list(layout.blade_signs),
    }


def _from_dumpable(facts: dict[str, Any]) -> Layout:
    algebra = Algebra(metric=facts["metric"], names=facts["names"], basis=facts["basis"])
    return Layout(algebra, facts["blade_masks"], facts["blade_signs"])


def _collate(batch: Sequence[Multivector], *, collate_fn_map: Any = None) -> Multivector:
    values, like = on_common_layout(batch, "stack")
    # the way of tensors, which puts the batch of a worker process in shared memory
    return Multivector._make(collate(values, collate_fn_map=collate_fn_map), like.layout)


# the public name is what pickles and saved tensors refer to
Multivector.__module__ = "cliffnet.multivector"

_pytree.register_pytree_node(
    Multivector,
    _flatten,
    _unflatten,
    serialized_type_name="cliffnet.Multivector",
    to_dumpable_context=_to_dumpable,
    from_dumpable_context=_from_dumpable,
    flatten_with_keys_fn=_flatten_with_keys,
)
torch.serialization.add_safe_globals([Multivector, Layout, _restore])
default_collate_fn_map[Multivector] = _collate
provide(
    Multivector=Multivector,
    parse=parse,
    rotor_from_matrix=F.rotor_from_matrix,
    rotor_from_quaternion=F.rotor_from_quaternion,
    rotor_from_vectors=F.rotor_from_vectors,
)
