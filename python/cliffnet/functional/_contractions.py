"""Contractions and inner products: the parts of the geometric product that lower grades.

They take operands and layouts as the products of :mod:`cliffnet.functional._products` do, and commute with Pin.
"""

from torch import Tensor

from cliffnet.algebra import Algebra, Layout
from cliffnet.functional._products import product_of_kind


def left_contraction(
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    *,
    a_layout: Layout | None = None,
    b_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Contract the left operand onto the right: the grade ``s - r`` part of ``a_r b_s``.

    Parameters
    ----------
    a, b : Tensor
        Shape ``(..., num_blades)``, or the size of their layouts; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.
    a_layout, b_layout, out_layout : Layout, optional
        Layouts of the operands and the result, see the module; full multivectors if all are omitted.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout of the result.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError, LayoutError
        If the operands do not fit the algebra, their layouts or each other.

    Notes
    -----
    Equivariant under Pin.
    """
    return product_of_kind("left_contraction", a, b, algebra, a_layout, b_layout, out_layout)


def right_contraction(
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    *,
    a_layout: Layout | None = None,
    b_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Contract the right operand onto the left: the grade ``r - s`` part of ``a_r b_s``.

    Parameters
    ----------
    a, b : Tensor
        Shape ``(..., num_blades)``, or the size of their layouts; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.
    a_layout, b_layout, out_layout : Layout, optional
        Layouts of the operands and the result, see the module; full multivectors if all are omitted.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout of the result.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError, LayoutError
        If the operands do not fit the algebra, their layouts or each other.

    Notes
    -----
    Equivariant under Pin.
    """
    return product_of_kind("right_contraction", a, b, algebra, a_layout, b_layout, out_layout)


def scalar_product(
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    *,
    a_layout: Layout | None = None,
    b_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Take the scalar part of the geometric product, ``<a b>_0``, as a multivector.

    Parameters
    ----------
    a, b : Tensor
        Shape ``(..., num_blades)``, or the size of their layouts; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.
    a_layout, b_layout, out_layout : Layout, optional
        Layouts of the operands and the result, see the module; full multivectors if all are omitted.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout of the result.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError, LayoutError
        If the operands do not fit the algebra, their layouts or each other.

    Notes
    -----
    Invariant under Pin. Other components of the result are zero; :func:`inner_product` returns a plain scalar.
    """
    return product_of_kind("scalar_product", a, b, algebra, a_layout, b_layout, out_layout)


def fat_inner_product(
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    *,
    a_layout: Layout | None = None,
    b_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Take the grade ``|r - s|`` part of ``a_r b_s``, scalars included.

    Parameters
    ----------
    a, b : Tensor
        Shape ``(..., num_blades)``, or the size of their layouts; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.
    a_layout, b_layout, out_layout : Layout, optional
        Layouts of the operands and the result, see the module; full multivectors if all are omitted.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout of the result.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError, LayoutError
        If the operands do not fit the algebra, their layouts or each other.

    Notes
    -----
    Equivariant under Pin.
    """
    return product_of_kind("fat_inner_product", a, b, algebra, a_layout, b_layout, out_layout)


def hestenes_inner_product(
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    *,
    a_layout: Layout | None = None,
    b_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Take the grade ``|r - s|`` part of ``a_r b_s``, zero when either is a scalar.

    Parameters
    ----------
    a, b : Tensor
        Shape ``(..., num_blades)``, or the size of their layouts; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.
    a_layout, b_layout, out_layout : Layout, optional
        Layouts of the operands and the result, see the module; full multivectors if all are omitted.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout of the result.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError, LayoutError
        If the operands do not fit the algebra, their layouts or each other.

    Notes
    -----
    Equivariant under Pin.
    """
    return product_of_kind("hestenes_inner_product", a, b, algebra, a_layout, b_layout, out_layout)
