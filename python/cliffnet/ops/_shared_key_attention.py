"""Attention with keys and values that all heads share, for few keys: nothing but the projection is kept.

With few keys the attention itself costs less than moving its features, so queries, keys, values and weights are made
again in the backward pass.
"""

import math
from typing import Any

import torch
from torch import Tensor

from cliffnet.ops._attention import attention_features, attention_features_backward, attention_values
from cliffnet.ops._operator import differentiate, is_plain
from cliffnet.ops._remade import keep, kept


def shared_key_attention(
    multivectors: Tensor, scalars: Tensor, weights: Tensor, scale: float, comparison: int, heads: int, epsilon: float
) -> tuple[Tensor, Tensor]:
    """Attend with the queries of several heads to the keys and values of one.

    Parameters
    ----------
    multivectors : Tensor
        Projections ``(..., items, (heads + 2) * C, blades)`` of queries, keys and values.
    scalars : Tensor
        Their scalars ``(..., items, (heads + 2) * S)``, or ``(0,)`` without.
    weights : Tensor
        Weights of the distances, ``(heads, C)``, or ``(0,)`` for ones.
    scale : float
        Factor of the logits.
    comparison : int
        Plan of the features, see :func:`cliffnet.reference.attention_features`.
    heads : int
        Heads of the queries.
    epsilon : float
        Softening of the normaliser of points.

    Returns
    -------
    tuple of Tensor
        Shapes ``(..., items, heads * C, blades)``, blade-major, and ``(..., items, heads * S)``.
    """
    arguments = (multivectors, scalars, weights, scale, comparison, heads, epsilon)
    if is_plain(arguments[:3]):
        outputs: tuple[Tensor, Tensor] = _Recorded.apply(*arguments)
        return outputs
    return _attend(*arguments)


def _features(arguments: tuple[Any, ...]) -> list[Tensor]:
    """Return queries (batch, items * heads, features), keys and values (batch, items, features)."""
    multivectors, scalars, weights, _, comparison, heads, epsilon = arguments
    found = attention_features(multivectors, scalars, weights, comparison, heads, 1, 1, 0, epsilon)
    *batch, items, _, _ = multivectors.shape
    return [x.reshape(math.prod(batch), items * x.shape[-2], x.shape[-1]) for x in found]


def _attention(arguments: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """Return queries, keys, values and the attention of the queries, (batch, items, items * heads)."""
    queries, keys, values = _features(arguments)
    # keys before queries: torch's softmax is far quicker along an axis that is not the last
    return queries, keys, values, torch.bmm(keys, queries.mT).mul(arguments[3]).softmax(1)


def _attend(*arguments: Any) -> tuple[Tensor, Tensor]:
    return _averages(_attention(arguments), arguments)


def _averages(found: tuple[Tensor, ...], arguments: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
    multivectors, scalars, _, _, comparison, heads, _ = arguments
    _, _, values, attention = found
    outputs = torch.bmm(attention.mT, values).view(*multivectors.shape[:-2], heads, values.shape[-1])
    extra = 0 if scalars.shape == (0,) else scalars.shape[-1] // (heads + 2)
    result: tuple[Tensor, Tensor] = attention_values(outputs, comparison, multivectors.shape[-2] // (heads + 2), extra)
    return result


class _Recorded(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
        keep(context, arguments[:3])
        context.constants = arguments[3:]
        context.set_materialize_grads(False)
        context.is_remade, context.found = True, None
        return _attend(*arguments)

    @staticmethod
    def remade(context: Any, tensors: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
        arguments = (*tensors, *context.constants)
        found = _attention(arguments)
        if not torch.is_grad_enabled():
            # its own backward pass comes next and starts with these
            context.found = found
        return _averages(found, arguments)

    @staticmethod
    def backward(context: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        arguments = (*kept(context), *context.constants)
        needed = context.needs_input_grad[:3]
        by_multivectors, by_scalars = cotangents
        found, context.found = context.found, None
        has_scalars = arguments[1].shape != (0,)
        if torch.is_grad_enabled() or by_multivectors is None or (has_scalars and by_scalars is None):
            return *differentiate(_attend, cotangents, arguments, needed, 3), None, None, None, None
        scale, comparison, heads, epsilon = context.constants
        queries, keys, values, attention = _attention(arguments) if found is None else found
        nothing = queries.new_empty(0)
        by_scalars = by_scalars if has_scalars else nothing
        packed = attention_features(by_multivectors, by_scalars, nothing, comparison, 0, 0, heads, 0, epsilon)[2]
        by_outputs = packed.view(*queries.shape[:-1], values.shape[-1])
        by_attention = torch.bmm(values, by_outputs.mT)
        by_logits = torch._softmax_backward_data(by_attention, attention, 1, attention.dtype).mul_(scale)
        leading = arguments[0].shape[:-2]
        by_features = (
            torch.bmm(by_logits.mT, keys).view(*leading, heads, queries.shape[-1]),
            torch.bmm(by_logits, queries).view(*leading, 1, keys.shape[-1]),
            torch.bmm(attention, by_outputs).view(*leading, 1, values.shape[-1]),
        )
        found = attention_features_backward(*by_features, *arguments[:3], comparison, heads, 1, 1, 0, epsilon)
        gradients = (one if is_needed else None for one, is_needed in zip(found, needed, strict=True))
        return *gradients, None, None, None, None
