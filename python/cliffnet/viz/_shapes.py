"""What a figure draws: points, lines, planes, rounds and paths in coordinates."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Points:
    """One point, or the two of a pair, joined by a line; imaginary pairs are dashed."""

    positions: Tensor
    is_real: bool = True


@dataclass(frozen=True)
class Arrow:
    """A direction, an ideal point."""

    direction: Tensor


@dataclass(frozen=True)
class Line:
    """A line through a position."""

    position: Tensor
    direction: Tensor


@dataclass(frozen=True)
class Plane:
    """The plane ``normal . x = distance`` of space."""

    normal: Tensor
    distance: float


@dataclass(frozen=True)
class Circle:
    """A circle, with a normal in space."""

    center: Tensor
    normal: Tensor | None
    radius: float
    is_real: bool = True


@dataclass(frozen=True)
class Sphere:
    """A sphere of space."""

    center: Tensor
    radius: float
    is_real: bool = True


@dataclass(frozen=True)
class Path:
    """Where motors take the origin, (T, n), and the unit axes there, (T, n, n) by axis and coordinate."""

    positions: Tensor
    axes: Tensor


Shape = Points | Arrow | Line | Plane | Circle | Sphere | Path
