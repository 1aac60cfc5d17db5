"""Families of linear maps between multivectors."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from cliffnet import _rust
from cliffnet._graphs import kept_constant

if TYPE_CHECKING:
    from cliffnet.algebra._algebra import Algebra

Entry = tuple[int, int, float]


class Run(NamedTuple):
    """Neighbouring blades that every map treats alike.

    Output blades ``start .. start + size`` are the sum, over ``sources``, of a coefficient times the blades of another
    whole run, mapped by one map: ``(map, index of the source run, coefficient)``.
    """

    start: int
    size: int
    sources: tuple[tuple[int, int, float], ...]


class MapTable(NamedTuple):
    """What a family of linear maps does, without its algebra: runs of blades, the scalar blade, the number of maps."""

    runs: tuple[Run, ...]
    scalar: int
    maps: int


@kept_constant
def map_table(maps: int) -> MapTable:
    """Return the table of a family of linear maps by its number, see :attr:`LinearMaps.number`."""
    blades, scalar, entries = _rust.interned_maps(maps)
    return MapTable(_runs(blades, scalar, entries), scalar, len(entries))


@kept_constant
def transposed_maps(maps: int) -> int:
    """Return the number of the family of the transposed maps."""
    blades, scalar, entries = _rust.interned_maps(maps)
    return _rust.intern_maps(blades, scalar, [[(source, out, value) for out, source, value in one] for one in entries])


def _runs(blades: int, scalar: int, entries: Sequence[Sequence[Entry]]) -> tuple[Run, ...]:
    """Cut the blades into the fewest runs such that maps take whole runs to whole runs.

    Grade projections give one run a grade, so a map between channels becomes one matrix product per run. The scalar
    blade is a run of its own, for biases.
    """
    sources: list[list[tuple[int, int, float]]] = [[] for _ in range(blades)]
    for index, map_entries in enumerate(entries):
        for out_blade, in_blade, coefficient in map_entries:
            sources[out_blade].append((index, in_blade, coefficient))
    cuts = {0, scalar, scalar + 1, blades}
    for blade in range(1, blades):
        if [(index, source + 1, coefficient) for index, source, coefficient in sources[blade - 1]] != sources[blade]:
            cuts.add(blade)
    while True:
        ends = sorted(cuts)
        for low, high in itertools.pairwise(ends):
            for _, source, _ in sources[low]:
                # a source starts and ends at a cut, and what cuts the source cuts the run
                cuts.update((source, source + high - low))
                cuts.update(low + cut - source for cut in ends if source < cut < source + high - low)
        if len(cuts) == len(ends):
            break
    run_at = {start: index for index, start in enumerate(ends)}
    return tuple(
        Run(low, high - low, tuple((index, run_at[source], coefficient) for index, source, coefficient in sources[low]))
        for low, high in itertools.pairwise(ends)
    )


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

    Attributes
    ----------
    number : int
        By which operators refer to the family: the same for equal families, in every process.
    """

    __slots__ = ("algebra", "entries", "number")

    algebra: "Algebra"
    entries: tuple[tuple[Entry, ...], ...]
    number: int

    def __init__(self, algebra: "Algebra", entries: Sequence[Sequence[Entry]]) -> None:
        self.algebra = algebra
        self.entries = tuple(tuple(map_entries) for map_entries in entries)
        self.number = _rust.intern_maps(algebra.num_blades, algebra.blade_masks.index(0), self.entries)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The blades cut into runs that all maps treat alike."""
        return map_table(self.number).runs

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
