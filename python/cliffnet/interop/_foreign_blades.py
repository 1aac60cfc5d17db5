"""Blades of other libraries in terms of ours: generators in another order, signs of named blades."""

from collections.abc import Sequence
from dataclasses import dataclass

from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import AlgebraMismatchError, BladeError, CliffnetError
from cliffnet.multivector import Multivector


@dataclass(frozen=True)
class ForeignAlgebra:
    """What another library says of an algebra.

    Attributes
    ----------
    source : str
        The library, for messages.
    squares : tuple of float
        Squares of the generators, in the order of the bits of its masks.
    names : tuple of str
        Names of the generators, in the same order.
    """

    source: str
    squares: tuple[float, ...]
    names: tuple[str, ...]

    def own_algebra(self) -> Algebra:
        """Return our algebra with these generators, under their names where names can be read as ours.

        Raises
        ------
        AlgebraMismatchError
            If there is none.
        """
        labels = [name[1:] for name in self.names]
        named = all(name.startswith("e") and label.isalnum() for name, label in zip(self.names, labels, strict=True))
        try:
            return Algebra(metric=self.squares, names=labels) if named else Algebra(metric=self.squares)
        except CliffnetError as error:
            raise AlgebraMismatchError(f"cliffnet has no such algebra as this one of {self.source}: {error}") from error

    def positions(self, algebra: Algebra) -> tuple[int, ...]:
        """Return which of our generators each of theirs is: by name where all names agree, else in order.

        Raises
        ------
        AlgebraMismatchError
            If squares differ.
        """
        own = algebra.generator_names
        by_name = sorted(self.names) == sorted(own)
        positions = tuple(own.index(name) for name in self.names) if by_name else tuple(range(len(self.names)))
        if len(own) != len(self.squares) or any(
            algebra.metric[position] != square for position, square in zip(positions, self.squares, strict=True)
        ):
            theirs = ", ".join(f"{name}^2 = {square:g}" for name, square in zip(self.names, self.squares, strict=True))
            raise AlgebraMismatchError(f"the algebra of {self.source} has {theirs}, which {algebra!r} does not fit")
        return positions


def check_wrapped(value: object) -> None:
    """Refuse anything but a multivector."""
    if not isinstance(value, Multivector):
        raise TypeError(f"expected a Multivector, got {type(value).__name__}; wrap tensors with algebra.multivector")


def own_blade(mask: int, positions: Sequence[int]) -> tuple[int, int]:
    """Return our mask of a product of their generators in ascending order, and its sign against our ascending one."""
    indices = [positions[i] for i in range(len(positions)) if mask >> i & 1]
    swaps = sum(a > b for i, a in enumerate(indices) for b in indices[i + 1 :])
    return sum(1 << index for index in indices), -1 if swaps % 2 else 1


def own_layout(algebra: Algebra, blades: Sequence[tuple[int, int]]) -> tuple[Layout, tuple[float, ...]]:
    """Return the layout of blades ``(mask, sign)`` in their order, and the factors of their coefficients on it."""
    if len({mask for mask, _ in blades}) != len(blades):
        raise BladeError("a blade occurs twice")
    # the signs that the algebra gives its blades exist for every blade; those of the other library need not
    own = algebra.layout_of_masks(mask for mask, _ in blades)
    signs = dict(zip(own.blade_masks, own.blade_signs, strict=True))
    layout = Layout(algebra, [mask for mask, _ in blades], [signs[mask] for mask, _ in blades])
    return layout, tuple(float(sign * signs[mask]) for mask, sign in blades)
