"""Figures of the points, lines, planes, rounds and motions of PGA and CGA."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cliffnet.algebra import Algebra
from cliffnet.errors import ConfigError
from cliffnet.viz._artists import Canvas
from cliffnet.viz._canonical import canonical, dense, labelled
from cliffnet.viz._classify import shapes_of, space_dim
from cliffnet.viz._clip import bounding_box
from cliffnet.viz._matplotlib import COLORS, INK, pyplot
from cliffnet.viz._shapes import Shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def read_objects(
    objects: Any, algebra: Algebra | None, labels: Sequence[str | None] | None
) -> tuple[list[tuple[str | None, Tensor]], Algebra]:
    """Return labelled dense multivectors in the default basis of their common algebra, which a scene can draw.

    Raises
    ------
    ConfigError
        If there are no objects, or they are of different spaces.
    """
    read = []
    spaces = set()
    for label, item in labelled(objects, labels):
        values, space = canonical(*dense(item, algebra))
        read.append((label, values))
        spaces.add(space)
    if len(spaces) != 1:
        raise ConfigError(f"a scene has objects of one algebra, got {sorted(map(str, spaces)) or 'no objects'}")
    space = spaces.pop()
    space_dim(space)
    return read, space


def scene(
    objects: Any,
    algebra: Algebra | None = None,
    *,
    labels: Sequence[str | None] | None = None,
    colors: Sequence[str] = COLORS,
    center: Sequence[float] | None = None,
    extent: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the objects of PGA or CGA in the plane or in space.

    Elements are recognised by grade and normalised: in PGA vectors are planes (lines in the plane), bivectors lines,
    and points have the highest grade but one; ideal points are arrows. In CGA null vectors are points, other vectors
    dual spheres or planes, and higher grades direct pairs, circles, lines, spheres and planes; imaginary rounds are
    dashed. Motors draw the path of the origin, with frames along it.

    Parameters
    ----------
    objects : Multivector, Tensor, sequence or mapping
        One object, several, or a mapping from label to object. The batch ``(..., num_blades)`` of an object shares its
        colour; a batch of motors is one path.
    algebra : Algebra, optional
        The algebra of tensors: Cl(2,0,1), Cl(3,0,1), Cl(3,1) or Cl(4,1), in any basis.
    labels : sequence of str, optional
        One an object, for the legend.
    colors : sequence
        Matplotlib colours, taken in turn.
    center : sequence of float, optional
        The middle of the box that is shown; that of the finite objects without it.
    extent : float, optional
        Half the width of the box; fits the finite objects without it.
    ax : matplotlib.axes.Axes, optional
        Where to draw, a 3-d one for space; a new figure without it.

    Returns
    -------
    matplotlib.axes.Axes
        Its figure is ``ax.figure``; nothing is shown or saved.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    ConfigError
        If the algebra is none of these, or labels do not match the objects.
    DomainError
        If an object is at infinity, not finite, or neither a blade nor a motor.
    """
    read, space = read_objects(objects, algebra, labels)
    shapes = [(label, shapes_of(values, space)) for label, values in read]
    middle, half = _view([shape for _, group in shapes for shape in group], space_dim(space), center, extent)
    ax = _axes(ax, len(middle))
    canvas = Canvas(ax, middle, half)
    for number, (label, group) in enumerate(shapes):
        canvas.draw(group, colors[number % len(colors)], label)
    _finish(ax, middle, half, any(label for label, _ in shapes))
    return ax


def _view(shapes: list[Shape], dim: int, center: Sequence[float] | None, extent: float | None) -> tuple[Tensor, float]:
    """Return the middle and half width of the box asked for, or of one that fits the shapes."""
    middle, half = bounding_box(shapes, dim)
    if center is not None:
        middle = torch.tensor(list(center), dtype=torch.float64)
    half = half if extent is None else float(extent)
    if middle.shape != (dim,) or not half > 0:
        raise ConfigError(f"center needs {dim} coordinates and extent must be positive, got {center} and {extent}")
    return middle, half


def _axes(ax: Any, dim: int) -> Any:
    """Return axes of the dimension: those given, or those of a new figure."""
    if ax is None:
        plt = pyplot()
        if dim == 3:
            return plt.figure(figsize=(5.6, 5.2), layout="constrained").add_subplot(projection="3d")
        return plt.figure(figsize=(6.4, 5.2), layout="compressed").add_subplot()
    if dim == 3 and not hasattr(ax, "set_zlim"):
        raise ConfigError("objects of space need 3-d axes; make them with projection='3d'")
    return ax


def _finish(ax: Any, middle: Tensor, half: float, legend: bool) -> None:
    for axis, place in zip("xyz", middle.tolist(), strict=False):
        getattr(ax, f"set_{axis}lim")(place - half, place + half)
        getattr(ax, f"set_{axis}label")(axis)
    if hasattr(ax, "set_zlim"):
        ax.set_box_aspect((1.0, 1.0, 1.0))
        ax.view_init(elev=22, azim=-58)
        for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
            axis.set_pane_color((1.0, 1.0, 1.0, 0.0))
            axis.set_major_locator(_ticks())
            axis.pane.set_edgecolor("#dddddd")
            axis._axinfo["grid"].update(color="#eeeeee", linewidth=0.6)
    else:
        ax.set_aspect("equal")
        ax.grid(color="#eeeeee", linewidth=0.6)
        ax.set_axisbelow(True)
        for edge in ax.spines.values():
            edge.set_color("#cccccc")
    ax.tick_params(labelsize=8, colors=INK)
    if legend:
        # beside flat axes; the corner of 3-d ones is empty
        place = (0.0, 1.0) if hasattr(ax, "set_zlim") else (1.0, 1.0)
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=place, fontsize=9)


def _ticks() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(5)
