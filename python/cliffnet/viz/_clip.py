"""The box that a figure shows, and lines and planes cut to it."""

import torch
from torch import Tensor

from cliffnet.viz._shapes import Circle, Line, Path, Plane, Points, Shape, Sphere


def clip_line(position: Tensor, direction: Tensor, low: Tensor, high: Tensor) -> Tensor | None:
    """Return the two ends (2, n) of a line inside a box, or None where it misses the box (the slab method)."""
    start, stop = -float("inf"), float("inf")
    for x, slope, near, far in zip(*(v.tolist() for v in (position, direction, low, high)), strict=True):
        if abs(slope) < 1e-12:
            if not near <= x <= far:
                return None
            continue
        first, second = sorted(((near - x) / slope, (far - x) / slope))
        start, stop = max(start, first), min(stop, second)
    if start >= stop:
        return None
    return torch.stack((position + start * direction, position + stop * direction))


def clip_plane(normal: Tensor, distance: float, low: Tensor, high: Tensor) -> Tensor | None:
    """Return the corners (k, 3) of a plane inside a box in order around it, or None where it misses the box."""
    corners = torch.cartesian_prod(*torch.stack((low, high), dim=-1).unbind(0))
    side = corners @ normal - distance
    hits = []
    for first in range(8):
        for bit in (1, 2, 4):
            second = first | bit
            if second != first and (side[first] <= 0) != (side[second] <= 0):
                step = side[first] / (side[first] - side[second])
                hits.append(corners[first] + step * (corners[second] - corners[first]))
    if len(hits) < 3:
        return None
    polygon = torch.stack(hits)
    first_axis, second_axis = plane_axes(normal)
    spokes = polygon - polygon.mean(0)
    return polygon[torch.atan2(spokes @ second_axis, spokes @ first_axis).argsort()]


def plane_axes(normal: Tensor) -> tuple[Tensor, Tensor]:
    """Return two unit vectors that complete a unit normal to a right-handed frame."""
    helper = torch.zeros_like(normal)
    helper[int(normal.abs().argmin())] = 1.0
    first = torch.linalg.cross(helper, normal)
    first = first / torch.linalg.vector_norm(first)
    return first, torch.linalg.cross(normal, first)


def bounding_box(shapes: list[Shape], dim: int) -> tuple[Tensor, float]:
    """Return the middle and half width of a box around the finite objects, and near the origin where there are few."""
    corners: list[Tensor] = []
    for shape in shapes:
        if isinstance(shape, Points | Path):
            corners += list(shape.positions)
        elif isinstance(shape, Circle | Sphere):
            corners += [shape.center - shape.radius, shape.center + shape.radius]
    if not corners:
        corners = [shape.position for shape in shapes if isinstance(shape, Line)]
        corners += [shape.distance * shape.normal for shape in shapes if isinstance(shape, Plane)]
        corners += [torch.zeros(dim, dtype=torch.float64)]
    cloud = torch.stack(corners)
    low, high = cloud.amin(0), cloud.amax(0)
    width = 0.6 * (high - low).max().item()
    return 0.5 * (low + high), width if width > 1e-9 else 1.0
