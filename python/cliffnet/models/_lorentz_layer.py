"""One layer of the network for jets: messages of multivectors and of scalars, each with a say in the other."""

import itertools

import torch
from torch import Tensor, nn

from cliffnet import functional as F
from cliffnet.algebra import Partition
from cliffnet.nn import BlockConfig, FullyConnectedProductLayer, MVLayerNorm, MVLinear
from cliffnet.nn._neighbourhood import gather
from cliffnet.nn.cemlp import block_layers
from cliffnet.nn.config import check_choice
from cliffnet.nn.graph_convolution import AGGREGATIONS
from cliffnet.nn.layout import cat_channels, scalar_plane

LAYER_TYPES = ("fc", "gpmlp")

# share of a batch in the running statistics
_MOMENTUM = 0.1


def invariants(x: Tensor, partition: Partition) -> Tensor:
    """Return the scalar and the squares of the other classes of all channels, shape (..., C * classes)."""
    values = F.class_squares(x, partition)
    if (0,) in partition.classes:
        index = partition.classes.index((0,))
        values = torch.cat([values[..., :index], scalar_plane(x).unsqueeze(-1), values[..., index + 1 :]], dim=-1)
    return values.flatten(-2)


class MaskedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation whose statistics leave out masked rows."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__(channels, momentum=_MOMENTUM)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalise rows ``(rows, channels)``; statistics are of those where ``mask``, shape ``(rows,)``, is True."""
        if mask is None or not self.training:
            return super().forward(x)
        weight = mask.to(x.dtype).unsqueeze(-1)
        count = weight.sum().clamp(min=1.0)
        mean = (weight * x).sum(0) / count
        centred = x - mean
        variance = (weight * centred.square()).sum(0) / count
        self._update(mean.detach(), variance.detach() * (count / (count - 1.0).clamp(min=1.0)))
        return centred * torch.rsqrt(variance + self.eps) * self.weight + self.bias

    @torch.no_grad()
    def _update(self, mean: Tensor, variance: Tensor) -> None:
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, _MOMENTUM)
        self.running_var.lerp_(variance, _MOMENTUM)


class LorentzGraphLayer(nn.Module):
    """Update multivectors and scalars of particles by messages along the edges; see :class:`LorentzTaggingNet`.

    Parameters
    ----------
    mv_channels, scalar_channels : int
        Channels of multivectors and of scalars; without scalars the layer has no scalar messages.
    attribute_channels : int
        Scalars that every particle comes with.
    partition : Partition
        The classes.
    layer_type : {"fc", "gpmlp"}
        Fully connected products, or blocks of linear map, gate and product.
    aggregation : {"mean", "sum"}
        How messages to one particle are joined.
    residual : bool
        Whether to add the input.
    normalization : float or None
        Initial value of the normalisation inside the products.
    gates : bool
        Whether scalars gate the classes of multivectors.
    old_invariants : bool
        Whether scalars see the invariants of the multivectors that come in rather than of the updated ones.
    """

    def __init__(
        self,
        mv_channels: int,
        scalar_channels: int,
        attribute_channels: int,
        *,
        partition: Partition,
        layer_type: str = "fc",
        aggregation: str = "mean",
        residual: bool = False,
        normalization: float | None = None,
        gates: bool = True,
        old_invariants: bool = False,
    ) -> None:
        super().__init__()
        check_choice("layer_type", layer_type, LAYER_TYPES)
        check_choice("aggregation", aggregation, tuple(AGGREGATIONS))
        self.partition, self.aggregation = partition, aggregation
        self.residual, self.old_invariants, self.mv_channels = residual, old_invariants, mv_channels
        # Pairs see both particles and their difference, each with its momentum.
        self.edge_multivectors, self.node_multivectors = (
            _multivector_block(inputs, mv_channels, partition, layer_type, normalization)
            for inputs in (3 * (mv_channels + 1), 2 * mv_channels + 1)
        )
        self.edge_scalars: nn.Sequential | None = None
        self.node_scalars: nn.Sequential | None = None
        self.edge_gates: nn.Sequential | None = None
        self.node_gates: nn.Sequential | None = None
        width, count = scalar_channels, mv_channels * len(partition)
        if width:
            self.edge_scalars = nn.Sequential(
                nn.Linear(count + 3 * width, width, bias=False),
                nn.BatchNorm1d(width),
                nn.ReLU(),
                nn.Linear(width, width),
                nn.ReLU(),
            )
            self.node_scalars = nn.Sequential(
                nn.Linear(2 * width + count + attribute_channels, width),
                MaskedBatchNorm(width),
                nn.ReLU(),
                nn.Linear(width, width),
            )
            if gates:
                self.edge_gates, self.node_gates = (
                    nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, count)) for _ in range(2)
                )

    def forward(
        self,
        x: Tensor,
        h: Tensor | None,
        momenta: Tensor,
        attributes: Tensor,
        edges: tuple[Tensor, Tensor],
        mask: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Update multivectors ``(particles, mv_channels, B)`` and scalars ``(particles, scalar_channels)``.

        Parameters
        ----------
        x, h : Tensor
            Multivectors and scalars; no scalars for layers that have none.
        momenta : Tensor
            Shape ``(particles, 1, B)``.
        attributes : Tensor
            Shape ``(particles, attribute_channels)``.
        edges : tuple of Tensor
            Senders and receivers.
        mask : Tensor or None
            Particles that count for the statistics of batches.
        """
        join, particles = AGGREGATIONS[self.aggregation], x.shape[0]
        messages = self._messages(cat_channels([x, momenta]), *edges)
        scalar_messages = self._scalar_messages(messages, h, *edges)
        messages = self._gated(messages, scalar_messages, self.edge_gates)
        arrived = join(messages, edges[1], particles)
        update = self.node_multivectors(cat_channels([x, arrived, momenta]))
        if h is None or scalar_messages is None or self.node_scalars is None:
            return (x + update if self.residual else update), None
        seen = invariants(x if self.old_invariants else update, self.partition)
        linear, norm, *rest = self.node_scalars
        scalars = norm(linear(torch.cat([h, join(scalar_messages, edges[1], particles), seen, attributes], -1)), mask)
        for layer in rest:
            scalars = layer(scalars)
        update = self._gated(update, scalars, self.node_gates)
        return (x + update, h + scalars) if self.residual else (update, scalars)

    def _gated(self, x: Tensor, scalars: Tensor | None, gates: nn.Sequential | None) -> Tensor:
        if gates is None or scalars is None:
            return x
        values = gates(scalars).unflatten(-1, (self.mv_channels, len(self.partition)))
        return F.gate(x, values, "sigmoid", partition=self.partition)

    def _messages(self, x: Tensor, sources: Tensor, targets: Tensor) -> Tensor:
        """Return the messages, multivectors on the edges, of particles ``x`` with their momenta."""
        first, *rest = self.edge_multivectors
        if isinstance(first, FullyConnectedProductLayer):
            own, other = gather(x, targets), gather(x, sources)
            pairs = cat_channels([own, other, own - other])
            right = map_pairs(x, first.right, sources, targets)
            left = None if first.left is None else map_pairs(x, first.left, sources, targets)
            messages = first.forward_of_images(pairs, right, left)
        else:
            messages = map_pairs(x, first, sources, targets)
        for layer in rest:
            messages = layer(messages)
        return messages

    def _scalar_messages(self, messages: Tensor, h: Tensor | None, sources: Tensor, targets: Tensor) -> Tensor | None:
        if self.edge_scalars is None or h is None:
            return None
        seen, linear = invariants(messages, self.partition), self.edge_scalars[0]
        assert isinstance(linear, nn.Linear)
        of_messages, own, other, difference = linear.weight.split([seen.shape[-1], *[h.shape[-1]] * 3], dim=1)
        # As for multivectors, the map of pairs is worked out on the nodes.
        received, sent = h @ (own + difference).mT, h @ (other - difference).mT
        scalars: Tensor = seen @ of_messages.mT + gather(received, targets) + gather(sent, sources)
        for layer in itertools.islice(self.edge_scalars, 1, None):
            scalars = layer(scalars)
        return scalars


def map_pairs(x: Tensor, layer: nn.Module, sources: Tensor, targets: Tensor) -> Tensor:
    """Apply a linear map to the pairs ``(x_i, x_j, x_i - x_j)``, working it out on the nodes."""
    assert isinstance(layer, MVLinear)
    own, other, difference = layer.weight.chunk(3, dim=1)
    received = F.equivariant_linear(x, own + difference, layer.maps, layer.bias)
    sent = F.equivariant_linear(x, other - difference, layer.maps)
    return gather(received, targets) + gather(sent, sources)


def _multivector_block(
    inputs: int, outputs: int, partition: Partition, layer_type: str, normalization: float | None
) -> nn.Sequential:
    if layer_type == "gpmlp":
        return nn.Sequential(*block_layers(inputs, outputs, partition, BlockConfig(normalization=normalization)))
    return nn.Sequential(
        FullyConnectedProductLayer(inputs, outputs, partition=partition, normalization=normalization),
        MVLayerNorm(outputs, algebra=partition.algebra),
    )
