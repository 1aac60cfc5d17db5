"""Nonlinearities of multivectors: invariant gates."""

from torch import Tensor, nn

from cliffnet import functional as F
from cliffnet.nn.config import ACTIVATIONS, check_choice
from cliffnet.reference import ACTIVATIONS as FUNCTIONS


def gate(x: Tensor, gates: Tensor, activation: str = "gelu") -> Tensor:
    """Multiply multivectors by an activation of invariant gates: ``activation(gates) * x``.

    Parameters
    ----------
    x : Tensor
        Multivectors, shape (..., C, B).
    gates : Tensor
        Invariants, shape (..., C).
    activation : str
        ``relu``, ``sigmoid``, ``gelu``, ``gelu_tanh``, ``gelu_divide`` (GELU over its argument), ``silu``, ``tanh`` or
        another that :func:`cliffnet.functional.gate` knows.

    Returns
    -------
    Tensor
        Shape (..., C, B).
    """
    return F.gate(x, gates.unsqueeze(-1), activation)


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
        self._function = FUNCTIONS[activation][0]

    def forward(self, multivectors: Tensor, scalars: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Apply the nonlinearity to (..., C, B) multivectors and (..., S) scalars."""
        outputs = F.scalar_gate(multivectors, self.gate_activation)
        return outputs, None if scalars is None else self._function(scalars)

    def extra_repr(self) -> str:
        """Describe the layer for ``repr``."""
        return f"{self.activation}, gate_activation={self.gate_activation}"
