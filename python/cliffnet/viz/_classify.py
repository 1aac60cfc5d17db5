"""Which shape a multivector of PGA or CGA is."""

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet.algebra import Algebra
from cliffnet.errors import ConfigError, DomainError
from cliffnet.geometry import cga, pga2d, pga3d
from cliffnet.viz._shapes import Arrow, Circle, Line, Path, Plane, Points, Shape, Sphere

# Parts smaller than this fraction of the largest coefficient are rounding.
TOLERANCE = 1e-6
MODELS = {Algebra.pga(2): 2, Algebra.pga(3): 3, Algebra.cga(2): 2, Algebra.cga(3): 3}


def space_dim(algebra: Algebra) -> int:
    """Return the dimension of the Euclidean space that an algebra models.

    Raises
    ------
    ConfigError
        If it is not the projective or conformal algebra of the plane or of space.
    """
    if algebra not in MODELS:
        known = ", ".join(map(str, MODELS))
        raise ConfigError(f"scenes are drawn of {known}, got {algebra}; move the objects to one of them")
    return MODELS[algebra]


def is_zero(x: Tensor, scale: Tensor | float = 1.0) -> bool:
    """Return whether all entries are rounding on a scale."""
    return bool((x.abs() <= TOLERANCE * scale).all())


def _grades(x: Tensor, algebra: Algebra) -> set[int]:
    large = x.abs() > TOLERANCE * x.abs().max()
    return {grade for grade, present in zip(algebra.grades, large.tolist(), strict=True) if present}


def _is_motion(grades: set[int]) -> bool:
    return 0 in grades and all(grade % 2 == 0 for grade in grades)


def _unknown(what: str, algebra: Algebra) -> DomainError:
    return DomainError(
        f"{what} of {algebra} is nothing to draw; expected a finite blade (a point, line, plane, pair, circle or "
        "sphere) or a motor"
    )


def shapes_of(x: Tensor, algebra: Algebra) -> list[Shape]:
    """Return the shapes of a batch of multivectors in coordinates; a batch of motors is one path.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)`` in the default basis.
    algebra : Algebra
        The projective or conformal algebra of the plane or of space.

    Returns
    -------
    list of Shape
        One a multivector, or one path.

    Raises
    ------
    DomainError
        If an element is zero, not finite, or neither a blade nor a motor.
    """
    flat = x.reshape(-1, x.shape[-1])
    if not flat.isfinite().all():
        raise _unknown("a multivector that is not finite", algebra)
    kinds = [_grades(element, algebra) for element in flat]
    # a half turn has no scalar part: among motors it is one of them, alone it is the line or point that it turns about
    is_even = all(grade % 2 == 0 for grades in kinds for grade in grades)
    if is_even and any(map(_is_motion, kinds)):
        return [_path(flat, algebra)]
    return [_shape(element, grades, algebra) for element, grades in zip(flat, kinds, strict=True)]


def _shape(x: Tensor, grades: set[int], algebra: Algebra) -> Shape:
    if len(grades) != 1:
        listed = ", ".join(map(str, sorted(grades))) or "none"
        raise _unknown(f"an element of grades {listed}", algebra)
    grade = grades.pop()
    x = F.grade_project(x, [grade], algebra) / x.abs().max()
    shape = _projective(x, grade, algebra) if algebra.r else _conformal(x, grade, algebra)
    if shape is None:
        raise _unknown(f"an element of grade {grade} at infinity, or no blade,", algebra)
    return shape


def _projective(x: Tensor, grade: int, algebra: Algebra) -> Shape | None:
    model = pga2d if algebra.dim == 3 else pga3d
    ideal = is_zero(model.norm(x))
    if grade == algebra.dim - 1:
        return Arrow(model.extract_direction(x)) if ideal else Points(model.extract_point(x).unsqueeze(0))
    if ideal or grade > 2 or not is_zero(F.outer_product(x, x, algebra) * (grade == 2)):
        return None
    if algebra.dim == 3:
        return Line(*pga2d.extract_line(x))
    if grade == 2:
        return Line(*pga3d.extract_line(x))
    normal, distance = pga3d.extract_plane_distance(x)
    return Plane(normal, distance.item())


def _conformal(x: Tensor, grade: int, algebra: Algebra) -> Shape | None:
    if grade == 1:
        if is_zero(F.norm_squared(x, algebra)):
            return None if is_zero(cga.weight(x)) else Points(cga.down(x).unsqueeze(0))
        x, grade = cga.undual(x), algebra.dim - 1
    if grade >= algebra.dim:
        return None
    if not F.is_blade(x, algebra).all():
        return None
    is_flat = is_zero(F.outer_product(x, cga.infinity(algebra, dtype=x.dtype), algebra))
    return _flat(x, grade, algebra) if is_flat else _round(x, grade, algebra)


def _flat(x: Tensor, grade: int, algebra: Algebra) -> Shape | None:
    if is_zero(F.norm_squared(x, algebra)):
        return Arrow(cga.extract_direction(x)) if grade == 2 else None
    if grade == 2:
        return Points(cga.extract_flat_point(x).unsqueeze(0))
    if grade == 3:
        return Line(*cga.extract_line(x))
    normal, distance = cga.extract_plane(x)
    return Plane(normal, distance.item())


def _round(x: Tensor, grade: int, algebra: Algebra) -> Shape | None:
    square = cga.extract_squared_radius(x).item()
    center, radius, is_real = cga.extract_center(x), abs(square) ** 0.5, square >= 0.0
    if not center.isfinite().all():
        return None
    if grade == 2:
        infinity = cga.infinity(algebra, dtype=x.dtype)
        direction = cga.extract_direction(F.outer_product(F.left_contraction(infinity, x, algebra), infinity, algebra))
        half = radius * direction / torch.linalg.vector_norm(direction)
        return Points(torch.stack((center - half, center + half)), is_real)
    if grade == algebra.dim - 1:
        return Circle(center, None, radius, is_real) if algebra.dim == 4 else Sphere(center, radius, is_real)
    carrier = F.outer_product(x, cga.infinity(algebra, dtype=x.dtype), algebra)
    return Circle(center, cga.extract_plane(carrier)[0], radius, is_real)


def _path(motors: Tensor, algebra: Algebra) -> Path:
    dim = space_dim(algebra)
    corners = torch.cat((motors.new_zeros(1, dim), torch.eye(dim, dtype=motors.dtype)))
    if algebra.r:
        model = pga2d if dim == 2 else pga3d
        moved = model.extract_point(F.sandwich(motors.unsqueeze(1), model.embed_point(corners), algebra))
    else:
        moved = cga.down(F.sandwich(motors.unsqueeze(1), cga.up(corners), algebra))
    return Path(moved[:, 0], moved[:, 1:] - moved[:, :1])
