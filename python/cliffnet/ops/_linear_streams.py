"""Linear layers on multivectors and scalars together: one recorded step in place of a dozen.

Multivectors go through :data:`cliffnet.ops.equivariant_linear`, scalars through matrix products. Apart, each of them
would leave a node, a view and a gradient to add up; the scalar components of multivectors even a gradient as large as
the multivectors. Where derivatives of the gradients are wanted, and under transforms and compilers, the parts run one
by one.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from cliffnet.algebra import map_table
from cliffnet.ops._linear import equivariant_linear, equivariant_linear_backward
from cliffnet.ops._operator import Gradients, differentiate, is_plain
from cliffnet.ops._remade import keep, kept

_TENSORS = 8
_INPUT, _WEIGHT, _BIAS = 1, 2, 4

Streams = tuple[Tensor, Tensor | None]


def linear_streams(
    multivectors: Tensor,
    scalars: Tensor | None,
    weight: Tensor,
    bias: Tensor | None,
    scalar_to_mv: Tensor | None,
    mv_to_scalar: Tensor | None,
    scalar_to_scalar: Tensor | None,
    scalar_bias: Tensor | None,
    maps: int,
    is_remade: bool = False,
) -> Streams:
    """Map multivectors and scalars, each to both.

    Parameters
    ----------
    multivectors : Tensor
        Shape ``(..., C_in, blades)``.
    scalars : Tensor or None
        Shape ``(..., S_in)``.
    weight : Tensor
        Shape ``(C_out, C_in, maps)``.
    bias : Tensor or None
        Added to the scalar components, shape ``(C_out,)``.
    scalar_to_mv, mv_to_scalar, scalar_to_scalar : Tensor or None
        Shapes ``(C_out, S_in)``, ``(S_out, C_in)``, ``(S_out, S_in)``, of scalars and scalar components.
    scalar_bias : Tensor or None
        Shape ``(S_out,)``.
    maps : int
        Number of the family of linear maps.
    is_remade : bool
        Whether a step that follows makes the outputs again in its backward pass rather than that it keeps them.

    Returns
    -------
    tuple of Tensor and (Tensor or None)
        Shapes ``(..., C_out, blades)`` and ``(..., S_out)``, None without ``mv_to_scalar``.
    """
    tensors = (multivectors, scalars, weight, bias, scalar_to_mv, mv_to_scalar, scalar_to_scalar, scalar_bias)
    if is_plain(tensors):
        streams: Streams = _Recorded.apply(*tensors, maps, is_remade)
        return streams
    return _composite(*tensors, maps)


def _composite(*arguments: Any) -> Streams:
    multivectors, scalars, weight, bias, scalar_to_mv, mv_to_scalar, scalar_to_scalar, scalar_bias, maps = arguments
    if scalar_to_mv is not None:
        bias = linear(scalars, scalar_to_mv, bias)
    if bias is None:
        bias = multivectors.new_empty(0)
    outputs: Tensor = equivariant_linear(multivectors, weight, bias, maps)
    if mv_to_scalar is None:
        return outputs, None
    scalar_outputs = linear(multivectors.select(-1, map_table(maps).scalar), mv_to_scalar, scalar_bias)
    if scalar_to_scalar is not None:
        scalar_outputs = scalar_outputs + linear(scalars, scalar_to_scalar)
    return outputs, scalar_outputs


def _rows(x: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[-1])


def _run(*arguments: Any) -> Streams:
    """Do what the composition does, with fewer calls and nothing recorded."""
    multivectors, scalars, weight, bias, scalar_to_mv, mv_to_scalar, scalar_to_scalar, scalar_bias, maps = arguments
    leading = multivectors.shape[:-2]
    if scalar_to_mv is not None:
        bias = _product(_rows(scalars), scalar_to_mv, bias).view(*leading, weight.shape[0])
    if bias is None:
        bias = multivectors.new_empty(0)
    outputs: Tensor = equivariant_linear(multivectors, weight, bias, maps)
    if mv_to_scalar is None:
        return outputs, None
    components = _rows(multivectors.select(-1, map_table(maps).scalar))
    scalar_outputs = _product(components, mv_to_scalar, scalar_bias)
    if scalar_to_scalar is not None:
        scalar_outputs.addmm_(_rows(scalars), scalar_to_scalar.t())
    return outputs, scalar_outputs.view(*leading, mv_to_scalar.shape[0])


class _Recorded(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, *arguments: Any) -> Streams:
        keep(context, arguments[:_TENSORS])
        context.maps, context.is_remade = arguments[_TENSORS:]
        context.set_materialize_grads(False)
        return _run(*arguments[:-1])

    @staticmethod
    def remade(context: Any, tensors: tuple[Any, ...]) -> Streams:
        function = _composite if torch.is_grad_enabled() else _run
        return function(*tensors, context.maps)

    @staticmethod
    def backward(context: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        tensors, needed = kept(context), context.needs_input_grad[:_TENSORS]
        missing = any(cotangent is None for cotangent in cotangents[: 1 + (tensors[5] is not None)])
        if torch.is_grad_enabled() or missing:
            return *_differentiated(cotangents, tensors, needed, context.maps), None, None
        return *_gradients(cotangents, tensors, needed, context.maps), None, None


def _product(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return rows.mm(weight.t()) if bias is None else torch.addmm(bias, rows, weight.t())


def _differentiated(
    cotangents: Gradients, tensors: tuple[Any, ...], needed: tuple[bool, ...], maps: int
) -> list[Tensor | None]:
    """Return gradients that can be differentiated again, through the parts."""
    given = [tensor is not None for tensor in tensors]

    def parts(*present: Tensor) -> tuple[Tensor, ...]:
        rest = iter(present)
        outputs = _composite(*(next(rest) if is_given else None for is_given in given), maps)
        return tuple(output for output in outputs if output is not None)

    present = tuple(tensor for tensor in tensors if tensor is not None)
    wanted = tuple(need for need, is_given in zip(needed, given, strict=True) if is_given)
    used = cotangents[: 1 + given[5]]
    found = iter(differentiate(parts, used, present, wanted, len(present)))
    return [next(found) if is_given else None for is_given in given]


def _gradients(
    cotangents: Gradients, tensors: tuple[Any, ...], needed: tuple[bool, ...], maps: int
) -> tuple[Tensor | None, ...]:
    multivectors, scalars, weight, bias, scalar_to_mv, mv_to_scalar, scalar_to_scalar, _ = tensors
    by_outputs, by_scalar_outputs = cotangents
    assert by_outputs is not None
    scalar = map_table(maps).scalar
    shared_bias = bias is not None and scalar_to_mv is None and needed[3]
    wanted = _INPUT * needed[0] + _WEIGHT * needed[2] + _BIAS * shared_bias
    by_multivectors, by_weight, by_bias = equivariant_linear_backward(by_outputs, multivectors, weight, maps, wanted)
    by_scalars = by_scalar_to_mv = by_mv_to_scalar = by_scalar_to_scalar = by_scalar_bias = None
    rows = multivectors if scalars is None else _rows(scalars)
    if scalar_to_mv is not None:
        by_components = _rows(by_outputs.select(-1, scalar))
        by_scalar_to_mv = by_components.t().mm(rows)
        if bias is not None:
            by_bias = by_components.sum(0)
        if needed[1]:
            by_scalars = by_components.mm(scalar_to_mv)
    if by_scalar_outputs is not None and mv_to_scalar is not None:
        by_rows = _rows(by_scalar_outputs)
        by_mv_to_scalar = by_rows.t().mm(_rows(multivectors.select(-1, scalar)))
        by_scalar_bias = by_rows.sum(0)
        if needed[0]:
            component = by_multivectors.select(-1, scalar)
            component.add_(by_rows.mm(mv_to_scalar).view(component.shape))
        if scalar_to_scalar is not None:
            by_scalar_to_scalar = by_rows.t().mm(rows)
            if by_scalars is not None:
                by_scalars.addmm_(by_rows, scalar_to_scalar)
            elif needed[1]:
                by_scalars = by_rows.mm(scalar_to_scalar)
    if by_scalars is not None:
        by_scalars = by_scalars.view(scalars.shape)
    return (
        by_multivectors if needed[0] else None,
        by_scalars,
        by_weight if needed[2] else None,
        by_bias if needed[3] else None,
        by_scalar_to_mv,
        by_mv_to_scalar,
        by_scalar_to_scalar,
        by_scalar_bias if needed[7] else None,
    )
