"""Determinants and characteristic polynomials of multivectors."""

import torch
from torch import Tensor

from cliffnet.algebra import Algebra, Layout
from cliffnet.functional._adjugate import adjugate, recipe
from cliffnet.functional._checks import check_multivector
from cliffnet.functional._constants import constant
from cliffnet.functional._core import core, core_scale, matrix_size
from cliffnet.functional._layouts import full_unless_given, move, multiply, place
from cliffnet.functional._matrix import to_matrix


def determinant(a: Tensor, algebra: Algebra, *, layout: Layout | None = None) -> Tensor:
    """Return the determinant ``Det(a)``: that of the matrices of the algebra, a polynomial in the coefficients.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``a``.
    layout : Layout, optional
        Layout of ``a``; full multivectors if omitted.

    Returns
    -------
    Tensor
        Shape ``(...)``, real. Of degree ``d = 2^floor((n+1)/2)`` in ``a``: ``Det(c) = c^d`` for a scalar ``c``.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError, LayoutError
        If ``a`` does not hold multivectors of the algebra, or the algebra has more than 12 generators.

    Notes
    -----
    ``Det(a b) = Det(a) Det(b)``, and ``a`` has an inverse if and only if ``Det(a)`` is not zero. Components with null
    generators do not count. Invariant under Pin. Computed in double precision, in closed form where the non-degenerate
    part has at most five generators, else from its matrices [1]_.

    References
    ----------
    .. [1] Shirokov, On computing the determinant, other characteristic polynomial coefficients, and inverse in
       Clifford algebras of arbitrary dimension, Comput. Appl. Math. 40 (2021); arXiv:2005.04015.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> F.determinant(torch.tensor([3.0, 1.0, 0.0, 2.0]), Algebra(2)).item()
    12.0
    """
    given = full_unless_given(algebra, layout)
    check_multivector(a, algebra, layout=given)
    part = core(given)
    inner = place(a.double(), part.into, part.full.size)
    scale = core_scale(inner, part.full)
    degree = matrix_size(algebra.dim)
    unit = _of_unit(inner * scale.reciprocal(), part.full) ** (degree // matrix_size(part.full.algebra.dim))
    return (unit * scale.squeeze(-1) ** degree).to(a.dtype)


def _of_unit(a: Tensor, full: Layout) -> Tensor:
    """Return determinants in a non-degenerate algebra."""
    size = matrix_size(full.algebra.dim)
    steps = recipe(full)
    if not full.algebra.dim:
        return a.squeeze(-1)
    if steps is not None:
        result = adjugate(a, full, steps)
        power: Tensor = result.norm ** (size // result.degree)
        return power
    matrix = to_matrix(a, full.algebra)
    value: Tensor = torch.linalg.det(matrix)
    if not value.is_complex():
        return value
    # matrices of half the size represent the pseudoscalar by i; those of full size have a real determinant
    return value.real**2 + value.imag**2 if matrix.shape[-1] < size else value.real


def characteristic_coefficients(a: Tensor, algebra: Algebra, *, layout: Layout | None = None) -> Tensor:
    r"""Return the characteristic polynomial ``Det(t - a)``, coefficient of the highest power first.

    .. math:: \mathrm{Det}(t - a) = \sum_{k=0}^{d} c_k t^{d-k}, \quad d = 2^{\lfloor (n+1)/2 \rfloor}

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``a``.
    layout : Layout, optional
        Layout of ``a``; full multivectors if omitted.

    Returns
    -------
    Tensor
        Shape ``(..., d + 1)``, real: ``c_0 = 1``, ``c_1 = -d <a>_0``, ..., ``c_d = Det(-a)``, which is ``Det(a)`` for
        ``n >= 1``. Shirokov's ``C_(k)`` are ``-c_k``.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError, LayoutError
        If ``a`` does not hold multivectors of the algebra, or the algebra has more than 12 generators.

    Notes
    -----
    An element satisfies its polynomial (Cayley and Hamilton). The coefficients are invariant under Pin. Found by the
    recursion of Faddeev and LeVerrier [1]_ in double precision: ``d - 1`` geometric products, which lose about ``n``
    digits to cancellation.

    References
    ----------
    .. [1] Shirokov, On computing the determinant, other characteristic polynomial coefficients, and inverse in
       Clifford algebras of arbitrary dimension, Comput. Appl. Math. 40 (2021), Theorem 4; arXiv:2005.04015.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> F.characteristic_coefficients(torch.tensor([3.0, 1.0, 0.0, 2.0]), Algebra(2)).tolist()
    [1.0, -6.0, 12.0]
    """
    given = full_unless_given(algebra, layout)
    check_multivector(a, algebra, layout=given)
    full, degree = algebra.full, matrix_size(algebra.dim)
    values = move(a.double(), given, full)
    one = constant(tuple(0.0 if mask else 1.0 for mask in full.blade_masks), values.dtype, values.device)
    coefficients = [torch.ones_like((values * one).sum(-1))]
    power = values
    for k in range(1, degree + 1):
        # summed over a mask, not indexed: the scalar may stand anywhere in a basis of the user's
        coefficients.append(-degree / k * (power * one).sum(-1))
        if k < degree:
            adjugated = power + coefficients[-1].unsqueeze(-1) * one
            power = multiply("geometric_product", values, adjugated, full, full, full)
    # zero without a sign
    return torch.stack(coefficients, -1).to(a.dtype) + 0.0
