"""How each shape is put on matplotlib axes of the plane or of space."""

from typing import Any

import torch
from torch import Tensor

from cliffnet.viz._clip import clip_line, clip_plane, plane_axes
from cliffnet.viz._shapes import Arrow, Circle, Line, Path, Plane, Points, Shape, Sphere

_STEPS = 97
_FRAMES = 6


def _columns(points: Tensor) -> list[list[float]]:
    """Return the coordinates (k, n) as n lists, as plot functions take them."""
    return points.T.tolist()


class Canvas:
    """Axes and the box that they show."""

    def __init__(self, ax: Any, middle: Tensor, half: float) -> None:
        self.ax = ax
        self.low, self.high = middle - half, middle + half
        self.middle, self.half = middle, half

    def draw(self, shapes: list[Shape], color: str, label: str | None) -> None:
        """Draw the shapes of one object; the first visible one carries its label."""
        for shape in shapes:
            kind = type(shape).__name__.lower()
            if getattr(self, f"_draw_{kind}")(shape, color, label):
                label = None

    def _curve(self, points: Tensor, color: str, label: str | None, **style: Any) -> None:
        self.ax.plot(*_columns(points), color=color, label=label, **{"linewidth": 1.6, **style})

    def _draw_points(self, shape: Points, color: str, label: str | None) -> bool:
        if len(shape.positions) > 1:
            dash = "-" if shape.is_real else (0, (4, 3))
            self._curve(shape.positions, color, None, linewidth=1.0, linestyle=dash, alpha=0.7)
        face = color if shape.is_real else "none"
        depth = {"depthshade": False} if len(self.middle) == 3 else {"zorder": 3}
        self.ax.scatter(*_columns(shape.positions), s=30, facecolor=face, edgecolor=color, label=label, **depth)
        return True

    def _draw_arrow(self, shape: Arrow, color: str, label: str | None) -> bool:
        step = 0.6 * self.half * shape.direction / torch.linalg.vector_norm(shape.direction)
        tip = self.middle + step
        self._curve(torch.stack((self.middle, tip)), color, label)
        side = torch.zeros_like(step)
        side[int(step.abs().argmin())] = 1.0
        side = side - (side @ step) / (step @ step) * step
        barb = 0.06 * self.half * side / torch.linalg.vector_norm(side)
        head = torch.stack((tip - 0.15 * step + barb, tip, tip - 0.15 * step - barb))
        self._curve(head, color, None)
        return True

    def _draw_line(self, shape: Line, color: str, label: str | None) -> bool:
        ends = clip_line(shape.position, shape.direction, self.low, self.high)
        if ends is not None:
            self._curve(ends, color, label)
        return ends is not None

    def _draw_plane(self, shape: Plane, color: str, label: str | None) -> bool:
        corners = clip_plane(shape.normal, shape.distance, self.low, self.high)
        if corners is None:
            return False
        from mpl_toolkits.mplot3d.art3d import Poly3DCollection

        face = Poly3DCollection([corners.tolist()], facecolor=color, edgecolor=color, alpha=0.22, linewidth=1.0)
        face.set_label(label)
        self.ax.add_collection3d(face)
        return True

    def _draw_circle(self, shape: Circle, color: str, label: str | None) -> bool:
        angle = torch.linspace(0.0, 2.0 * torch.pi, _STEPS, dtype=torch.float64).unsqueeze(-1)
        if shape.normal is None:
            first, second = torch.eye(2, dtype=torch.float64)
        else:
            first, second = plane_axes(shape.normal)
        ring = shape.center + shape.radius * (angle.cos() * first + angle.sin() * second)
        self._curve(ring, color, label, linestyle="-" if shape.is_real else (0, (4, 3)))
        return True

    def _draw_sphere(self, shape: Sphere, color: str, label: str | None) -> bool:
        across = torch.linspace(0.0, 2.0 * torch.pi, 49, dtype=torch.float64).unsqueeze(0)
        down = torch.linspace(0.0, torch.pi, 25, dtype=torch.float64).unsqueeze(-1)
        unit = (down.sin() * across.cos(), down.sin() * across.sin(), down.cos() + 0.0 * across)
        x, y, z = (c + shape.radius * u for c, u in zip(shape.center, unit, strict=True))
        grid = tuple(part.numpy() for part in (x, y, z))
        if shape.is_real:
            surface = self.ax.plot_surface(*grid, color=color, alpha=0.18, linewidth=0, antialiased=True)
            surface.set_label(label)
        style = "-" if shape.is_real else (0, (4, 3))
        frame = self.ax.plot_wireframe(
            *grid, color=color, alpha=0.35, linewidth=0.6, linestyle=style, rstride=4, cstride=6
        )
        if not shape.is_real:
            frame.set_label(label)
        return True

    def _draw_path(self, shape: Path, color: str, label: str | None) -> bool:
        self._curve(shape.positions, color, label, marker="o" if len(shape.positions) == 1 else None, markersize=4)
        count = len(shape.positions)
        shown = sorted({round(i * (count - 1) / max(_FRAMES - 1, 1)) for i in range(_FRAMES)})
        for index in shown:
            start = shape.positions[index]
            for axis, shade in zip(shape.axes[index], ("#cc3311", "#228833", "#4477aa"), strict=False):
                tip = start + 0.18 * self.half * axis / torch.linalg.vector_norm(axis)
                self._curve(torch.stack((start, tip)), shade, None, linewidth=1.2)
        return True
