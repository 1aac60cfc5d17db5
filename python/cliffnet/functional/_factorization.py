"""Blades as outer products of vectors."""

import torch
from torch import Tensor

from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import DomainError
from cliffnet.functional._checks import check_multivector
from cliffnet.functional._common_grade import common_grade, tolerance
from cliffnet.functional._domain import refuse
from cliffnet.functional._flattenings import euclidean, euclidean_grade, factors, wedge_of
from cliffnet.functional._layouts import full_unless_given, move


def factor_blade(
    a: Tensor, algebra: Algebra, *, grade: int | None = None, layout: Layout | None = None
) -> tuple[Tensor, Tensor]:
    """Factor blades into a magnitude and vectors: ``a = magnitude * v_1 ^ ... ^ v_k``.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout. Blades of one grade ``k``, null ones too.
    algebra : Algebra
        The algebra of ``a``.
    grade : int, optional
        The grade ``k``. If omitted, that of the layout, or else of the values, which can be read in plain eager code
        only.
    layout : Layout, optional
        Layout of ``a``; full multivectors if omitted.

    Returns
    -------
    magnitude : Tensor
        Shape ``(...)``: the Euclidean norm of the coefficients of ascending blades; a signed scalar if ``k`` is 0.
    vectors : Tensor
        Shape ``(..., k, n)``: vectors on ``algebra.vectors``, orthonormal in the Euclidean metric of the generators.

    Raises
    ------
    DomainError
        If an element is no blade of the grade; a magnitude of NaN inside compiled graphs and transforms.
    GradeError
        If the batch mixes grades, or the grade cannot be read.
    ShapeError, DTypeError, AlgebraMismatchError
        If ``a`` does not hold multivectors of the algebra.

    Notes
    -----
    The factors of a blade are not unique; these depend on its largest coefficient, and are smooth as long as that stays
    the same. A Euclidean metric is used whatever the metric of the algebra, so null blades factor as well. Not
    equivariant.

    References
    ----------
    Dorst, Fontijne and Mann, Geometric Algebra for Computer Science (2007), section 21.6.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(2, 0, 1)
    >>> magnitude, vectors = F.factor_blade(torch.tensor([0.0, 2.0, 0.0]), algebra, layout=algebra.bivectors)
    >>> magnitude.item(), vectors.abs().tolist()
    (2.0, [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    """
    given = full_unless_given(algebra, layout)
    check_multivector(a, algebra, layout=given)
    k = common_grade(a, given, "the tensor", grade, tolerance(a.dtype))
    magnitude, vectors, is_none = factored(a, given, k)
    refuse(is_none, lambda: no_blade(is_none, k, "the tensor"))
    vectors = move(vectors, euclidean_grade(given, 1), algebra.vectors)
    # zeros without a sign
    return magnitude.masked_fill(is_none, torch.nan).to(a.dtype), vectors.to(a.dtype) + 0.0


def factored(a: Tensor, layout: Layout, grade: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return magnitude and Euclidean orthonormal vectors in double precision, and where an element is no such blade."""
    wide, part = a.double(), euclidean_grade(layout, grade)
    magnitude, vectors = factors(move(wide, layout, part), part)
    spanned = magnitude.unsqueeze(-1) * wedge_of(vectors, layout)
    own = euclidean(layout)
    difference = move(wide, layout, own) - move(spanned, part, own)
    bound = torch.finfo(a.dtype).eps ** 0.5 * wide.detach().norm(dim=-1)
    is_none = difference.detach().norm(dim=-1) > bound
    return magnitude, vectors, is_none


def no_blade(flag: Tensor, grade: int, name: str) -> DomainError:
    """Return the error for elements that are no blades of a grade."""
    where = tuple(flag.nonzero()[0].tolist())
    found = (
        f"{int(flag.sum())} of {flag.numel()} elements of {name} are no blades of grade {grade}, the first at index "
        f"{where}"
        if where
        else f"{name} is no blade of grade {grade}"
    )
    return DomainError(f"{found}; is_blade tells where without an error")
