"""Points, planes, lines and motions of Euclidean space in the plane-based algebra Cl(3,0,1).

Conventions: vectors are planes, trivectors are points, a versor V moves x to V x reverse(V). Lengths are in the unit
of the caller. Quaternions are (i, j, k, w), Hamilton's convention ijk = -1. Dorst and De Keninck, "A Guided Tour to
the Plane-Based Geometric Algebra PGA", 2022.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from cliffnet.algebra import Algebra
from cliffnet.errors import ConfigError
from cliffnet.geometry._coefficients import check_last_axis, pick, place

ALGEBRA = Algebra(3, 0, 1)

QuaternionOrder = Literal["xyzw", "wxyz"]


def _assemble(like: Tensor, components: Mapping[str, Tensor | float]) -> Tensor:
    """Make multivectors (..., 16) from components (...) by blade name; the others are zero."""
    return place(components, like[..., 0], ALGEBRA)


def _bounded_away_from_zero(x: Tensor, threshold: float, keep_sign: bool) -> Tensor:
    """Replace entries of magnitude up to ``threshold`` by ``threshold``, with their sign if asked to."""
    if threshold < 0:
        raise ConfigError(f"threshold is {threshold!r}; give a non-negative number")
    bound = torch.full_like(x, threshold)
    if keep_sign:
        bound = torch.where(x < 0, -bound, bound)
    return torch.where(x.abs() > threshold, x, bound)


def _checked(order: str) -> str:
    if order not in ("xyzw", "wxyz"):
        raise ConfigError(f"the order of quaternions is {order!r}, expected 'xyzw' or 'wxyz'")
    return order


def embed_scalar(scalar: Tensor) -> Tensor:
    """Embed invariant numbers (..., 1) as multivectors (..., 16).

    Examples
    --------
    >>> embed_scalar(torch.tensor([2.0]))[0].item()
    2.0
    """
    check_last_axis(scalar, 1, "scalar")
    return _assemble(scalar, {"1": scalar[..., 0]})


def extract_scalar(multivector: Tensor) -> Tensor:
    """Return the scalar part (..., 1) of multivectors (..., 16); invariant under all motions and mirrors."""
    return pick(multivector, ALGEBRA, ["1"])


def embed_pseudoscalar(pseudoscalar: Tensor) -> Tensor:
    """Embed numbers (..., 1) that change sign under mirrors as multivectors (..., 16)."""
    check_last_axis(pseudoscalar, 1, "pseudoscalar")
    return _assemble(pseudoscalar, {"e0123": pseudoscalar[..., 0]})


def extract_pseudoscalar(multivector: Tensor) -> Tensor:
    """Return the e0123 part (..., 1) of multivectors (..., 16); invariant under motions, odd under mirrors."""
    return pick(multivector, ALGEBRA, ["e0123"])


def embed_point(coordinates: Tensor) -> Tensor:
    """Embed points (..., 3) as trivectors e123 - x e023 + y e013 - z e012, shape (..., 16).

    A motion of the embedding is the embedding of the moved point; a mirror of it is minus that.
    """
    check_last_axis(coordinates, 3, "coordinates")
    x, y, z = coordinates.unbind(-1)
    return _assemble(coordinates, {"e123": 1.0, "e023": -x, "e013": y, "e012": -z})


def extract_point(
    multivector: Tensor, *, divide_by_embedding_dim: bool = True, threshold: float = 1e-3, keep_sign: bool = True
) -> Tensor:
    """Return the point that the trivector part of multivectors represents.

    Parameters
    ----------
    multivector : Tensor
        Shape (..., 16).
    divide_by_embedding_dim : bool
        Whether to divide by the e123 component, without which the result is equivariant only where that is 1.
    threshold : float
        Smallest magnitude divided by.
    keep_sign : bool
        Whether a component below the threshold keeps its sign; GATr 1.4.3 takes it as positive.

    Returns
    -------
    Tensor
        Coordinates, shape (..., 3).
    """
    coordinates = pick(multivector, ALGEBRA, ["e032", "e013", "e021"])
    if not divide_by_embedding_dim:
        return coordinates
    divisor = _bounded_away_from_zero(pick(multivector, ALGEBRA, ["e123"]), threshold, keep_sign)
    return coordinates / divisor


def point_regularizer(multivector: Tensor) -> Tensor:
    """Return |e123| - 1 of multivectors (..., 16), shape (..., 1): how far a point is from being normalised."""
    return pick(multivector, ALGEBRA, ["e123"]).abs() - 1.0


def embed_plane(normal: Tensor, position: Tensor) -> Tensor:
    """Embed the plane with a unit normal (..., 3) through a position (..., 3): n - (n . p) e0, shape (..., 16)."""
    check_last_axis(normal, 3, "normal")
    check_last_axis(position, 3, "position")
    normal, position = torch.broadcast_tensors(normal, position)
    a, b, c = normal.unbind(-1)
    return _assemble(normal, {"e0": -(normal * position).sum(-1), "e1": a, "e2": b, "e3": c})


def extract_plane_normal(multivector: Tensor) -> Tensor:
    """Return the normal (..., 3) of the plane in multivectors (..., 16); translations leave it unchanged."""
    return pick(multivector, ALGEBRA, ["e1", "e2", "e3"])


def extract_plane(multivector: Tensor) -> tuple[Tensor, Tensor]:
    """Return unit normal (..., 3) and the position nearest to the origin (..., 3) of the plane in (..., 16)."""
    normal = extract_plane_normal(multivector)
    length = torch.linalg.vector_norm(normal, dim=-1, keepdim=True)
    unit = normal / length
    return unit, -pick(multivector, ALGEBRA, ["e0"]) / length * unit


def embed_reflection(normal: Tensor, position: Tensor) -> Tensor:
    """Embed the reflection in a plane; the same multivector as the plane, see :func:`embed_plane`."""
    return embed_plane(normal, position)


def extract_reflection_normal(multivector: Tensor) -> Tensor:
    """Return the normal (..., 3) of the mirror in multivectors (..., 16)."""
    return extract_plane_normal(multivector)


def embed_rotation(quaternion: Tensor, *, order: QuaternionOrder = "xyzw") -> Tensor:
    """Embed rotations about the origin, ``w - k e12 + j e13 - i e23``.

    Parameters
    ----------
    quaternion : Tensor
        Shape (..., 4): (i, j, k, w), unless ``order`` says otherwise.
    order : {"xyzw", "wxyz"}
        Where the real part stands: last, as GATr has it, or first, which is the default of
        :func:`cliffnet.functional.rotor_from_quaternion`.

    Returns
    -------
    Tensor
        Shape (..., 16).

    Raises
    ------
    ShapeError
        If the last axis is not of four.
    ConfigError
        If the order is unknown.
    """
    check_last_axis(quaternion, 4, "quaternion")
    parts = dict(zip(_checked(order), quaternion.unbind(-1), strict=True))
    return _assemble(quaternion, {"1": parts["w"], "e12": -parts["z"], "e13": parts["y"], "e23": -parts["x"]})


def extract_rotation(multivector: Tensor, *, normalize: bool = False, order: QuaternionOrder = "xyzw") -> Tensor:
    """Return the quaternion of the rotation in multivectors (..., 16).

    Parameters
    ----------
    multivector : Tensor
        Shape (..., 16).
    normalize : bool
        Divide the quaternion by its length.
    order : {"xyzw", "wxyz"}
        Where the real part stands, as for :func:`embed_rotation`: last unless asked for first.

    Returns
    -------
    Tensor
        Shape (..., 4).

    Raises
    ------
    ConfigError
        If the order is unknown.
    """
    blades = {"x": "e32", "y": "e13", "z": "e21", "w": "1"}
    quaternion = pick(multivector, ALGEBRA, [blades[part] for part in _checked(order)])
    if normalize:
        quaternion = quaternion / torch.linalg.vector_norm(quaternion, dim=-1, keepdim=True)
    return quaternion


def embed_translation(vector: Tensor) -> Tensor:
    """Embed translations by vectors (..., 3) as 1 - (x e01 + y e02 + z e03) / 2, shape (..., 16)."""
    check_last_axis(vector, 3, "vector")
    x, y, z = (-0.5 * vector).unbind(-1)
    return _assemble(vector, {"1": 1.0, "e01": x, "e02": y, "e03": z})


def extract_translation(
    multivector: Tensor, *, divide_by_embedding_dim: bool = False, threshold: float = 1e-3, keep_sign: bool = True
) -> Tensor:
    """Return the vector (..., 3) of the translation in multivectors (..., 16).

    Meaningful for translators only: in the presence of a rotation the result is not equivariant.

    Parameters
    ----------
    multivector : Tensor
        Shape (..., 16).
    divide_by_embedding_dim : bool
        Whether to divide by the scalar component.
    threshold : float
        Smallest magnitude divided by.
    keep_sign : bool
        Whether a component below the threshold keeps its sign; GATr 1.4.3 takes it as positive.
    """
    vector = -2.0 * pick(multivector, ALGEBRA, ["e01", "e02", "e03"])
    if not divide_by_embedding_dim:
        return vector
    divisor = _bounded_away_from_zero(pick(multivector, ALGEBRA, ["1"]), threshold, keep_sign)
    return vector / divisor


def embed_ray(ray: Tensor) -> Tensor:
    """Embed rays in Pluecker coordinates (v, o x v), shape (..., 6), of direction v through o, as (..., 16)."""
    check_last_axis(ray, 6, "ray")
    x, y, z, a, b, c = ray.unbind(-1)
    return _assemble(ray, {"e01": a, "e02": b, "e03": c, "e12": z, "e13": -y, "e23": x})


def extract_ray(multivector: Tensor) -> Tensor:
    """Return the Pluecker coordinates (v, o x v), shape (..., 6), of the line in multivectors (..., 16)."""
    return pick(multivector, ALGEBRA, ["e23", "e31", "e12", "e01", "e02", "e03"])
