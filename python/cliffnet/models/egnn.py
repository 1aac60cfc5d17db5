"""EGNN: Satorras, Hoogeboom, Welling, E(n) Equivariant Graph Neural Networks, ICML 2021, arXiv:2102.09844.

Networks on graphs in space without multivectors: features of nodes interact through distances, and points move along
differences of points. The baseline of the Clifford networks on graphs.
"""

from typing import Any

from torch import Tensor, nn

from cliffnet.models._egnn_layer import EGNNLayer, check_graph, prepare_edges
from cliffnet.nn.config import check_channels

__all__ = ["EGNN", "EGNNLayer", "VelocityEGNN"]


class EGNN(nn.Module):
    """E(n)-equivariant graph network on features and points.

    A linear layer on the features, ``num_layers`` times :class:`EGNNLayer`, and a linear layer on the features.

    Parameters
    ----------
    in_channels, out_channels, hidden_channels : int
        Features per node before and after, and width.
    num_layers : int
        Depth.
    edge_channels : int
        Attributes per edge.
    **options
        Options of every layer, see :class:`EGNNLayer`: ``residual``, ``attention``, ``displacement``,
        ``aggregation``, ``tanh``, ``coordinate_weight``, ``clamp``, ``activation``.

    Raises
    ------
    ConfigError
        If an option has an unusable value.

    Notes
    -----
    Features are invariant and points equivariant under E(n); both commute with permutations of the nodes.

    References
    ----------
    Satorras, Hoogeboom, Welling, 2021; arXiv:2102.09844.

    Examples
    --------
    >>> import torch
    >>> from cliffnet.models import EGNN
    >>> net = EGNN(2, 1, hidden_channels=16, num_layers=2)
    >>> edge_index = torch.tensor([[0, 1, 2], [1, 2, 0]])
    >>> features, points = net(torch.randn(3, 2), torch.randn(3, 3), edge_index)
    >>> features.shape, points.shape
    (torch.Size([3, 1]), torch.Size([3, 3]))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden_channels: int = 64,
        num_layers: int = 4,
        *,
        edge_channels: int = 0,
        **options: Any,
    ) -> None:
        super().__init__()
        check_channels(in_channels=in_channels, out_channels=out_channels, num_layers=num_layers)
        self.in_channels, self.edge_channels = in_channels, edge_channels
        self.linear_in = nn.Linear(in_channels, hidden_channels)
        self.layers = _layers(hidden_channels, num_layers, edge_channels=edge_channels, **options)
        self.linear_out = nn.Linear(hidden_channels, out_channels)

    def forward(
        self, features: Tensor, points: Tensor, edge_index: Tensor, edge_attributes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return new features ``(nodes, out_channels)`` and points ``(nodes, n)``.

        Parameters
        ----------
        features : Tensor
            Shape ``(nodes, in_channels)``.
        points : Tensor
            Shape ``(nodes, n)`` in any dimension n.
        edge_index : Tensor
            Shape ``(2, edges)``: the nodes that send, then the nodes that receive.
        edge_attributes : Tensor, optional
            Shape ``(edges, edge_channels)``; required if there are any.

        Raises
        ------
        ShapeError, DTypeError, DeviceError, DomainError
            If the tensors do not fit the network or each other, or an edge names a node that is not there.
        """
        check_graph(features, points, None, self.in_channels, False)
        edges = prepare_edges(edge_index, edge_attributes, features, self.edge_channels)
        features = self.linear_in(features)
        for layer in self.layers:
            features, points = layer(features, points, edges)
        return self.linear_out(features), points


class VelocityEGNN(nn.Module):
    """E(n)-equivariant graph network that moves points with velocities, as in the n-body experiment.

    A linear layer on the features and ``num_layers`` times :class:`EGNNLayer` with the velocities. The defaults are
    those of the published experiment: features are speeds, attributes of edges the products of charges and the squared
    distances.

    Parameters
    ----------
    in_channels, hidden_channels : int
        Features per node, and width.
    num_layers : int
        Depth.
    edge_channels : int
        Attributes per edge.
    **options
        Options of every layer, see :class:`EGNN`.

    Raises
    ------
    ConfigError
        If an option has an unusable value.

    Notes
    -----
    Points are equivariant under E(n) acting on points and, without translations, on velocities; they commute with
    permutations of the nodes. The features of the last layer are not returned.

    References
    ----------
    Satorras, Hoogeboom, Welling, 2021, Eq. 7; arXiv:2102.09844.

    Examples
    --------
    >>> from cliffnet.models import VelocityEGNN
    >>> sum(parameter.numel() for parameter in VelocityEGNN().parameters())
    134020
    """

    def __init__(
        self,
        in_channels: int = 1,
        hidden_channels: int = 64,
        num_layers: int = 4,
        *,
        edge_channels: int = 2,
        **options: Any,
    ) -> None:
        super().__init__()
        check_channels(in_channels=in_channels, num_layers=num_layers)
        self.in_channels, self.edge_channels = in_channels, edge_channels
        self.linear_in = nn.Linear(in_channels, hidden_channels)
        self.layers = _layers(hidden_channels, num_layers, edge_channels=edge_channels, velocity=True, **options)

    def forward(
        self,
        features: Tensor,
        points: Tensor,
        velocities: Tensor,
        edge_index: Tensor,
        edge_attributes: Tensor | None = None,
    ) -> Tensor:
        """Return new points ``(nodes, n)``; ``velocities`` have the shape of ``points``, the rest is as in EGNN.

        Raises
        ------
        ShapeError, DTypeError, DeviceError, DomainError
            If the tensors do not fit the network or each other, or an edge names a node that is not there.
        """
        check_graph(features, points, velocities, self.in_channels, True)
        edges = prepare_edges(edge_index, edge_attributes, features, self.edge_channels)
        features = self.linear_in(features)
        for layer in self.layers:
            features, points = layer(features, points, edges, velocities=velocities)
        return points


def _layers(channels: int, count: int, **options: Any) -> nn.ModuleList:
    return nn.ModuleList(EGNNLayer(channels, channels, channels, **options) for _ in range(count))
