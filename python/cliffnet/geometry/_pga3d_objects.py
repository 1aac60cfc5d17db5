"""Rigid bodies of Euclidean space as a few multivectors of Cl(3,0,1)."""

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet.algebra import Algebra
from cliffnet.errors import ShapeError
from cliffnet.geometry._coefficients import check_tensor
from cliffnet.geometry._pga3d_primitives import (
    embed_plane,
    embed_point,
    embed_rotation,
    embed_translation,
    extract_plane_normal,
    extract_point,
    extract_rotation,
)

_ALGEBRA = Algebra(3, 0, 1)


def _check_single(x: Tensor, size: int, name: str) -> None:
    check_tensor(x, name)
    if x.dim() < 2 or tuple(x.shape[-2:]) != (1, size):
        raise ShapeError(f"{name} has shape {tuple(x.shape)}; expected (..., 1, {size})")


def _basis_planes(like: Tensor) -> Tensor:
    """Return the three coordinate planes through the origin, (3, 16)."""
    axes = torch.eye(3, dtype=like.dtype, device=like.device)
    return embed_plane(axes, torch.zeros_like(axes))


def embed_object(position: Tensor, orientation: Tensor, *, explicit_point: bool = False) -> Tensor:
    """Embed poses as three planes through the position, normal to the body's axes.

    Parameters
    ----------
    position : Tensor
        Shape (..., 1, 3).
    orientation : Tensor
        Unit quaternions (i, j, k, w), shape (..., 1, 4).
    explicit_point : bool
        Whether to add the position as a fourth multivector.

    Returns
    -------
    Tensor
        Shape (..., 3, 16) or (..., 4, 16). Equivariant under rotations and translations.
    """
    _check_single(position, 3, "position")
    _check_single(orientation, 4, "orientation")
    motor = F.geometric_product(embed_translation(position), embed_rotation(orientation), _ALGEBRA)
    moved = F.geometric_product(motor, _basis_planes(position), _ALGEBRA)
    planes = F.geometric_product(moved, F.reverse(motor, _ALGEBRA), _ALGEBRA)
    if not explicit_point:
        return planes
    return torch.cat((planes, embed_point(position)), dim=-2)


def extract_object(
    multivector: Tensor,
    *,
    normalize_quaternion: bool = True,
    sign_reference: Tensor | None = None,
    keep_sign: bool = True,
) -> tuple[Tensor, Tensor]:
    r"""Return the poses that :func:`embed_object` embedded.

    The position is where the three planes meet, :math:`v_1 \wedge v_2 \wedge v_3`, or the fourth multivector; the
    rotor is :math:`1 + \sum_i v_i e_i` without its translational part. Undefined for rotations by pi.

    Parameters
    ----------
    multivector : Tensor
        Shape (..., 3, 16) or (..., 4, 16).
    normalize_quaternion : bool
        Whether to return unit quaternions.
    sign_reference : Tensor, optional
        Quaternions (..., 1, 4) that fix the sign.
    keep_sign : bool
        See :func:`extract_point`.

    Returns
    -------
    tuple of Tensor
        Positions (..., 1, 3) and quaternions (..., 1, 4).
    """
    check_tensor(multivector, "multivector")
    if multivector.dim() < 2 or multivector.shape[-1] != 16 or multivector.shape[-2] not in (3, 4):
        raise ShapeError(f"multivector has shape {tuple(multivector.shape)}; expected (..., 3 or 4, 16)")
    first, second, third = (multivector[..., index : index + 1, :] for index in range(3))
    if multivector.shape[-2] == 4:
        meeting = multivector[..., 3:, :]
    else:
        meeting = F.outer_product(F.outer_product(first, second, _ALGEBRA), third, _ALGEBRA)
    position = extract_point(meeting, keep_sign=keep_sign)
    normals = extract_plane_normal(multivector[..., :3, :])
    directions = embed_plane(normals, torch.zeros_like(normals))
    rotor = F.geometric_product(directions, _basis_planes(multivector), _ALGEBRA).sum(-2, keepdim=True)
    one = torch.zeros(16, dtype=multivector.dtype, device=multivector.device)
    one[0] = 1.0
    quaternion = extract_rotation(rotor + one, normalize=normalize_quaternion)
    if sign_reference is not None:
        quaternion = torch.sign((sign_reference * quaternion).sum(-1, keepdim=True)) * quaternion
    return position, quaternion


def embed_two_vector_object(position: Tensor, orientation: Tensor) -> Tensor:
    """Embed poses given by two direction vectors as a point and three planes.

    Parameters
    ----------
    position : Tensor
        Shape (..., 1, 3).
    orientation : Tensor
        Two vectors a and b one after the other, such as two columns of a rotation matrix, shape (..., 1, 6).

    Returns
    -------
    Tensor
        The point and the planes normal to a, b and a x b through it, shape (..., 4, 16).
    """
    _check_single(position, 3, "position")
    _check_single(orientation, 6, "orientation")
    first, second = orientation.split(3, dim=-1)
    normals = torch.cat((first, second, torch.linalg.cross(first, second)), dim=-2)
    return torch.cat((embed_point(position), embed_plane(normals, position)), dim=-2)


def extract_two_vector_object(multivector: Tensor, *, keep_sign: bool = True) -> tuple[Tensor, Tensor]:
    """Return positions (..., 1, 3) and vector pairs (..., 1, 6) of :func:`embed_two_vector_object`'s (..., 4, 16)."""
    check_tensor(multivector, "multivector")
    if multivector.dim() < 2 or tuple(multivector.shape[-2:]) != (4, 16):
        raise ShapeError(f"multivector has shape {tuple(multivector.shape)}; expected (..., 4, 16)")
    position = extract_point(multivector[..., :1, :], keep_sign=keep_sign)
    normals = extract_plane_normal(multivector[..., 1:3, :])
    return position, normals.flatten(-2).unsqueeze(-2)
