"""Queries, keys and values of attention as operators: one pass over the projections, into what torch's kernels read."""

from typing import Any

import torch
from torch import Tensor

from cliffnet import reference as plain
from cliffnet.ops._bilinear import is_blade_major
from cliffnet.ops._operator import Gradients, Operator

_NUMBERS = "int comparison, int query_heads, int key_heads, int value_heads, int width, float epsilon"


def _widths(multivectors: Tensor, scalars: Tensor, numbers: tuple[Any, ...]) -> tuple[int, int]:
    """Return the features of queries and keys, and those of values."""
    comparison, *heads, width, _ = numbers
    found = plain.comparison_of(comparison)
    channels = multivectors.shape[-2] // sum(heads)
    extra = 0 if scalars.shape == (0,) else scalars.shape[-1] // sum(heads)
    return max(found.features * channels + extra, width), max(found.blades * channels + extra, width)


class _AttentionFeatures(Operator):
    name = "attention_features"
    schema = f"(Tensor multivectors, Tensor scalars, Tensor weights, {_NUMBERS}) -> (Tensor, Tensor, Tensor)"
    tensors = 3

    def fake(self, multivectors: Tensor, scalars: Tensor, weights: Tensor, *numbers: Any) -> tuple[Tensor, ...]:
        compared, averaged = _widths(multivectors, scalars, numbers)
        leading = multivectors.shape[:-2]
        sizes = zip(numbers[1:4], (compared, compared, averaged), strict=True)
        return tuple(multivectors.new_empty((*leading, heads, width)) for heads, width in sizes)

    def reference(self, *arguments: Any) -> tuple[Tensor, ...]:
        return plain.attention_features(*arguments)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        multivectors, scalars, _, *numbers = arguments
        widths = _widths(multivectors, scalars, tuple(numbers))
        given = [
            multivectors.new_zeros((*multivectors.shape[:-2], heads, width)) if cotangent is None else cotangent
            for cotangent, heads, width in zip(cotangents, numbers[1:4], (widths[0], *widths), strict=True)
        ]
        found = attention_features_backward(*given, *arguments)
        return tuple(gradient if is_needed else None for gradient, is_needed in zip(found, needed, strict=True))


class _AttentionFeaturesBackward(Operator):
    """The gradients of all three tensors."""

    name = "attention_features_backward"
    schema = (
        "(Tensor queries, Tensor keys, Tensor values, Tensor multivectors, Tensor scalars, Tensor weights, "
        f"{_NUMBERS}) -> (Tensor, Tensor, Tensor)"
    )
    tensors = 6

    def fake(self, *arguments: Any) -> tuple[Tensor, ...]:
        multivectors, scalars, weights = arguments[3:6]
        if is_blade_major(multivectors):
            by_multivectors = torch.empty_like(multivectors.movedim(-1, 0)).movedim(0, -1)
        else:
            by_multivectors = multivectors.new_empty(multivectors.shape)
        return by_multivectors, scalars.new_empty(scalars.shape), weights.new_empty(weights.shape)

    def reference(self, *arguments: Any) -> tuple[Tensor, ...]:
        return plain.attention_features_backward(*arguments)


class _AttentionValues(Operator):
    name = "attention_values"
    schema = "(Tensor values, int comparison, int channels, int scalars) -> (Tensor, Tensor)"
    tensors = 1

    def fake(self, values: Tensor, comparison: int, channels: int, scalars: int) -> tuple[Tensor, Tensor]:
        *leading, heads, _ = values.shape
        blades = plain.comparison_of(comparison).blades
        planes = values.new_empty((blades, *leading, heads * channels))
        return planes.movedim(0, -1), values.new_empty((*leading, heads * scalars))

    def reference(self, *arguments: Any) -> tuple[Tensor, Tensor]:
        return plain.attention_values(*arguments)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        values, comparison, channels, scalars = arguments
        by_multivectors, by_scalars = cotangents
        *leading, heads, width = values.shape
        if by_multivectors is None:
            blades = plain.comparison_of(comparison).blades
            by_multivectors = values.new_zeros((*leading, heads * channels, blades))
        if by_scalars is None:
            by_scalars = values.new_zeros((*leading, heads * scalars))
        nothing = values.new_empty(0)
        by_scalars = by_scalars if scalars else nothing
        numbers = (comparison, 0, 0, heads, width, 1.0)
        return (attention_features(by_multivectors, by_scalars, nothing, *numbers)[2],)


attention_features = _AttentionFeatures()
attention_features_backward = _AttentionFeaturesBackward()
attention_values = _AttentionValues()
