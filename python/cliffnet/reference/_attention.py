"""Queries, keys and values of attention in plain torch."""

from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet._graphs import kept_constant
from cliffnet.algebra import plan_sizes, plan_terms

Features = tuple[Tensor, Tensor, Tensor]


class Comparison(NamedTuple):
    """Which blades enter attention: the content of the plan of a comparison, see :func:`attention_features`.

    ``inner`` are (blade, weight) pairs of the inner product, ``ideal`` and ``finite`` the blades of the homogeneous
    coordinates of a point, ``ideal`` empty where there are no points.
    """

    inner: tuple[tuple[int, float], ...]
    ideal: tuple[int, ...]
    finite: int
    blades: int

    @property
    def features(self) -> int:
        """Features of a channel of queries or keys."""
        return len(self.inner) + (len(self.ideal) + 2 if self.ideal else 0)


@kept_constant
def comparison_of(plan: int) -> Comparison:
    """Return what a plan compares."""
    terms = plan_terms(plan)
    rows = list(zip(terms.out, terms.left, terms.right, terms.coefficient, strict=True))
    inner = tuple((left, coefficient) for out, left, _, coefficient in rows if out == 0)
    points = [(left, right) for out, left, right, _ in rows if out > 0]
    finite = points[0][1] if points else 0
    return Comparison(inner, tuple(left for left, _ in points), finite, plan_sizes(plan).left)


def _points(planes: tuple[Tensor, ...], comparison: Comparison, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return homogeneous coordinates (a, b) scaled by b / (b^2 + epsilon), which makes b nearly 1 away from 0."""
    finite = planes[comparison.finite]
    factor = finite / (finite * finite + epsilon)
    return torch.stack([planes[blade] for blade in comparison.ideal]) * factor, finite * factor


def query_features(planes: tuple[Tensor, ...], comparison: Comparison, epsilon: float, weights: Tensor) -> list[Tensor]:
    """Features (..., C) of queries; ``weights``, broadcasting with (..., C), scales the distances."""
    features = [weight * planes[blade] for blade, weight in comparison.inner]
    if comparison.ideal:
        ideal, finite = _points(planes, comparison, epsilon)
        doubled = 2.0 * weights * finite
        features += [-weights * ideal.square().sum(0), -weights * finite * finite, *(doubled * ideal).unbind(0)]
    return features


def key_features(planes: tuple[Tensor, ...], comparison: Comparison, epsilon: float) -> list[Tensor]:
    """Features (..., C) of keys, in the order of :func:`query_features`."""
    features = [planes[blade] for blade, _ in comparison.inner]
    if comparison.ideal:
        ideal, finite = _points(planes, comparison, epsilon)
        features += [finite * finite, ideal.square().sum(0), *(finite * ideal).unbind(0)]
    return features


def attention_features(
    multivectors: Tensor,
    scalars: Tensor,
    weights: Tensor,
    comparison: int,
    query_heads: int,
    key_heads: int,
    value_heads: int,
    width: int,
    epsilon: float,
) -> Features:
    """Return vectors whose dot products are the invariants that attention compares, and the vectors it averages.

    Parameters
    ----------
    multivectors : Tensor
        Shape ``(..., heads * C, blades)``: heads of queries, then of keys, then of values.
    scalars : Tensor
        Shape ``(..., heads * S)``, or ``(0,)`` without scalars.
    weights : Tensor
        Weights of squared distances, broadcasting with ``(..., query_heads, C)``, or ``(0,)`` for ones.
    comparison : int
        Id of a plan: its output 0 is the inner product of queries and keys, every further one the product of an ideal
        and the finite homogeneous coordinate of the points that multivectors hold, if they do.
    query_heads, key_heads, value_heads : int
        Numbers of heads.
    width : int
        Features are padded with zeros to at least this many.
    epsilon : float
        Softening of the normaliser ``b / (b^2 + epsilon)`` of homogeneous coordinates.

    Returns
    -------
    tuple of Tensor
        Queries, keys and values, shapes ``(..., heads, features)``.
    """
    dtype = multivectors.dtype
    if dtype in (torch.float16, torch.bfloat16):
        wide = (multivectors.float(), scalars.float(), weights.float())
        results = attention_features(*wide, comparison, query_heads, key_heads, value_heads, width, epsilon)
        return tuple(result.to(dtype) for result in results)  # type: ignore[return-value]  # as many as there were
    found = comparison_of(comparison)
    counts = [query_heads, key_heads, value_heads]
    heads = sum(counts)
    split = multivectors.unflatten(-2, (heads, multivectors.shape[-2] // heads)).movedim(-1, 0)
    queries, keys, values = (part.unbind(0) for part in split.split(counts, dim=-2))
    weights = weights.new_ones(()) if weights.shape == (0,) else weights
    lists = [query_features(queries, found, epsilon, weights), key_features(keys, found, epsilon), list(values)]
    if scalars.shape != (0,):
        parts = scalars.unflatten(-1, (heads, scalars.shape[-1] // heads)).split(counts, dim=-2)
        for features, part in zip(lists, parts, strict=True):
            features.append(part)
    queries, keys, values = (torch.cat(features, dim=-1) for features in lists)
    return _padded(queries, width), _padded(keys, width), _padded(values, width)


def _padded(features: Tensor, width: int) -> Tensor:
    missing = width - features.shape[-1]
    return torch.nn.functional.pad(features, (0, missing)) if missing > 0 else features


def attention_values(values: Tensor, comparison: int, channels: int, scalars: int) -> tuple[Tensor, Tensor]:
    """Take values apart again.

    Parameters
    ----------
    values : Tensor
        Shape ``(..., heads, features)``, as :func:`attention_features` makes them.
    comparison : int
        Id of the same plan.
    channels, scalars : int
        Multivector channels C and scalars S of a head.

    Returns
    -------
    tuple of Tensor
        Multivectors ``(..., heads * C, blades)``, blade-major, and scalars ``(..., heads * S)``.
    """
    blades = comparison_of(comparison).blades
    end = blades * channels
    planes = values[..., :end].unflatten(-1, (blades, channels)).movedim(-2, 0).flatten(-2)
    return planes.contiguous().movedim(0, -1), values[..., end : end + scalars].flatten(-2).contiguous()
