"""Ideal points, lines and planes of Cl(3,0,1) from coordinates, and back."""

import torch
from torch import Tensor

from cliffnet.geometry._coefficients import broadcast, check_last_axis, pick, place
from cliffnet.geometry._pga3d_primitives import ALGEBRA, embed_ray, extract_ray


def embed_direction(direction: Tensor) -> Tensor:
    """Embed directions as ideal points, trivectors ``x e032 + y e013 + z e021``: where parallel lines meet.

    Parameters
    ----------
    direction : Tensor
        Shape ``(..., 3)``, of any length.

    Returns
    -------
    Tensor
        Shape ``(..., 16)``, the difference of two embedded points. Translations leave it unchanged.
    """
    check_last_axis(direction, 3, "direction")
    x, y, z = direction.unbind(-1)
    return place({"e032": x, "e013": y, "e021": z}, x, ALGEBRA)


def extract_direction(multivector: Tensor) -> Tensor:
    """Return the direction (..., 3) of the ideal point in multivectors (..., 16)."""
    return pick(multivector, ALGEBRA, ["e032", "e013", "e021"])


def embed_plane_at_distance(normal: Tensor, distance: Tensor | float) -> Tensor:
    """Embed the plane ``normal . x = distance`` as ``a e1 + b e2 + c e3 - distance e0``.

    Parameters
    ----------
    normal : Tensor
        Shape ``(..., 3)``; the distance is in units of its length.
    distance : Tensor or float
        From the origin along the normal, shape ``(...)``.

    Returns
    -------
    Tensor
        Shape ``(..., 16)``.

    Examples
    --------
    >>> plane = embed_plane_at_distance(torch.tensor([0.0, 0.0, 1.0]), torch.tensor(2.0))
    >>> extract_plane_distance(plane)[1].item()
    2.0
    """
    check_last_axis(normal, 3, "normal")
    a, b, c, d = broadcast(normal_x=normal[..., 0], normal_y=normal[..., 1], normal_z=normal[..., 2], distance=distance)
    return place({"e1": a, "e2": b, "e3": c, "e0": -d}, a, ALGEBRA)


def extract_plane_distance(multivector: Tensor) -> tuple[Tensor, Tensor]:
    """Return the unit normal (..., 3) and the signed distance from the origin (...) of planes (..., 16)."""
    plane = pick(multivector, ALGEBRA, ["e1", "e2", "e3", "e0"])
    length = torch.linalg.vector_norm(plane[..., :3], dim=-1)
    return plane[..., :3] / length.unsqueeze(-1), -plane[..., 3] / length


def embed_line(position: Tensor, direction: Tensor) -> Tensor:
    """Embed the line through a position: ``v_x e23 + v_y e31 + v_z e12 + m_x e01 + m_y e02 + m_z e03``, m = o x v.

    Parameters
    ----------
    position : Tensor
        Any point o of the line, shape ``(..., 3)``.
    direction : Tensor
        Its direction v, shape ``(..., 3)``; the line is normalised where this has length one.

    Returns
    -------
    Tensor
        Shape ``(..., 16)``, equal to the join of the point and the ideal point of the direction. For Pluecker
        coordinates ``(v, o x v)`` themselves see :func:`embed_ray`.
    """
    check_last_axis(position, 3, "position")
    check_last_axis(direction, 3, "direction")
    position, direction = broadcast(position=position, direction=direction)
    return embed_ray(torch.cat((direction, torch.linalg.cross(position, direction)), dim=-1))


def extract_line(multivector: Tensor) -> tuple[Tensor, Tensor]:
    """Return the point nearest to the origin and the unit direction of lines.

    Parameters
    ----------
    multivector : Tensor
        Shape ``(..., 16)``, of any scale; the line's orientation is that of the returned direction.

    Returns
    -------
    tuple of Tensor
        ``v x m / |v|^2`` and ``v / |v|``, shapes ``(..., 3)``. NaN for lines at infinity.
    """
    direction, moment = extract_ray(multivector).split(3, dim=-1)
    length = torch.linalg.vector_norm(direction, dim=-1, keepdim=True)
    unit = direction / length
    return torch.linalg.cross(unit, moment / length), unit
