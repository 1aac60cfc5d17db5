"""Projection onto blades, rejection from them and reflection in them."""

from collections.abc import Callable

import torch
from torch import Tensor

from cliffnet.algebra import Algebra, Layout, involution_signs
from cliffnet.errors import DomainError, LayoutError
from cliffnet.functional._checks import check_pair
from cliffnet.functional._constants import constant
from cliffnet.functional._core import core_norm
from cliffnet.functional._domain import refuse
from cliffnet.functional._flattenings import euclidean
from cliffnet.functional._invariants import inner_product
from cliffnet.functional._layouts import full_unless_given, move, multiply


def project(
    a: Tensor,
    onto: Tensor,
    algebra: Algebra,
    *,
    a_layout: Layout | None = None,
    onto_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Project multivectors onto a blade: ``(a _| B) _| B^-1``.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout: any multivectors.
    onto : Tensor
        Shape ``(..., num_blades)``, or the size of its layout: blades ``B`` of any grade, not checked to be blades;
        leading axes broadcast.
    algebra : Algebra
        The algebra of both.
    a_layout, onto_layout, out_layout : Layout, optional
        Layouts of the arguments and the result. If all are omitted, full multivectors; a missing ``out_layout`` means
        all blades of the grades of ``a``, which projections preserve.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout of the result.

    Raises
    ------
    DomainError
        If a blade to project onto is zero; NaN inside compiled graphs and transforms.
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError, LayoutError
        If the operands do not fit the algebra or each other, or the result has nothing in ``out_layout``.

    Notes
    -----
    A null blade, ``B reverse(B) = 0`` to working precision, has no inverse; there the contractions and the inverse are
    those of the Euclidean metric of the generators. Linear in ``a``, a homomorphism of the outer product, and equal
    results for all multiples of ``B``. Equivariant under Pin unless ``B`` is null.

    References
    ----------
    Dorst, Fontijne and Mann, Geometric Algebra for Computer Science (2007), section 3.6.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(3)
    >>> layouts = {"a_layout": algebra.vectors, "onto_layout": algebra.bivectors}
    >>> F.project(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([5.0, 0.0, 0.0]), algebra, **layouts).tolist()
    [1.0, 2.0, 0.0]
    """
    return _with_blade(_projected, a, onto, algebra, (a_layout, onto_layout, out_layout), "project onto")


def reject(
    a: Tensor,
    onto: Tensor,
    algebra: Algebra,
    *,
    a_layout: Layout | None = None,
    onto_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Return what :func:`project` leaves out: ``a - project(a, B)``.

    Parameters
    ----------
    a, onto : Tensor
        As for :func:`project`.
    algebra : Algebra
        The algebra of both.
    a_layout, onto_layout, out_layout : Layout, optional
        As for :func:`project`.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout of the result.

    Raises
    ------
    DomainError
        If a blade to reject from is zero; NaN inside compiled graphs and transforms.
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not fit the algebra or each other.

    Notes
    -----
    For a vector ``v`` this is ``(v ^ B) B^-1``, orthogonal to ``B``. Equivariant under Pin unless ``B`` is null.
    """
    layouts = (a_layout, onto_layout, out_layout)
    projected = _with_blade(_projected, a, onto, algebra, layouts, "reject from")
    source = full_unless_given(algebra, a_layout)
    return move(a, source, _result_layout(algebra, layouts)) - projected


def reflect(
    a: Tensor,
    mirror: Tensor,
    algebra: Algebra,
    *,
    a_layout: Layout | None = None,
    mirror_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    r"""Reflect multivectors in a blade: vectors in the blade stay, vectors orthogonal to it change sign.

    .. math:: a_k \mapsto (-1)^{k(m+1)} B a_k B^{-1} \text{ for a mirror } B \text{ of grade } m

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout: any multivectors.
    mirror : Tensor
        Shape ``(..., num_blades)``, or the size of its layout: blades of any grade, not checked to be blades; leading
        axes broadcast.
    algebra : Algebra
        The algebra of both.
    a_layout, mirror_layout, out_layout : Layout, optional
        Layouts of the arguments and the result. If all are omitted, full multivectors; a missing ``out_layout`` means
        all blades of the grades of ``a``, which reflections preserve.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout of the result.

    Raises
    ------
    DomainError
        If a mirror is zero; NaN inside compiled graphs and transforms.
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not fit the algebra or each other.

    Notes
    -----
    On vectors ``2 project(v, B) - v``, and on everything else the automorphism that extends it. The reflection in the
    hyperplane orthogonal to a vector ``n`` is ``sandwich(n, a)``. Where the mirror is null, the product and the inverse
    are those of the Euclidean metric of the generators. Equivariant under Pin unless the mirror is null.

    References
    ----------
    Dorst, Fontijne and Mann, Geometric Algebra for Computer Science (2007), section 7.1.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(3)
    >>> layouts = {"a_layout": algebra.vectors, "mirror_layout": algebra.bivectors}
    >>> F.reflect(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([5.0, 0.0, 0.0]), algebra, **layouts).tolist()
    [1.0, 2.0, -3.0]
    """
    return _with_blade(_reflected, a, mirror, algebra, (a_layout, mirror_layout, out_layout), "reflect in")


_ScaledMap = Callable[[Tensor, Tensor, Layout, Layout, Layout], Tensor]
_Layouts = tuple[Layout | None, Layout | None, Layout | None]


def _result_layout(algebra: Algebra, layouts: _Layouts) -> Layout:
    reached = full_unless_given(algebra, layouts[0]).whole_grades()
    if layouts[2] is None:
        return reached
    out = full_unless_given(algebra, layouts[2])
    if reached.size and out.size and not (reached & out).size:
        raise LayoutError(f"the result lies in {reached!r}, but {out!r} was asked for, which holds none of it")
    return out


def _signed(a: Tensor, layout: Layout, involution: str) -> Tensor:
    return a * constant(involution_signs(layout.key, involution), a.dtype, a.device)


def _projected(a: Tensor, blade: Tensor, a_layout: Layout, blade_layout: Layout, out: Layout) -> Tensor:
    """Return the projection times ``B reverse(B)``."""
    inner = a_layout.product(blade_layout, "left_contraction")
    contracted = multiply("left_contraction", a, blade, a_layout, blade_layout, inner)
    return multiply("left_contraction", contracted, _signed(blade, blade_layout, "reverse"), inner, blade_layout, out)


def _reflected(a: Tensor, mirror: Tensor, a_layout: Layout, mirror_layout: Layout, out: Layout) -> Tensor:
    """Return the reflection times ``B reverse(B)``."""
    reverse, inner = _signed(mirror, mirror_layout, "reverse"), mirror_layout.product(a_layout)
    moved = None
    odd, even = mirror_layout.of_parity("odd"), mirror_layout.of_parity("even")
    for part, operand in ((odd, a), (even, _signed(a, a_layout, "grade_involute"))):
        if part.size:
            piece = multiply("geometric_product", move(mirror, mirror_layout, part), operand, part, a_layout, inner)
            moved = piece if moved is None else moved + piece
    if moved is None:
        # a layout without blades: the mirror is zero
        return a.new_zeros((*torch.broadcast_shapes(a.shape[:-1], mirror.shape[:-1]), out.size))
    return multiply("geometric_product", moved, reverse, inner, mirror_layout, out)


def _with_blade(
    function: _ScaledMap, a: Tensor, blade: Tensor, algebra: Algebra, layouts: _Layouts, action: str
) -> Tensor:
    """Return ``function(a, blade) / (blade reverse(blade))``, in the Euclidean metric where that is zero."""
    source, through = full_unless_given(algebra, layouts[0]), full_unless_given(algebra, layouts[1])
    out = _result_layout(algebra, layouts)
    check_pair(a, blade, algebra, source, through)
    left, right = a.double(), blade.double()
    norm = inner_product(right, right, algebra, a_layout=through, b_layout=through).unsqueeze(-1)
    length = (right * right).sum(-1, keepdim=True)
    is_zero = length.detach() == 0
    refuse(is_zero, lambda: _zero_blade(is_zero.squeeze(-1), action))
    eps = torch.finfo(blade.dtype).eps
    is_null = norm.detach().abs() <= 8 * eps * core_norm(right.detach(), through).unsqueeze(-1) ** 2
    result = function(left, right, source, through, out) / norm.where(~is_null, 1.0)
    if not _is_definite(algebra):
        plain = [euclidean(layout) for layout in (source, through, out)]
        euclidean_result = function(
            move(left, source, plain[0]), move(right, through, plain[1]), plain[0], plain[1], plain[2]
        )
        # zero over zero where the blade is zero
        result = (move(euclidean_result, plain[2], out) / length).where(is_null, result)
    return result.masked_fill(is_zero, torch.nan).to(a.dtype)


def _is_definite(algebra: Algebra) -> bool:
    """Tell whether no blade but zero is null."""
    return algebra.dim in (algebra.p, algebra.q)


def _zero_blade(flag: Tensor, action: str) -> DomainError:
    where = tuple(flag.nonzero()[0].tolist())
    found = f"{int(flag.sum())} of {flag.numel()} blades to {action} are zero, the first at index {where}"
    return DomainError(f"{found if where else f'the blade to {action} is zero'}; leave out blades without a direction")
