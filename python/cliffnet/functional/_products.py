"""Bilinear products of multivectors.

All of them take two tensors of shape ``(..., num_blades)``, broadcast the leading axes, and differentiate to any
order. With layouts, the last axis holds only the blades of a layout, and only those products of blades are computed: a
layout left out means full multivectors for an operand and, for the result, every blade that the operands can reach; a
given ``out_layout`` may hold fewer, which projects. They commute with the automorphisms of the algebra: ``f(g.a, g.b) =
g.f(a, b)`` for ``g`` in Pin; those that involve a dual do so for Spin and change sign with the pseudoscalar under
reflections.
"""

import functools

import torch
from torch import Tensor

from cliffnet.algebra import Algebra, Layout, dense_product_plan
from cliffnet.errors import LayoutError
from cliffnet.functional._checks import check_pair
from cliffnet.functional._layouts import full_unless_given, multiply
from cliffnet.ops import bilinear

# looked up in every eager call; traced code asks dense_product_plan, which the compiler knows
_kept_plan = functools.cache(dense_product_plan)

_is_traced = torch.compiler.is_dynamo_compiling

# fewest generators for which brackets of full multivectors are made of two geometric products
_SMALLEST_BY_TWO = 9


def product_of_kind(
    kind: str,
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    a_layout: Layout | None,
    b_layout: Layout | None,
    out_layout: Layout | None,
) -> Tensor:
    """Check operands and multiply them."""
    if not (a_layout is None and b_layout is None and out_layout is None):
        return _product_on_layouts(kind, a, b, algebra, a_layout, b_layout, out_layout)
    if not _is_traced():
        # the kernel checks its operands too; what it does not take is checked in full, for the words of the errors
        try:
            product: Tensor = bilinear.direct(a, b, _kept_plan(algebra.full_key, kind))
        except AttributeError:
            check_pair(a, b, algebra)
            raise
        if product is not NotImplemented:
            return product
    check_pair(a, b, algebra)
    return bilinear.routed(a, b, dense_product_plan(algebra.full_key, kind))


def _product_on_layouts(
    kind: str,
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    a_layout: Layout | None,
    b_layout: Layout | None,
    out_layout: Layout | None,
) -> Tensor:
    left, right = full_unless_given(algebra, a_layout), full_unless_given(algebra, b_layout)
    check_pair(a, b, algebra, left, right)
    reached = left.product(right, kind)
    out = reached if out_layout is None else full_unless_given(algebra, out_layout)
    if reached.size and out.size and not (reached & out).size:
        raise LayoutError(
            f"the {kind} of {left!r} and {right!r} lies in {reached!r}; {out!r} was asked for, which holds none of it"
        )
    return multiply(kind, a, b, left, right, out)


def _bracket(
    kind: str,
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    a_layout: Layout | None,
    b_layout: Layout | None,
    out_layout: Layout | None,
) -> Tensor:
    layouts = (a_layout, b_layout, out_layout)
    if (
        not isinstance(algebra, Algebra)
        or algebra.dim < _SMALLEST_BY_TWO
        or any(layout is not None for layout in layouts)
    ):
        return product_of_kind(kind, a, b, algebra, *layouts)
    # the terms of a large algebra would fill memory; those of its geometric product are never listed
    product = product_of_kind("geometric_product", a, b, algebra, *layouts)
    swapped = product_of_kind("geometric_product", b, a, algebra, *layouts)
    return (product - swapped if kind == "commutator" else product + swapped) / 2


def geometric_product(
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    *,
    a_layout: Layout | None = None,
    b_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Multiply multivectors: ``e_i e_j = -e_j e_i`` and ``e_i e_i = metric[i]``.

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
        Shape ``(..., num_blades)``, or the size of the layout of the result. Blade-major if an operand of full
        shape is.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError, LayoutError
        If the operands do not fit the algebra, their layouts or each other.

    Notes
    -----
    Equivariant under the automorphisms of the algebra, in particular Pin: ``(g.a)(g.b) = g.(ab)``. A product of two
    null parts is skipped, never multiplied by zero, so infinities there do not turn into NaN. Costs
    ``4^(p+q) 3^r`` multiply-adds. Full multivectors of six or more generators are multiplied as matrices (see
    :func:`to_matrix`) in about ``3^r 2^(1.5 (p+q))``; there one NaN or infinity spoils the whole multivector.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> e1 = torch.tensor([0.0, 1.0, 0.0, 0.0])
    >>> e2 = torch.tensor([0.0, 0.0, 1.0, 0.0])
    >>> F.geometric_product(e2, e1, Algebra(2)).tolist()
    [0.0, 0.0, 0.0, -1.0]
    """
    return product_of_kind("geometric_product", a, b, algebra, a_layout, b_layout, out_layout)


def outer_product(
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    *,
    a_layout: Layout | None = None,
    b_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Multiply by the outer (wedge) product: the grade ``r + s`` part of ``a_r b_s``.

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
    Independent of the metric; equivariant under every linear map of the vectors, as an outermorphism.
    """
    return product_of_kind("outer_product", a, b, algebra, a_layout, b_layout, out_layout)


def commutator(
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    *,
    a_layout: Layout | None = None,
    b_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Take the commutator ``(a b - b a) / 2``.

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
    return _bracket("commutator", a, b, algebra, a_layout, b_layout, out_layout)


def anticommutator(
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    *,
    a_layout: Layout | None = None,
    b_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Take the anticommutator ``(a b + b a) / 2``.

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
    return _bracket("anticommutator", a, b, algebra, a_layout, b_layout, out_layout)


def regressive_product(
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    *,
    a_layout: Layout | None = None,
    b_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Multiply by the regressive product ``lc(rc(a) ^ rc(b))``, with right and left complement.

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
    Associative with the pseudoscalar as unit; independent of the metric. Equivariant under Spin; a reflection changes
    the sign of the result relative to that of the operands.
    """
    return product_of_kind("regressive_product", a, b, algebra, a_layout, b_layout, out_layout)


def projective_join(
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    *,
    a_layout: Layout | None = None,
    b_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Join with three right complements, ``rc(rc(a) ^ rc(b))``.

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
    Differs from :func:`regressive_product` by ``(-1)^(k(n-k))`` on output grade ``k``: the form used in [1]_.
    Equivariant under Spin; multiplied by a pseudoscalar that transforms along, also under Pin.

    References
    ----------
    .. [1] Brehmer et al., Geometric Algebra Transformer, 2023, App. A; arXiv:2305.18415.
    """
    return product_of_kind("projective_join", a, b, algebra, a_layout, b_layout, out_layout)
