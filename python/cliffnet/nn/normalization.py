"""Equivariant layer normalisation."""

from torch import Tensor, nn

from cliffnet import functional as F
from cliffnet.algebra import Algebra, Partition
from cliffnet.errors import ConfigError


def invariant_square(x: Tensor, algebra: Algebra) -> Tensor:
    r"""Return the Pin-invariant magnitude :math:`\sum_k |\langle \tilde x_k x_k \rangle_0|`, shape (..., C).

    Where no generator squares to -1 this is the scalar part of :math:`\tilde x x` itself. Otherwise a grade may
    have a negative square, and the absolute value is taken grade by grade.
    """
    return F.class_squares(x, Partition.by_grade(algebra)).abs().sum(-1)


class EquivariantLayerNorm(nn.Module):
    r"""Scale multivectors to unit mean square over channels, and layer-normalise scalars.

    .. math:: y_c = g\, x_c / \sqrt{\max(\tfrac{1}{C} \sum_{c'} |x_{c'}|^2, \epsilon)}

    There are no learnable parameters and no mean is subtracted from multivectors.

    Parameters
    ----------
    algebra : Algebra
        Algebra of the multivectors.
    epsilon : float
        Smallest mean square divided by; below it no gradient flows through the square.
    gain : float
        Target scale.

    Notes
    -----
    Pin-equivariant, since the square is invariant. Brehmer et al. 2023, section 3.2.
    """

    def __init__(self, algebra: Algebra, epsilon: float = 0.01, gain: float = 1.0) -> None:
        super().__init__()
        if not epsilon > 0:
            raise ConfigError(f"epsilon is {epsilon!r}; give a positive number")
        self.algebra, self.epsilon, self.gain = algebra, epsilon, gain

    def forward(self, multivectors: Tensor, scalars: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Normalise (..., C, B) multivectors and (..., S) scalars."""
        outputs = F.layer_norm(multivectors, self.algebra, epsilon=self.epsilon, gain=self.gain)
        return outputs, None if scalars is None else nn.functional.layer_norm(scalars, scalars.shape[-1:])

    def extra_repr(self) -> str:
        """Describe the layer for ``repr``."""
        return f"algebra={self.algebra}, epsilon={self.epsilon}, gain={self.gain}"
