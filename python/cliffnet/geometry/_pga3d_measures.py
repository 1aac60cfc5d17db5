"""Norms, incidence, distances and angles of points, lines and planes in Cl(3,0,1)."""

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet.geometry import _pga_common as common
from cliffnet.geometry._pga3d_primitives import ALGEBRA


def norm(multivector: Tensor) -> Tensor:
    """Return the Euclidean norm ``sqrt(<x reverse(x)>_0)`` of (..., 16), shape (...): the weight of a point.

    Zero for ideal elements. Invariant under motions and mirrors.
    """
    return common.norm(multivector, ALGEBRA)


def ideal_norm(multivector: Tensor) -> Tensor:
    """Return the length of the e0 part of (..., 16), shape (...): the magnitude of an element at infinity.

    Invariant under motions where :func:`norm` is zero.
    """
    return common.ideal_norm(multivector, ALGEBRA)


def normalize(multivector: Tensor) -> Tensor:
    """Divide points, lines or planes (..., 16) by their norm; points keep their sign, motors need ``F.normalize``.

    NaN or infinite for ideal elements.
    """
    return common.normalize(multivector, ALGEBRA)


def join(first: Tensor, second: Tensor, *others: Tensor) -> Tensor:
    """Return what contains all of the objects: their regressive product.

    Parameters
    ----------
    first, second, *others : Tensor
        Points or lines, shape ``(..., 16)``.

    Returns
    -------
    Tensor
        Shape ``(..., 16)``: the line from the first point to the second, or the plane through three points with normal
        ``(q - p) x (r - p)``. Zero where the objects do not span one. Equivariant under motions.
    """
    return common.join(first, second, others, ALGEBRA)


def meet(first: Tensor, second: Tensor, *others: Tensor) -> Tensor:
    """Return what all of the objects contain: their outer product.

    Parameters
    ----------
    first, second, *others : Tensor
        Planes or lines, shape ``(..., 16)``.

    Returns
    -------
    Tensor
        Shape ``(..., 16)``: the line where two planes meet, of direction ``n1 x n2``, at infinity for parallel ones;
        the point where three planes, or a line and a plane, meet. Equivariant under motions and mirrors.
    """
    return common.meet(first, second, others, ALGEBRA)


def project(multivector: Tensor, onto: Tensor) -> Tensor:
    """Project points, lines or planes orthogonally, ``(x . B) / B``.

    Parameters
    ----------
    multivector : Tensor
        Shape ``(..., 16)``.
    onto : Tensor
        A point, line or plane B of the same or another kind, shape ``(..., 16)``.

    Returns
    -------
    Tensor
        Shape ``(..., 16)``: the foot of a point on B, the shadow of a line on a plane, or the line or plane through
        the point B parallel to ``x``. Equivariant under motions and mirrors.

    References
    ----------
    Dorst and De Keninck, "A Guided Tour to the Plane-Based Geometric Algebra PGA", 2022.
    """
    return common.project(multivector, onto, ALGEBRA)


def point_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the distance ``|P v Q| / (|P| |Q|)`` of two points (..., 16), shape (...). Its gradient at 0 is 0."""
    return norm(join(first, second)) / (norm(first) * norm(second))


def point_line_distance(point: Tensor, line: Tensor) -> Tensor:
    """Return the distance ``|P v L| / (|P| |L|)`` of points and lines (..., 16), shape (...)."""
    return norm(join(point, line)) / (norm(point) * norm(line))


def point_plane_distance(point: Tensor, plane: Tensor) -> Tensor:
    """Return the signed distance ``p v P / (|P| |p|)`` of points from planes (..., 16), shape (...).

    Positive on the side to which the plane's normal points, for points of positive weight.
    """
    signed = F.regressive_product(plane, point, ALGEBRA)[..., ALGEBRA.index("1")[0]]
    return signed / (norm(point) * norm(plane))


def line_distance(first: Tensor, second: Tensor) -> Tensor:
    r"""Return the shortest distance of two lines.

    For unit lines :math:`|\langle LM\rangle_4| / |\langle LM\rangle_2|`, and the ideal norm of
    :math:`\langle LM\rangle_2` where they are parallel: there LM is a translation by twice the distance.

    Parameters
    ----------
    first, second : Tensor
        Shape ``(..., 16)``.

    Returns
    -------
    Tensor
        Shape ``(...)``. Lines count as parallel when the sine between them is below the root of the rounding unit.

    References
    ----------
    Dorst and De Keninck, "A Guided Tour to the Plane-Based Geometric Algebra PGA", 2022.
    """
    first, second = normalize(first), normalize(second)
    common_normal = F.commutator(first, second, ALGEBRA)
    sine = norm(common_normal)
    moment = F.regressive_product(first, second, ALGEBRA)[..., ALGEBRA.index("1")[0]].abs()
    parallel = sine < common.tolerance(sine)
    skew = moment / torch.where(parallel, torch.ones_like(sine), sine)
    return torch.where(parallel, ideal_norm(common_normal), skew)


def plane_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the distance of two planes (..., 16), shape (...): that of parallel planes, otherwise 0."""
    line = meet(normalize(first), normalize(second))
    sine = norm(line)
    return torch.where(sine < common.tolerance(sine), ideal_norm(line), torch.zeros_like(sine))


def line_plane_distance(line: Tensor, plane: Tensor) -> Tensor:
    """Return the distance of lines and planes (..., 16), shape (...): that of parallel ones, otherwise 0."""
    point = meet(normalize(line), normalize(plane))
    sine = norm(point)
    return torch.where(sine < common.tolerance(sine), ideal_norm(point), torch.zeros_like(sine))


def plane_angle(first: Tensor, second: Tensor) -> Tensor:
    """Return the angle between the normals of two planes (..., 16), in [0, pi], shape (...)."""
    return torch.atan2(norm(meet(first, second)), F.inner_product(first, second, ALGEBRA))


def line_angle(first: Tensor, second: Tensor) -> Tensor:
    """Return the angle between the directions of two lines (..., 16), in [0, pi], shape (...)."""
    return torch.atan2(norm(F.commutator(first, second, ALGEBRA)), F.inner_product(first, second, ALGEBRA))


def line_plane_angle(line: Tensor, plane: Tensor) -> Tensor:
    """Return the angle between lines and planes (..., 16), in [0, pi/2], shape (...)."""
    return torch.atan2(norm(meet(line, plane)), norm(F.fat_inner_product(line, plane, ALGEBRA)))
