"""The functions of a scalar that multiply multivectors, with their derivatives, in plain torch."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Gate = Callable[[Tensor], tuple[Tensor, Tensor]]


def _identity(x: Tensor) -> tuple[Tensor, Tensor]:
    return x, torch.ones_like(x)


def _relu(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.relu(), _step(x)[0]


def _sigmoid(x: Tensor) -> tuple[Tensor, Tensor]:
    value = x.sigmoid()
    return value, value * (1 - value)


def _tanh(x: Tensor) -> tuple[Tensor, Tensor]:
    value = x.tanh()
    return value, 1 - value.square()


def _gelu_divide(x: Tensor) -> tuple[Tensor, Tensor]:
    scale = math.sqrt(8 / math.pi)
    # far out the function is 0 or 1 to the last bit, and the cube would overflow
    near = x.clamp(-40, 40)
    value, slope = _sigmoid(scale * (near + 0.044715 * near**3))
    return value, slope * scale * (1 + 3 * 0.044715 * near.square())


def _normal_cdf(x: Tensor) -> tuple[Tensor, Tensor]:
    return torch.special.ndtr(x), torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)


def _step(x: Tensor) -> tuple[Tensor, Tensor]:
    # not a number stays so
    value = torch.where(x > 0, 1.0, torch.where(x < 0, 0.0, x.detach())).to(x.dtype)
    return value, torch.zeros_like(x)


def _times_argument(gate: Gate) -> Gate:
    def product(x: Tensor) -> tuple[Tensor, Tensor]:
        value, slope = gate(x)
        # far out the slope is zero, and zero times infinity would be no number
        return x * value, value + x.clamp(-1e4, 1e4) * slope

    return product


GATES: dict[str, Gate] = {
    "identity": _identity,
    "relu": _relu,
    "sigmoid": _sigmoid,
    "silu": _times_argument(_sigmoid),
    "tanh": _tanh,
    "gelu": _times_argument(_normal_cdf),
    "gelu_tanh": _times_argument(_gelu_divide),
    "gelu_divide": _gelu_divide,
    "normal_cdf": _normal_cdf,
    "step": _step,
}
"""Value and derivative of each, in the order of their numbers in operators."""
