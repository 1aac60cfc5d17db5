"""Bivectors as antisymmetric matrices."""

from torch import Tensor

from cliffnet._graphs import kept_constant
from cliffnet.algebra import Layout, layout_of_key
from cliffnet.functional._layouts import place


@kept_constant
def _square_entries(key: str) -> tuple[tuple[int, int, float], ...]:
    """Return where the coefficients of a layout of bivectors stand in an antisymmetric matrix, row by row."""
    layout = layout_of_key(key)
    dim = layout.algebra.dim
    entries = []
    for index, (mask, sign) in enumerate(zip(layout.blade_masks, layout.blade_signs, strict=True)):
        low, high = (mask & -mask).bit_length() - 1, mask.bit_length() - 1
        entries += [(low * dim + high, index, float(sign)), (high * dim + low, index, -float(sign))]
    return tuple(entries)


def antisymmetric(bivector: Tensor, layout: Layout) -> Tensor:
    """Return the matrix ``T`` of ``sum_{i<j} T_ij e_i e_j``."""
    dim = layout.algebra.dim
    matrix: Tensor = place(bivector, _square_entries(layout.key), dim * dim).unflatten(-1, (dim, dim))
    return matrix


def from_antisymmetric(matrix: Tensor, layout: Layout) -> Tensor:
    """Return the bivector ``sum_{i<j} T_ij e_i e_j`` of an antisymmetric matrix."""
    upper = tuple((index, entry, sign) for entry, index, sign in _square_entries(layout.key)[::2])
    return place(matrix.flatten(-2), upper, layout.size)
