"""Tables of an algebra, asked from the native library once and then kept.

Compiled graphs name an algebra by the number of its basis and take every table as a constant, so each look-up is
marked for ``torch.compile``.
"""

from functools import cache
from typing import Literal

from cliffnet import _rust
from cliffnet._graphs import kept_constant

Blades = tuple[list[int], list[float]]
Entry = tuple[int, int, float]

_BASES: dict[str, tuple[list[float], Blades]] = {}


def register_basis(squares: list[float], blades: Blades) -> str:
    """Give a metric and an order of blades a name; a string, since compiled graphs may make integers symbolic."""
    key = f"basis {len(_BASES)}"
    _BASES[key] = (squares, blades)
    return key


@kept_constant
def product_plan(basis: str, kind: str) -> int:
    """Return the plan of a product of full multivectors."""
    squares, blades = _BASES[basis]
    return _rust.product_plan(kind, squares, blades, blades, blades)


@kept_constant
def inner_product_plan(basis: str) -> int:
    """Return the plan of ``<reverse(a) b>_0``, with a single output component."""
    squares, blades = _BASES[basis]
    return _rust.inner_product_plan(squares, blades)


@kept_constant
def involution_signs(basis: str, name: str) -> tuple[float, ...]:
    """Return the sign of every blade under an involution."""
    squares, (masks, _) = _BASES[basis]
    by_grade = _rust.involution_signs(name, len(squares))
    return tuple(by_grade[mask.bit_count()] for mask in masks)


@kept_constant
def blade_map(basis: str, name: str) -> tuple[Entry, ...]:
    """Return a dual as entries ``(out, in, coefficient)``; blades that map to zero have none."""
    squares, blades = _BASES[basis]
    images = _rust.blade_map(name, squares, blades)
    return tuple((image[0], index, image[1]) for index, image in enumerate(images) if image is not None)


@cache
def equivariant_maps(basis: str, group: Literal["pin", "spin"]) -> tuple[tuple[Entry, ...], ...]:
    """Return the linear maps that commute with a group."""
    squares, blades = _BASES[basis]
    return tuple(tuple(entries) for entries in _rust.equivariant_maps(squares, blades, group))
