"""The Euclidean plane in the plane-based algebra Cl(2,0,1): points, lines and rigid motions.

Vectors are lines, ``a e1 + b e2 + c e0`` for ``a x + b y + c = 0``; bivectors are points, ``e12 + x e20 + y e01``; a
versor V moves x to ``V x reverse(V)``. Gunn, "Geometric Algebras for Euclidean Geometry", 2017, arXiv:1411.6502;
Dorst and De Keninck, "A Guided Tour to the Plane-Based Geometric Algebra PGA", 2022.
"""

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet.algebra import Algebra
from cliffnet.geometry import _pga_common as common
from cliffnet.geometry._coefficients import broadcast, check_last_axis, pick, place

ALGEBRA = Algebra(2, 0, 1)


def embed_point(coordinates: Tensor) -> Tensor:
    """Embed points (..., 2) as bivectors ``e12 + x e20 + y e01``, shape (..., 8).

    Examples
    --------
    >>> extract_point(2 * embed_point(torch.tensor([3.0, 4.0]))).tolist()
    [3.0, 4.0]
    """
    check_last_axis(coordinates, 2, "coordinates")
    x, y = coordinates.unbind(-1)
    return place({"e12": 1.0, "e20": x, "e01": y}, x, ALGEBRA)


def extract_point(multivector: Tensor) -> Tensor:
    """Return the coordinates (..., 2) of points (..., 8) of any weight; infinite or NaN for ideal points."""
    point = pick(multivector, ALGEBRA, ["e20", "e01", "e12"])
    return point[..., :2] / point[..., 2:]


def embed_direction(direction: Tensor) -> Tensor:
    """Embed directions (..., 2) as ideal points ``x e20 + y e01``, shape (..., 8): where parallel lines meet."""
    check_last_axis(direction, 2, "direction")
    x, y = direction.unbind(-1)
    return place({"e20": x, "e01": y}, x, ALGEBRA)


def extract_direction(multivector: Tensor) -> Tensor:
    """Return the direction (..., 2) of the ideal point in multivectors (..., 8)."""
    return pick(multivector, ALGEBRA, ["e20", "e01"])


def embed_line(position: Tensor, direction: Tensor) -> Tensor:
    """Embed the line through a position along a direction.

    Parameters
    ----------
    position, direction : Tensor
        Shape ``(..., 2)``; the line is normalised where the direction has length one.

    Returns
    -------
    Tensor
        Shape ``(..., 8)``: ``-v_y e1 + v_x e2 + (v_y x - v_x y) e0``, with its normal to the left of the direction,
        equal to the join of the point and the ideal point of the direction.
    """
    check_last_axis(position, 2, "position")
    check_last_axis(direction, 2, "direction")
    position, direction = broadcast(position=position, direction=direction)
    (x, y), (a, b) = position.unbind(-1), direction.unbind(-1)
    return place({"e1": -b, "e2": a, "e0": b * x - a * y}, a, ALGEBRA)


def extract_line(multivector: Tensor) -> tuple[Tensor, Tensor]:
    """Return the point nearest to the origin (..., 2) and the unit direction (..., 2) of lines (..., 8)."""
    normal, distance = extract_line_distance(multivector)
    return distance.unsqueeze(-1) * normal, torch.stack((normal[..., 1], -normal[..., 0]), dim=-1)


def embed_line_at_distance(normal: Tensor, distance: Tensor | float) -> Tensor:
    """Embed the line ``normal . x = distance`` as ``a e1 + b e2 - distance e0``, shape (..., 8).

    Parameters
    ----------
    normal : Tensor
        Shape ``(..., 2)``; the distance is in units of its length.
    distance : Tensor or float
        From the origin along the normal, shape ``(...)``.
    """
    check_last_axis(normal, 2, "normal")
    a, b, d = broadcast(normal_x=normal[..., 0], normal_y=normal[..., 1], distance=distance)
    return place({"e1": a, "e2": b, "e0": -d}, a, ALGEBRA)


def extract_line_distance(multivector: Tensor) -> tuple[Tensor, Tensor]:
    """Return the unit normal (..., 2) and the signed distance from the origin (...) of lines (..., 8)."""
    line = pick(multivector, ALGEBRA, ["e1", "e2", "e0"])
    length = torch.linalg.vector_norm(line[..., :2], dim=-1)
    return line[..., :2] / length.unsqueeze(-1), -line[..., 2] / length


def embed_translation(vector: Tensor) -> Tensor:
    """Embed translations by vectors (..., 2) as ``1 - (x e01 + y e02) / 2``, shape (..., 8)."""
    check_last_axis(vector, 2, "vector")
    x, y = (-0.5 * vector).unbind(-1)
    return place({"1": 1.0, "e01": x, "e02": y}, x, ALGEBRA)


def embed_rotation_about_point(point: Tensor, angle: Tensor | float) -> Tensor:
    """Return the rotation about a point, ``exp(-angle P / 2) = cos(angle/2) - sin(angle/2) P`` for normalised P.

    Parameters
    ----------
    point : Tensor
        Shape ``(..., 8)``; of negative weight, it turns clockwise.
    angle : Tensor or float
        In radians, counter-clockwise, shape ``(...)``.

    Returns
    -------
    Tensor
        Motors, shape ``(..., 8)``.
    """
    point = normalize(point)
    first, half = broadcast(point=point[..., 0], angle=0.5 * angle)
    return place({"1": half.cos()}, first, ALGEBRA) - half.sin().unsqueeze(-1) * point


def embed_motor(angle: Tensor | float, translation: Tensor) -> Tensor:
    """Return the motion that rotates about the origin and then translates, ``T R``.

    Parameters
    ----------
    angle : Tensor or float
        In radians, counter-clockwise, shape ``(...)``.
    translation : Tensor
        Shape ``(..., 2)``.

    Returns
    -------
    Tensor
        Motors, shape ``(..., 8)``.
    """
    check_last_axis(translation, 2, "translation")
    half, x, y = broadcast(angle=0.5 * angle, translation_x=translation[..., 0], translation_y=translation[..., 1])
    rotation = place({"1": half.cos(), "e12": -half.sin()}, half, ALGEBRA)
    return F.geometric_product(embed_translation(torch.stack((x, y), dim=-1)), rotation, ALGEBRA)


def extract_motor(motor: Tensor) -> tuple[Tensor, Tensor]:
    """Return the angle in (-2 pi, 2 pi] (...) and translation (..., 2) whose :func:`embed_motor` is the motor."""
    cosine, sine = pick(motor, ALGEBRA, ["1", "e21"]).unbind(-1)
    back = place({"1": cosine, "e12": sine}, cosine, ALGEBRA) / (cosine.square() + sine.square()).unsqueeze(-1)
    translator = F.geometric_product(motor, back, ALGEBRA)
    return 2.0 * torch.atan2(sine, cosine), -2.0 * pick(translator, ALGEBRA, ["e01", "e02"])


def extract_center(motor: Tensor) -> Tensor:
    """Return the fixed point of motors (..., 8), their bivector, as a point (..., 8); ideal for translations.

    The ideal point of a translation stands across its direction. Normalise the result to draw or compare it.
    """
    return F.grade_project(motor, [2], ALGEBRA)


def motor_between(first: Tensor, second: Tensor) -> Tensor:
    """Return the motion that takes one point or line (..., 8) to another of its kind: ``normalise(1 + B / A)``.

    A translation for points, a rotation about the common point for lines, a translation for parallel lines.

    Raises
    ------
    DomainError
        If the objects have opposite orientations.
    """
    return common.motor_between(first, second, ALGEBRA)


def apply_motor(motor: Tensor, multivector: Tensor) -> Tensor:
    """Move multivectors (..., 8) by motors (..., 8) of any magnitude: ``M x M^-1``, the same as ``F.sandwich``."""
    return F.sandwich(motor, multivector, ALGEBRA)


def norm(multivector: Tensor) -> Tensor:
    """Return the Euclidean norm of (..., 8), shape (...): the weight of a point, zero for ideal elements."""
    return common.norm(multivector, ALGEBRA)


def ideal_norm(multivector: Tensor) -> Tensor:
    """Return the length of the e0 part of (..., 8), shape (...): the magnitude of an element at infinity."""
    return common.ideal_norm(multivector, ALGEBRA)


def normalize(multivector: Tensor) -> Tensor:
    """Divide points, lines or motors (..., 8) by their norm; points keep their sign. NaN for ideal elements."""
    return common.normalize(multivector, ALGEBRA)


def join(first: Tensor, second: Tensor, *others: Tensor) -> Tensor:
    """Return the line from one point (..., 8) to another: the regressive product. Equivariant under motions."""
    return common.join(first, second, others, ALGEBRA)


def meet(first: Tensor, second: Tensor, *others: Tensor) -> Tensor:
    """Return the point where two lines (..., 8) meet: the outer product, ideal for parallel lines."""
    return common.meet(first, second, others, ALGEBRA)


def project(multivector: Tensor, onto: Tensor) -> Tensor:
    """Project orthogonally, ``(x . B) / B``: points onto lines, or lines into parallels through points, (..., 8)."""
    return common.project(multivector, onto, ALGEBRA)


def point_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the distance ``|P v Q| / (|P| |Q|)`` of two points (..., 8), shape (...). Its gradient at 0 is 0."""
    return norm(join(first, second)) / (norm(first) * norm(second))


def point_line_distance(point: Tensor, line: Tensor) -> Tensor:
    """Return the signed distance of points from lines (..., 8), shape (...): positive on the side of the normal."""
    signed = F.regressive_product(line, point, ALGEBRA)[..., ALGEBRA.index("1")[0]]
    return signed / (norm(point) * norm(line))


def line_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the distance of two lines (..., 8), shape (...): that of parallel lines, otherwise 0.

    Lines count as parallel when the sine between them is below the root of the rounding unit.
    """
    point = meet(normalize(first), normalize(second))
    sine = norm(point)
    return torch.where(sine < common.tolerance(sine), ideal_norm(point), torch.zeros_like(sine))


def line_angle(first: Tensor, second: Tensor) -> Tensor:
    """Return the angle in (-pi, pi] that turns the first line (..., 8) into the direction of the second, (...)."""
    sine = pick(meet(first, second), ALGEBRA, ["e12"])[..., 0]
    return torch.atan2(sine, F.inner_product(first, second, ALGEBRA))
