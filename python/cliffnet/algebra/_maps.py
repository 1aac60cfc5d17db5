"""Families of linear maps between multivectors."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from cliffnet.algebra._algebra import Algebra

Entry = tuple[int, int, float]


class Layer(NamedTuple):
    """Entries of a family of maps with distinct output blades: row ``i`` is one entry."""

    out_blades: tuple[int, ...]
    in_blades: tuple[int, ...]
    maps: tuple[int, ...]
    coefficients: tuple[float, ...]


def _layers(entries: tuple[tuple[Entry, ...], ...]) -> tuple[Layer, ...]:
    """Spread entries over layers, each output blade at most once a layer, in ascending order of output."""
    columns: list[dict[int, tuple[int, int, float]]] = []
    for index, map_entries in enumerate(entries):
        for out_blade, in_blade, coefficient in map_entries:
            free = next((column for column in columns if out_blade not in column), None)
            if free is None:
                columns.append(free := {})
            free[out_blade] = (in_blade, index, coefficient)
    layers = []
    for column in columns:
        rows = [(out_blade, *column[out_blade]) for out_blade in sorted(column)]
        layers.append(Layer(*map(tuple, zip(*rows, strict=True))))
    return tuple(layers)


class LinearMaps(Sequence[tuple[Entry, ...]]):
    """A tuple of sparse linear maps of the multivectors of one algebra.

    Map ``m`` sends ``x`` to ``sum of coefficient * x[in] e_out`` over its entries ``(out, in, coefficient)``.
    Immutable and hashable, so that layers can keep one and :func:`cliffnet.functional.equivariant_linear` can cache
    what it derives from it.

    Parameters
    ----------
    algebra : Algebra
        The algebra whose multivectors are mapped.
    entries : sequence of sequences of (int, int, float)
        One sequence of ``(out, in, coefficient)`` per map.
    """

    __slots__ = ("algebra", "entries", "layers")

    algebra: "Algebra"
    entries: tuple[tuple[Entry, ...], ...]
    layers: tuple[Layer, ...]

    def __init__(self, algebra: "Algebra", entries: Sequence[Sequence[Entry]]) -> None:
        self.algebra = algebra
        self.entries = tuple(tuple(map_entries) for map_entries in entries)
        self.layers = _layers(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> tuple[Entry, ...]:  # type: ignore[override]  # a map, never a slice of maps
        return self.entries[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LinearMaps) and self.algebra is other.algebra and self.entries == other.entries

    def __hash__(self) -> int:
        return hash((self.algebra, self.entries))

    def __reduce__(self) -> tuple[object, ...]:
        return LinearMaps, (self.algebra, self.entries)

    def __repr__(self) -> str:
        return f"LinearMaps({self.algebra}, {len(self)} maps)"

    def matrices(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Tensor:
        """Return the maps as dense matrices.

        Parameters
        ----------
        dtype : torch.dtype, optional
            Dtype of the result; the default dtype of torch if omitted.
        device : torch.device, optional
            Device of the result.

        Returns
        -------
        Tensor
            Shape ``(maps, blades, blades)``, indexed ``[map, out, in]``.
        """
        blades = self.algebra.num_blades
        result = torch.zeros(len(self), blades, blades, dtype=dtype or torch.get_default_dtype())
        for index, entries in enumerate(self.entries):
            for out_blade, in_blade, coefficient in entries:
                result[index, out_blade, in_blade] = coefficient
        return result.to(device=device)
