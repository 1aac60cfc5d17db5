"""Networks of the O(n) regression: CGENN, 2023, section 5.2, arXiv:2305.11141; GLGENN, 2025, arXiv:2506.09625."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from cliffnet.algebra import Algebra, Partition
from cliffnet.models._readout import invariant_mlp, partition_or_grades
from cliffnet.nn import BlockConfig, MVLinear
from cliffnet.nn.cemlp import product_layer
from cliffnet.nn.layout import check_vectors, embed_vectors, scalar_plane


class InvariantRegressionNet(nn.Module):
    """Predict an invariant of a few vectors: a linear map, one product layer and a plain MLP on its scalars.

    Parameters
    ----------
    in_channels : int
        Vectors of a sample.
    channels : int
        Multivector channels.
    readout_channels : sequence of int
        Hidden widths of the MLP on scalars; none for a linear read-out.
    out_channels : int
        Numbers to predict.
    partition : Partition, optional
        The classes; Cl(5,0) by grade if not given.
    blocks : BlockConfig, dict or {"cgenn", "glgenn"}, optional
        Options of the linear map and the product.

    Notes
    -----
    Invariant under every isometry of the generators: ``f(g.x) = f(x)``.

    References
    ----------
    arXiv:2305.11141, arXiv:2506.09625.

    Examples
    --------
    >>> import torch
    >>> from cliffnet.models import InvariantRegressionNet
    >>> for net in (InvariantRegressionNet(), InvariantRegressionNet.glgenn()):
    ...     print(sum(parameter.numel() for parameter in net.parameters()))
    344077
    343389
    >>> net(torch.randn(10, 2, 5)).shape
    torch.Size([10])
    """

    def __init__(
        self,
        in_channels: int = 2,
        channels: int = 8,
        readout_channels: Sequence[int] = (580, 580),
        out_channels: int = 1,
        *,
        partition: Partition | None = None,
        blocks: BlockConfig | dict[str, Any] | str | None = None,
    ) -> None:
        super().__init__()
        self.partition = partition_or_grades(partition, Algebra(5))
        self.in_channels, self.blocks = in_channels, BlockConfig.cast(blocks)
        embedding = self.blocks.embedding_partition(self.partition)
        self.layers = nn.Sequential(
            MVLinear(in_channels, channels, partition=embedding, bias=self.blocks.bias),
            product_layer(channels, self.partition, self.blocks),
        )
        self.readout = invariant_mlp([channels, *readout_channels, out_channels], nn.ReLU)

    @classmethod
    def glgenn(cls, dim: int = 5, **options: Any) -> "InvariantRegressionNet":
        """Build GLGENN's network on vectors of so many dimensions; options as for the class."""
        return cls(partition=Partition.by_grade_mod(Algebra(dim), 4), blocks="glgenn", **options)

    def forward(self, vectors: Tensor) -> Tensor:
        """Predict from vectors ``(..., in_channels, n)``; shape ``(...)``, or ``(..., out_channels)`` if several.

        Raises
        ------
        ShapeError, DTypeError
            If there are not that many vectors of the algebra.
        """
        algebra = self.partition.algebra
        check_vectors(vectors, self.in_channels, algebra, "vectors")
        scalars = scalar_plane(self.layers(embed_vectors(vectors, algebra)))
        out: Tensor = self.readout(scalars)
        return out.squeeze(-1)
