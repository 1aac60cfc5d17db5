"""The derivatives of the features of attention in plain torch."""

import torch
from torch import Tensor

from cliffnet.reference._attention import Comparison, comparison_of


def attention_features_backward(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    multivectors: Tensor,
    scalars: Tensor,
    weights: Tensor,
    comparison: int,
    query_heads: int,
    key_heads: int,
    value_heads: int,
    width: int,
    epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of multivectors, scalars and weights of :func:`cliffnet.reference.attention_features`.

    The first three are the cotangents of its results, everything else are its arguments.
    """
    tensors = (queries, keys, values, multivectors, scalars, weights)
    numbers = (comparison, query_heads, key_heads, value_heads, width, epsilon)
    dtype = multivectors.dtype
    if dtype in (torch.float16, torch.bfloat16):
        q, k, v, mv, extra, scale = (tensor.float() for tensor in tensors)
        wide = attention_features_backward(q, k, v, mv, extra, scale, *numbers)
        return wide[0].to(dtype), wide[1].to(dtype), wide[2].to(dtype)
    found, counts = comparison_of(comparison), [query_heads, key_heads, value_heads]
    heads = sum(counts)
    channels = multivectors.shape[-2] // heads
    split = multivectors.unflatten(-2, (heads, channels)).movedim(-1, 0).split(counts, dim=-2)
    cotangents = []
    for tensor, count in ((queries, found.features), (keys, found.features), (values, found.blades)):
        cotangents.append(tensor[..., : count * channels].unflatten(-1, (count, channels)).movedim(-2, 0))
    has_weights = weights.shape != (0,)
    scale = weights if has_weights else multivectors.new_ones(())
    by_queries, by_weights = _pull_back(cotangents[0], split[0], found, epsilon, scale)
    by_keys, _ = _pull_back(cotangents[1], split[1], found, epsilon, None)
    by_multivectors = torch.cat((by_queries, by_keys, cotangents[2]), dim=-2).movedim(0, -1).flatten(-3, -2)
    by_scalars = scalars
    if scalars.shape != (0,):
        per_head = scalars.shape[-1] // heads
        ends = (found.features * channels, found.features * channels, found.blades * channels)
        parts = [part[..., end : end + per_head] for part, end in zip((queries, keys, values), ends, strict=True)]
        by_scalars = torch.cat(parts, dim=-2).flatten(-2)
    if has_weights:
        by_weights = torch.zeros_like(weights) if by_weights is None else by_weights.sum_to_size(weights.shape)
    return by_multivectors, by_scalars, weights if by_weights is None or not has_weights else by_weights


def _pull_back(
    cotangents: Tensor, planes: Tensor, comparison: Comparison, epsilon: float, weights: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Return the gradients of planes (blades, ..., C), and of the weights; for keys there are none."""
    zero = torch.zeros_like(planes[0])
    gradients = [zero] * comparison.blades
    for index, (blade, weight) in enumerate(comparison.inner):
        gradients[blade] = cotangents[index] if weights is None else weight * cotangents[index]
    if not comparison.ideal:
        return torch.stack(gradients), None
    first, second, *others = cotangents[len(comparison.inner) :].unbind(0)
    mixed = torch.stack(others)
    raw_ideal, raw_finite = torch.stack([planes[blade] for blade in comparison.ideal]), planes[comparison.finite]
    square = raw_finite * raw_finite
    normaliser = raw_finite / (square + epsilon)
    ideal, finite = raw_ideal * normaliser, raw_finite * normaliser
    dot = (ideal * mixed).sum(0)
    by_weights = None
    if weights is None:
        by_ideal = 2.0 * second * ideal + finite * mixed
        by_finite = 2.0 * finite * first + dot
    else:
        by_weights = 2.0 * finite * dot - ideal.square().sum(0) * first - finite * finite * second
        by_ideal = 2.0 * weights * (finite * mixed - first * ideal)
        by_finite = 2.0 * weights * (dot - finite * second)
    by_normaliser = raw_finite * by_finite + (raw_ideal * by_ideal).sum(0)
    slope = (epsilon - square) / (square + epsilon).square()
    for blade, gradient in zip(comparison.ideal, (normaliser * by_ideal).unbind(0), strict=True):
        gradients[blade] = gradients[blade] + gradient
    gradients[comparison.finite] = gradients[comparison.finite] + normaliser * by_finite + slope * by_normaliser
    return torch.stack(gradients), by_weights
