"""Gates, invariants of classes and norms over channels in plain torch.

``plan`` is a plan of the squares of classes, see :func:`cliffnet.algebra.class_squares_plan`; a negative one stands for
a single class of all blades. Half precision is computed in single.
"""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet._graphs import constant_in_graphs
from cliffnet.algebra import plan_sizes, plan_terms
from cliffnet.reference._activations import ACTIVATIONS

_HALF = (torch.bfloat16, torch.float16)
_ACTIVATIONS = tuple(ACTIVATIONS.values())

SQUARE, MAGNITUDE, NORM = range(3)
"""Invariants of a class with the square q: q, ``|q|``, ``(q^2 + epsilon)^(1/4)``."""

INVERSE_ROOT, INVERSE = range(2)
"""Scalings by a mean m: ``1 / sqrt(max(m, floor))``, ``1 / (m + floor)``."""


class _Classes(NamedTuple):
    """Blades that count, their classes and squares; then the class of every blade."""

    blades: Tensor
    classes: Tensor
    squares: Tensor
    owners: Tensor
    number: int


def _make_classes(plan: int, dtype: torch.dtype, device: torch.device) -> _Classes:
    count = plan_sizes(plan).out // 2
    terms = plan_terms(plan)
    rows = list(zip(terms.out, terms.left, terms.coefficient, strict=True))
    measured = [row for row in rows if row[0] < count]
    owners = sorted((blade, out - count) for out, blade, _ in rows if out >= count)
    return _Classes(
        torch.tensor([blade for _, blade, _ in measured], dtype=torch.int64, device=device),
        torch.tensor([out for out, _, _ in measured], dtype=torch.int64, device=device),
        torch.tensor([square for _, _, square in measured], dtype=dtype, device=device),
        torch.tensor([owner for _, owner in owners], dtype=torch.int64, device=device),
        count,
    )


_cached_classes = cache(_make_classes)


@constant_in_graphs
def _classes(plan: int, dtype: torch.dtype, device: torch.device) -> _Classes:
    if torch._C._len_torch_dispatch_stack() or torch._C._are_functorch_transforms_active():
        return _make_classes(plan, dtype, device)
    with torch.inference_mode(False):
        return _cached_classes(plan, dtype, device)


def _squares(x: Tensor, classes: _Classes) -> Tensor:
    values = x.index_select(-1, classes.blades)
    summands = values * values * classes.squares
    return summands.new_zeros((*x.shape[:-1], classes.number)).index_add(-1, classes.classes, summands)


def _square_gradient(x: Tensor, by_square: Tensor, classes: _Classes) -> Tensor:
    """Gradient of the squares: twice the coefficient, blade by blade, zero for null blades."""
    values = 2.0 * x.index_select(-1, classes.blades) * classes.squares * by_square.index_select(-1, classes.classes)
    return values.new_zeros((*values.shape[:-1], x.shape[-1])).index_add(-1, classes.blades, values)


def _invariant(square: Tensor, invariant: int, epsilon: float) -> Tensor:
    if invariant == SQUARE:
        return square
    if invariant == MAGNITUDE:
        return square.abs()
    if epsilon == 0.0:
        size = square.abs()
        is_positive = size > 0
        # where the square is zero the root has no derivative: it is taken as zero
        return torch.where(is_positive, torch.where(is_positive, size, 1.0).sqrt(), size)
    return (square * square + epsilon).sqrt().sqrt()


def _slope(square: Tensor, invariant: int, epsilon: float) -> Tensor:
    if invariant == SQUARE:
        return torch.ones_like(square)
    if invariant == MAGNITUDE:
        return square.sign()
    if epsilon == 0.0:
        size = square.abs()
        is_positive = size > 0
        return torch.where(is_positive, 0.5 * square.sign() / torch.where(is_positive, size, 1.0).sqrt(), size.sign())
    root = (square * square + epsilon).sqrt()
    return square / (2.0 * root * root.sqrt())


def class_invariants(x: Tensor, plan: int, invariant: int, epsilon: float) -> Tensor:
    """Return an invariant of each class, shape ``(..., classes)``."""
    if x.dtype in _HALF:
        return class_invariants(x.float(), plan, invariant, epsilon).to(x.dtype)
    return _invariant(_squares(x, _classes(plan, x.dtype, x.device)), invariant, epsilon)


def class_invariants_backward(cotangent: Tensor, x: Tensor, plan: int, invariant: int, epsilon: float) -> Tensor:
    """Return the gradient of :func:`class_invariants`."""
    if x.dtype in _HALF:
        return class_invariants_backward(cotangent.float(), x.float(), plan, invariant, epsilon).to(x.dtype)
    classes = _classes(plan, x.dtype, x.device)
    if invariant == SQUARE:
        return _square_gradient(x, cotangent, classes)
    return _square_gradient(x, cotangent * _slope(_squares(x, classes), invariant, epsilon), classes)


def _over_blades(values: Tensor, plan: int) -> Tensor:
    """Repeat the value of each class over its blades; a single one broadcasts."""
    if plan < 0:
        return values
    return values.index_select(-1, _classes(plan, values.dtype, values.device).owners)


def _over_classes(values: Tensor, plan: int) -> Tensor:
    """Sum the values of the blades of each class."""
    if plan < 0:
        return values.sum(-1, keepdim=True)
    classes = _classes(plan, values.dtype, values.device)
    return values.new_zeros((*values.shape[:-1], classes.number)).index_add(-1, classes.owners, values)


def gate(x: Tensor, gates: Tensor, plan: int, activation: int) -> Tensor:
    """Return ``y_I = f(gate of the class of I) x_I``, for gates of shape ``(..., classes)``."""
    if x.dtype in _HALF:
        return gate(x.float(), gates.float(), plan, activation).to(x.dtype)
    return x * _over_blades(_ACTIVATIONS[activation][0](gates), plan)


def gate_backward(cotangent: Tensor, x: Tensor, gates: Tensor, plan: int, activation: int) -> tuple[Tensor, Tensor]:
    """Return the gradients of :func:`gate`, before broadcasting is undone."""
    if x.dtype in _HALF:
        single = gate_backward(cotangent.float(), x.float(), gates.float(), plan, activation)
        return single[0].to(x.dtype), single[1].to(x.dtype)
    value, slope = (function(gates) for function in _ACTIVATIONS[activation])
    by_x, by_gates = cotangent * _over_blades(value, plan), _over_classes(cotangent * x, plan) * slope
    leading = torch.broadcast_shapes(by_x.shape[:-1], by_gates.shape[:-1])
    return by_x.expand(*leading, by_x.shape[-1]), by_gates.expand(*leading, by_gates.shape[-1])


def self_gate(x: Tensor, blade: int, activation: int) -> Tensor:
    """Return ``y = f(x_blade) x``."""
    if x.dtype in _HALF:
        return self_gate(x.float(), blade, activation).to(x.dtype)
    return x * _ACTIVATIONS[activation][0](x.narrow(-1, blade, 1))


def self_gate_backward(cotangent: Tensor, x: Tensor, blade: int, activation: int) -> Tensor:
    """Return the gradient of :func:`self_gate`."""
    if x.dtype in _HALF:
        return self_gate_backward(cotangent.float(), x.float(), blade, activation).to(x.dtype)
    value, slope = (function(x.narrow(-1, blade, 1)) for function in _ACTIVATIONS[activation])
    by_gate = (cotangent * x).sum(-1, keepdim=True) * slope
    padding = (blade, x.shape[-1] - blade - 1)
    return cotangent * value + torch.nn.functional.pad(by_gate, padding)


def _scaling(mean: Tensor, scaling: int, floor: float) -> tuple[Tensor, Tensor]:
    """Scaling by a mean, and its derivative."""
    if scaling == INVERSE:
        value = (mean + floor).reciprocal()
        return value, -value * value
    limited = mean.clamp_min(floor)
    value = limited.rsqrt()
    return value, torch.where(mean < floor, torch.zeros_like(mean), -0.5 * value / limited)


def channel_norm(
    x: Tensor, plan: int, invariant: int, epsilon: float, scaling: int, floor: float, gain: float
) -> Tensor:
    """Scale multivectors (..., C, B) by the mean over channels of the sum over classes of an invariant."""
    if x.dtype in _HALF:
        return channel_norm(x.float(), plan, invariant, epsilon, scaling, floor, gain).to(x.dtype)
    mean = class_invariants(x, plan, invariant, epsilon).sum(-1).mean(-1)
    return x * (gain * _scaling(mean, scaling, floor)[0])[..., None, None]


def channel_norm_backward(
    cotangent: Tensor, x: Tensor, plan: int, invariant: int, epsilon: float, scaling: int, floor: float, gain: float
) -> Tensor:
    """Return the gradient of :func:`channel_norm`."""
    options = (plan, invariant, epsilon, scaling, floor, gain)
    if x.dtype in _HALF:
        return channel_norm_backward(cotangent.float(), x.float(), *options).to(x.dtype)
    mean = class_invariants(x, plan, invariant, epsilon).sum(-1).mean(-1)
    value, slope = _scaling(mean, scaling, floor)
    dot = (cotangent * x).sum((-2, -1))
    by_invariant = (gain * slope * dot / x.shape[-2])[..., None, None]
    by_invariant = by_invariant.expand(*x.shape[:-1], plan_sizes(plan).out // 2)
    along = class_invariants_backward(by_invariant, x, plan, invariant, epsilon)
    return cotangent * (gain * value)[..., None, None] + along
