"""Conformal motions: translations, rotations, dilations, inversions, and how objects meet."""

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet.geometry._cga_basis import algebra_of, conformal, euclidean_vector, infinity_like, outer, space_of
from cliffnet.geometry._coefficients import broadcast, broadcast_vectors, check_last_axis, column, place


def embed_translation(translation: Tensor) -> Tensor:
    """Embed translations as ``1 - t einf / 2``.

    Parameters
    ----------
    translation : Tensor
        Vectors t, shape ``(..., n)``.

    Returns
    -------
    Tensor
        Unit versors, shape ``(..., 2^(n+2))``.

    References
    ----------
    Dorst, Fontijne and Mann, "Geometric Algebra for Computer Science", 2007, ch. 13.
    """
    algebra = space_of(translation, "translation")
    vectors = euclidean_vector(translation)
    one = place({"1": 1.0}, translation[..., 0], algebra)
    return one - 0.5 * outer(vectors, infinity_like(vectors, algebra))


def embed_rotation(axis: Tensor, angle: Tensor | float) -> Tensor:
    """Embed rotations of space about the origin, ``exp(-angle/2 (u_x e23 + u_y e31 + u_z e12))``.

    Parameters
    ----------
    axis : Tensor
        Unit vectors u, shape ``(..., 3)``.
    angle : Tensor or float
        In radians, right-handed about the axis, shape ``(...)``.

    Returns
    -------
    Tensor
        Unit versors, shape ``(..., 32)``.
    """
    check_last_axis(axis, 3, "axis")
    half, x, y, z = broadcast(angle=0.5 * angle, axis_x=axis[..., 0], axis_y=axis[..., 1], axis_z=axis[..., 2])
    sine = -half.sin()
    return place({"1": half.cos(), "e23": sine * x, "e31": sine * y, "e12": sine * z}, half, conformal(3))


def embed_rotation_in_plane(first: Tensor, second: Tensor, angle: Tensor | float) -> Tensor:
    """Embed rotations about the origin in the plane of two vectors, for any dimension.

    Parameters
    ----------
    first, second : Tensor
        Shape ``(..., n)``, not parallel; the rotation takes the first towards the second.
    angle : Tensor or float
        In radians, shape ``(...)``.

    Returns
    -------
    Tensor
        ``cos(angle/2) - sin(angle/2) B`` with the unit bivector ``B = first ^ second / |first ^ second|``, shape
        ``(..., 2^(n+2))``.
    """
    algebra = space_of(first, "first")
    check_last_axis(second, first.shape[-1], "second")
    first, second, half = broadcast_vectors(first=first, second=second, angle=0.5 * column(angle, first))
    plane = outer(euclidean_vector(first), euclidean_vector(second))
    area: Tensor = torch.linalg.vector_norm(plane, dim=-1, keepdim=True)
    return place({"1": half[..., 0].cos()}, half[..., 0], algebra) - half.sin() * plane / area


def embed_dilation(scale: Tensor | float, *, dim: int = 3) -> Tensor:
    """Embed dilations about the origin, ``cosh(log(s)/2) + sinh(log(s)/2) eo ^ einf``.

    Parameters
    ----------
    scale : Tensor or float
        Positive factors s, shape ``(...)``; NaN or infinite for others.
    dim : int
        Dimension n of the space.

    Returns
    -------
    Tensor
        Unit versors, shape ``(..., 2^(n+2))``.

    References
    ----------
    Dorst, Fontijne and Mann, "Geometric Algebra for Computer Science", 2007, ch. 16.
    """
    algebra = conformal(dim)
    half = 0.5 * torch.as_tensor(scale).log()
    index = algebra.blade_masks.index(3 << dim)
    return place({"1": half.cosh(), algebra.blade_names[index]: -half.sinh()}, half, algebra)


def apply_versor(versor: Tensor, multivector: Tensor) -> Tensor:
    """Transform multivectors by versors of any magnitude: ``V x V^-1`` for even, ``V involute(x) V^-1`` for odd V.

    Parameters
    ----------
    versor : Tensor
        Translations, rotations, dilations and their products, dual planes for reflections, dual spheres for
        inversions, shape ``(..., 2^(n+2))``.
    multivector : Tensor
        Shape ``(..., 2^(n+2))``.

    Returns
    -------
    Tensor
        Shape ``(..., 2^(n+2))``; the same as ``F.sandwich``. Dilations and inversions change the weight of points,
        which :func:`down` divides out.
    """
    return F.sandwich(versor, multivector, algebra_of(versor))


def meet(first: Tensor, second: Tensor, *others: Tensor) -> Tensor:
    """Return what direct objects have in common, their regressive product.

    Parameters
    ----------
    first, second, *others : Tensor
        Direct objects that together span the space, shape ``(..., 2^(n+2))``.

    Returns
    -------
    Tensor
        Shape ``(..., 2^(n+2))``. In space: two spheres, or a sphere and a plane, meet in a circle; a sphere and a line
        or a circle in a point pair; two planes in a line; a plane and a line in a flat point. Imaginary where they do
        not meet, zero where they do not span the space. Equivariant under conformal motions that keep orientation.
    """
    common = F.regressive_product(first, second, algebra_of(first))
    for other in others:
        common = F.regressive_product(common, other, algebra_of(first))
    return common


def dual(multivector: Tensor) -> Tensor:
    """Return ``X / I``, which takes direct objects (..., 2^(n+2)) to dual ones: spheres to vectors."""
    return F.polarity(multivector, algebra_of(multivector))


def undual(multivector: Tensor) -> Tensor:
    """Return ``X I``, which takes dual objects (..., 2^(n+2)) to direct ones: vectors to spheres or planes."""
    return F.unpolarity(multivector, algebra_of(multivector))
