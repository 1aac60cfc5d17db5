"""Message passing between multivectors on the nodes of a graph."""

from typing import Any

from torch import Tensor, nn

from cliffnet import functional as F
from cliffnet.algebra import Partition
from cliffnet.errors import ConfigError, ShapeError
from cliffnet.nn._neighbourhood import check_edge_values, gather, segment_mean, segment_sum, split_edges
from cliffnet.nn.cemlp import CEMLP
from cliffnet.nn.config import BlockConfig, check_channels, check_choice, check_optional_channels, check_partition
from cliffnet.nn.layout import cat_channels, check_multivectors

AGGREGATIONS = {"mean": segment_mean, "sum": segment_sum}


class EquivariantGraphConvolution(nn.Module):
    r"""Messages from differences of neighbours, their mean or sum, and an update, all by Clifford-equivariant MLPs.

    .. math::
        m_{ij} = \phi_e([x_i - x_j, a_{ij}]), \qquad
        y_i = x_i + \phi_v([x_i, \operatorname{mean}_{j \to i} m_{ij}, b_i])

    without the first term of y where ``residual`` is off.

    Parameters
    ----------
    in_channels, hidden_channels, out_channels : int
        Multivector channels of the nodes at the input, inside the MLPs, and of messages and output.
    partition : Partition
        The classes.
    edge_channels, node_channels : int
        Multivector channels of the attributes a of edges and b of nodes, 0 where there are none.
    aggregation : {"mean", "sum"}
        How messages to one node are joined.
    residual : bool
        Whether to add the input, which then has as many channels as the output.
    num_layers : int
        Blocks of each MLP.
    blocks : BlockConfig, dict or {"cgenn", "glgenn"}, optional
        What the blocks of the MLPs are made of.

    Notes
    -----
    Equivariant under every isometry of the generators and under relabelling of the nodes: ``f(g.x) = g.f(x)``. A node
    that no edge reaches gets zero for the mean and for the sum.

    References
    ----------
    Ruhe et al., Clifford Group Equivariant Neural Networks, 2023, section 5; arXiv:2305.11141.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, Partition, nn
    >>> layer = nn.EquivariantGraphConvolution(4, 8, 4, partition=Partition.by_grade(Algebra(3)))
    >>> edge_index = torch.tensor([[0, 1, 2], [1, 2, 0]])
    >>> layer(torch.randn(3, 4, 8), edge_index).shape
    torch.Size([3, 4, 8])
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        out_channels: int,
        *,
        partition: Partition,
        edge_channels: int = 0,
        node_channels: int = 0,
        aggregation: str = "mean",
        residual: bool = True,
        num_layers: int = 2,
        blocks: BlockConfig | dict[str, Any] | str | None = None,
    ) -> None:
        super().__init__()
        check_channels(in_channels=in_channels, out_channels=out_channels)
        check_optional_channels(edge_channels=edge_channels, node_channels=node_channels)
        check_choice("aggregation", aggregation, tuple(AGGREGATIONS))
        if residual and in_channels != out_channels:
            raise ConfigError(
                f"a residual layer keeps its channels, but {in_channels} go in and {out_channels} out; "
                "make them equal or set residual=False"
            )
        self.partition, self.aggregation, self.residual = check_partition(partition), aggregation, residual
        self.in_channels, self.edge_channels, self.node_channels = in_channels, edge_channels, node_channels
        self.edge_mlp, self.node_mlp = (
            CEMLP(inputs, hidden_channels, out_channels, num_layers, partition=partition, blocks=blocks)
            for inputs in (in_channels + edge_channels, in_channels + out_channels + node_channels)
        )

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attributes: Tensor | None = None,
        node_attributes: Tensor | None = None,
    ) -> Tensor:
        """Update the multivectors on the nodes.

        Parameters
        ----------
        x : Tensor
            Shape ``(nodes, in_channels, B)``.
        edge_index : Tensor
            Shape ``(2, edges)``: senders j, then receivers i, as in PyTorch Geometric. There may be no edges.
        edge_attributes : Tensor, optional
            Shape ``(edges, edge_channels, B)``.
        node_attributes : Tensor, optional
            Shape ``(nodes, node_channels, B)``.

        Returns
        -------
        Tensor
            Shape ``(nodes, out_channels, B)``, blade-major if ``x`` is.

        Raises
        ------
        ShapeError, DTypeError, DeviceError, DomainError
            If the arguments do not fit the layer or each other, or an edge names a node that is not there.
        """
        check_multivectors(x, self.in_channels, self.partition.algebra, "x")
        if x.dim() != 3:
            raise ShapeError(f"x has shape {tuple(x.shape)}, expected (nodes, channels, blades); flatten batches first")
        sources, targets = split_edges(edge_index, x)
        self._check_attributes("edge_attributes", edge_attributes, self.edge_channels)
        self._check_attributes("node_attributes", node_attributes, self.node_channels)
        if edge_attributes is not None:
            check_edge_values(edge_attributes, sources, "edge_attributes")
        messages = self.edge_mlp.after_first(self._first_of_edges(x, sources, targets, edge_attributes))
        # nodes are fewer than edges, and factors of channels may wait until messages are summed
        arrived = self.edge_mlp.scale(AGGREGATIONS[self.aggregation](messages, targets, x.shape[0]))
        parts = [x, arrived] if node_attributes is None else [x, arrived, node_attributes]
        update: Tensor = self.node_mlp(cat_channels(parts))
        return x + update if self.residual else update

    def _check_attributes(self, name: str, values: Tensor | None, channels: int) -> None:
        if values is None and channels == 0:
            return
        if values is None or channels == 0:
            given = "none were given" if values is None else f"they were given with shape {tuple(values.shape)}"
            raise ShapeError(f"this layer has {channels} channels of {name}, but {given}")
        check_multivectors(values, channels, self.partition.algebra, name)

    def _first_of_edges(self, x: Tensor, sources: Tensor, targets: Tensor, attributes: Tensor | None) -> Tensor:
        """Apply the first linear map of the edge network to the differences and attributes.

        The map of a difference is the difference of the maps, so the nodes are mapped wherever they are fewer.
        """
        first = self.edge_mlp.first
        if sources.shape[0] <= x.shape[0]:
            differences = gather(x, targets) - gather(x, sources)
            inputs = differences if attributes is None else cat_channels([differences, attributes])
            mapped: Tensor = first(inputs)
            return mapped
        own = first.weight[:, : self.in_channels]
        sent = F.equivariant_linear(x, own, first.maps)
        if attributes is None:
            received = F.equivariant_linear(x, own, first.maps, first.bias)
            return gather(received, targets) - gather(sent, sources)
        of_attributes = F.equivariant_linear(attributes, first.weight[:, self.in_channels :], first.maps, first.bias)
        return of_attributes + gather(sent, targets) - gather(sent, sources)

    def extra_repr(self) -> str:
        """Describe the layer for ``repr``."""
        return f"aggregation={self.aggregation!r}, residual={self.residual}"
