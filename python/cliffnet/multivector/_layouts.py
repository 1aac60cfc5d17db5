"""Which layout a result is kept on: the smallest one that its operation can reach."""

import functools
import operator
from itertools import combinations

from cliffnet._graphs import kept_constant, kept_object
from cliffnet.algebra import MAX_DENSE_DIM, Layout, layout_of_key


@kept_constant
def coefficient(key: str, name: str) -> tuple[int, int] | None:
    """Return position and sign of a named blade, or None when only the algebra has it.

    Raises
    ------
    BladeError
        If the algebra has no such blade.
    """
    layout = layout_of_key(key)
    return layout.index(name) if name in layout else None


@kept_object
def of_inverse(key: str) -> Layout:
    """Return where inverses and normalised versors lie.

    The inverse of a scalar, vector, pseudovector or pseudoscalar is a multiple of it; even elements are closed under
    inversion, and so are odd ones.
    """
    layout = layout_of_key(key)
    if not layout.size or set(layout.grades) in ({0}, {1}, {layout.algebra.dim - 1}, {layout.algebra.dim}):
        return layout
    return _spanned(layout, 0 if layout.is_even else 1 if layout.is_odd else None)


@kept_object
def of_series(key: str) -> Layout:
    """Return where power series lie: among the even blades for even arguments, else anywhere."""
    layout = layout_of_key(key)
    return _spanned(layout, 0 if layout.is_even else None)


@kept_object
def of_logarithm(key: str) -> Layout:
    """Return the bivectors of the generators in use."""
    layout = layout_of_key(key)
    pairs = [
        sum(pair) for pair in combinations([1 << i for i in range(layout.algebra.dim) if _support(layout) >> i & 1], 2)
    ]
    return layout.algebra.layout_of_masks(pairs)


def _support(layout: Layout) -> int:
    return functools.reduce(operator.or_, layout.blade_masks, 0)


def _spanned(layout: Layout, parity: int | None) -> Layout:
    """Return the blades, of one parity or all, of the subalgebra that the generators in use span."""
    algebra, support = layout.algebra, _support(layout)
    if support.bit_count() > MAX_DENSE_DIM:
        return algebra.full if parity is None else algebra.even if parity == 0 else algebra.odd
    masks, mask = [0], support
    while mask:
        masks.append(mask)
        mask = (mask - 1) & support
    return algebra.layout_of_masks(mask for mask in masks if parity is None or mask.bit_count() % 2 == parity)
