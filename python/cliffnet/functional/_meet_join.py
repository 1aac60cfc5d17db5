"""Intersection and union of the subspaces of blades."""

from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet.algebra import Algebra, Layout, involution_signs
from cliffnet.errors import DomainError, GradeError, LayoutError
from cliffnet.functional._checks import check_pair
from cliffnet.functional._common_grade import common_grade, plain_grade, tolerance
from cliffnet.functional._constants import constant
from cliffnet.functional._domain import are_known, refuse
from cliffnet.functional._factorization import factored, no_blade
from cliffnet.functional._flattenings import euclidean_grade, wedge_of
from cliffnet.functional._layouts import full_unless_given, move, multiply

_Layouts = tuple[Layout | None, Layout | None]


def join(
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    *,
    grade: int | None = None,
    a_layout: Layout | None = None,
    b_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Return the blade of the smallest subspace that contains those of two blades.

    Parameters
    ----------
    a, b : Tensor
        Shape ``(..., num_blades)``, or the size of their layouts; leading axes broadcast. Blades, all of one grade in
        ``a`` and all of one grade in ``b``; null ones too.
    algebra : Algebra
        The algebra of both.
    grade : int, optional
        Grade of the join. If omitted it is read from the values, which is possible in plain eager code only.
    a_layout, b_layout, out_layout : Layout, optional
        Layouts of the operands and the result. If all are omitted, full multivectors; a missing ``out_layout`` means
        all blades of the grade of the join.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout of the result. The Euclidean norm of the coefficients is
        1. Without a common vector the join is a positive multiple of ``a ^ b``; else its sign is such that its largest
        coefficient, of the ascending product of generators, is positive.

    Raises
    ------
    DomainError
        If an operand is no blade or zero, or the join is not of the grade asked for; NaN inside compiled graphs and
        transforms.
    GradeError
        If the batch mixes grades, or a grade cannot be read.
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError, LayoutError
        If the operands do not fit the algebra or each other, or the result has nothing in ``out_layout``.

    Notes
    -----
    Independent of the metric: vectors count as common when they enclose an angle below ``eps^(2/3)`` in the Euclidean
    metric of the generators. The derivative is that along operands that keep the grade of the join. The subspace,
    though not the scale, is equivariant under every invertible linear map of the vectors.

    References
    ----------
    Dorst, Fontijne and Mann, Geometric Algebra for Computer Science (2007), sections 5.2 and 21.7.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(3)
    >>> bivectors = {"a_layout": algebra.bivectors, "b_layout": algebra.bivectors}
    >>> F.join(torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.0, 3.0, 0.0]), algebra, **bivectors).tolist()
    [1.0]
    """
    found = graded_join(a, b, algebra, (a_layout, b_layout), grade)
    return _placed(found, algebra, (a_layout, b_layout, out_layout))


def meet(
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    *,
    grade: int | None = None,
    a_layout: Layout | None = None,
    b_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Return the blade of the intersection of the subspaces of two blades.

    ``(b _| J^-1) _| a`` with the join ``J`` and Euclidean contractions, as :func:`join` returns it.

    Parameters
    ----------
    a, b : Tensor
        Shape ``(..., num_blades)``, or the size of their layouts; leading axes broadcast. Blades, all of one grade in
        ``a`` and all of one grade in ``b``; null ones too.
    algebra : Algebra
        The algebra of both.
    grade : int, optional
        Grade of the meet. If omitted it is read from the values, which is possible in plain eager code only.
    a_layout, b_layout, out_layout : Layout, optional
        Layouts of the operands and the result. If all are omitted, full multivectors; a missing ``out_layout`` means
        all blades of the grade of the meet.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout of the result: of grade ``r + s - j`` for operands of
        grade ``r`` and ``s`` with a join of grade ``j``. A scalar, the Euclidean norm of ``a ^ b``, where the subspaces
        meet in zero only.

    Raises
    ------
    DomainError
        If an operand is no blade or zero, or the meet is not of the grade asked for; NaN inside compiled graphs and
        transforms.
    GradeError
        If the batch mixes grades, or a grade cannot be read.
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError, LayoutError
        If the operands do not fit the algebra or each other, or the result has nothing in ``out_layout``.

    Notes
    -----
    Homogeneous of degree 1 in either operand, up to sign. With ``M`` and ``J`` from these functions
    ``J = a ^ (M^-1 _| b)``, in the Euclidean metric. Where ``J`` is the pseudoscalar of ascending generators, the meet
    is the regressive product of an algebra with that pseudoscalar. Independent of the metric, and the subspace
    equivariant under every invertible linear map of the vectors.

    References
    ----------
    Dorst, Fontijne and Mann, Geometric Algebra for Computer Science (2007), sections 5.2 and 21.7.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(3)
    >>> bivectors = {"a_layout": algebra.bivectors, "b_layout": algebra.bivectors}
    >>> F.meet(torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.0, 3.0, 0.0]), algebra, **bivectors).tolist()
    [6.0, 0.0, 0.0]
    """
    found = graded_meet(a, b, algebra, (a_layout, b_layout), grade)
    return _placed(found, algebra, (a_layout, b_layout, out_layout))


def graded_join(a: Tensor, b: Tensor, algebra: Algebra, layouts: _Layouts, grade: int | None) -> tuple[Tensor, Layout]:
    """Return the join, and the layout of its grade on which it stands."""
    pair = _joined(a, b, algebra, layouts, grade, None)
    return _returned(pair, pair.join, pair.join_grade, a.dtype, algebra)


def graded_meet(a: Tensor, b: Tensor, algebra: Algebra, layouts: _Layouts, grade: int | None) -> tuple[Tensor, Layout]:
    """Return the meet, and the layout of its grade on which it stands."""
    pair = _joined(a, b, algebra, layouts, None, grade)
    first, second, whole = (euclidean_grade(pair.layout, k) for k in (pair.a_grade, pair.b_grade, pair.join_grade))
    rest = euclidean_grade(pair.layout, pair.join_grade - pair.b_grade)
    meet_grade = pair.a_grade + pair.b_grade - pair.join_grade
    inverse = pair.join * constant(involution_signs(whole.key, "reverse"), pair.join.dtype, pair.join.device)
    dual = multiply("left_contraction", pair.b, inverse, second, whole, rest)
    values = multiply("left_contraction", dual, pair.a, rest, first, euclidean_grade(pair.layout, meet_grade))
    return _returned(pair, values, meet_grade, a.dtype, algebra)


class _Pair(NamedTuple):
    """Blades and their join on layouts of one grade of the Euclidean algebra, in double precision."""

    layout: Layout
    a: Tensor
    b: Tensor
    join: Tensor
    a_grade: int
    b_grade: int
    join_grade: int
    is_undefined: Tensor


def _joined(
    a: Tensor,
    b: Tensor,
    algebra: Algebra,
    layouts: _Layouts,
    join_grade: int | None,
    meet_grade: int | None,
) -> _Pair:
    left, right = full_unless_given(algebra, layouts[0]), full_unless_given(algebra, layouts[1])
    check_pair(a, b, algebra, left, right)
    rtol = tolerance(a.dtype)
    join_grade = None if join_grade is None else plain_grade(join_grade, algebra)
    meet_grade = None if meet_grade is None else plain_grade(meet_grade, algebra)
    asked = meet_grade if join_grade is None else join_grade
    r, s = (
        _operand_grade(x, layout, name, asked, rtol)
        for x, layout, name in ((a, left, "the left operand"), (b, right, "the right operand"))
    )
    (a_size, a_vectors, a_fails), (b_size, b_vectors, b_fails) = factored(a, left, r), factored(b, right, s)
    refuse(a_fails, lambda: no_blade(a_fails, r, "the left operand"))
    refuse(b_fails, lambda: no_blade(b_fails, s, "the right operand"))
    a_is_zero, b_is_zero = a_size == 0, b_size == 0
    refuse(a_is_zero, lambda: _zero(a_is_zero, "the left operand"))
    refuse(b_is_zero, lambda: _zero(b_is_zero, "the right operand"))
    # the part of the vectors of b outside the span of those of a; its singular values are sines of angles
    outside = b_vectors - (b_vectors @ a_vectors.mT) @ a_vectors
    directions, sines, _ = torch.linalg.svd(outside.detach().nan_to_num(0.0, 0.0, 0.0), full_matrices=False)
    is_new = sines > rtol
    if join_grade is None and meet_grade is None:
        added = _common_count(is_new, r)
    else:
        added = _asked_for(r, s, algebra.dim, join_grade, meet_grade)
    misses = is_new.sum(-1) != added
    is_finite = (a_size + b_size).isfinite()
    refuse(misses & is_finite, lambda: _other_grade(is_new.sum(-1) + r, misses, r + added))
    first, second = euclidean_grade(left, r), euclidean_grade(right, s)
    values = move(a.double(), left, first), move(b.double(), right, second)
    # singular vectors come with descending singular values
    new = directions[..., :added].mT @ outside
    joined = _oriented_join(values, (first, second), new, added == s)
    is_undefined = a_fails | b_fails | a_is_zero | b_is_zero | misses | ~is_finite
    return _Pair(left, *values, joined, r, s, r + added, is_undefined)


def _operand_grade(x: Tensor, layout: Layout, name: str, asked: int | None, rtol: float) -> int:
    """Return the grade of an operand; of an empty batch that cannot be read, so it gets the grade asked for."""
    if len(set(layout.grades)) > 1:
        if not are_known(x):
            raise GradeError(
                f"the grade of {name} cannot be read from its values inside a compiled graph or a transform; pass its "
                "layout, one of a single grade such as algebra.vectors"
            )
        if asked is not None and not x.numel():
            return asked
    return common_grade(x, layout, name, None, rtol)


def _oriented_join(
    values: tuple[Tensor, Tensor], layouts: tuple[Layout, Layout], new: Tensor, is_disjoint: bool
) -> Tensor:
    (a, b), (first, second) = values, layouts
    r, added = first.grades[0], new.shape[-2]
    whole = euclidean_grade(first, r + added)
    if is_disjoint:
        product = multiply("outer_product", a, b, first, second, whole)
    else:
        rest = euclidean_grade(first, added)
        product = multiply("outer_product", a, wedge_of(new, first), first, rest, whole)
    joined: Tensor = product / torch.linalg.vector_norm(product, dim=-1, keepdim=True)
    if is_disjoint:
        return joined
    largest = joined.gather(-1, joined.detach().abs().argmax(-1, keepdim=True))
    return joined * largest.detach().sign()


def _asked_for(r: int, s: int, dim: int, join_grade: int | None, meet_grade: int | None) -> int:
    """Return how many vectors the right operand has to add for a join or a meet of a grade."""
    least, most = max(r, s), min(r + s, dim)
    if join_grade is None:
        assert meet_grade is not None
        wanted, grade, name, bounds = r + s - meet_grade, meet_grade, "meet", (r + s - most, r + s - least)
    else:
        wanted, grade, name, bounds = join_grade, join_grade, "join", (least, most)
    if wanted not in range(least, most + 1):
        raise GradeError(
            f"the {name} of blades of grades {r} and {s} cannot have grade {grade}; it has {bounds[0]} to {bounds[1]}"
        )
    return wanted - r


def _common_count(is_new: Tensor, r: int) -> int:
    """Return how many vectors the right operands add, the same in all of the batch."""
    if not are_known(is_new):
        raise GradeError(
            "the grade of the join cannot be read from values inside a compiled graph or a transform; pass grade="
        )
    counts = is_new.sum(-1).flatten()
    found = sorted(set(counts.tolist()))
    if len(found) > 1:
        places = ", ".join(f"{r + count} (element {int((counts == count).nonzero()[0])})" for count in found)
        raise GradeError(
            f"the joins of the batch have grades {places}, but those of one call must have one grade; split the batch"
        )
    return found[0] if found else is_new.shape[-1]


def _zero(flag: Tensor, name: str) -> DomainError:
    return DomainError(f"{name} is zero{_at(flag)}; zero stands for no subspace")


def _other_grade(grades: Tensor, flag: Tensor, wanted: int) -> DomainError:
    where = tuple(flag.nonzero()[0].tolist())
    return DomainError(
        f"a join of grade {wanted} was asked for, but that of the blades has grade {int(grades[where])}{_at(flag)}; "
        "leave out grade= to read it from the values"
    )


def _at(flag: Tensor) -> str:
    """Say where in the batch a flag is set first."""
    where = tuple(flag.nonzero()[0].tolist())
    return f" at index {where} of the batch" if where else ""


def _returned(pair: _Pair, values: Tensor, grade: int, dtype: torch.dtype, algebra: Algebra) -> tuple[Tensor, Layout]:
    own = algebra.layout(grades=(grade,))
    values = values.masked_fill(pair.is_undefined.unsqueeze(-1), torch.nan)
    return move(values, euclidean_grade(pair.layout, grade), own).to(dtype), own


def _placed(
    found: tuple[Tensor, Layout], algebra: Algebra, layouts: tuple[Layout | None, Layout | None, Layout | None]
) -> Tensor:
    values, own = found
    if layouts[2] is None:
        return move(values, own, algebra.full) if layouts == (None, None, None) else values
    out = full_unless_given(algebra, layouts[2])
    if out.size and not (own & out).size:
        raise LayoutError(f"the result has grade {own.grades[0]}, but {out!r} was asked for, which holds none of it")
    return move(values, own, out)
