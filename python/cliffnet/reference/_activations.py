"""Activations of invariants, each with its derivative, in plain torch."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

_Function = Callable[[Tensor], Tensor]

_SCALE = 2.0 * math.sqrt(2.0 / math.pi)
_CUBIC = 0.044715


def _relu_slope(x: Tensor) -> Tensor:
    return torch.where(x > 0, torch.ones_like(x), x.clamp_min(0.0))


def _sigmoid_slope(x: Tensor) -> Tensor:
    value = torch.sigmoid(x)
    return value * torch.sigmoid(-x)


def _silu_slope(x: Tensor) -> Tensor:
    value = torch.sigmoid(x)
    return value + x * value * torch.sigmoid(-x)


def _tanh_slope(x: Tensor) -> Tensor:
    return 1.0 - torch.tanh(x) ** 2


def _normal_cdf(x: Tensor) -> Tensor:
    tail: Tensor = torch.special.erfc(x * -math.sqrt(0.5))
    return 0.5 * tail


def _normal_density(x: Tensor) -> Tensor:
    return torch.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


def _gelu_slope(x: Tensor) -> Tensor:
    return _normal_cdf(x) + x * _normal_density(x)


def _gelu_tanh(x: Tensor) -> Tensor:
    return nn.functional.gelu(x, approximate="tanh")


def _gelu_over_argument(x: Tensor) -> Tensor:
    # the tanh approximation of GELU, divided by its argument
    return torch.sigmoid(_SCALE * (x + _CUBIC * x**3))


def _gelu_over_argument_slope(x: Tensor) -> Tensor:
    inner = _SCALE * (x + _CUBIC * x**3)
    return torch.sigmoid(inner) * torch.sigmoid(-inner) * (_SCALE * (1.0 + 3.0 * _CUBIC * x * x))


def _gelu_tanh_slope(x: Tensor) -> Tensor:
    return _gelu_over_argument(x) + x * _gelu_over_argument_slope(x)


def _step(x: Tensor) -> Tensor:
    return torch.where(x > 0, torch.ones_like(x), x.clamp_min(0.0).detach())


ACTIVATIONS: dict[str, tuple[_Function, _Function]] = {
    "identity": (lambda x: x, torch.ones_like),
    "relu": (torch.relu, _relu_slope),
    "sigmoid": (torch.sigmoid, _sigmoid_slope),
    "silu": (nn.functional.silu, _silu_slope),
    "tanh": (torch.tanh, _tanh_slope),
    "gelu": (nn.functional.gelu, _gelu_slope),
    "gelu_tanh": (_gelu_tanh, _gelu_tanh_slope),
    "gelu_divide": (_gelu_over_argument, _gelu_over_argument_slope),
    "normal_cdf": (_normal_cdf, _normal_density),
    "step": (_step, torch.zeros_like),
}
"""Value and derivative by name; the place of a name is its number in operators."""
