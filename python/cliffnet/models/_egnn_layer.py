"""The E(n)-equivariant graph convolution: Satorras, Hoogeboom, Welling, ICML 2021, arXiv:2102.09844."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cliffnet.errors import ConfigError, ShapeError
from cliffnet.functional._checks import check_together
from cliffnet.nn._neighbourhood import gather, segment_mean, segment_sum, split_edges
from cliffnet.nn.config import check_channels, check_choice, check_optional_channels

EGNN_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "silu": nn.SiLU,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
}

_DISPLACEMENTS = ("plain", "unit", "soft")
# keeps the quotient finite where two nodes coincide
_SMALLEST_DISTANCE = 1e-8
_COORDINATE_GAIN = 0.001


class Edges(NamedTuple):
    """Edges of a graph that were checked, with their attributes."""

    sources: Tensor
    targets: Tensor
    attributes: Tensor | None


class EGNNLayer(nn.Module):
    r"""Graph convolution on features and points that commutes with isometries of the points.

    .. math::
        m_{ij} &= \phi_e(h_i, h_j, \lVert x_i - x_j \rVert^2, a_{ij}) \\
        x_i' &= x_i + w \operatorname{agg}_j\, \phi_x(m_{ij})\, (x_i - x_j) + \phi_v(h_i)\, v_i \\
        h_i' &= h_i + \phi_h(h_i, \textstyle\sum_j m_{ij}, b_i)

    where the sums run over the edges from j to i.

    Parameters
    ----------
    in_channels, out_channels, hidden_channels : int
        Features per node before and after, and width of the networks.
    edge_channels, node_channels : int
        Attributes a per edge and b per node; 0 if there are none.
    residual : bool
        Whether ``h_i`` is added to the new features.
    attention : bool
        Whether messages are multiplied by a learnt gate of their own, ``sigmoid(linear(m))``.
    displacement : {"plain", "unit", "soft"}
        ``x_i - x_j`` as it is, divided by its length (the length is held constant in derivatives), or divided by its
        length plus one.
    aggregation : {"mean", "sum"}
        How displacements of a node are joined; messages are always summed.
    tanh : bool
        Whether ``phi_x`` ends in a hyperbolic tangent.
    velocity : bool
        Whether velocities take part, with a network ``phi_v``.
    coordinate_weight : float
        w.
    clamp : float or None
        Bound of every component of the weighted displacements. This breaks the symmetry where it takes effect.
    activation : {"silu", "relu", "gelu", "tanh", "leaky_relu"}
        Activation of the networks; the slope of ``"leaky_relu"`` is 0.2.

    Notes
    -----
    Features are invariant and points equivariant under E(n), and both commute with permutations of the nodes and
    edges. A node without incoming edges keeps its place, or moves by its velocity alone.

    References
    ----------
    Satorras, Hoogeboom, Welling, E(n) Equivariant Graph Neural Networks, 2021, Eqs. 3-7; arXiv:2102.09844.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden_channels: int,
        *,
        edge_channels: int = 0,
        node_channels: int = 0,
        residual: bool = True,
        attention: bool = False,
        displacement: str = "plain",
        aggregation: str = "mean",
        tanh: bool = False,
        velocity: bool = False,
        coordinate_weight: float = 1.0,
        clamp: float | None = None,
        activation: str = "silu",
    ) -> None:
        super().__init__()
        check_channels(in_channels=in_channels, out_channels=out_channels, hidden_channels=hidden_channels)
        check_choice("displacement", displacement, _DISPLACEMENTS)
        check_choice("aggregation", aggregation, ("mean", "sum"))
        check_choice("activation", activation, tuple(EGNN_ACTIVATIONS))
        check_optional_channels(edge_channels=edge_channels, node_channels=node_channels)
        if residual and in_channels != out_channels:
            raise ConfigError(
                f"residual adds {in_channels} channels to {out_channels}; give equal numbers or residual=False"
            )
        if clamp is not None and not clamp > 0:
            raise ConfigError(f"clamp is {clamp!r}; give None or a positive number")
        self.in_channels, self.edge_channels, self.node_channels = in_channels, edge_channels, node_channels
        self.residual, self.displacement, self.aggregation = residual, displacement, aggregation
        self.coordinate_weight, self.clamp = float(coordinate_weight), clamp
        act, hidden = EGNN_ACTIVATIONS[activation], hidden_channels
        to_message = nn.Linear(2 * in_channels + 1 + edge_channels, hidden)
        self.edge_mlp = nn.Sequential(to_message, act(), nn.Linear(hidden, hidden), act())
        to_node = nn.Linear(in_channels + hidden + node_channels, hidden)
        self.node_mlp = nn.Sequential(to_node, act(), nn.Linear(hidden, out_channels))
        to_hidden, to_step = nn.Linear(hidden, hidden), nn.Linear(hidden, 1, bias=False)
        # the first steps should leave the points nearly where they are
        nn.init.xavier_uniform_(to_step.weight, gain=_COORDINATE_GAIN)
        ends = (nn.Tanh(),) if tanh else ()
        self.coordinate_mlp = nn.Sequential(to_hidden, act(), to_step, *ends)
        self.attention = nn.Linear(hidden, 1) if attention else None
        self.velocity_mlp = (
            nn.Sequential(nn.Linear(in_channels, hidden), act(), nn.Linear(hidden, 1)) if velocity else None
        )

    def forward(
        self,
        features: Tensor,
        points: Tensor,
        edge_index: Tensor | Edges,
        edge_attributes: Tensor | None = None,
        *,
        velocities: Tensor | None = None,
        node_attributes: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Update features and points.

        Parameters
        ----------
        features : Tensor
            h, shape ``(nodes, in_channels)``.
        points : Tensor
            x, shape ``(nodes, n)`` in any dimension n.
        edge_index : Tensor or Edges
            Shape ``(2, edges)``: the nodes j that send, then the nodes i that receive. Networks check edges and all
            else once and hand their layers the ``Edges``.
        edge_attributes : Tensor, optional
            a, shape ``(edges, edge_channels)``; required if there are any.
        velocities : Tensor, optional
            v, shape of ``points``; required by a layer with ``velocity=True``.
        node_attributes : Tensor, optional
            b, shape ``(nodes, node_channels)``; required if there are any.

        Returns
        -------
        features : Tensor
            Shape ``(nodes, out_channels)``.
        points : Tensor
            Shape ``(nodes, n)``.

        Raises
        ------
        ShapeError, DTypeError, DeviceError, DomainError
            If the tensors do not fit the layer or each other, or an edge names a node that is not there.
        """
        if isinstance(edge_index, Edges):
            edges = edge_index
        else:
            check_graph(features, points, velocities, self.in_channels, self.velocity_mlp is not None)
            edges = prepare_edges(edge_index, edge_attributes, features, self.edge_channels)
        check_attributes(node_attributes, features, features.shape[0], self.node_channels, "node_attributes")
        count = points.shape[0]
        difference = gather(points, edges.targets) - gather(points, edges.sources)
        messages = self._messages(features, difference.square().sum(-1, keepdim=True), edges)
        steps = self._directions(difference) * self.coordinate_mlp(messages)
        if self.clamp is not None:
            steps = steps.clamp(-self.clamp, self.clamp)
        join = segment_mean if self.aggregation == "mean" else segment_sum
        moved = points + self.coordinate_weight * join(steps, edges.targets, count)
        if self.velocity_mlp is not None and velocities is not None:
            moved = moved + self.velocity_mlp(features) * velocities
        parts = [features, segment_sum(messages, edges.targets, count)]
        new: Tensor = self.node_mlp(torch.cat(parts if node_attributes is None else [*parts, node_attributes], -1))
        return features + new if self.residual else new, moved

    def _messages(self, features: Tensor, squares: Tensor, edges: Edges) -> Tensor:
        first = self.edge_mlp[0]
        assert isinstance(first, nn.Linear)
        own, other, rest = first.weight.split([self.in_channels, self.in_channels, 1 + self.edge_channels], 1)
        # a linear map of a pair is the sum of maps of both, which nodes share among their edges
        of_edges = squares if edges.attributes is None else torch.cat([squares, edges.attributes], -1)
        hidden = nn.functional.linear(of_edges, rest, first.bias)
        hidden = hidden + gather(nn.functional.linear(features, own), edges.targets)
        hidden = hidden + gather(nn.functional.linear(features, other), edges.sources)
        messages: Tensor = self.edge_mlp[1:](hidden)
        return messages if self.attention is None else messages * self.attention(messages).sigmoid()

    def _directions(self, difference: Tensor) -> Tensor:
        if self.displacement == "plain":
            return difference
        # the derivative of this norm at zero is zero, that of a square root of squares is not a number
        length = torch.linalg.vector_norm(difference, dim=-1, keepdim=True)
        divisor = length.detach() + _SMALLEST_DISTANCE if self.displacement == "unit" else length + 1.0
        directions: Tensor = difference / divisor
        return directions


def check_graph(
    features: Tensor, points: Tensor, velocities: Tensor | None, channels: int, needs_velocities: bool
) -> None:
    """Refuse features that are not ``(nodes, channels)``, and points and velocities that are not ``(nodes, n)``."""
    if features.dim() != 2 or features.shape[1] != channels:
        raise ShapeError(
            f"the features have shape {tuple(features.shape)}, expected (nodes, {channels}); "
            "put the nodes of a batch of graphs one after another"
        )
    if points.dim() != 2 or points.shape[0] != features.shape[0]:
        raise ShapeError(f"the points have shape {tuple(points.shape)}, expected ({features.shape[0]}, n)")
    check_together(features, points, "features and points")
    if not needs_velocities and velocities is not None:
        raise ShapeError("velocities were given to a layer without them; build it with velocity=True")
    if needs_velocities and (velocities is None or velocities.shape != points.shape):
        given = "missing" if velocities is None else f"of shape {tuple(velocities.shape)}"
        raise ShapeError(f"the velocities are {given}, expected shape {tuple(points.shape)}")
    if velocities is not None:
        check_together(velocities, points, "velocities and points")


def prepare_edges(edge_index: Tensor, attributes: Tensor | None, nodes: Tensor, channels: int) -> Edges:
    """Check the edges and their attributes."""
    sources, targets = split_edges(edge_index, nodes)
    check_attributes(attributes, nodes, sources.shape[0], channels, "edge_attributes")
    return Edges(sources, targets, attributes)


def check_attributes(attributes: Tensor | None, features: Tensor, count: int, channels: int, name: str) -> None:
    """Refuse attributes that are not ``(count, channels)`` as the features are, and any without channels for them."""
    if attributes is None and channels:
        raise ShapeError(f"{name} are missing, expected shape ({count}, {channels})")
    if attributes is not None and (not channels or tuple(attributes.shape) != (count, channels)):
        expected = f"({count}, {channels})" if channels else f"none: the layer was built without {name}"
        raise ShapeError(f"{name} has shape {tuple(attributes.shape)}, expected {expected}")
    if attributes is not None:
        check_together(attributes, features, f"{name} and features")
