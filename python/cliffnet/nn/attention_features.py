"""Which blades attention compares."""

import math

from cliffnet._graphs import kept_constant
from cliffnet.algebra import Algebra, plan_from_terms


@kept_constant
def _inner_product_blades(metric: tuple[float, ...], masks: tuple[int, ...]) -> tuple[tuple[int, float], ...]:
    blades = []
    for index, mask in enumerate(masks):
        weight = math.prod(square for generator, square in enumerate(metric) if mask >> generator & 1)
        if weight != 0.0:
            blades.append((index, float(weight)))
    return tuple(blades)


@kept_constant
def _point_blades(metric: tuple[float, ...], masks: tuple[int, ...]) -> tuple[int, ...]:
    """Blades of the grade of points, the one without a null generator last."""
    finite = _volume_mask(metric)
    points = [index for index, mask in enumerate(masks) if mask.bit_count() == finite.bit_count() and mask != finite]
    return (*points, masks.index(finite))


@kept_constant
def _volume_index(metric: tuple[float, ...], masks: tuple[int, ...]) -> int:
    return masks.index(_volume_mask(metric))


def _volume_mask(metric: tuple[float, ...]) -> int:
    return sum(1 << generator for generator, square in enumerate(metric) if square != 0.0)


def inner_product_blades(algebra: Algebra) -> tuple[tuple[int, float], ...]:
    """Blades on which the invariant inner product <reverse(x) y> lives, with their weights.

    The weight of a blade is the product of the squares of its generators; null ones drop out.
    """
    return _inner_product_blades(algebra.metric, algebra.blade_masks)


def measures_distance(algebra: Algebra) -> bool:
    """Whether multivectors hold points whose Euclidean distances attention can use: the algebras Cl(p,0,1)."""
    return algebra.r == 1 and algebra.q == 0 and algebra.p >= 1


def volume_blade(algebra: Algebra) -> int:
    """Index of the product of all generators that are not null: e123 in Cl(3,0,1), else the pseudoscalar."""
    return _volume_index(algebra.metric, algebra.blade_masks)


@kept_constant
def _comparison(blades: int, inner: tuple[tuple[int, float], ...], points: tuple[int, ...]) -> int:
    terms = [(0, index, index, weight) for index, weight in inner]
    terms += [(place + 1, index, points[-1], 1.0) for place, index in enumerate(points[:-1])]
    return plan_from_terms((blades, blades, max(len(points), 1)), tuple(terms))


def comparison_plan(algebra: Algebra, *, by_distance: bool = True) -> int:
    """Return the plan that says which features attention compares, see :func:`cliffnet.reference.attention_features`.

    Where multivectors hold points, these count by distance only, unless ``by_distance`` is off.
    """
    inner = inner_product_blades(algebra)
    points: tuple[int, ...] = ()
    if by_distance and measures_distance(algebra):
        points = _point_blades(algebra.metric, algebra.blade_masks)
        inner = tuple(pair for pair in inner if pair[0] != points[-1])
    return _comparison(algebra.num_blades, inner, points)
