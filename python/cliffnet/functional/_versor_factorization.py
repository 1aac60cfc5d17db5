"""Versors as geometric products of vectors."""

import torch
from torch import Tensor

from cliffnet._graphs import kept_constant
from cliffnet.algebra import Algebra, Layout, metric_and_blades
from cliffnet.errors import DomainError, GradeError
from cliffnet.functional._checks import check_multivector
from cliffnet.functional._common_grade import occurring_grades, plain_grade, tolerance
from cliffnet.functional._constants import constant
from cliffnet.functional._domain import are_known, refuse
from cliffnet.functional._flattenings import euclidean_grade, factors
from cliffnet.functional._layouts import full_unless_given, move, multiply


def factor_versor(
    a: Tensor, algebra: Algebra, *, grade: int | None = None, layout: Layout | None = None
) -> tuple[Tensor, Tensor]:
    """Factor versors into a scalar and vectors: ``a = magnitude * v_1 v_2 ... v_k``, with ``v_i^2 = 1`` or ``-1``.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout. Versors of one parity.
    algebra : Algebra
        The algebra of ``a``.
    grade : int, optional
        The number ``k`` of factors, at least the highest grade of ``a`` and of its parity. If omitted, the highest
        grade in the batch, which can be read in plain eager code only.
    layout : Layout, optional
        Layout of ``a``; full multivectors if omitted.

    Returns
    -------
    magnitude : Tensor
        Shape ``(...)``, of either sign: the square root of ``|a reverse(a)|`` up to sign.
    vectors : Tensor
        Shape ``(..., k, n)``, on ``algebra.vectors``.

    Raises
    ------
    DomainError
        If an element is no versor, or none that has as many invertible factors as its highest grade, such as
        ``1 + e1 e2`` with two orthogonal null vectors; a magnitude of NaN inside compiled graphs and transforms.
    GradeError
        If the batch mixes even and odd versors, or the number of factors cannot be read.
    ShapeError, DTypeError, AlgebraMismatchError
        If ``a`` does not hold multivectors of the algebra.

    Notes
    -----
    The part of highest grade is a blade, and the quotient of ``a`` by any invertible vector in it has lower grades:
    peel off the vector with the largest square relative to its Euclidean length, and repeat. Versors with fewer factors
    than ``k`` get pairs that cancel. The factors are not unique. Not equivariant.

    References
    ----------
    Fontijne, Efficient Implementation of Geometric Algebra, PhD thesis, University of Amsterdam (2007), chapter 5.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(2)
    >>> magnitude, vectors = F.factor_versor(torch.tensor([0.0, 0.0, 0.0, 3.0]), algebra)
    >>> magnitude.item(), vectors.shape
    (3.0, torch.Size([2, 2]))
    """
    given = full_unless_given(algebra, layout)
    check_multivector(a, algebra, layout=given)
    count = _number_of_factors(a, given, grade)
    wide = move(a.double(), given, algebra.full)
    rest, vectors = move(wide, algebra.full, _lower(algebra, count)), []
    for k in range(count, 0, -1):
        vector, rest = _peeled(rest, algebra, k, tolerance(a.dtype))
        vectors.append(vector)
    magnitude = rest.squeeze(-1)
    stacked = torch.stack(vectors, -2) if vectors else wide.new_zeros((*wide.shape[:-1], 0, algebra.dim))
    product = move(magnitude.detach().unsqueeze(-1), algebra.scalars, algebra.full)
    for vector in reversed(vectors):
        product = multiply("geometric_product", vector.detach(), product, algebra.vectors, algebra.full, algebra.full)
    bound = torch.finfo(a.dtype).eps ** 0.5 * wide.detach().norm(dim=-1)
    # written so that NaN, which comes of isotropic parts, is refused too, unless it was given
    is_none = ~((product - wide.detach()).norm(dim=-1) <= bound) & a.isfinite().all(-1)
    refuse(is_none, lambda: _no_versor(is_none, count))
    return magnitude.masked_fill(is_none, torch.nan).to(a.dtype), stacked.to(a.dtype)


def _number_of_factors(a: Tensor, layout: Layout, grade: int | None) -> int:
    if grade is not None:
        return plain_grade(grade, layout.algebra)
    if not are_known(a):
        raise GradeError(
            "the number of factors cannot be read from values inside a compiled graph or a transform; pass grade="
        )
    grades, occurs = occurring_grades(a, layout, tolerance(a.dtype))
    occurs = occurs.reshape(-1, len(grades))
    found = [grade for index, grade in enumerate(grades) if occurs[:, index].any()]
    if len({grade % 2 for grade in found}) > 1:
        index = int(occurs[:, grades.index(next(grade for grade in found if grade % 2))].nonzero()[0])
        raise GradeError(
            f"the tensor has even and odd parts (odd ones in element {index}), but versors of one call must be all "
            "even or all odd; split the batch"
        )
    return max(found, default=0)


def _lower(algebra: Algebra, grade: int) -> Layout:
    """Return the layout of a grade and those below it of its parity."""
    return algebra.full.of_grades(range(grade % 2, grade + 1, 2))


def _peeled(rest: Tensor, algebra: Algebra, k: int, rtol: float) -> tuple[Tensor, Tensor]:
    """Return an invertible vector ``v`` in the grade-k part of a versor, and ``v^-1`` times the versor."""
    own, part = _lower(algebra, k), euclidean_grade(algebra.full, k)
    blade = move(rest, own, part)
    rows = factors(blade, part).vectors
    metric = constant(algebra.metric, rows.dtype, rows.device)
    gram = ((rows * metric) @ rows.mT).detach()
    squares, directions = torch.linalg.eigh(gram.nan_to_num(0.0, 0.0, 0.0))
    best = squares.abs().argmax(-1, keepdim=True).unsqueeze(-2).expand(*rows.shape[:-1], 1)
    # which combination to take is a choice, so it has no derivative
    vector = (directions.gather(-1, best) * rows).sum(-2)
    # a versor without this grade is divided by any vector, which raises its own grades by one at most
    default = constant(_largest_square(algebra.full.key), rows.dtype, rows.device)
    is_small = blade.detach().norm(dim=-1, keepdim=True) <= rtol * rest.detach().norm(dim=-1, keepdim=True)
    vector = default.where(is_small, vector)
    square = (vector * metric * vector).sum(-1, keepdim=True)
    vector = vector / square.abs().sqrt()
    vector = move(vector, euclidean_grade(algebra.full, 1), algebra.vectors)
    lower = _lower(algebra, k - 1)
    quotient = multiply("geometric_product", vector, rest, algebra.vectors, own, lower)
    return vector, quotient * square.sign()


@kept_constant
def _largest_square(key: str) -> tuple[float, ...]:
    """Return the generator with the largest square as a vector, by the key of a layout of the algebra."""
    squares, _ = metric_and_blades(key)
    widest = max(range(len(squares)), key=lambda index: abs(squares[index]), default=0)
    return tuple(float(index == widest) for index in range(len(squares)))


def _no_versor(flag: Tensor, count: int) -> DomainError:
    where = tuple(flag.nonzero()[0].tolist())
    found = (
        f"{int(flag.sum())} of {flag.numel()} elements are not products of {count} invertible vectors, the first at "
        f"index {where}"
        if where
        else f"the element is not a product of {count} invertible vectors"
    )
    return DomainError(f"{found}; is_versor tells which elements are versors")
