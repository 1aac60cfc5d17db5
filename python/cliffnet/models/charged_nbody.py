"""Networks of the charged n-body experiment: CGENN, 2023, section 5.4, arXiv:2305.11141; GLGENN, 2025."""

from typing import Any

import torch
from torch import Tensor, nn

from cliffnet.algebra import Algebra, Partition
from cliffnet.errors import ShapeError
from cliffnet.models._graphs import edges_of_batch
from cliffnet.models._readout import partition_or_grades
from cliffnet.nn import BlockConfig, EquivariantGraphConvolution, MVLinear
from cliffnet.nn.config import check_channels, check_optional_channels
from cliffnet.nn.layout import cat_channels, check_vectors, embed_scalars, embed_vectors


class ChargedNBodyNet(nn.Module):
    """Predict where charged bodies will be from positions, velocities and charges, by graph convolutions.

    Parameters
    ----------
    hidden_channels : int
        Multivector channels.
    num_layers : int
        Graph convolutions.
    edge_channels : int
        Numbers on each edge: 1 for the product of the charges, which is the default attribute.
    aggregation : {"mean", "sum"}
        How messages to one body are joined.
    residual : bool
        Whether graph convolutions add their input.
    partition : Partition, optional
        The classes; Cl(3,0) by grade if not given.
    blocks : BlockConfig, dict or {"cgenn", "glgenn"}, optional
        What blocks are made of.

    Notes
    -----
    Equivariant under every isometry of the generators, translations and relabelling of the bodies:
    ``f(g.x, g.v, q) = g.f(x, v, q)``.

    References
    ----------
    arXiv:2305.11141, arXiv:2506.09625.

    Examples
    --------
    >>> import torch
    >>> from cliffnet.models import ChargedNBodyNet
    >>> for net in (ChargedNBodyNet.glgenn(dim=5), ChargedNBodyNet()):
    ...     print(sum(parameter.numel() for parameter in net.parameters()))
    102928
    134625
    >>> positions, velocities = torch.randn(10, 5, 3), torch.randn(10, 5, 3)
    >>> net(positions, velocities, torch.ones(10, 5)).shape
    torch.Size([10, 5, 3])
    """

    def __init__(
        self,
        hidden_channels: int = 28,
        num_layers: int = 3,
        *,
        edge_channels: int = 1,
        aggregation: str = "mean",
        residual: bool = True,
        partition: Partition | None = None,
        blocks: BlockConfig | dict[str, Any] | str | None = None,
    ) -> None:
        super().__init__()
        check_channels(hidden_channels=hidden_channels, num_layers=num_layers)
        check_optional_channels(edge_channels=edge_channels)
        self.partition = partition_or_grades(partition, Algebra(3))
        self.edge_channels, self.blocks = edge_channels, BlockConfig.cast(blocks)
        embedding, bias = self.blocks.embedding_partition(self.partition), self.blocks.bias
        self.embedding = MVLinear(3, hidden_channels, partition=embedding, bias=bias)
        self.layers = nn.ModuleList(
            EquivariantGraphConvolution(
                hidden_channels,
                hidden_channels,
                hidden_channels,
                partition=self.partition,
                edge_channels=edge_channels,
                aggregation=aggregation,
                residual=residual,
                blocks=self.blocks,
            )
            for _ in range(num_layers)
        )
        self.projection = MVLinear(hidden_channels, 1, partition=self.partition, bias=bias)

    @classmethod
    def glgenn(cls, dim: int = 3, **options: Any) -> "ChargedNBodyNet":
        """Build GLGENN's network for bodies in so many dimensions; options as for the class."""
        return cls(partition=Partition.by_grade_mod(Algebra(dim), 4), blocks="glgenn", **options)

    def forward(
        self,
        positions: Tensor,
        velocities: Tensor,
        charges: Tensor,
        edge_index: Tensor | None = None,
        edge_attributes: Tensor | None = None,
    ) -> Tensor:
        """Predict positions.

        Parameters
        ----------
        positions, velocities : Tensor
            Shape ``(bodies, n)`` for one system, or ``(batch, bodies, n)``.
        charges : Tensor
            Shape ``(bodies,)`` or ``(batch, bodies)``, also with a last axis of one.
        edge_index : Tensor, optional
            Senders and receivers within each system, shape ``(2, edges)`` for all alike or ``(batch, 2, edges)``; all
            pairs if not given.
        edge_attributes : Tensor, optional
            Shape ``(edges, edge_channels)`` or ``(batch, edges, edge_channels)``; the products of the charges if not
            given.

        Returns
        -------
        Tensor
            Shape of the positions.

        Raises
        ------
        ShapeError, DTypeError, DeviceError, DomainError
            If the arguments do not fit each other, or an edge names a body that is not there.
        """
        algebra, shape = self.partition.algebra, positions.shape
        check_vectors(positions, None, algebra, "positions")
        check_vectors(velocities, None, algebra, "velocities")
        _check_bodies(positions, velocities, charges)
        batch, bodies = (1 if positions.dim() == 2 else shape[0]), shape[-2]
        edges = edges_of_batch(edge_index, batch, bodies, positions.device)
        charges = charges.reshape(batch * bodies, 1)
        if edge_attributes is None:
            scalars = self._products_of_charges(charges, edges)
        else:
            count = bodies * (bodies - 1) if edge_index is None else edge_index.shape[-1]
            scalars = self._of_all_systems(edge_attributes, batch, count)
        centred = positions - positions.mean(dim=-2, keepdim=True)
        vectors = torch.stack([centred, velocities], dim=-2).reshape(batch * bodies, 2, algebra.dim)
        x = self.embedding(cat_channels([embed_scalars(charges, algebra), embed_vectors(vectors, algebra)]))
        attributes = None if scalars is None else embed_scalars(scalars, algebra)
        for layer in self.layers:
            x = layer(x, edges, attributes)
        out: Tensor = self.projection(x)
        return positions + out[:, 0, algebra.grade_slice(1)].reshape(shape)

    def _products_of_charges(self, charges: Tensor, edges: Tensor) -> Tensor | None:
        if self.edge_channels > 1:
            raise ShapeError(f"this network has {self.edge_channels} numbers on each edge; give edge_attributes")
        sources, targets = edges.unbind(0)
        return charges[sources] * charges[targets] if self.edge_channels else None

    def _of_all_systems(self, attributes: Tensor, batch: int, edges: int) -> Tensor:
        """Return the attributes of all edges, shape (batch * edges, edge_channels)."""
        expected = (edges, self.edge_channels)
        if tuple(attributes.shape) not in (expected, (batch, *expected)):
            raise ShapeError(
                f"edge_attributes has shape {tuple(attributes.shape)}, expected {expected} for all systems alike or "
                f"{(batch, *expected)}"
            )
        return attributes.expand(batch, edges, -1).flatten(0, 1)


def _check_bodies(positions: Tensor, velocities: Tensor, charges: Tensor) -> None:
    if positions.dim() not in (2, 3) or velocities.shape != positions.shape:
        raise ShapeError(
            f"positions have shape {tuple(positions.shape)} and velocities {tuple(velocities.shape)}; "
            "expected the same (bodies, n) or (batch, bodies, n)"
        )
    bodies = tuple(positions.shape[:-1])
    if tuple(charges.shape) not in (bodies, (*bodies, 1)):
        raise ShapeError(f"charges have shape {tuple(charges.shape)}, expected {bodies}: one for each body")
