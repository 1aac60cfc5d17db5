"""Bilinear products of multivectors.

All of them take two tensors of shape ``(..., num_blades)``, broadcast the leading axes, and differentiate to any
order. They commute with the automorphisms of the algebra: ``f(g.a, g.b) = g.f(a, b)`` for ``g`` in Pin; those that
involve a dual do so for Spin and change sign with the pseudoscalar under reflections.
"""

from torch import Tensor

from cliffnet.algebra import Algebra
from cliffnet.functional._checks import FLOATING, check_pair
from cliffnet.ops import bilinear

# calling a bound method is quicker than calling an instance
_multiply = bilinear.__call__


def _product(kind: str, left: Tensor, right: Tensor, algebra: Algebra) -> Tensor:
    # operands of one shape on the CPU are checked cheaply, everything else in full
    try:
        shape, dtype = left.shape, left.dtype
        fits = (
            shape == right.shape
            and shape[-1] == algebra.num_blades
            and dtype is right.dtype
            and dtype in FLOATING
            and left.is_cpu
            and right.is_cpu
        )
    except (AttributeError, IndexError):
        fits = False
    if not fits:
        check_pair(left, right, algebra)
    return _multiply(left, right, algebra.product_plan(kind))


def geometric_product(left: Tensor, right: Tensor, algebra: Algebra) -> Tensor:
    """Multiply multivectors: ``e_i e_j = -e_j e_i`` and ``e_i e_i = metric[i]``.

    Parameters
    ----------
    left, right : Tensor
        Shape ``(..., num_blades)``; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``. Blade-major if an operand of full shape is.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not fit the algebra or each other.

    Notes
    -----
    Equivariant under the automorphisms of the algebra, in particular Pin: ``(g.a)(g.b) = g.(ab)``. A product of two
    null parts is skipped, never multiplied by zero, so infinities there do not turn into NaN. Costs
    ``4^(p+q) 3^r`` multiply-adds.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> e1 = torch.tensor([0.0, 1.0, 0.0, 0.0])
    >>> e2 = torch.tensor([0.0, 0.0, 1.0, 0.0])
    >>> F.geometric_product(e2, e1, Algebra(2)).tolist()
    [0.0, 0.0, 0.0, -1.0]
    """
    return _product("geometric_product", left, right, algebra)


def outer_product(left: Tensor, right: Tensor, algebra: Algebra) -> Tensor:
    """Multiply by the outer (wedge) product: the grade ``r + s`` part of ``a_r b_s``.

    Parameters
    ----------
    left, right : Tensor
        Shape ``(..., num_blades)``; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not fit the algebra or each other.

    Notes
    -----
    Independent of the metric; equivariant under every linear map of the vectors, as an outermorphism.
    """
    return _product("outer_product", left, right, algebra)


def left_contraction(left: Tensor, right: Tensor, algebra: Algebra) -> Tensor:
    """Contract the left operand onto the right: the grade ``s - r`` part of ``a_r b_s``.

    Parameters
    ----------
    left, right : Tensor
        Shape ``(..., num_blades)``; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not fit the algebra or each other.

    Notes
    -----
    Equivariant under Pin.
    """
    return _product("left_contraction", left, right, algebra)


def right_contraction(left: Tensor, right: Tensor, algebra: Algebra) -> Tensor:
    """Contract the right operand onto the left: the grade ``r - s`` part of ``a_r b_s``.

    Parameters
    ----------
    left, right : Tensor
        Shape ``(..., num_blades)``; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not fit the algebra or each other.

    Notes
    -----
    Equivariant under Pin.
    """
    return _product("right_contraction", left, right, algebra)


def scalar_product(left: Tensor, right: Tensor, algebra: Algebra) -> Tensor:
    """Take the scalar part of the geometric product, ``<a b>_0``, as a multivector.

    Parameters
    ----------
    left, right : Tensor
        Shape ``(..., num_blades)``; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not fit the algebra or each other.

    Notes
    -----
    Invariant under Pin. Other components of the result are zero; :func:`inner_product` returns a plain scalar.
    """
    return _product("scalar_product", left, right, algebra)


def fat_inner_product(left: Tensor, right: Tensor, algebra: Algebra) -> Tensor:
    """Take the grade ``|r - s|`` part of ``a_r b_s``, scalars included.

    Parameters
    ----------
    left, right : Tensor
        Shape ``(..., num_blades)``; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not fit the algebra or each other.

    Notes
    -----
    Equivariant under Pin.
    """
    return _product("fat_inner_product", left, right, algebra)


def hestenes_inner_product(left: Tensor, right: Tensor, algebra: Algebra) -> Tensor:
    """Take the grade ``|r - s|`` part of ``a_r b_s``, zero when either is a scalar.

    Parameters
    ----------
    left, right : Tensor
        Shape ``(..., num_blades)``; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not fit the algebra or each other.

    Notes
    -----
    Equivariant under Pin.
    """
    return _product("hestenes_inner_product", left, right, algebra)


def commutator(left: Tensor, right: Tensor, algebra: Algebra) -> Tensor:
    """Take the commutator ``(a b - b a) / 2``.

    Parameters
    ----------
    left, right : Tensor
        Shape ``(..., num_blades)``; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not fit the algebra or each other.

    Notes
    -----
    Equivariant under Pin.
    """
    return _product("commutator", left, right, algebra)


def anticommutator(left: Tensor, right: Tensor, algebra: Algebra) -> Tensor:
    """Take the anticommutator ``(a b + b a) / 2``.

    Parameters
    ----------
    left, right : Tensor
        Shape ``(..., num_blades)``; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not fit the algebra or each other.

    Notes
    -----
    Equivariant under Pin.
    """
    return _product("anticommutator", left, right, algebra)


def regressive_product(left: Tensor, right: Tensor, algebra: Algebra) -> Tensor:
    """Multiply by the regressive product ``lc(rc(a) ^ rc(b))``, with right and left complement.

    Parameters
    ----------
    left, right : Tensor
        Shape ``(..., num_blades)``; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not fit the algebra or each other.

    Notes
    -----
    Associative with the pseudoscalar as unit; independent of the metric. Equivariant under Spin; a reflection changes
    the sign of the result relative to that of the operands.
    """
    return _product("regressive_product", left, right, algebra)


def join(left: Tensor, right: Tensor, algebra: Algebra) -> Tensor:
    """Join with three right complements, ``rc(rc(a) ^ rc(b))``.

    Parameters
    ----------
    left, right : Tensor
        Shape ``(..., num_blades)``; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not fit the algebra or each other.

    Notes
    -----
    Differs from :func:`regressive_product` by ``(-1)^(k(n-k))`` on output grade ``k``: the form used in [1]_.
    Equivariant under Spin; multiplied by a pseudoscalar that transforms along, also under Pin.

    References
    ----------
    .. [1] Brehmer et al., Geometric Algebra Transformer, 2023, App. A; arXiv:2305.18415.
    """
    return _product("join", left, right, algebra)
