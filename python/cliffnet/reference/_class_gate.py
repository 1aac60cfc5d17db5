"""Gates of classes by their own invariants, in plain torch.

``y_k = f(scale_k v_k + shift_k) x_k`` where ``v_k`` is an invariant of class k. ``plan`` is a plan of the squares of
classes; class ``scalar``, unless that is negative, has a single blade and is gated by it. Half precision is computed in
single.
"""

import torch
from torch import Tensor

from cliffnet.algebra import plan_sizes, plan_terms
from cliffnet.reference._layers import (
    _HALF,
    _classes,
    _invariant,
    _over_blades,
    _over_classes,
    _slope,
    _square_gradient,
    _squares,
)

SIGMOID, RECIPROCAL = range(2)
"""Responses f: the logistic function, and ``1 / s``."""


def _respond(argument: Tensor, response: int) -> Tensor:
    return torch.sigmoid(argument) if response == SIGMOID else argument.reciprocal()


def _response_slope(argument: Tensor, response: int) -> Tensor:
    if response == SIGMOID:
        return torch.sigmoid(argument) * torch.sigmoid(-argument)
    return -(argument.reciprocal() ** 2)


def _with_scalar(values: Tensor, scalar: int, value: Tensor) -> Tensor:
    """Replace the value of the class of the scalar, if there is one."""
    if scalar < 0:
        return values
    return torch.cat([values[..., :scalar], value, values[..., scalar + 1 :]], dim=-1)


def _scalar_blade(plan: int, scalar: int) -> int:
    """Return the only blade of the class of the scalar."""
    terms = plan_terms(plan)
    return terms.left[terms.out.index(plan_sizes(plan).out // 2 + scalar)]


def _scalar_part(x: Tensor, plan: int, scalar: int) -> Tensor:
    return x[..., :0] if scalar < 0 else x.narrow(-1, _scalar_blade(plan, scalar), 1)


def class_gate(
    x: Tensor,
    scale: Tensor,
    shift: Tensor,
    plan: int,
    scalar: int,
    invariant: int,
    epsilon: float,
    response: int,
) -> Tensor:
    """Gate the classes of multivectors.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., channels, blades)``.
    scale, shift : Tensor
        Shape ``(channels, classes)``.
    plan, scalar, invariant, epsilon, response : int or float
        As this module says, and as in :mod:`cliffnet.reference`.

    Returns
    -------
    Tensor
        Shape ``(..., channels, blades)``.
    """
    options = (plan, scalar, invariant, epsilon, response)
    if x.dtype in _HALF:
        return class_gate(x.float(), scale.float(), shift.float(), *options).to(x.dtype)
    squares = _squares(x, _classes(plan, x.dtype, x.device))
    values = _with_scalar(_invariant(squares, invariant, epsilon), scalar, _scalar_part(x, plan, scalar))
    return x * _over_blades(_respond(scale * values + shift, response), plan)


def class_gate_backward(
    cotangent: Tensor,
    x: Tensor,
    scale: Tensor,
    shift: Tensor,
    plan: int,
    scalar: int,
    invariant: int,
    epsilon: float,
    response: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of :func:`class_gate` by multivectors, scale and shift.

    Parameters
    ----------
    cotangent : Tensor
        Shape ``(..., channels, blades)``; its leading axes and those of ``x`` broadcast.
    x, scale, shift, plan, scalar, invariant, epsilon, response
        As in :func:`class_gate`.

    Returns
    -------
    by_x, by_scale, by_shift : Tensor
        With the broadcast leading axes, and of the shape of the parameters.
    """
    options = (plan, scalar, invariant, epsilon, response)
    if x.dtype in _HALF:
        single = class_gate_backward(cotangent.float(), x.float(), scale.float(), shift.float(), *options)
        return single[0].to(x.dtype), single[1].to(x.dtype), single[2].to(x.dtype)
    classes = _classes(plan, x.dtype, x.device)
    squares, part = _squares(x, classes), _scalar_part(x, plan, scalar)
    values = _with_scalar(_invariant(squares, invariant, epsilon), scalar, part)
    slopes = _with_scalar(_slope(squares, invariant, epsilon), scalar, torch.ones_like(part))
    argument = scale * values + shift
    by_shift = _over_classes(cotangent * x, plan) * _response_slope(argument, response)
    by_scale, by_invariant = by_shift * values, by_shift * scale * slopes
    by_x = cotangent * _over_blades(_respond(argument, response), plan)
    if scalar >= 0:
        # the class of the scalar has no part in the gradient of the squares
        by_scalar = by_invariant[..., scalar : scalar + 1]
        by_invariant = _with_scalar(by_invariant, scalar, torch.zeros_like(by_scalar))
        blade = _scalar_blade(plan, scalar)
        by_x = by_x + torch.nn.functional.pad(by_scalar, (blade, x.shape[-1] - blade - 1))
    return by_x + _square_gradient(x, by_invariant, classes), _row_sum(by_scale), _row_sum(by_shift)


def _row_sum(values: Tensor) -> Tensor:
    """Sum over all axes but channels and classes."""
    return values.sum_to_size(values.shape[-2:])
