"""The layouts that even elements of at most five generators split into: scalars, bivectors and grade 4.

With at most five generators the elements of grades 0 and 4 that a bivector commutes with are Study numbers ``s + w``:
``w`` has grade 4 and a scalar square. Functions of them are functions of two numbers, ``s`` and ``w^2``.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet._graphs import kept_object
from cliffnet.algebra import MAX_DENSE_DIM, Layout, layout_of_key
from cliffnet.errors import LayoutError
from cliffnet.functional._layouts import move, multiply

# from here on the square of a bivector has more parts than a Study number
WIDE = 6


class Frame(NamedTuple):
    """Layouts of the elements made of the generators that a layout uses.

    From :data:`WIDE` generators on, ``quadvectors`` holds all grades of ``X reverse(X)`` besides 0: 4, 8 and 12.
    """

    dim: int
    scalars: Layout
    bivectors: Layout
    quadvectors: Layout
    study: Layout
    even: Layout
    odd: Layout
    split: Layout


@kept_object
def frame(key: str) -> Frame:
    """Return the layouts for the generators in a layout; from :data:`WIDE` generators on, those of the algebra."""
    layout = layout_of_key(key)
    algebra, support = layout.algebra, _support(layout)
    if support.bit_count() >= WIDE:
        if not algebra.is_dense:
            raise LayoutError(
                f"functions of more than {WIDE - 1} generators need all even blades, too many to list in {algebra}; "
                f"use a layout on {WIDE - 1} generators, or an algebra of at most {MAX_DENSE_DIM}"
            )
        scalars, bivectors = algebra.scalars, algebra.bivectors
        quadvectors = algebra.layout(grades=range(4, algebra.dim + 1, 4))
        even, odd = algebra.even, algebra.odd
    else:
        masks = [mask for mask in _subsets(support) if mask.bit_count() % 2 == 0]
        even = algebra.layout_of_masks(masks)
        odd = algebra.layout_of_masks(mask for mask in _subsets(support) if mask.bit_count() % 2)
        scalars, bivectors, quadvectors = (even.of_grades((grade,)) for grade in (0, 2, 4))
    study = _side_by_side(scalars, quadvectors)
    return Frame(
        support.bit_count(), scalars, bivectors, quadvectors, study, even, odd, _side_by_side(study, bivectors)
    )


def _support(layout: Layout) -> int:
    support = 0
    for mask in layout.blade_masks:
        support |= mask
    return support


@kept_object
def planes_of(key: str) -> Layout:
    """Return the bivectors made of the generators in a layout."""
    layout = layout_of_key(key)
    support = _support(layout)
    bits = [1 << index for index in range(layout.algebra.dim) if support >> index & 1]
    return layout.algebra.layout_of_masks(low | high for high in bits for low in bits if low < high)


def _subsets(mask: int) -> list[int]:
    subsets, subset = [0], mask
    while subset:
        subsets.append(subset)
        subset = (subset - 1) & mask
    return subsets


def _side_by_side(first: Layout, second: Layout) -> Layout:
    return Layout(first.algebra, first.blade_masks + second.blade_masks, first.blade_signs + second.blade_signs)


def square_parts(bivector: Tensor, layouts: Frame) -> tuple[Tensor, Tensor]:
    """Return the grades 0 and 4 of the square of a bivector, the scalar with an axis of one."""
    square = multiply("geometric_product", bivector, bivector, layouts.bivectors, layouts.bivectors, layouts.study)
    return square[..., :1], square[..., 1:]


def scalar_square(values: Tensor, layout: Layout, layouts: Frame) -> Tensor:
    """Return the scalar part of the square, with an axis of one."""
    return multiply("geometric_product", values, values, layout, layout, layouts.scalars)


def times_bivector(quadvector: Tensor, bivector: Tensor, layouts: Frame) -> Tensor:
    """Return the grade 2 of a product of grades 4 and 2."""
    return multiply(
        "geometric_product", quadvector, bivector, layouts.quadvectors, layouts.bivectors, layouts.bivectors
    )


def gather_even(scalar: Tensor, bivector: Tensor, quadvector: Tensor | None, layouts: Frame) -> Tensor:
    """Put the parts of an even element together on ``layouts.even``."""
    parts = [scalar, bivector] if quadvector is None else [scalar, quadvector, bivector]
    return move(torch.cat(parts, -1), layouts.split, layouts.even)
