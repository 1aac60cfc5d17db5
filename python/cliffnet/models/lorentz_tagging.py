"""The network that tells jets apart: Ruhe et al., CGENN, 2023, section 5.5; arXiv:2305.11141."""

import torch
from torch import Tensor, nn

from cliffnet.algebra import Algebra, Partition
from cliffnet.errors import ConfigError, ShapeError
from cliffnet.functional._checks import check_together
from cliffnet.models._graphs import complete_graphs
from cliffnet.models._lorentz_layer import LorentzGraphLayer, invariants
from cliffnet.models._readout import partition_or_grades
from cliffnet.nn import Compatibility, MVLinear
from cliffnet.nn._neighbourhood import split_edges
from cliffnet.nn.config import check_channels, check_dropout, check_optional_channels
from cliffnet.nn.layout import check_vectors, embed_vectors


class LorentzTaggingNet(nn.Module):
    """Classify jets from the four-momenta of their particles, by messages of multivectors and of scalars.

    Multivectors start as momenta, scalars as the attributes of particles. In each layer messages depend on pairs of
    particles; the invariants of multivectors reach the scalars, and scalars gate the classes of multivectors.

    Parameters
    ----------
    hidden_mv_channels, hidden_scalar_channels : int
        Channels of multivectors and of scalars. Without scalars, 0, multivectors are on their own.
    num_layers : int
        Layers of messages.
    in_scalar_channels : int
        Attributes of a particle.
    num_classes : int
        Kinds of jets.
    readout_channels : int
        Hidden width of the classifier.
    dropout_probability : float
        Dropout in the classifier.
    layer_type : {"fc", "gpmlp"}
        Fully connected products, or blocks of linear map, gate and product.
    aggregation : {"mean", "sum"}
        How messages to one particle are joined.
    residual : bool
        Whether layers add their input.
    normalization : float or None
        Initial value of the normalisation inside the products, None for none.
    scalars_gate : bool
        Whether scalars gate multivectors.
    partition : Partition, optional
        The classes; those of Cl(1,3) by grade if not given.
    compatibility : Compatibility or str, optional
        Faults of the reference to reproduce, ``"cgenn"`` for all of them.

    Notes
    -----
    Invariant under every isometry of the generators, so under Lorentz transformations, and under relabelling of the
    particles. In training mode scalars are normalised over the batch.

    Examples
    --------
    >>> import torch
    >>> from cliffnet.models import LorentzTaggingNet
    >>> for net in (LorentzTaggingNet(), LorentzTaggingNet(layer_type="gpmlp")):
    ...     print(sum(parameter.numel() for parameter in net.parameters()))
    320594
    259018
    >>> net(torch.randn(10, 7, 4), torch.randn(10, 7, 2)).shape
    torch.Size([10, 2])
    """

    def __init__(
        self,
        hidden_mv_channels: int = 8,
        hidden_scalar_channels: int = 72,
        num_layers: int = 4,
        *,
        in_scalar_channels: int = 2,
        num_classes: int = 2,
        readout_channels: int = 64,
        dropout_probability: float = 0.2,
        layer_type: str = "fc",
        aggregation: str = "mean",
        residual: bool = False,
        normalization: float | None = None,
        scalars_gate: bool = True,
        partition: Partition | None = None,
        compatibility: Compatibility | str | None = None,
    ) -> None:
        super().__init__()
        check_channels(hidden_mv_channels=hidden_mv_channels, num_layers=num_layers, num_classes=num_classes)
        check_channels(in_scalar_channels=in_scalar_channels, readout_channels=readout_channels)
        check_optional_channels(hidden_scalar_channels=hidden_scalar_channels)
        if scalars_gate and not hidden_scalar_channels:
            raise ConfigError("there are no scalars that could gate; set scalars_gate=False or give scalar channels")
        self.partition = partition_or_grades(partition, Algebra(1, 3))
        self.hidden_mv_channels = hidden_mv_channels
        self.in_scalar_channels, self.compatibility = in_scalar_channels, Compatibility.cast(compatibility)
        self.embedding = MVLinear(1, hidden_mv_channels, partition=Partition.whole(self.partition.algebra))
        self.scalar_embedding: nn.Linear | None = None
        if hidden_scalar_channels:
            self.scalar_embedding = nn.Linear(in_scalar_channels, hidden_scalar_channels)
        self.layers = nn.ModuleList(
            LorentzGraphLayer(
                hidden_mv_channels,
                hidden_scalar_channels,
                in_scalar_channels,
                partition=self.partition,
                layer_type=layer_type,
                aggregation=aggregation,
                residual=residual,
                normalization=normalization,
                gates=scalars_gate,
                old_invariants=self.compatibility.invariants_of_old_features,
            )
            for _ in range(num_layers)
        )
        self.readout = nn.Sequential(
            nn.Linear(hidden_scalar_channels + hidden_mv_channels * len(self.partition), readout_channels),
            nn.ReLU(),
            nn.Dropout(check_dropout(dropout_probability) or 0.0),
            nn.Linear(readout_channels, num_classes),
        )

    def forward(
        self, momenta: Tensor, scalars: Tensor, mask: Tensor | None = None, edge_index: Tensor | None = None
    ) -> Tensor:
        """Classify jets.

        Parameters
        ----------
        momenta : Tensor
            Energies and momenta, shape ``(batch, particles, 4)``, beams among them.
        scalars : Tensor
            Attributes such as masses, shape ``(batch, particles, in_scalar_channels)``. The network sees the logarithm
            of their magnitude plus one, with their sign.
        mask : Tensor, optional
            Shape ``(batch, particles)``, True for particles and False for padding, whose values do not matter unless
            ``padding_counts`` is switched on.
        edge_index : Tensor, optional
            Senders and receivers, shape ``(2, edges)``, with particle ``n`` of jet ``b`` as ``b * particles + n``; all
            pairs of particles of a jet if not given. Compiled graphs need them given, for their number is not known
            beforehand.

        Returns
        -------
        Tensor
            Logits, shape ``(batch, num_classes)``.

        Raises
        ------
        ShapeError, DTypeError, DeviceError, DomainError
            If the arguments do not fit each other, or an edge names a particle that is not there.
        """
        algebra = self.partition.algebra
        check_vectors(momenta, None, algebra, "momenta")
        _check_particles(momenta, scalars, mask, self.in_scalar_channels)
        batch, particles = momenta.shape[:2]
        if edge_index is None:
            real = momenta.new_ones((batch, particles), dtype=torch.bool) if mask is None else mask.bool()
            edge_index = complete_graphs(real)
        counted = None if mask is None or self.compatibility.padding_counts else mask.bool().flatten()
        if counted is not None:
            # whatever it holds, infinities too, padding must not reach a gradient
            momenta, scalars = (x.masked_fill(~counted.view(batch, particles, 1), 0.0) for x in (momenta, scalars))
        vectors = embed_vectors(momenta.reshape(-1, 1, algebra.dim), algebra)
        edges = split_edges(edge_index, vectors)
        attributes = (torch.sign(scalars) * torch.log1p(scalars.abs())).flatten(0, 1)
        x: Tensor = self.embedding(vectors)
        h: Tensor | None = None if self.scalar_embedding is None else self.scalar_embedding(attributes)
        for layer in self.layers:
            x, h = layer(x, h, vectors, attributes, edges, counted)
        seen = invariants(x, self.partition)
        features = (seen if h is None else torch.cat([h, seen], dim=-1)).unflatten(0, (batch, particles))
        logits: Tensor = self.readout(self._mean(features, mask))
        return logits

    def _mean(self, features: Tensor, mask: Tensor | None) -> Tensor:
        """Average over the particles of each jet."""
        if mask is None:
            return features.mean(dim=1)
        weights = mask.to(features.dtype).unsqueeze(-1)
        total = (features * weights).sum(dim=1)
        if self.compatibility.padding_counts:
            return total / features.shape[1]
        return total / weights.sum(dim=1).clamp(min=1.0)


def _check_particles(momenta: Tensor, scalars: Tensor, mask: Tensor | None, channels: int) -> None:
    if momenta.dim() != 3:
        raise ShapeError(f"momenta have shape {tuple(momenta.shape)}, expected (batch, particles, {momenta.shape[-1]})")
    particles = tuple(momenta.shape[:2])
    if tuple(scalars.shape) != (*particles, channels):
        raise ShapeError(f"scalars have shape {tuple(scalars.shape)}, expected {(*particles, channels)}")
    check_together(momenta, scalars, "momenta and scalars")
    if mask is not None and tuple(mask.shape) != particles:
        raise ShapeError(f"mask has shape {tuple(mask.shape)}, expected {particles}: one entry for each particle")
