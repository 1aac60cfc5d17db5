"""Tables between layouts of blades, asked from the native library once and then kept.

Compiled graphs name a layout by its key and take every table as a constant, so each look-up is marked for
``torch.compile``.
"""

import itertools
import math
from functools import cache
from typing import Literal

from cliffnet import _rust
from cliffnet._graphs import kept_constant

Blades = tuple[list[int], list[float]]
Entry = tuple[int, int, float]

_BASES: dict[str, tuple[list[float], Blades]] = {}
_ORIENTATIONS: dict[str, float] = {}
_NUMBERS = itertools.count()

# products that contain an odd number of duals, so that they change sign with the pseudoscalar
_ORIENTED_PRODUCTS = ("regressive_product", "projective_join")


def register_basis(squares: list[float], blades: Blades, orientation: float) -> str:
    """Give a metric and an order of blades a name; a string, since compiled graphs may make integers symbolic.

    The orientation is the sign of the algebra's pseudoscalar against the ascending product of all generators.
    """
    # counted in one step, so that threads never share a name
    key = f"basis {next(_NUMBERS)}"
    _ORIENTATIONS[key] = orientation
    _BASES[key] = (squares, blades)
    return key


def product_blades(kind: str, out: str) -> Blades:
    """Return the blades of a product's result as the native library, which knows one orientation, has to see them."""
    masks, signs = _BASES[out][1]
    return (masks, [sign * _ORIENTATIONS[out] for sign in signs]) if kind in _ORIENTED_PRODUCTS else (masks, signs)


def metric_and_blades(layout: str) -> tuple[list[float], Blades]:
    """Return the squares of the generators and the masks and signs of the blades of a layout."""
    return _BASES[layout]


@kept_constant
def product_plan(kind: str, left: str, right: str, out: str) -> int:
    """Return the plan of a product between three layouts."""
    squares, blades = _BASES[left]
    return _rust.product_plan(kind, squares, blades, _BASES[right][1], product_blades(kind, out))


@kept_constant
def dense_product_plan(layout: str, kind: str) -> int:
    """Return the plan of a product of full multivectors; two arguments, since this is looked up at every call."""
    return product_plan(kind, layout, layout, layout)


@kept_constant
def inner_product_plan(left: str, right: str) -> int:
    """Return the plan of ``<reverse(a) b>_0``, with a single output component."""
    squares, blades = _BASES[left]
    return _rust.inner_product_plan(squares, blades, _BASES[right][1])


@kept_constant
def involution_signs(layout: str, name: str) -> tuple[float, ...]:
    """Return the sign of every blade under an involution."""
    squares, (masks, _) = _BASES[layout]
    by_grade = _rust.involution_signs(name, len(squares))
    return tuple(by_grade[mask.bit_count()] for mask in masks)


@kept_constant
def blade_map(name: str, layout: str, out: str) -> tuple[Entry, ...]:
    """Return a dual as entries ``(out, in, coefficient)``; blades that map to zero or outside have none."""
    squares, blades = _BASES[layout]
    images = _rust.blade_map(name, squares, blades, _BASES[out][1])
    sign = _ORIENTATIONS[layout]
    return tuple((image[0], index, sign * image[1]) for index, image in enumerate(images) if image is not None)


@kept_constant
def relocation(source: str, target: str) -> tuple[Entry, ...]:
    """Return where the coefficients of one layout stand in another, as entries ``(out, in, sign)``."""
    masks, signs = _BASES[source][1]
    target_masks, target_signs = _BASES[target][1]
    position = {mask: index for index, mask in enumerate(target_masks)}
    return tuple(
        (position[mask], index, signs[index] * target_signs[position[mask]])
        for index, mask in enumerate(masks)
        if mask in position
    )


@kept_constant
def relabelling(source: str, target: str, generators: tuple[tuple[int, int], ...]) -> tuple[Entry, ...]:
    """Return where blades go when generators are renamed, as entries ``(out, in, sign)``.

    Generator ``i`` of the source becomes ``generators[i] = (generator, sign)`` of the target; blades whose image the
    target lacks have no entry.
    """
    masks, signs = _BASES[source][1]
    target_masks, target_signs = _BASES[target][1]
    position = {mask: index for index, mask in enumerate(target_masks)}
    entries = []
    for index, mask in enumerate(masks):
        images = [image for i, image in enumerate(generators) if mask >> i & 1]
        place = position.get(sum(1 << image for image, _ in images))
        if place is not None:
            swaps = sum(a > b for i, (a, _) in enumerate(images) for b, _ in images[i + 1 :])
            sign = math.prod(sign for _, sign in images) * (-1) ** swaps
            entries.append((place, index, sign * signs[index] * target_signs[place]))
    return tuple(entries)


@cache
def equivariant_maps(layout: str, group: Literal["pin", "spin"]) -> tuple[tuple[Entry, ...], ...]:
    """Return the linear maps that commute with a group."""
    squares, blades = _BASES[layout]
    return tuple(tuple(entries) for entries in _rust.equivariant_maps(squares, blades, group))
