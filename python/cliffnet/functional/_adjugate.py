"""Adjugates in closed form: for ``a`` an element ``t`` such that ``a t`` is a scalar, a polynomial in ``a``."""

from typing import NamedTuple

from torch import Tensor

from cliffnet._graphs import kept_constant
from cliffnet.algebra import Layout, involution_signs, layout_of_key
from cliffnet.functional._constants import constant
from cliffnet.functional._layouts import multiply

_CLOSED_FORMS = 5

# layouts above this are searched for no closed form: pairs of their blades take seconds
_LARGEST_SEARCH = 1 << 9


class Recipe(NamedTuple):
    """How to reach a scalar from an element of a layout by multiplying it with conjugates of itself.

    ``y = a c(a)`` for the involution ``c`` lies in the layout ``first``. If ``first`` is more than the scalars, then
    ``y (2 <y>_0 - y)`` is a scalar, unless ``second`` is given: then that holds for ``z = y reverse(y)`` in ``second``.
    The scalar is a polynomial of the given degree in the coefficients.
    """

    involution: str
    first: Layout
    second: Layout | None
    cofactor: Layout
    out: Layout
    degree: int


class _Recipe(NamedTuple):
    """The same with keys for layouts."""

    involution: str
    first: str
    second: str | None
    cofactor: str
    out: str
    degree: int


class Adjugate(NamedTuple):
    """Values on a layout, the scalar ``a t`` of shape ``(...)``, and its degree in ``a``."""

    values: Tensor
    layout: Layout
    norm: Tensor
    degree: int


def recipe(layout: Layout) -> Recipe | None:
    """Return the cheapest closed form for a layout, or None where there is none."""
    found = _recipe(layout.key)
    if found is None:
        return None
    second = None if found.second is None else layout_of_key(found.second)
    first, cofactor, out = (layout_of_key(key) for key in (found.first, found.cofactor, found.out))
    return Recipe(found.involution, first, second, cofactor, out, found.degree)


@kept_constant
def _recipe(key: str) -> _Recipe | None:
    layout = layout_of_key(key)
    algebra = layout.algebra
    if layout.size > _LARGEST_SEARCH // (1 if algebra.is_dense else 2):
        return None
    squared = layout.product(layout)
    # what an involution leaves unchanged has grades of one of two residues modulo 4
    fixed = {
        "clifford_conjugate": squared.keep(lambda mask: mask.bit_count() % 4 in (0, 3)),
        "reverse": squared.keep(lambda mask: mask.bit_count() % 4 in (0, 1)),
    }
    for involution, first in fixed.items():
        if not any(first.grades):
            return _Recipe(involution, algebra.scalars.key, None, algebra.scalars.key, key, 2)
    for involution, first in fixed.items():
        if _squares_to_scalar(first):
            first |= algebra.scalars
            return _Recipe(involution, first.key, None, first.key, layout.product(first).key, 4)
    if algebra.dim > _CLOSED_FORMS:
        return None
    first = fixed["clifford_conjugate"] | algebra.scalars
    second = first.product(first).keep(lambda mask: mask.bit_count() in (0, 1, 4))
    # the inverse of y is unchanged by the same involution as y
    cofactor = first.product(second).keep(lambda mask: mask.bit_count() % 4 in (0, 3))
    return _Recipe("clifford_conjugate", first.key, second.key, cofactor.key, layout.product(cofactor).key, 8)


def _squares_to_scalar(layout: Layout) -> bool:
    """Tell whether the square of everything but the scalar part of the layout is a scalar."""
    rest = layout.keep(bool)
    return rest.size <= _LARGEST_SEARCH and not any(rest.product(rest, "anticommutator").grades)


def signed(values: Tensor, layout: Layout, involution: str) -> Tensor:
    """Apply an involution, or ``x -> 2 <x>_0 - x`` under the name ``"scalar"``."""
    if involution == "scalar":
        signs = tuple(-1.0 if grade else 1.0 for grade in layout.grades)
    else:
        signs = involution_signs(layout.key, involution)
    return values * constant(signs, values.dtype, values.device)


def adjugate(a: Tensor, layout: Layout, steps: Recipe) -> Adjugate:
    """Return the adjugate of elements on a layout that has a recipe."""

    def times(left: Tensor, right: Tensor, left_layout: Layout, right_layout: Layout, out: Layout) -> Tensor:
        return multiply("geometric_product", left, right, left_layout, right_layout, out)

    scalars, first = layout.algebra.scalars, steps.first
    conjugate = signed(a, layout, steps.involution)
    y = times(a, conjugate, layout, layout, first)
    if not any(first.grades):
        return Adjugate(conjugate, layout, y.squeeze(-1), steps.degree)
    if steps.second is None:
        cofactor = signed(y, first, "scalar")
        norm = times(y, cofactor, first, first, scalars)
    else:
        reverse = signed(y, first, "reverse")
        z = times(y, reverse, first, first, steps.second)
        other = signed(z, steps.second, "scalar")
        norm = times(z, other, steps.second, steps.second, scalars)
        cofactor = times(reverse, other, first, steps.second, steps.cofactor)
    values = times(conjugate, cofactor, layout, steps.cofactor, steps.out)
    return Adjugate(values, steps.out, norm.squeeze(-1), steps.degree)
