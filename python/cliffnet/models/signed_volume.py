"""The network of the O(3) signed volume experiment: Ruhe et al., CGENN, 2023, section 5.1; arXiv:2305.11141."""

from typing import Any

from torch import Tensor, nn

from cliffnet.algebra import Algebra, Partition
from cliffnet.models._readout import partition_or_grades
from cliffnet.nn import BlockConfig, FullyConnectedProductLayer, MVSiLU
from cliffnet.nn.config import check_channels
from cliffnet.nn.layout import check_vectors, embed_vectors


class SignedVolumeNet(nn.Module):
    """Predict a number that changes sign under reflections, such as the signed volume of a simplex, from vectors.

    A fully connected product layer, ``num_layers - 1`` gates, and another product layer, of which the pseudoscalar is
    read.

    Parameters
    ----------
    in_channels, hidden_channels, out_channels : int
        Vectors of a sample, multivector channels, and numbers to predict.
    num_layers : int
        One more than the gates. The published run has 96 channels and 4 layers.
    partition : Partition, optional
        The classes; Cl(3,0) by grade if not given.
    blocks : BlockConfig, dict or {"cgenn", "glgenn"}, optional
        Options of products and gates.

    Notes
    -----
    Under an isometry of the generators the prediction is multiplied by its determinant.

    Examples
    --------
    >>> import torch
    >>> from cliffnet.models import SignedVolumeNet
    >>> net = SignedVolumeNet()
    >>> sum(parameter.numel() for parameter in net.parameters())
    48913
    >>> net(torch.randn(10, 3, 3)).shape
    torch.Size([10])
    """

    def __init__(
        self,
        in_channels: int = 3,
        hidden_channels: int = 96,
        out_channels: int = 1,
        num_layers: int = 4,
        *,
        partition: Partition | None = None,
        blocks: BlockConfig | dict[str, Any] | str | None = None,
    ) -> None:
        super().__init__()
        check_channels(num_layers=num_layers)
        self.partition = partition_or_grades(partition, Algebra(3))
        self.in_channels, self.blocks = in_channels, BlockConfig.cast(blocks)
        options: dict[str, Any] = {
            "partition": self.partition,
            "first_order": self.blocks.first_order,
            "normalization": self.blocks.normalization,
        }
        gate_partition = self.blocks.gate_partition(self.partition)
        self.layers = nn.Sequential(
            FullyConnectedProductLayer(in_channels, hidden_channels, **options),
            *(MVSiLU(hidden_channels, partition=gate_partition) for _ in range(num_layers - 1)),
            FullyConnectedProductLayer(hidden_channels, out_channels, **options),
        )

    def forward(self, vectors: Tensor) -> Tensor:
        """Predict from vectors ``(..., in_channels, n)``; shape ``(...)``, or ``(..., out_channels)`` if several.

        Raises
        ------
        ShapeError, DTypeError
            If there are not that many vectors of the algebra.
        """
        algebra = self.partition.algebra
        check_vectors(vectors, self.in_channels, algebra, "vectors")
        out = self.layers(embed_vectors(vectors, algebra))
        volumes: Tensor = out[..., -1]
        return volumes.squeeze(-1)
