"""Invariants of multivectors and the action of versors."""

from torch import Tensor

from cliffnet import ops
from cliffnet.algebra import Algebra
from cliffnet.functional._blades import grade_involute, grade_project, reverse
from cliffnet.functional._checks import check_pair
from cliffnet.functional._products import geometric_product


def inner_product(left: Tensor, right: Tensor, algebra: Algebra) -> Tensor:
    """Return the invariant inner product ``<reverse(a) b>_0``.

    Parameters
    ----------
    left, right : Tensor
        Shape ``(..., num_blades)``; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.

    Returns
    -------
    Tensor
        Shape ``(...)``: blades that contain a null generator do not take part.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not fit the algebra or each other.

    Notes
    -----
    Invariant under Pin: ``f(g.a, g.b) = f(a, b)``. Symmetric; indefinite unless the metric is definite.
    """
    check_pair(left, right, algebra)
    return ops.bilinear(left, right, algebra.inner_product_plan()).squeeze(-1)


def norm_squared(x: Tensor, algebra: Algebra) -> Tensor:
    """Return ``<x reverse(x)>_0``, which may be negative.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``.
    algebra : Algebra
        The algebra of ``x``.

    Returns
    -------
    Tensor
        Shape ``(...)``. Invariant under Pin.
    """
    return inner_product(x, x, algebra)


def sandwich(versor: Tensor, x: Tensor, algebra: Algebra) -> Tensor:
    """Transform multivectors by a versor: ``V x V^-1`` for even, ``V involute(x) V^-1`` for odd ``V``.

    Parameters
    ----------
    versor : Tensor
        Shape ``(..., num_blades)``: products of invertible vectors, of any magnitude.
    x : Tensor
        Shape ``(..., num_blades)``; leading axes broadcast.
    algebra : Algebra
        The algebra of both.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``: an automorphism of the algebra applied to ``x``. Infinite or NaN where
        ``<V reverse(V)>_0`` is zero.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not fit the algebra or each other.
    """
    check_pair(versor, x, algebra)
    even = grade_project(versor, range(0, algebra.dim + 1, 2), algebra)
    odd = versor - even
    moved = geometric_product(even, x, algebra) + geometric_product(odd, grade_involute(x, algebra), algebra)
    inverse = reverse(versor, algebra) / norm_squared(versor, algebra).unsqueeze(-1)
    return geometric_product(moved, inverse, algebra)
