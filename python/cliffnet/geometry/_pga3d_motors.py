"""Rigid motions of space as motors, the even unit elements of Cl(3,0,1)."""

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet.geometry import _pga_common as common
from cliffnet.geometry._coefficients import broadcast, broadcast_vectors, check_last_axis, place
from cliffnet.geometry._pga3d_flats import extract_line
from cliffnet.geometry._pga3d_primitives import (
    ALGEBRA,
    QuaternionOrder,
    embed_ray,
    embed_rotation,
    embed_translation,
    extract_ray,
    extract_rotation,
    extract_translation,
)


def embed_rotation_about_line(line: Tensor, angle: Tensor | float) -> Tensor:
    """Return the rotation about a line, ``exp(-angle L / 2) = cos(angle/2) - sin(angle/2) L`` for unit L.

    Parameters
    ----------
    line : Tensor
        Shape ``(..., 16)``, of any scale.
    angle : Tensor or float
        In radians, right-handed about the line's direction, shape ``(...)``.

    Returns
    -------
    Tensor
        Motors, shape ``(..., 16)``.

    References
    ----------
    Dorst and De Keninck, "A Guided Tour to the Plane-Based Geometric Algebra PGA", 2022.
    """
    line = common.normalize(line, ALGEBRA)
    first, half = broadcast(line=line[..., 0], angle=0.5 * angle)
    return place({"1": half.cos()}, first, ALGEBRA) - half.sin().unsqueeze(-1) * line


def embed_screw(line: Tensor, angle: Tensor | float, shift: Tensor | float) -> Tensor:
    """Return the screw motion that turns about a line and moves along it, ``exp(-(angle L + shift v e0~) / 2)``.

    Parameters
    ----------
    line : Tensor
        Shape ``(..., 16)``, of any scale.
    angle : Tensor or float
        In radians, right-handed about the line's direction v, shape ``(...)``.
    shift : Tensor or float
        Distance moved along v, shape ``(...)``; a screw of pitch h per turn has ``shift = h angle / (2 pi)``.

    Returns
    -------
    Tensor
        Motors, shape ``(..., 16)``: the product of the rotation and the translation, which commute.
    """
    _, direction = extract_line(line)
    x, y, z, shift = broadcast(line=direction[..., 0], y=direction[..., 1], z=direction[..., 2], shift=shift)
    translation = embed_translation(shift.unsqueeze(-1) * torch.stack((x, y, z), dim=-1))
    return F.geometric_product(translation, embed_rotation_about_line(line, angle), ALGEBRA)


def extract_screw(motor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the axis, angle and shift of motors, from their logarithm (Chasles' theorem).

    Parameters
    ----------
    motor : Tensor
        Unit motors, shape ``(..., 16)``.

    Returns
    -------
    tuple of Tensor
        The unit line (..., 16), the angle in [0, 2 pi) and the shift along the line, shapes ``(...)``, such that
        :func:`embed_screw` returns the motor. A pure translation has angle 0 and the axis through the origin; the
        axis of the identity is zero.

    Raises
    ------
    DomainError
        If a motor has no logarithm.
    """
    direction, moment = extract_ray(-2.0 * F.log(motor, ALGEBRA)).split(3, dim=-1)
    angle = torch.linalg.vector_norm(direction, dim=-1)
    # below the rounding unit an angle is rounding, and its axis would be noise
    turning = angle > torch.finfo(angle.dtype).eps
    axis = common.select(turning, direction, moment)
    length = torch.linalg.vector_norm(axis, dim=-1, keepdim=True)
    axis = axis / torch.where(length > 0.0, length, torch.ones_like(length))
    shift = (moment * axis).sum(-1)
    safe_angle = torch.where(turning, angle, torch.ones_like(angle)).unsqueeze(-1)
    offset = common.select(turning, (moment - shift.unsqueeze(-1) * axis) / safe_angle, torch.zeros_like(moment))
    return embed_ray(torch.cat((axis, offset), dim=-1)), angle, shift


def embed_motor(quaternion: Tensor, translation: Tensor, *, order: QuaternionOrder = "xyzw") -> Tensor:
    """Return the motion that rotates about the origin and then translates, ``T R``.

    Parameters
    ----------
    quaternion : Tensor
        Unit quaternions, shape ``(..., 4)``: (i, j, k, w), unless ``order`` says otherwise.
    translation : Tensor
        Shape ``(..., 3)``.
    order : {"xyzw", "wxyz"}
        Where the real part of quaternions stands, as for :func:`embed_rotation`.

    Returns
    -------
    Tensor
        Motors, shape ``(..., 16)``.
    """
    check_last_axis(quaternion, 4, "quaternion")
    check_last_axis(translation, 3, "translation")
    quaternion, translation = broadcast_vectors(quaternion=quaternion, translation=translation)
    return F.geometric_product(embed_translation(translation), embed_rotation(quaternion, order=order), ALGEBRA)


def extract_motor(motor: Tensor, *, order: QuaternionOrder = "xyzw") -> tuple[Tensor, Tensor]:
    """Return the unit quaternion (..., 4) and translation (..., 3) whose :func:`embed_motor` is the motor (..., 16)."""
    quaternion = extract_rotation(motor, order=order)
    length = torch.linalg.vector_norm(quaternion, dim=-1, keepdim=True)
    back = F.reverse(embed_rotation(quaternion, order=order), ALGEBRA) / length.square()
    return quaternion / length, extract_translation(F.geometric_product(motor, back, ALGEBRA))


def motor_between(first: Tensor, second: Tensor) -> Tensor:
    """Return the motion that takes one point, line or plane to another of its kind: the root of ``B / A``.

    Parameters
    ----------
    first, second : Tensor
        A and B, shape ``(..., 16)``, of any scale.

    Returns
    -------
    Tensor
        ``normalise(1 + B / A)``, shape ``(..., 16)``: a translation for points, the screw along the common normal
        for lines, the rotation about the common line for planes. In compiled code NaN for opposite orientations.

    Raises
    ------
    DomainError
        If the objects have opposite orientations, which any of infinitely many motions relates.

    References
    ----------
    Dorst and De Keninck, "A Guided Tour to the Plane-Based Geometric Algebra PGA", 2022.
    """
    return common.motor_between(first, second, ALGEBRA)


def apply_motor(motor: Tensor, multivector: Tensor) -> Tensor:
    """Move multivectors, ``M x M^-1``; a reflection such as a plane acts as ``V involute(x) V^-1``.

    Parameters
    ----------
    motor : Tensor
        Motors of any magnitude, shape ``(..., 16)``.
    multivector : Tensor
        Shape ``(..., 16)``.

    Returns
    -------
    Tensor
        Shape ``(..., 16)``; the same as ``F.sandwich``.
    """
    return F.sandwich(motor, multivector, ALGEBRA)
