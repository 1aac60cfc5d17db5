"""Networks of the hull experiments: CGENN, 2023, section 5.3, arXiv:2305.11141; GLGENN, 2025, arXiv:2506.09625."""

from typing import Any

from torch import Tensor, nn

from cliffnet.algebra import Algebra, Partition
from cliffnet.models._readout import channel_norms, invariant_mlp, partition_or_grades
from cliffnet.nn import BlockConfig, Compatibility, MVLinear
from cliffnet.nn.cemlp import product_layer
from cliffnet.nn.config import check_channels, check_choice
from cliffnet.nn.layout import check_vectors, embed_vectors


class ConvexHullNet(nn.Module):
    """Predict an invariant of points, such as the volume of their convex hull: products, norms and a plain MLP.

    Each stage is a linear map and some product layers. The MLP sees the norm of every channel.

    Parameters
    ----------
    in_channels : int
        Points of a sample, which are channels: their order matters.
    hidden_channels : int
        Multivector channels, and width of the MLP.
    out_channels : int
        Numbers to predict.
    num_layers : int
        Product layers of a stage.
    num_stages : int
        Stages.
    readout_layers : int
        Hidden layers of the MLP.
    partition : Partition, optional
        The classes; Cl(5,0) by grade if not given.
    blocks : BlockConfig, dict or {"cgenn", "glgenn"}, optional
        Options of linear maps and products.
    compatibility : Compatibility or str, optional
        Faults of the references to reproduce. It matters in metrics that are not Euclidean only.

    Notes
    -----
    Invariant under every isometry of the generators: ``f(g.x) = f(x)``.

    References
    ----------
    arXiv:2305.11141, arXiv:2506.09625.

    Examples
    --------
    >>> import torch
    >>> from cliffnet.models import ConvexHullNet
    >>> for net in (ConvexHullNet(), ConvexHullNet.glgenn(), ConvexHullNet.large(256)):
    ...     print(sum(parameter.numel() for parameter in net.parameters()))
    58849
    24129
    790913
    >>> ConvexHullNet.glgenn(dim=6)(torch.randn(10, 16, 6)).shape
    torch.Size([10])
    """

    def __init__(
        self,
        in_channels: int = 16,
        hidden_channels: int = 32,
        out_channels: int = 1,
        num_layers: int = 4,
        num_stages: int = 1,
        readout_layers: int = 1,
        *,
        partition: Partition | None = None,
        blocks: BlockConfig | dict[str, Any] | str | None = None,
        compatibility: Compatibility | str | None = None,
    ) -> None:
        super().__init__()
        check_channels(num_layers=num_layers, num_stages=num_stages, readout_layers=readout_layers)
        self.partition = partition_or_grades(partition, Algebra(5))
        self.in_channels, self.blocks = in_channels, BlockConfig.cast(blocks)
        self.compatibility = Compatibility.cast(compatibility)
        embedding = self.blocks.embedding_partition(self.partition)
        self.layers = nn.Sequential()
        for inputs in [in_channels, *[hidden_channels] * (num_stages - 1)]:
            self.layers.append(MVLinear(inputs, hidden_channels, partition=embedding, bias=self.blocks.bias))
            self.layers.extend(product_layer(hidden_channels, self.partition, self.blocks) for _ in range(num_layers))
        self.readout = invariant_mlp([hidden_channels] * (readout_layers + 1) + [out_channels], nn.SiLU)

    @classmethod
    def glgenn(cls, dim: int = 5, **options: Any) -> "ConvexHullNet":
        """Build GLGENN's network for points of so many dimensions; options as for the class."""
        return cls(partition=Partition.by_grade_mod(Algebra(dim), 4), blocks="glgenn", **options)

    @classmethod
    def large(cls, in_channels: int, dim: int = 5, blocks: str = "glgenn") -> "ConvexHullNet":
        """Build the network for hundreds of points: 128 channels, two stages, two hidden layers in the MLP.

        Parameters
        ----------
        in_channels : int
            Points of a sample; 256 and 512 were published.
        dim : int
            Dimension of the points.
        blocks : {"glgenn", "cgenn"}
            The family.
        """
        check_choice("blocks", blocks, BlockConfig.PRESETS)
        algebra = Algebra(dim)
        partition = Partition.by_grade_mod(algebra, 4) if blocks == "glgenn" else Partition.by_grade(algebra)
        return cls(in_channels, 128, num_stages=2, readout_layers=2, partition=partition, blocks=blocks)

    def forward(self, points: Tensor) -> Tensor:
        """Predict from points ``(..., in_channels, n)``; shape ``(...)``, or ``(..., out_channels)`` if several.

        Raises
        ------
        ShapeError, DTypeError
            If there are not that many points of the algebra's dimension.
        """
        algebra = self.partition.algebra
        check_vectors(points, self.in_channels, algebra, "points")
        x = self.layers(embed_vectors(points, algebra))
        out: Tensor = self.readout(channel_norms(x, algebra, self.compatibility.norm_of_coefficients))
        return out.squeeze(-1)
