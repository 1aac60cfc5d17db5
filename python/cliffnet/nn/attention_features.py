"""Vectors whose ordinary dot products are the invariants that attention compares."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet._graphs import kept_constant
from cliffnet.algebra import Algebra
from cliffnet.nn.layout import blade_planes

_DENSE = torch.contiguous_format


class FeatureLayout(NamedTuple):
    """Which blades of a multivector enter the logits, and how.

    ``inner`` are (blade, weight) pairs of the inner product, ``ideal`` and ``finite`` the blades of the homogeneous
    coordinates of a point (empty and None where there are no points).
    """

    inner: tuple[tuple[int, float], ...]
    ideal: tuple[int, ...]
    finite: int | None

    @property
    def width(self) -> int:
        """Number of features of one channel."""
        return len(self.inner) + (0 if self.finite is None else len(self.ideal) + 2)


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


def feature_layout(algebra: Algebra) -> FeatureLayout:
    """Return the features of attention in this algebra; points, if any, count by distance only."""
    inner = inner_product_blades(algebra)
    if not measures_distance(algebra):
        return FeatureLayout(inner, (), None)
    *ideal, finite = _point_blades(algebra.metric, algebra.blade_masks)
    return FeatureLayout(tuple(pair for pair in inner if pair[0] != finite), tuple(ideal), finite)


def _point(planes: tuple[Tensor, ...], layout: FeatureLayout, epsilon: float) -> tuple[list[Tensor], Tensor]:
    """Scale homogeneous coordinates (a, b) by b / (b^2 + epsilon), which makes b nearly 1 away from 0."""
    if layout.finite is None:
        raise AssertionError("no points in this algebra")
    # Copies of these few planes are kept for the backward pass, rather than the whole projection they are views of.
    finite, *ideal = (planes[index].clone(memory_format=_DENSE) for index in (layout.finite, *layout.ideal))
    # In half precision the square of a small b would vanish against epsilon.
    wide = finite.float() if finite.dtype in (torch.float16, torch.bfloat16) else finite
    factor = (wide / (wide * wide + epsilon)).to(finite.dtype)
    return [coordinate * factor for coordinate in ideal], finite * factor


def _square_sum(coordinates: list[Tensor]) -> Tensor:
    total = coordinates[0] * coordinates[0]
    for coordinate in coordinates[1:]:
        total = total + coordinate * coordinate
    return total


def query_features(x: Tensor, layout: FeatureLayout, epsilon: float, weights: Tensor | None) -> list[Tensor]:
    """Features (..., C) of queries; ``weights``, broadcasting with (..., C), scales the distance part."""
    planes = blade_planes(x)
    features = [planes[index] if weight == 1.0 else weight * planes[index] for index, weight in layout.inner]
    if layout.finite is not None:
        ideal, finite = _point(planes, layout, epsilon)
        weighted = finite if weights is None else finite * weights
        squares = _square_sum(ideal)
        features.append(-squares if weights is None else -squares * weights)
        features.append(-weighted * finite)
        doubled = 2.0 * weighted
        features.extend(coordinate * doubled for coordinate in ideal)
    return features


def key_features(x: Tensor, layout: FeatureLayout, epsilon: float) -> list[Tensor]:
    """Features (..., C) of keys, in the order of :func:`query_features`."""
    planes = blade_planes(x)
    features = [planes[index] for index, _ in layout.inner]
    if layout.finite is not None:
        ideal, finite = _point(planes, layout, epsilon)
        features.extend((finite * finite, _square_sum(ideal)))
        features.extend(coordinate * finite for coordinate in ideal)
    return features
