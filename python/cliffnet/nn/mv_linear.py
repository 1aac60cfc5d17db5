"""Linear map between multivector channels with one weight for each class of a partition."""

import math

import torch
from torch import Tensor, nn

from cliffnet import functional as F
from cliffnet.algebra import Partition
from cliffnet.nn.config import check_channels, check_partition


class MVLinear(nn.Module):
    r"""Mix channels with one weight for each pair of channels and class of blades.

    .. math:: y_o = \sum_c \sum_k w_{ock} \langle x_c \rangle_k + b_o

    Parameters
    ----------
    in_channels, out_channels : int
        Multivector channels.
    partition : Partition
        The classes: by grade for CGENN, by grade modulo 4 for GLGENN, ``Partition.whole`` for one weight that all
        grades share.
    bias : bool
        Whether to add a bias to the scalar components.

    Attributes
    ----------
    weight : Parameter
        Shape ``(out_channels, in_channels, classes)``, drawn from a normal distribution of variance
        ``1 / in_channels``.
    bias : Parameter or None
        Shape ``(out_channels,)``, zero at first.

    Notes
    -----
    Equivariant under every isometry of the generators, degenerate metrics included: ``f(g.x) = g.f(x)``; with the
    classes modulo 4, or coarser ones, under the generalised Lipschitz group too, which leaves the bias alone.

    References
    ----------
    Ruhe et al., Clifford Group Equivariant Neural Networks, 2023, Eq. 10; arXiv:2305.11141. Filimoshina and Shirokov,
    GLGENN, 2025; arXiv:2506.09625.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, Partition, nn
    >>> layer = nn.MVLinear(3, 5, partition=Partition.by_grade(Algebra(3)))
    >>> layer(torch.randn(10, 3, 8)).shape
    torch.Size([10, 5, 8])
    """

    def __init__(self, in_channels: int, out_channels: int, *, partition: Partition, bias: bool = True) -> None:
        super().__init__()
        check_channels(in_channels=in_channels, out_channels=out_channels)
        self.partition = check_partition(partition)
        self.maps = partition.projections()
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, len(partition)))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the weight afresh and set the bias to zero."""
        nn.init.normal_(self.weight, std=1.0 / math.sqrt(self.weight.shape[1]))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map multivectors ``(..., in_channels, B)`` to ``(..., out_channels, B)``.

        Raises
        ------
        ShapeError, DTypeError, DeviceError
            If ``x`` does not hold that many channels of multivectors of the partition's algebra.
        """
        return F.equivariant_linear(x, self.weight, self.maps, self.bias)

    def extra_repr(self) -> str:
        """Describe the layer for ``repr``."""
        outputs, inputs, _ = self.weight.shape
        return f"{inputs}, {outputs}, partition={self.partition}, bias={self.bias is not None}"
