"""Nonlinearities of multivectors: invariant gates."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from cliffnet.nn.config import ACTIVATIONS, check_choice
from cliffnet.nn.layout import scalar_plane


def _gelu_tanh(x: Tensor) -> Tensor:
    return nn.functional.gelu(x, approximate="tanh")


def _gelu_over_argument(x: Tensor) -> Tensor:
    # The tanh approximation of GELU, divided by its argument.
    return torch.sigmoid(2.0 * math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3))


_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "gelu": nn.functional.gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": nn.functional.silu,
    "tanh": torch.tanh,
    "gelu_divide": _gelu_over_argument,
}


def gate(x: Tensor, gates: Tensor, activation: str = "gelu") -> Tensor:
    """Multiply multivectors by an activation of invariant gates: ``activation(gates) * x``.

    Parameters
    ----------
    x : Tensor
        Multivectors, shape (..., C, B).
    gates : Tensor
        Invariants, shape (..., C).
    activation : str
        ``relu``, ``sigmoid``, ``gelu``, ``gelu_tanh``, ``gelu_divide`` (GELU over its argument), ``silu`` or ``tanh``.

    Returns
    -------
    Tensor
        Shape (..., C, B).
    """
    check_choice("activation", activation, tuple(_FUNCTIONS))
    return x * _FUNCTIONS[activation](gates)[..., None]


class ScalarGatedNonlinearity(nn.Module):
    r"""Gate multivectors by their own scalar part, and apply the activation to scalars.

    .. math:: y_c = f(\langle x_c \rangle_0)\, x_c, \qquad t = f(s)

    Parameters
    ----------
    activation : {"relu", "sigmoid", "gelu", "gelu_tanh", "silu", "tanh"}
        The function f. ``gelu`` is exact, ``gelu_tanh`` its approximation.
    mixed_gelu : bool
        With ``gelu``, gate multivectors by the tanh approximation and scalars by the exact function, as GATr and
        L-GATr 1 do.

    Notes
    -----
    Pin-equivariant. Brehmer et al. 2023, section 3.2.
    """

    def __init__(self, activation: str = "gelu", *, mixed_gelu: bool = False) -> None:
        super().__init__()
        check_choice("activation", activation, ACTIVATIONS)
        self.activation = activation
        self.gate_activation = "gelu_tanh" if mixed_gelu and activation == "gelu" else activation

    def forward(self, multivectors: Tensor, scalars: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Apply the nonlinearity to (..., C, B) multivectors and (..., S) scalars."""
        outputs = gate(multivectors, scalar_plane(multivectors), self.gate_activation)
        return outputs, None if scalars is None else _FUNCTIONS[self.activation](scalars)

    def extra_repr(self) -> str:
        """Describe the layer for ``repr``."""
        return f"{self.activation}, gate_activation={self.gate_activation}"
