"""Involutions, duals and grade projections: maps that take blades to blades."""

from collections.abc import Iterable

import torch
from torch import Tensor

from cliffnet.algebra import Algebra, Layout, blade_map, check_polarity, involution_signs
from cliffnet.errors import LayoutError
from cliffnet.functional._checks import check_algebra, check_multivector
from cliffnet.functional._constants import constant
from cliffnet.functional._layouts import full_unless_given, place


def _with_signs(x: Tensor, algebra: Algebra, name: str, layout: Layout | None) -> Tensor:
    given = full_unless_given(algebra, layout)
    check_multivector(x, algebra, layout=given)
    return x * constant(involution_signs(given.key, name), x.dtype, x.device)


def _mapped(x: Tensor, algebra: Algebra, name: str, layout: Layout | None, out_layout: Layout | None) -> Tensor:
    given = full_unless_given(algebra, layout)
    check_multivector(x, algebra, layout=given)
    if name == "polarity":
        check_polarity(algebra)
    if out_layout is not None:
        target, reached = full_unless_given(algebra, out_layout), given.image(name)
        if reached.size and target.size and not (reached & target).size:
            raise LayoutError(f"the {name} lies in {reached!r}, but {target!r} was asked for, which holds none of it")
    else:
        target = given if layout is None else given.image(name)
    return place(x, blade_map(name, given.key, target.key), target.size)


def grade_project(x: Tensor, grades: int | Iterable[int], algebra: Algebra, *, layout: Layout | None = None) -> Tensor:
    """Keep the components of some grades and set the others to zero.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    grades : int or iterable of int
        Grades to keep.
    algebra : Algebra
        The algebra of ``x``.
    layout : Layout, optional
        Layout of ``x`` and the result; full multivectors if omitted.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout.

    Raises
    ------
    GradeError
        If the algebra has no such grade.

    Notes
    -----
    Equivariant under Pin. Dropped components are replaced, not multiplied by zero.
    """
    given = full_unless_given(algebra, layout)
    check_multivector(x, algebra, layout=given)
    wanted = frozenset(grades) if isinstance(grades, Iterable) else frozenset((grades,))
    for grade in wanted:
        algebra.check_grade(grade)
    mask = constant(tuple(int(grade in wanted) for grade in given.grades), torch.bool, x.device)
    return torch.where(mask, x, x.new_zeros(()))


def dual(x: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None) -> Tensor:
    """Return the polarity when the metric has an inverse, else the right complement.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``x``.
    layout, out_layout : Layout, optional
        Layouts of ``x`` and the result; full multivectors if omitted, and a missing ``out_layout`` means the blades
        that those of ``layout`` map to.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout.
    """
    check_algebra(algebra)
    named = right_complement if algebra.r else polarity
    return named(x, algebra, layout=layout, out_layout=out_layout)


def undual(x: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None) -> Tensor:
    """Return the inverse of :func:`dual`: the left complement of a degenerate metric, else ``x I``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``x``.
    layout, out_layout : Layout, optional
        Layouts of ``x`` and the result; full multivectors if omitted, and a missing ``out_layout`` means the blades
        that those of ``layout`` map to.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout.
    """
    check_algebra(algebra)
    named = left_complement if algebra.r else unpolarity
    return named(x, algebra, layout=layout, out_layout=out_layout)


def reverse(x: Tensor, algebra: Algebra, *, layout: Layout | None = None) -> Tensor:
    """Reverse the order of the vectors in every blade: ``(-1)^(k(k-1)/2)`` on grade ``k``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``x``.
    layout : Layout, optional
        Layout of ``x`` and the result; full multivectors if omitted.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the algebra.

    Notes
    -----
    An anti-automorphism: ``reverse(a b) = reverse(b) reverse(a)``. Equivariant under Pin.
    """
    return _with_signs(x, algebra, "reverse", layout)


def grade_involute(x: Tensor, algebra: Algebra, *, layout: Layout | None = None) -> Tensor:
    """Negate every vector: ``(-1)^k`` on grade ``k``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``x``.
    layout : Layout, optional
        Layout of ``x`` and the result; full multivectors if omitted.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the algebra.

    Notes
    -----
    An automorphism. Equivariant under Pin.
    """
    return _with_signs(x, algebra, "grade_involute", layout)


def clifford_conjugate(x: Tensor, algebra: Algebra, *, layout: Layout | None = None) -> Tensor:
    """Reverse and grade-involute: ``(-1)^(k(k+1)/2)`` on grade ``k``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``x``.
    layout : Layout, optional
        Layout of ``x`` and the result; full multivectors if omitted.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the algebra.

    Notes
    -----
    An anti-automorphism. Equivariant under Pin.
    """
    return _with_signs(x, algebra, "clifford_conjugate", layout)


def right_complement(
    x: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None
) -> Tensor:
    """Map ``e_A`` to the blade with ``e_A ^ result = I``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``x``.
    layout, out_layout : Layout, optional
        Layouts of ``x`` and the result; full multivectors if omitted, and a missing ``out_layout`` means the blades
        that those of ``layout`` map to.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the algebra.

    Notes
    -----
    Independent of the metric; inverse of :func:`left_complement`. Not equivariant under reflections.
    """
    return _mapped(x, algebra, "right_complement", layout, out_layout)


def left_complement(
    x: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None
) -> Tensor:
    """Map ``e_A`` to the blade with ``result ^ e_A = I``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``x``.
    layout, out_layout : Layout, optional
        Layouts of ``x`` and the result; full multivectors if omitted, and a missing ``out_layout`` means the blades
        that those of ``layout`` map to.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the algebra.

    Notes
    -----
    Independent of the metric; inverse of :func:`right_complement`.
    """
    return _mapped(x, algebra, "left_complement", layout, out_layout)


def polarity(x: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None) -> Tensor:
    """Return ``x I^-1``, with the pseudoscalar ``I``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``x``.
    layout, out_layout : Layout, optional
        Layouts of ``x`` and the result; full multivectors if omitted, and a missing ``out_layout`` means the blades
        that those of ``layout`` map to.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout.

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
    return _mapped(x, algebra, "polarity", layout, out_layout)


def unpolarity(
    x: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None
) -> Tensor:
    """Return ``x I``, with the pseudoscalar ``I``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``x``.
    layout, out_layout : Layout, optional
        Layouts of ``x`` and the result; full multivectors if omitted, and a missing ``out_layout`` means the blades
        that those of ``layout`` map to.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the algebra.

    Notes
    -----
    Equivariant under Spin. In a degenerate metric parts of ``x`` map to zero.
    """
    return _mapped(x, algebra, "unpolarity", layout, out_layout)


def hodge_dual(
    x: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None
) -> Tensor:
    """Return ``reverse(x) I``, with the pseudoscalar ``I``.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``x``.
    layout, out_layout : Layout, optional
        Layouts of ``x`` and the result; full multivectors if omitted, and a missing ``out_layout`` means the blades
        that those of ``layout`` map to.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the algebra.

    Notes
    -----
    Equivariant under Spin. In a degenerate metric parts of ``x`` map to zero.
    """
    return _mapped(x, algebra, "hodge_dual", layout, out_layout)
