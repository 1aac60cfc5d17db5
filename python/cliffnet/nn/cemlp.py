"""Multilayer perceptron of multivectors: linear map, gate, product and layer norm."""

import itertools

from torch import Tensor, nn

from cliffnet.algebra import Partition
from cliffnet.nn.class_layers import MVLayerNorm, MVSiLU
from cliffnet.nn.config import check_channels, check_partition
from cliffnet.nn.mv_linear import MVLinear
from cliffnet.nn.product_layers import SteerableProductLayer


class CEMLP(nn.Module):
    """Clifford-equivariant MLP: blocks of :class:`MVLinear`, :class:`MVSiLU`, product layer and layer norm.

    Parameters
    ----------
    in_channels, hidden_channels, out_channels : int
        Multivector channels at the input, between blocks and at the output.
    num_layers : int
        Number of blocks.
    partition : Partition
        The classes.
    normalization : float or None
        Initial value of the normalisation inside the products; None for none.

    Notes
    -----
    Equivariant under every isometry of the generators: ``f(g.x) = g.f(x)``.

    References
    ----------
    Ruhe et al., Clifford Group Equivariant Neural Networks, 2023, section 5; arXiv:2305.11141.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, Partition, nn
    >>> mlp = nn.CEMLP(2, 8, 1, partition=Partition.by_grade(Algebra(1, 3)))
    >>> mlp(torch.randn(10, 2, 16)).shape
    torch.Size([10, 1, 16])
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        out_channels: int,
        num_layers: int = 2,
        *,
        partition: Partition,
        normalization: float | None = 0.0,
    ) -> None:
        super().__init__()
        check_channels(hidden_channels=hidden_channels, num_layers=num_layers)
        check_partition(partition)
        widths = [in_channels, *[hidden_channels] * (num_layers - 1), out_channels]
        self.layers = nn.Sequential()
        for inputs, outputs in itertools.pairwise(widths):
            self.layers.extend(
                [
                    MVLinear(inputs, outputs, partition=partition),
                    MVSiLU(outputs, partition=partition),
                    SteerableProductLayer(outputs, partition=partition, normalization=normalization),
                    MVLayerNorm(outputs, algebra=partition.algebra),
                ]
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map multivectors ``(..., in_channels, B)`` to ``(..., out_channels, B)``."""
        result: Tensor = self.layers(x)
        return result
