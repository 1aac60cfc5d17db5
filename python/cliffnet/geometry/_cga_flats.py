"""Flats of the conformal algebra: flat points, lines, planes, and their duals."""

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet.algebra import Algebra
from cliffnet.geometry._cga_basis import (
    algebra_of,
    euclidean_vector,
    infinity_like,
    outer,
    space_of,
    up,
    vector,
    weight,
)
from cliffnet.geometry._coefficients import broadcast_vectors, check_last_axis, column


def embed_flat(first: Tensor, *others: Tensor) -> Tensor:
    """Embed the flat through points, ``P ^ Q ^ ... ^ einf``.

    Parameters
    ----------
    first, *others : Tensor
        Coordinates, shape ``(..., n)``. One makes a flat point, two a line, three a plane.

    Returns
    -------
    Tensor
        Shape ``(..., 2^(n+2))``, a direct flat: a point lies on it where its outer product with it is zero.
        Equivariant under motions and dilations up to scale.

    References
    ----------
    Dorst, Fontijne and Mann, "Geometric Algebra for Computer Science", 2007, ch. 13.
    """
    blade = up(first)
    for other in others:
        blade = outer(blade, up(other))
    return outer(blade, infinity_like(blade, algebra_of(blade)))


def embed_line(position: Tensor, direction: Tensor) -> Tensor:
    """Embed lines ``P ^ v ^ einf`` through a position (..., n) along a direction (..., n), shape (..., 2^(n+2))."""
    algebra = space_of(position, "position")
    check_last_axis(direction, position.shape[-1], "direction")
    position, direction = broadcast_vectors(position=position, direction=direction)
    return outer(outer(up(position), euclidean_vector(direction)), infinity_like(position, algebra))


def embed_direction(direction: Tensor) -> Tensor:
    """Embed directions (..., n) as ``v ^ einf``, the point at infinity of the lines along v, shape (..., 2^(n+2))."""
    space = space_of(direction, "direction")
    vectors = euclidean_vector(direction)
    return outer(vectors, infinity_like(vectors, space))


def embed_dual_plane(normal: Tensor, distance: Tensor | float) -> Tensor:
    """Embed the hyperplane ``normal . x = distance`` as the vector ``normal + distance einf``.

    Parameters
    ----------
    normal : Tensor
        Shape ``(..., n)``, of length one.
    distance : Tensor or float
        From the origin along the normal, shape ``(...)``.

    Returns
    -------
    Tensor
        Shape ``(..., 2^(n+2))``: a line in the plane, a plane in space. Its inner product with a normalised point is
        the signed distance from it; its action by ``F.sandwich`` is the reflection.

    References
    ----------
    Dorst, Fontijne and Mann, "Geometric Algebra for Computer Science", 2007, ch. 13.
    """
    space_of(normal, "normal")
    normal, distance = broadcast_vectors(normal=normal, distance=column(distance, normal))
    return vector(normal, distance, distance)


def embed_plane(normal: Tensor, distance: Tensor | float) -> Tensor:
    """Embed direct hyperplanes, grade n + 1: minus the undual of :func:`embed_dual_plane`, shape (..., 2^(n+2)).

    In space, the plane through a, b, c is one of normal ``(b - a) x (c - a)``.
    """
    plane = embed_dual_plane(normal, distance)
    return -F.unpolarity(plane, algebra_of(plane))


def extract_dual_plane(plane: Tensor) -> tuple[Tensor, Tensor]:
    """Return the unit normal (..., n) and the distance from the origin (...) of dual hyperplanes (..., 2^(n+2))."""
    algebra = algebra_of(plane)
    normal = plane[..., 1 : algebra.dim - 1]
    length = torch.linalg.vector_norm(normal, dim=-1)
    return normal / length.unsqueeze(-1), plane[..., algebra.dim] / length


def extract_plane(plane: Tensor) -> tuple[Tensor, Tensor]:
    """Return the unit normal (..., n) and the distance from the origin (...) of direct hyperplanes (..., 2^(n+2))."""
    return extract_dual_plane(-F.polarity(plane, algebra_of(plane)))


def _times_infinity(algebra: Algebra) -> tuple[list[int], int]:
    """Return the positions of ``e_i e+`` for the Euclidean generators, and that of ``e+ e-``."""
    plus = 1 << algebra.dim - 2
    euclidean = [algebra.blade_masks.index(1 << axis | plus) for axis in range(algebra.dim - 2)]
    return euclidean, algebra.blade_masks.index(plus | plus << 1)


def extract_direction(multivector: Tensor) -> Tensor:
    """Return the direction v (..., n) of ``v ^ einf`` in multivectors (..., 2^(n+2))."""
    return multivector[..., _times_infinity(algebra_of(multivector))[0]]


def extract_flat_point(flat_point: Tensor) -> Tensor:
    """Return the coordinates (..., n) of flat points ``P ^ einf``, shape (..., 2^(n+2)), of any weight."""
    euclidean, infinite = _times_infinity(algebra_of(flat_point))
    return flat_point[..., euclidean] / -flat_point[..., infinite : infinite + 1]


def project_on_flat(coordinates: Tensor, flat: Tensor) -> Tensor:
    """Project points orthogonally on direct flats, ``((p ^ einf) _| X) / X``.

    Parameters
    ----------
    coordinates : Tensor
        Shape ``(..., n)``.
    flat : Tensor
        Lines, planes or flat points, shape ``(..., 2^(n+2))``.

    Returns
    -------
    Tensor
        The nearest points of the flats, shape ``(..., n)``.
    """
    algebra = algebra_of(flat)
    point, flat = broadcast_vectors(point=embed_flat(coordinates), flat=flat)
    inverse = F.reverse(flat, algebra) / F.norm_squared(flat, algebra).unsqueeze(-1)
    return extract_flat_point(F.geometric_product(F.left_contraction(point, flat, algebra), inverse, algebra))


def extract_line(line: Tensor) -> tuple[Tensor, Tensor]:
    """Return the point nearest to the origin (..., n) and the unit direction (..., n) of lines (..., 2^(n+2))."""
    algebra = algebra_of(line)
    direction = -extract_direction(F.left_contraction(infinity_like(line, algebra), line, algebra))
    unit = direction / torch.linalg.vector_norm(direction, dim=-1, keepdim=True)
    return project_on_flat(torch.zeros_like(unit), line), unit


def plane_distance(point: Tensor, plane: Tensor) -> Tensor:
    """Return the signed distance of points from dual hyperplanes (..., 2^(n+2)), shape (...): normal side positive."""
    point, plane = broadcast_vectors(point=point, plane=plane)
    algebra = algebra_of(point)
    length: Tensor = torch.linalg.vector_norm(plane[..., 1 : algebra.dim - 1], dim=-1)
    return F.inner_product(point, plane, algebra) / (weight(point) * length)
