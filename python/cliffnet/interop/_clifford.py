"""Objects of the clifford package (pygae/clifford)."""

from functools import cache
from typing import Any

import torch

from cliffnet import functional as F
from cliffnet._extras import require
from cliffnet.algebra import Algebra
from cliffnet.errors import AlgebraMismatchError, LayoutError
from cliffnet.interop._foreign_blades import ForeignAlgebra, check_wrapped, own_blade, own_layout
from cliffnet.multivector import Multivector

_SOURCE = "clifford"


def from_clifford(
    multivectors: Any,
    algebra: Algebra | None = None,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Multivector:
    """Convert objects of clifford.

    Parameters
    ----------
    multivectors : clifford.MultiVector, clifford.MVArray or nested sequence of them
        All of one layout.
    algebra : Algebra, optional
        The algebra to convert to, with the same generators: matched by name where all names agree, else in order. If
        omitted, the algebra of clifford's squares and names.
    dtype, device : optional
        Those of the values if omitted, where integers take the default dtype.

    Returns
    -------
    Multivector
        On all blades; the batch shape is that of the array.

    Raises
    ------
    AlgebraMismatchError
        If the objects belong to several algebras, or not to the one given.
    TypeError
        If they are no objects of clifford.
    """
    shape, elements = _flattened(multivectors)
    layouts = {id(element.layout): element.layout for element in elements}
    first = next(iter(layouts.values()))
    if any(layout != first for layout in layouts.values()):
        raise AlgebraMismatchError("the objects of clifford belong to several algebras, expected one")
    foreign = _described(first)
    target = foreign.own_algebra() if algebra is None else algebra
    positions = foreign.positions(target)
    masks = [int(mask) for mask in first._basis_blade_order.index_to_bitmap]
    layout, factors = own_layout(target, [own_blade(mask, positions) for mask in masks])
    values = torch.stack([torch.as_tensor(element.value, device=device) for element in elements])
    if dtype is None and not values.is_floating_point():
        dtype = torch.get_default_dtype()
    values = values.to(values.dtype if dtype is None else dtype).reshape(*shape, layout.size)
    values = values * torch.tensor(factors, dtype=values.dtype, device=values.device)
    return Multivector(F.change_layout(values, layout, target.full), target.full)


def to_clifford(multivectors: Multivector, layout: Any = None) -> Any:
    """Convert to objects of clifford.

    Parameters
    ----------
    multivectors : Multivector
        Of any batch shape; copied to the CPU, without history.
    layout : clifford.Layout, optional
        The layout to convert to, with the same generators: matched by name where all names agree, else in order. If
        omitted, one of the same squares and names is made, the same one every time.

    Returns
    -------
    clifford.MultiVector or clifford.MVArray
        An array when there are batch axes.

    Raises
    ------
    AlgebraMismatchError
        If a generator has a square other than 1, -1 and 0, or the layout has other generators.
    LayoutError
        If the algebra has more than 12 generators: clifford stores all blades.
    TypeError
        If they are no multivectors.
    MissingDependencyError
        If clifford is not installed.
    """
    clifford = require("clifford", "interop")
    check_wrapped(multivectors)
    algebra = multivectors.algebra
    if not algebra.is_dense:
        raise LayoutError(f"clifford stores all blades, and {algebra} has 2^{algebra.dim}")
    theirs = _layout_of(algebra) if layout is None else layout
    positions = _described(theirs).positions(algebra)
    masks = [int(mask) for mask in theirs._basis_blade_order.index_to_bitmap]
    target, factors = own_layout(algebra, [own_blade(mask, positions) for mask in masks])
    values = F.change_layout(multivectors.tensor.detach().cpu(), multivectors.layout, target)
    if values.dtype not in (torch.float32, torch.float64):
        values = values.float()
    array = (values * torch.tensor(factors, dtype=values.dtype)).numpy()
    if not multivectors.shape:
        return theirs.MultiVector(value=array)
    return clifford.MVArray.from_value_array(theirs, array)


def _flattened(multivectors: Any) -> tuple[tuple[int, ...], list[Any]]:
    """Return the shape of nested sequences, and what is in them."""
    if hasattr(multivectors, "layout") and hasattr(multivectors, "value") and not hasattr(multivectors, "ndim"):
        return (), [multivectors]
    is_array = isinstance(multivectors, (list, tuple)) or type(multivectors).__name__ in ("ndarray", "MVArray")
    if not is_array or not len(multivectors):
        raise TypeError(f"expected objects of clifford, at least one, got {multivectors!r}")
    parts = [_flattened(part) for part in multivectors]
    if len({shape for shape, _ in parts}) != 1:
        raise TypeError("the objects of clifford stand in sequences of different lengths")
    return (len(parts), *parts[0][0]), [element for _, elements in parts for element in elements]


def _described(layout: Any) -> ForeignAlgebra:
    squares = tuple(float(square) for square in layout.sig)
    return ForeignAlgebra(_SOURCE, squares, tuple(str(name) for name in layout.basis_names))


@cache
def _layout_of(algebra: Algebra) -> Any:
    """Return the layout of clifford with the generators of an algebra."""
    clifford = require("clifford", "interop")
    if not set(algebra.metric) <= {-1.0, 0.0, 1.0}:
        raise AlgebraMismatchError(
            f"clifford knows generators of square 1, -1 and 0, but those of {algebra!r} have {algebra.metric}"
        )
    labels = algebra.generator_labels
    numbers = [int(label) for label in labels] if all(label.isdigit() for label in labels) else []
    consecutive = numbers and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    ids = (
        clifford.BasisVectorIds.ordered_integers(len(labels), first_index=numbers[0])
        if consecutive
        else clifford.BasisVectorIds(list(labels))
    )
    return clifford.Layout([int(square) for square in algebra.metric], ids=ids)
