"""Involutions, duals and grade projections: maps that take blades to blades."""

from collections.abc import Iterable

import torch
from torch import Tensor

from cliffnet.algebra import Algebra
from cliffnet.functional._checks import check_multivector
from cliffnet.functional._constants import constant
from cliffnet.functional._format import is_blade_major


def _with_signs(x: Tensor, algebra: Algebra, name: str) -> Tensor:
    check_multivector(x, algebra)
    return x * constant(algebra.involution_signs(name), x.dtype, x.device)


def _mapped(x: Tensor, algebra: Algebra, name: str) -> Tensor:
    check_multivector(x, algebra)
    entries = sorted(algebra.blade_map(name))
    sources = constant(tuple(entry[1] for entry in entries), torch.int64, x.device)
    # blade-major tensors are indexed plane by plane, which keeps their format
    planes = is_blade_major(x)
    axis = 0 if planes else -1
    source = x.movedim(-1, 0) if planes else x
    mapped = source.index_select(axis, sources)
    if len(entries) != algebra.num_blades:
        targets = constant(tuple(entry[0] for entry in entries), torch.int64, x.device)
        mapped = source.new_zeros(source.shape).index_copy(axis, targets, mapped)
    coefficients = {out_blade: coefficient for out_blade, _, coefficient in entries}
    signs = tuple(coefficients.get(blade, 0.0) for blade in range(algebra.num_blades))
    return (mapped.movedim(0, -1) if planes else mapped) * constant(signs, x.dtype, x.device)


def grade_project(x: Tensor, grades: int | Iterable[int], algebra: Algebra) -> Tensor:
    """Keep the components of some grades and set the others to zero.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``.
    grades : int or iterable of int
        Grades to keep.
    algebra : Algebra
        The algebra of ``x``.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    GradeError
        If the algebra has no such grade.

    Notes
    -----
    Equivariant under Pin. Dropped components are replaced, not multiplied by zero.
    """
    check_multivector(x, algebra)
    wanted = tuple(grades) if isinstance(grades, Iterable) else (grades,)
    kept = {index for grade in wanted for index in algebra.grade_indices(grade)}
    mask = constant(tuple(int(index in kept) for index in range(algebra.num_blades)), torch.bool, x.device)
    return torch.where(mask, x, x.new_zeros(()))


def dual(x: Tensor, algebra: Algebra) -> Tensor:
    """Return the polarity when the metric has an inverse, else the right complement.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``.
    algebra : Algebra
        The algebra of ``x``.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.
    """
    return right_complement(x, algebra) if algebra.r else polarity(x, algebra)


def undual(x: Tensor, algebra: Algebra) -> Tensor:
    """Return the inverse of :func:`dual`: the left complement of a degenerate metric, else ``x I``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``.
    algebra : Algebra
        The algebra of ``x``.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.
    """
    return left_complement(x, algebra) if algebra.r else unpolarity(x, algebra)


def reverse(x: Tensor, algebra: Algebra) -> Tensor:
    """Reverse the order of the vectors in every blade: ``(-1)^(k(k-1)/2)`` on grade ``k``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``.
    algebra : Algebra
        The algebra of ``x``.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the algebra.

    Notes
    -----
    An anti-automorphism: ``reverse(a b) = reverse(b) reverse(a)``. Equivariant under Pin.
    """
    return _with_signs(x, algebra, "reverse")


def grade_involute(x: Tensor, algebra: Algebra) -> Tensor:
    """Negate every vector: ``(-1)^k`` on grade ``k``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``.
    algebra : Algebra
        The algebra of ``x``.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the algebra.

    Notes
    -----
    An automorphism. Equivariant under Pin.
    """
    return _with_signs(x, algebra, "grade_involute")


def clifford_conjugate(x: Tensor, algebra: Algebra) -> Tensor:
    """Reverse and grade-involute: ``(-1)^(k(k+1)/2)`` on grade ``k``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``.
    algebra : Algebra
        The algebra of ``x``.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the algebra.

    Notes
    -----
    An anti-automorphism. Equivariant under Pin.
    """
    return _with_signs(x, algebra, "clifford_conjugate")


def right_complement(x: Tensor, algebra: Algebra) -> Tensor:
    """Map ``e_A`` to the blade with ``e_A ^ result = I``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``.
    algebra : Algebra
        The algebra of ``x``.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the algebra.

    Notes
    -----
    Independent of the metric; inverse of :func:`left_complement`. Not equivariant under reflections.
    """
    return _mapped(x, algebra, "right_complement")


def left_complement(x: Tensor, algebra: Algebra) -> Tensor:
    """Map ``e_A`` to the blade with ``result ^ e_A = I``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``.
    algebra : Algebra
        The algebra of ``x``.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the algebra.

    Notes
    -----
    Independent of the metric; inverse of :func:`right_complement`.
    """
    return _mapped(x, algebra, "left_complement")


def polarity(x: Tensor, algebra: Algebra) -> Tensor:
    """Return ``x I^-1``, with the pseudoscalar ``I``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``.
    algebra : Algebra
        The algebra of ``x``.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the algebra.
    NotInvertibleError
        If the metric is degenerate.

    Notes
    -----
    Inverse of :func:`unpolarity`. Equivariant under Spin.
    """
    return _mapped(x, algebra, "polarity")


def unpolarity(x: Tensor, algebra: Algebra) -> Tensor:
    """Return ``x I``, with the pseudoscalar ``I``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``.
    algebra : Algebra
        The algebra of ``x``.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the algebra.

    Notes
    -----
    Equivariant under Spin. In a degenerate metric parts of ``x`` map to zero.
    """
    return _mapped(x, algebra, "unpolarity")


def hodge_dual(x: Tensor, algebra: Algebra) -> Tensor:
    """Return ``reverse(x) I``, with the pseudoscalar ``I``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``.
    algebra : Algebra
        The algebra of ``x``.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the algebra.

    Notes
    -----
    Equivariant under Spin. In a degenerate metric parts of ``x`` map to zero.
    """
    return _mapped(x, algebra, "hodge_dual")
