"""Rounds of the conformal algebra: point pairs, circles, spheres, dual spheres and tangents."""

from torch import Tensor

from cliffnet import functional as F
from cliffnet.geometry._cga_basis import (
    algebra_of,
    down,
    euclidean_vector,
    infinity_like,
    normalize_point,
    outer,
    space_of,
    up,
    weight,
)
from cliffnet.geometry._cga_flats import embed_dual_plane, extract_plane
from cliffnet.geometry._coefficients import broadcast_vectors, check_last_axis, column


def embed_round(first: Tensor, second: Tensor, *others: Tensor) -> Tensor:
    """Embed the round through points, the outer product ``P ^ Q ^ ...``.

    Parameters
    ----------
    first, second, *others : Tensor
        Coordinates, shape ``(..., n)``. Two make a point pair, three a circle, four a sphere.

    Returns
    -------
    Tensor
        Shape ``(..., 2^(n+2))``, a direct round of the grade of the number of points: a point lies on it where its
        outer product with it is zero. Equivariant up to scale under motions, dilations and inversions.

    References
    ----------
    Dorst, Fontijne and Mann, "Geometric Algebra for Computer Science", 2007, ch. 14.
    """
    blade = outer(up(first), up(second))
    for other in others:
        blade = outer(blade, up(other))
    return blade


def embed_dual_sphere(center: Tensor, radius: Tensor | float) -> Tensor:
    """Embed spheres as vectors ``up(center) - radius^2/2 einf``.

    Parameters
    ----------
    center : Tensor
        Shape ``(..., n)``; in the plane, n = 2, the result is a circle.
    radius : Tensor or float
        Shape ``(...)``.

    Returns
    -------
    Tensor
        Shape ``(..., 2^(n+2))``, of square radius^2: a point lies on it where its inner product with it is zero. Its
        action by ``F.sandwich`` is the inversion in the sphere.

    References
    ----------
    Dorst, Fontijne and Mann, "Geometric Algebra for Computer Science", 2007, ch. 13.
    """
    algebra = space_of(center, "center")
    center, radius = broadcast_vectors(center=center, radius=column(radius, center))
    return up(center) - 0.5 * radius.square() * infinity_like(center, algebra)


def embed_sphere(center: Tensor, radius: Tensor | float) -> Tensor:
    """Embed direct spheres, grade n + 1: the undual ``S I`` of :func:`embed_dual_sphere`, shape (..., 2^(n+2))."""
    sphere = embed_dual_sphere(center, radius)
    return F.unpolarity(sphere, algebra_of(sphere))


def embed_circle(center: Tensor, normal: Tensor, radius: Tensor | float) -> Tensor:
    """Embed circles of space: where a sphere meets the plane through its centre.

    Parameters
    ----------
    center, normal : Tensor
        Shape ``(..., 3)``; the normal of length one, the circle runs right-handed about it.
    radius : Tensor or float
        Shape ``(...)``.

    Returns
    -------
    Tensor
        Direct circles of grade 3, shape ``(..., 32)``.
    """
    check_last_axis(center, 3, "center")
    check_last_axis(normal, 3, "normal")
    sphere = embed_dual_sphere(center, radius)
    plane = embed_dual_plane(normal, (normal * center).sum(-1))
    sphere, plane = broadcast_vectors(sphere=sphere, plane=plane)
    return F.unpolarity(outer(plane, sphere), algebra_of(sphere))


def embed_tangent(position: Tensor, direction: Tensor) -> Tensor:
    """Embed tangent vectors ``P ^ (v + (p . v) einf)``: point pairs of radius zero, shape (..., 2^(n+2)).

    Parameters
    ----------
    position, direction : Tensor
        Point p and vector v, shape ``(..., n)``.

    References
    ----------
    Dorst, Fontijne and Mann, "Geometric Algebra for Computer Science", 2007, ch. 14.
    """
    algebra = space_of(position, "position")
    check_last_axis(direction, position.shape[-1], "direction")
    position, direction = broadcast_vectors(position=position, direction=direction)
    slope = (position * direction).sum(-1, keepdim=True)
    return outer(up(position), euclidean_vector(direction) + slope * infinity_like(position, algebra))


def extract_center(round_: Tensor) -> Tensor:
    """Return the centre (..., n) of direct or dual rounds (..., 2^(n+2)): the reflection ``X einf X`` of infinity."""
    algebra = algebra_of(round_)
    reflected = F.geometric_product(round_, infinity_like(round_, algebra), algebra)
    return down(F.geometric_product(reflected, round_, algebra))


def extract_squared_radius(round_: Tensor) -> Tensor:
    r"""Return the squared radius of direct rounds, :math:`X \hat X / (e_\infty \rfloor X)^2`.

    Parameters
    ----------
    round_ : Tensor
        Point pairs, circles or spheres, shape ``(..., 2^(n+2))``; for points the result is 0.

    Returns
    -------
    Tensor
        Shape ``(...)``: negative for imaginary rounds, such as the meet of spheres that are apart. Invariant under
        motions. See :func:`extract_dual_sphere` for dual spheres.

    References
    ----------
    Dorst, Fontijne and Mann, "Geometric Algebra for Computer Science", 2007, ch. 14.
    """
    algebra = algebra_of(round_)
    direction = F.left_contraction(infinity_like(round_, algebra), round_, algebra)
    square = F.scalar_product(round_, F.grade_involute(round_, algebra), algebra)[..., 0]
    return square / F.scalar_product(direction, direction, algebra)[..., 0]


def extract_dual_sphere(sphere: Tensor) -> tuple[Tensor, Tensor]:
    """Return the centre (..., n) and radius (...) of dual spheres (..., 2^(n+2)); NaN radius for imaginary ones."""
    unit = normalize_point(sphere)
    square = F.scalar_product(unit, unit, algebra_of(sphere))[..., 0]
    return down(unit), square.sqrt()


def extract_sphere(sphere: Tensor) -> tuple[Tensor, Tensor]:
    """Return the centre (..., n) and radius (...) of direct spheres (..., 2^(n+2)); NaN radius for imaginary ones."""
    return extract_dual_sphere(F.polarity(sphere, algebra_of(sphere)))


def extract_circle(circle: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the centre, unit normal and radius of circles of space.

    Parameters
    ----------
    circle : Tensor
        Direct circles, shape ``(..., 32)``.

    Returns
    -------
    tuple of Tensor
        Shapes ``(..., 3)``, ``(..., 3)`` and ``(...)``; the normal of the circle through a, b, c is along
        ``(b - a) x (c - a)``. NaN radius for imaginary circles.
    """
    check_last_axis(circle, 32, "circle")
    plane = outer(circle, infinity_like(circle, algebra_of(circle)))
    return extract_center(circle), extract_plane(plane)[0], extract_squared_radius(circle).sqrt()


def split_point_pair(pair: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two points of point pairs, ``(X -+ sqrt(X^2)) (einf . X)`` normalised.

    Parameters
    ----------
    pair : Tensor
        Direct point pairs, shape ``(..., 2^(n+2))``.

    Returns
    -------
    tuple of Tensor
        Normalised points of ``P ^ Q`` in that order, shape ``(..., 2^(n+2))``. NaN where the pair is imaginary; the
        gradient is infinite where the points coincide.

    References
    ----------
    Dorst, Fontijne and Mann, "Geometric Algebra for Computer Science", 2007, ch. 14.
    """
    algebra = algebra_of(pair)
    direction = F.left_contraction(infinity_like(pair, algebra), pair, algebra)
    size = F.scalar_product(pair, pair, algebra)[..., :1].sqrt()
    middle = F.left_contraction(direction, pair, algebra)
    first, second = -middle - size * direction, -middle + size * direction
    return normalize_point(first), normalize_point(second)


def sphere_power(point: Tensor, sphere: Tensor) -> Tensor:
    """Return ``|p - c|^2 - r^2`` of points and dual spheres (..., 2^(n+2)), shape (...): negative inside."""
    point, sphere = broadcast_vectors(point=point, sphere=sphere)
    inner = F.inner_product(point, sphere, algebra_of(point))
    return -2.0 * inner / (weight(point) * weight(sphere))


def intersection_cosine(first: Tensor, second: Tensor) -> Tensor:
    """Return the cosine ``<reverse(A) B>_0 / (|A| |B|)`` of the angle at which two blades of one grade meet.

    Parameters
    ----------
    first, second : Tensor
        Spheres, circles, planes or lines, direct or dual alike, shape ``(..., 2^(n+2))``.

    Returns
    -------
    Tensor
        Shape ``(...)``: for spheres ``(r1^2 + r2^2 - d^2) / (2 r1 r2)`` up to orientation, of magnitude 1 where they
        touch and beyond where they do not meet. Invariant under motions, dilations and inversions.
    """
    algebra = algebra_of(first)
    sizes = F.norm_squared(first, algebra).abs().sqrt() * F.norm_squared(second, algebra).abs().sqrt()
    return F.inner_product(first, second, algebra) / sizes
