"""Geometric products of a multivector with its own linear image, each path of classes with a learnt weight."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from cliffnet import functional as F
from cliffnet.algebra import Partition
from cliffnet.nn.class_layers import ClassNormalization
from cliffnet.nn.config import check_channels, check_normalization, check_partition
from cliffnet.nn.mv_linear import MVLinear


def _halved(value: Tensor) -> Tensor:
    """Halve the variance, which keeps that of the sum of two terms."""
    # a literal: compiled graphs take names of numbers as inputs
    return 0.7071067811865476 * value


class _ProductLayer(nn.Module, ABC):
    """What both product layers share: the right factor and the first-order term."""

    weight: nn.Parameter

    def __init__(
        self, in_channels: int, out_channels: int, partition: Partition, first_order: bool, normalization: float | None
    ) -> None:
        super().__init__()
        check_channels(in_channels=in_channels, out_channels=out_channels)
        self.partition = check_partition(partition)
        self.right = MVLinear(in_channels, in_channels, partition=partition, bias=False)
        self.normalization: ClassNormalization | None = None
        strength = check_normalization(normalization)
        if strength is not None:
            self.normalization = ClassNormalization(in_channels, partition=partition, initial=strength)
        self.left: MVLinear | None = None
        if first_order:
            self.left = MVLinear(in_channels, out_channels, partition=partition)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw all parameters afresh."""
        fan_in = math.prod(self.weight.shape[1:-1]) * (self.partition.algebra.dim + 1)
        nn.init.normal_(self.weight, std=1.0 / math.sqrt(fan_in))
        for layer in (self.right, self.normalization, self.left):
            if layer is not None:
                layer.reset_parameters()

    @abstractmethod
    def product(self, x: Tensor, right: Tensor, weight: Tensor) -> Tensor:
        """Multiply, pairing channels in the way of the layer."""

    def forward(self, x: Tensor) -> Tensor:
        """Map multivectors ``(..., in_channels, B)`` to ``(..., out_channels, B)``.

        Raises
        ------
        ShapeError, DTypeError, DeviceError
            If ``x`` does not hold that many channels of multivectors of the partition's algebra.
        """
        left = self.left
        if left is None:
            return self._join(x, self.right(x), None)
        # The common factor goes into the weights, which are smaller than the activations.
        bias = None if left.bias is None else _halved(left.bias)
        return self._join(x, self.right(x), F.equivariant_linear(x, _halved(left.weight), left.maps, bias))

    def forward_of_images(self, x: Tensor, right: Tensor, left: Tensor | None) -> Tensor:
        """Do what follows the linear maps, for callers that work out ``right(x)`` and ``left(x)`` in their own way."""
        return self._join(x, right, None if left is None else _halved(left))

    def _join(self, x: Tensor, right: Tensor, first: Tensor | None) -> Tensor:
        """Add the product of ``x`` and its normalised image to the first-order term, which is scaled already."""
        if self.normalization is not None:
            right = self.normalization(right)
        if first is None:
            return self.product(x, right, self.weight)
        return first + self.product(x, right, _halved(self.weight))

    def extra_repr(self) -> str:
        """Describe the layer for ``repr``."""
        channels = ", ".join(str(size) for size in reversed(self.weight.shape[:-1]))
        return f"{channels}, partition={self.partition}, paths={self.weight.shape[-1]}"


class SteerableProductLayer(_ProductLayer):
    r"""Multiply each channel by a linear image of all channels, with one weight for each path of classes.

    .. math::
        z = \mathrm{norm}(R x), \qquad
        p_c = \sum_{(l, o, r)} w_{c, (l, o, r)}\, \langle \langle x_c \rangle_l \langle z_c \rangle_r \rangle_o, \qquad
        y = (L x + b + p) / \sqrt 2

    without L, b and the factor where ``first_order`` is off.

    Parameters
    ----------
    channels : int
        Multivector channels.
    partition : Partition
        The classes: by grade for CGENN, by grade modulo 4 for GLGENN.
    first_order : bool
        Whether to add the linear term.
    normalization : float or None
        Initial value of the :class:`ClassNormalization` of the right factor; None for no normalisation.

    Attributes
    ----------
    weight : Parameter
        Shape ``(channels, paths)`` with the paths of the partition in their order.
    right, left : MVLinear
        The linear maps of the right factor and of the first-order term.

    Notes
    -----
    Equivariant under every isometry of the generators: ``f(g.x) = g.f(x)``.

    References
    ----------
    Ruhe et al., Clifford Group Equivariant Neural Networks, 2023, Eq. 11; arXiv:2305.11141. Filimoshina and Shirokov,
    GLGENN, 2025; arXiv:2506.09625.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, Partition, nn
    >>> layer = nn.SteerableProductLayer(4, partition=Partition.by_grade_mod(Algebra(5), 4))
    >>> layer(torch.randn(10, 4, 32)).shape
    torch.Size([10, 4, 32])
    """

    def __init__(
        self,
        channels: int,
        *,
        partition: Partition,
        first_order: bool = True,
        normalization: float | None = 0.0,
    ) -> None:
        super().__init__(channels, channels, partition, first_order, normalization)
        self.weight = nn.Parameter(torch.empty(channels, len(partition.paths())))
        self.reset_parameters()

    def product(self, x: Tensor, right: Tensor, weight: Tensor) -> Tensor:
        """Multiply channel by channel."""
        return F.steerable_product(x, right, weight, self.partition)


class FullyConnectedProductLayer(_ProductLayer):
    r"""Multiply each channel by a linear image of all channels, and mix the products into the output channels.

    .. math::
        z = \mathrm{norm}(R x), \qquad
        p_o = \sum_c \sum_{(l, m, r)} w_{o, c, (l, m, r)}\, \langle \langle x_c \rangle_l \langle z_c \rangle_r
        \rangle_m, \qquad y = (L x + b + p) / \sqrt 2

    without L, b and the factor where ``first_order`` is off.

    Parameters
    ----------
    in_channels, out_channels : int
        Multivector channels.
    partition : Partition
        The classes.
    first_order : bool
        Whether to add the linear term.
    normalization : float or None
        Initial value of the :class:`ClassNormalization` of the right factor; None for no normalisation.

    Attributes
    ----------
    weight : Parameter
        Shape ``(out_channels, in_channels, paths)`` with the paths of the partition in their order.
    right, left : MVLinear
        The linear maps of the right factor and of the first-order term.

    Notes
    -----
    Equivariant under every isometry of the generators: ``f(g.x) = g.f(x)``.

    References
    ----------
    Ruhe et al., Clifford Group Equivariant Neural Networks, 2023, Eq. 12; arXiv:2305.11141.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        partition: Partition,
        first_order: bool = True,
        normalization: float | None = 0.0,
    ) -> None:
        super().__init__(in_channels, out_channels, partition, first_order, normalization)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, len(partition.paths())))
        self.reset_parameters()

    def product(self, x: Tensor, right: Tensor, weight: Tensor) -> Tensor:
        """Multiply all pairs of input channels with their images and mix them."""
        return F.fully_connected_product(x, right, weight, self.partition)
