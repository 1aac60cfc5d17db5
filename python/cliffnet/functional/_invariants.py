"""Invariants of multivectors and the action of versors."""

import torch
from torch import Tensor

from cliffnet import ops
from cliffnet.algebra import Algebra, Layout, inner_product_plan
from cliffnet.errors import LayoutError
from cliffnet.functional._blades import grade_involute, reverse
from cliffnet.functional._checks import check_pair
from cliffnet.functional._layouts import full_unless_given, move, multiply

_HALF = (torch.bfloat16, torch.float16)

# from here on the products of full multivectors run through matrices
_WIDE = 6


def inner_product(
    a: Tensor, b: Tensor, algebra: Algebra, *, a_layout: Layout | None = None, b_layout: Layout | None = None
) -> Tensor:
    """Return the invariant inner product ``<reverse(a) b>_0``.

    Parameters
    ----------
    a, b : Tensor
        Shape ``(..., num_blades)``, or the size of their layouts; leading axes broadcast.
    algebra : Algebra
        The algebra of both operands.
    a_layout, b_layout : Layout, optional
        Layouts of the operands; full multivectors if omitted.

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
    left, right = full_unless_given(algebra, a_layout), full_unless_given(algebra, b_layout)
    check_pair(a, b, algebra, left, right)
    return ops.bilinear(a, b, inner_product_plan(left.key, right.key)).squeeze(-1)


def norm_squared(x: Tensor, algebra: Algebra, *, layout: Layout | None = None) -> Tensor:
    """Return ``<x reverse(x)>_0``, which may be negative.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``x``.
    layout : Layout, optional
        Layout of ``x``; full multivectors if omitted.

    Returns
    -------
    Tensor
        Shape ``(...)``. Invariant under Pin.
    """
    return inner_product(x, x, algebra, a_layout=layout, b_layout=layout)


def sandwich(
    versor: Tensor,
    x: Tensor,
    algebra: Algebra,
    *,
    unit: bool = False,
    inverse: bool = False,
    versor_layout: Layout | None = None,
    x_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Transform multivectors by a versor: ``V x V^-1`` for even, ``V involute(x) V^-1`` for odd ``V``.

    Parameters
    ----------
    versor : Tensor
        Shape ``(..., num_blades)``, or the size of its layout: products of invertible vectors, of any magnitude.
    x : Tensor
        Shape ``(..., num_blades)``, or the size of its layout; leading axes broadcast.
    algebra : Algebra
        The algebra of both.
    unit : bool
        Take ``V reverse(V) = 1`` for granted, which saves a division: ``V x reverse(V)``.
    inverse : bool
        Transform by ``V^-1`` instead.
    versor_layout, x_layout, out_layout : Layout, optional
        Layouts of the arguments and the result. If all are omitted, full multivectors; a missing ``out_layout`` means
        all blades of the grades of ``x``, which versors preserve.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout of the result: an automorphism of the algebra applied to
        ``x``. Infinite or NaN where ``<V reverse(V)>_0`` is zero.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError, LayoutError
        If the operands do not fit the algebra or each other, or the result has nothing in ``out_layout``.

    Notes
    -----
    Equivariant under Pin: ``(g.V) >> (g.x) = g.(V >> x)``.
    """
    left, right = full_unless_given(algebra, versor_layout), full_unless_given(algebra, x_layout)
    check_pair(versor, x, algebra, left, right)
    reached = right.whole_grades()
    out = reached if out_layout is None else full_unless_given(algebra, out_layout)
    if reached.size and out.size and not (reached & out).size:
        raise LayoutError(f"the result lies in {reached!r}, but {out!r} was asked for, which holds none of it")
    dtype = torch.promote_types(versor.dtype, x.dtype)
    if dtype in _HALF:
        # the square of a versor soon leaves the range of half precision, and every step would round
        versor, x = versor.float(), x.float()
    reversed_versor = reverse(versor, algebra, layout=left)
    first, second = (reversed_versor, versor) if inverse else (versor, reversed_versor)
    middle = left.product(right)
    moved = None
    parts = ((left.of_parity("even"), x), (left.of_parity("odd"), grade_involute(x, algebra, layout=right)))
    for part, operand in parts:
        if part.size:
            # full products of many generators have a faster route than products of half layouts
            wide = left if left.is_full and right.is_full and algebra.dim >= _WIDE else part
            factor = move(move(first, left, part), part, wide)
            piece = multiply("geometric_product", factor, operand, wide, right, middle)
            moved = piece if moved is None else moved + piece
    if moved is None:
        raise LayoutError(f"the versor's layout {left!r} holds no blade")
    transformed = multiply("geometric_product", moved, second, middle, left, out)
    if not unit:
        transformed = transformed / norm_squared(versor, algebra, layout=left).unsqueeze(-1)
    return transformed.to(dtype)
