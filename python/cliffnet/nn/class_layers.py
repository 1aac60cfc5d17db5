"""Normalisation and gates class by class, and the layer norm over channels, with learnable parameters."""

import torch
from torch import Tensor, nn

from cliffnet import functional as F
from cliffnet.algebra import Algebra, Partition
from cliffnet.errors import AlgebraMismatchError
from cliffnet.nn.config import check_channels, check_choice, check_number, check_partition


class ClassNormalization(nn.Module):
    r"""Divide each class of each channel by a learnt mixture of its norm and one.

    .. math:: y_k = x_k / (\sigma(a_k) (\lVert x_k \rVert - 1) + 1 + 10^{-6})

    Parameters
    ----------
    channels : int
        Multivector channels.
    partition : Partition
        The classes.
    initial : float
        Value of the parameters at first: 0 for half a normalisation, large for a full one, very negative for none.

    Attributes
    ----------
    strength : Parameter
        a, shape ``(channels, classes)``.

    Notes
    -----
    Equivariant under every isometry of the generators. See :func:`cliffnet.functional.class_normalization`.

    References
    ----------
    Ruhe et al., Clifford Group Equivariant Neural Networks, 2023, section 4; arXiv:2305.11141.
    """

    def __init__(self, channels: int, *, partition: Partition, initial: float = 0.0) -> None:
        super().__init__()
        check_channels(channels=channels)
        self.partition, self.initial = check_partition(partition), check_number("initial", initial)
        self.strength = nn.Parameter(torch.full((channels, len(partition)), self.initial))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Set the parameters to their initial value."""
        self.strength.fill_(self.initial)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise multivectors ``(..., channels, B)``."""
        # said, for compiled graphs take floats that are defaults as inputs
        return F.class_normalization(x, self.strength, self.partition, epsilon=1e-6)

    def extra_repr(self) -> str:
        """Describe the layer for ``repr``."""
        return f"{len(self.strength)}, partition={self.partition}, initial={self.initial}"


class MVSiLU(nn.Module):
    r"""Gate each class of each channel by a learnt function of its own invariant.

    .. math:: y_k = \sigma(a_k v_k + b_k)\, x_k

    where :math:`v_k` is the scalar itself for the class of the scalar alone, and the invariant square or norm for
    others. At first it is SiLU on scalars.

    Parameters
    ----------
    channels : int
        Multivector channels.
    partition : Partition
        The classes.
    invariant : {"square", "norm"}
        What the gates of other classes than the scalar see.

    Attributes
    ----------
    scale, shift : Parameter
        a and b, shape ``(channels, classes)``, at first one and zero.

    Notes
    -----
    Equivariant under every isometry of the generators. See :func:`cliffnet.functional.class_gate`.

    References
    ----------
    Ruhe et al., Clifford Group Equivariant Neural Networks, 2023, section 4; arXiv:2305.11141.
    """

    def __init__(self, channels: int, *, partition: Partition, invariant: str = "square") -> None:
        super().__init__()
        check_channels(channels=channels)
        check_choice("invariant", invariant, ("square", "norm"))
        self.partition, self.invariant = check_partition(partition), invariant
        self.scale = nn.Parameter(torch.ones(channels, len(partition)))
        self.shift = nn.Parameter(torch.zeros(channels, len(partition)))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Set the scale to one and the shift to zero."""
        self.scale.fill_(1.0)
        self.shift.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Gate multivectors ``(..., channels, B)``."""
        return F.class_gate(x, self.scale, self.shift, self.partition, invariant=self.invariant)

    def extra_repr(self) -> str:
        """Describe the layer for ``repr``."""
        return f"{len(self.scale)}, partition={self.partition}, invariant={self.invariant!r}"


class MVLayerNorm(nn.Module):
    r"""Divide multivectors by the mean norm of their channels, and scale each channel by a learnt factor.

    .. math:: y_c = a_c\, x_c / (\tfrac{1}{C} \sum_{c'} \lVert x_{c'} \rVert + 10^{-6})

    Parameters
    ----------
    channels : int
        Multivector channels.
    algebra : Algebra
        Algebra of the multivectors.

    Attributes
    ----------
    gain : Parameter
        a, shape ``(channels,)``, at first one.

    Notes
    -----
    Equivariant under every isometry of the generators. The norm is the smooth root of the magnitude of the whole
    invariant square, which in an indefinite metric is small near null multivectors: there the result is large.

    References
    ----------
    Ruhe et al., Clifford Group Equivariant Neural Networks, 2023; arXiv:2305.11141.
    """

    def __init__(self, channels: int, *, algebra: Algebra) -> None:
        super().__init__()
        check_channels(channels=channels)
        if not isinstance(algebra, Algebra):
            raise AlgebraMismatchError(f"expected an Algebra, got {type(algebra).__name__}")
        self.algebra = algebra
        self.gain = nn.Parameter(torch.ones(channels))

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Set the gains to one."""
        self.gain.fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise multivectors ``(..., channels, B)``."""
        return self.scale(self.divide(x))

    def divide(self, x: Tensor) -> Tensor:
        """Divide multivectors by the mean norm of their channels."""
        return F.layer_norm(x, self.algebra, by="norm", gain=1.0)

    def scale(self, x: Tensor) -> Tensor:
        """Scale each channel by its factor: for callers that put what is linear between the two steps."""
        return F.gate(x, self.gain.unsqueeze(-1))

    def extra_repr(self) -> str:
        """Describe the layer for ``repr``."""
        return f"{len(self.gain)}, algebra={self.algebra}"
