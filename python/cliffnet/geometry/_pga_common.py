"""What the plane-based algebras Cl(n,0,1) of every dimension share: norms, incidence, projection, motion."""

import math

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet.algebra import Algebra
from cliffnet.errors import DomainError
from cliffnet.functional._domain import refuse
from cliffnet.geometry._coefficients import check_last_axis


def _euclidean_blades(algebra: Algebra, null: bool) -> list[int]:
    """Return the positions of the blades with, or without, the null generator."""
    bit = 1 << algebra.metric.index(0.0)
    return [index for index, mask in enumerate(algebra.blade_masks) if bool(mask & bit) == null]


def _length(x: Tensor, blades: list[int]) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(x[..., blades], dim=-1)
    return length


def norm(x: Tensor, algebra: Algebra) -> Tensor:
    """Return the Euclidean norm: the length of the coefficients of blades without the null generator."""
    check_last_axis(x, algebra.num_blades, "multivector")
    return _length(x, _euclidean_blades(algebra, False))


def ideal_norm(x: Tensor, algebra: Algebra) -> Tensor:
    """Return the ideal norm: the length of the coefficients of blades with the null generator."""
    check_last_axis(x, algebra.num_blades, "multivector")
    return _length(x, _euclidean_blades(algebra, True))


def normalize(x: Tensor, algebra: Algebra) -> Tensor:
    """Divide by the Euclidean norm."""
    return x / norm(x, algebra).unsqueeze(-1)


def join(first: Tensor, second: Tensor, others: tuple[Tensor, ...], algebra: Algebra) -> Tensor:
    """Multiply by the regressive product from left to right."""
    joined = F.regressive_product(first, second, algebra)
    for other in others:
        joined = F.regressive_product(joined, other, algebra)
    return joined


def meet(first: Tensor, second: Tensor, others: tuple[Tensor, ...], algebra: Algebra) -> Tensor:
    """Multiply by the outer product from left to right."""
    common = F.outer_product(first, second, algebra)
    for other in others:
        common = F.outer_product(common, other, algebra)
    return common


def over(numerator: Tensor, blade: Tensor, algebra: Algebra) -> Tensor:
    """Multiply by the inverse of a blade with a Euclidean part, ``reverse(B) / <B reverse(B)>_0``."""
    inverse = F.reverse(blade, algebra) / F.norm_squared(blade, algebra).unsqueeze(-1)
    return F.geometric_product(numerator, inverse, algebra)


def project(x: Tensor, onto: Tensor, algebra: Algebra) -> Tensor:
    """Return ``(x . B) / B``."""
    return over(F.fat_inner_product(x, onto, algebra), onto, algebra)


def motor_between(first: Tensor, second: Tensor, algebra: Algebra) -> Tensor:
    """Return the unit square root of ``B / A``, normalise(1 + B/A)."""
    ratio = over(normalize(second, algebra), normalize(first, algebra), algebra)
    one = torch.zeros_like(ratio)
    one[..., algebra.index("1")[0]] = 1.0
    middle = one + ratio
    # within rounding of -1 the direction of the motion is noise
    opposite = norm(middle, algebra) <= 4.0 * torch.finfo(middle.dtype).eps
    refuse(opposite, _opposite)
    return F.normalize(select(opposite, torch.full_like(middle, torch.nan), middle), algebra)


def _opposite() -> DomainError:
    return DomainError(
        "no one motion takes the first object to the second: they have opposite orientations; negate one of them, or "
        "choose an axis and rotate by pi"
    )


def select(condition: Tensor, chosen: Tensor, other: Tensor) -> Tensor:
    """Choose by a condition of the batch shape, with components on the last axis."""
    return torch.where(condition.unsqueeze(-1), chosen, other)


def tolerance(x: Tensor) -> float:
    """Return the sine below which directions count as parallel: the root of the rounding unit.

    There the error of the formula for crossing lines, rounding over sine, equals that of the one for parallels, the
    sine itself.
    """
    return math.sqrt(torch.finfo(x.dtype).eps)
