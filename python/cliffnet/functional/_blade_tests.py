"""Tests whether multivectors are blades or versors."""

import torch
from torch import Tensor

from cliffnet.algebra import Algebra, Layout, involution_signs
from cliffnet.functional._checks import check_multivector
from cliffnet.functional._common_grade import tolerance
from cliffnet.functional._constants import constant
from cliffnet.functional._core import core_norm
from cliffnet.functional._flattenings import euclidean_grade, pluecker_defect
from cliffnet.functional._layouts import full_unless_given, move, multiply


def is_blade(
    a: Tensor, algebra: Algebra, *, rtol: float | None = None, atol: float = 0.0, layout: Layout | None = None
) -> Tensor:
    """Tell which elements are blades, outer products of vectors.

    ``a`` of one grade ``k`` is a blade if and only if ``(e_K _| a) ^ a = 0`` for all basis blades ``e_K`` of grade
    ``k - 1`` (Plücker's relations), with the contraction of a Euclidean metric.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``a``.
    rtol, atol : float, optional
        How large a deviation counts as rounding: ``atol + rtol |a|`` in coefficients, with the Euclidean norm of the
        coefficients. By default ``rtol = eps^(2/3)`` and ``atol = 0``.
    layout : Layout, optional
        Layout of ``a``; full multivectors if omitted.

    Returns
    -------
    Tensor
        Shape ``(...)``, bool. Zero counts as a blade, scalars do; false where ``a`` holds NaN or infinity.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``a`` does not hold multivectors of the algebra.

    Notes
    -----
    Independent of the metric, and without tolerances invariant under every linear map of the vectors.

    References
    ----------
    Dorst, Fontijne and Mann, Geometric Algebra for Computer Science (2007), section 21.5.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(4)
    >>> F.is_blade(torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0, 1.0]), algebra, layout=algebra.bivectors).item()
    False
    """
    given = full_unless_given(algebra, layout)
    check_multivector(a, algebra, layout=given)
    unit, bound = _unit(a, rtol, atol)
    result = torch.zeros_like(bound, dtype=torch.bool)
    for grade in sorted(set(given.grades)):
        others = _of_other_grades(unit, given, grade)
        own = euclidean_grade(given, grade)
        result = result | ((others <= bound) & (pluecker_defect(move(unit, given, own), own) <= bound))
    return result & a.isfinite().all(-1)


def is_versor(
    a: Tensor, algebra: Algebra, *, rtol: float | None = None, atol: float = 0.0, layout: Layout | None = None
) -> Tensor:
    """Tell which elements are versors: even or odd, invertible, and mapping vectors to vectors.

    That is ``a reverse(a)`` is a scalar, not zero, and ``involute(a) v reverse(a)`` is a vector for every vector ``v``.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``a``.
    rtol, atol : float, optional
        How large a deviation counts as rounding: ``atol + rtol |a|`` in coefficients, with the Euclidean norm of the
        coefficients. By default ``rtol = eps^(2/3)`` and ``atol = 0``.
    layout : Layout, optional
        Layout of ``a``; full multivectors if omitted.

    Returns
    -------
    Tensor
        Shape ``(...)``, bool; false where ``a`` holds NaN or infinity.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``a`` does not hold multivectors of the algebra.

    Notes
    -----
    In a non-degenerate metric these are the products of invertible vectors. In a degenerate one also elements such as
    ``1 + e12`` with two null generators, which leave all vectors where they are. Invariant under Pin, up to rounding.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(4)
    >>> product = F.geometric_product(
    ...     torch.randn(4), torch.randn(4), algebra, a_layout=algebra.vectors, b_layout=algebra.vectors
    ... )
    >>> bivectors = algebra.layout(grades=(0, 2))
    >>> F.is_versor(product, algebra, layout=bivectors).item()
    True
    """
    given = full_unless_given(algebra, layout)
    check_multivector(a, algebra, layout=given)
    unit, bound = _unit(a, rtol, atol)
    reverse = unit * constant(involution_signs(given.key, "reverse"), unit.dtype, unit.device)
    squared, vectors = given.product(given), algebra.vectors
    norm = multiply("geometric_product", unit, reverse, given, given, squared)
    odd = constant(tuple(grade % 2 for grade in given.grades), torch.bool, a.device)
    has_parity = (_largest(unit.masked_fill(odd, 0.0)) <= bound) | (_largest(unit.masked_fill(~odd, 0.0)) <= bound)
    scalar = _largest(move(norm, squared, algebra.scalars))
    result = has_parity & (_of_other_grades(norm, squared, 0) <= bound)
    # an invertible versor may be nearly null, so only rounding counts here
    result = result & (scalar > 16 * torch.finfo(a.dtype).eps * core_norm(unit, given) ** 2)
    basis = torch.eye(vectors.size, dtype=unit.dtype, device=a.device)
    left = given.product(vectors)
    out = left.product(given)
    # of one parity, so that the grade involution changes no more than the sign
    moved = multiply("geometric_product", unit.unsqueeze(-2), basis, given, vectors, left)
    images = multiply("geometric_product", moved, reverse.unsqueeze(-2), left, given, out)
    outside = _of_other_grades(images, out, 1).flatten(bound.dim()).sum(-1)
    return result & (outside <= bound * max(1, vectors.size)) & a.isfinite().all(-1)


def _unit(a: Tensor, rtol: float | None, atol: float) -> tuple[Tensor, Tensor]:
    """Return elements of norm 1 in double precision, and the deviation to tolerate in them."""
    wide = a.detach().double()
    norm = wide.norm(dim=-1)
    positive = norm.where(norm > 0, 1.0)
    bound = (tolerance(a.dtype) if rtol is None else rtol) + atol / positive
    return wide / positive.unsqueeze(-1), bound


def _of_other_grades(a: Tensor, layout: Layout, grade: int) -> Tensor:
    """Return the largest coefficient of all other grades."""
    own = constant(tuple(int(other == grade) for other in layout.grades), torch.bool, a.device)
    return _largest(a.masked_fill(own, 0.0))


def _largest(a: Tensor) -> Tensor:
    return a.abs().amax(-1) if a.shape[-1] else a.new_zeros(a.shape[:-1])
