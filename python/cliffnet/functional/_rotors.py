"""Rotors from matrices and frames, and matrices of rotors."""

import torch
from torch import Tensor

from cliffnet._graphs import kept_constant
from cliffnet.algebra import Algebra, Layout, layout_of_key
from cliffnet.errors import DTypeError, ShapeError
from cliffnet.functional._antisymmetric import from_antisymmetric
from cliffnet.functional._checks import FLOATING, check_algebra, check_multivector, check_pair
from cliffnet.functional._constants import constant
from cliffnet.functional._invariants import norm_squared
from cliffnet.functional._layouts import full_unless_given, move, multiply
from cliffnet.functional._operator_matrices import sandwich_matrix
from cliffnet.functional._refusals import TOLERANCE, refuse_other_grades, refuse_where
from cliffnet.functional._study import Frame, frame
from cliffnet.functional._versors import blade_squares, outer_exponential

_HALF = (torch.bfloat16, torch.float16)


def rotor_to_matrix(rotor: Tensor, algebra: Algebra, *, layout: Layout | None = None) -> Tensor:
    """Return the matrices of rotors acting on vectors: column ``j`` holds the components of ``R e_j R^-1``.

    Parameters
    ----------
    rotor : Tensor
        Shape ``(..., num_blades)``, or the size of its layout: versors of any magnitude; odd ones act as by
        :func:`sandwich`.
    algebra : Algebra
        The algebra of ``rotor``, with ``n`` generators.
    layout : Layout, optional
        Layout of ``rotor``; full multivectors if omitted.

    Returns
    -------
    Tensor
        Shape ``(..., n, n)``; rows and columns in the order of ``algebra.vectors``. Infinite or NaN where
        ``<R reverse(R)>_0`` is zero.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError, LayoutError
        If the tensor does not fit the algebra or its layout.

    Notes
    -----
    A homomorphism: products of rotors become products of matrices. ``R`` and ``-R`` have the same matrix.

    Examples
    --------
    >>> import math, torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(2)
    >>> rotor = F.exp(torch.tensor([-math.pi / 4]), algebra, layout=algebra.bivectors)
    >>> F.rotor_to_matrix(rotor, algebra, layout=algebra.even).round(decimals=4) + 0.0
    tensor([[ 0., -1.],
            [ 1.,  0.]])
    """
    check_multivector(rotor, algebra, "the rotor", full_unless_given(algebra, layout))
    return sandwich_matrix(rotor, algebra, layout=algebra.vectors, versor_layout=layout)


def rotor_from_matrix(matrix: Tensor, algebra: Algebra, *, out_layout: Layout | None = None) -> Tensor:
    """Return the rotors of rotation matrices: the inverse of :func:`rotor_to_matrix`, up to sign.

    Parameters
    ----------
    matrix : Tensor
        Shape ``(..., n, n)``, rows and columns in the order of ``algebra.vectors``: any rotation of the metric in the
        identity component. Null generators must stay as they are, while others may be moved along them, as motors of
        PGA do.
    algebra : Algebra
        The algebra, with ``n`` generators.
    out_layout : Layout, optional
        Layout of the result; full multivectors if omitted.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout: rotors with ``R reverse(R) = 1`` and a scalar part that
        is positive; where it is zero, the largest coefficient is. With two null generators or more, their
        bivectors act on no vector and are left out.

    Raises
    ------
    DomainError
        If the matrix is no such rotation (beyond 1e-3 in single precision, 1e-5 in double): it changes the metric,
        reflects, or reverses both time and space. In compiled graphs and transforms the result is NaN instead.
    ShapeError, DTypeError, AlgebraMismatchError, LayoutError
        If the matrix is not square of the size of a vector, or not floating.

    Notes
    -----
    ``R(A B) = ± R(A) R(B)``. The matrix is multiplied by reflections ``D`` of an even number of generators, chosen in a
    Gaussian elimination of ``1 + M D`` such that every pivot is at least one; so Cayley's transform
    ``(M D - 1) (M D + 1)^-1`` exists, which is a bivector whose outer exponential is the rotor of ``M D`` but for a
    factor. No angle is special, and derivatives exist everywhere but where the sign of the rotor changes.

    References
    ----------
    Lounesto, Clifford Algebras and Spinors, 2nd ed., 2001, ch. 17.3.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> F.rotor_from_matrix(torch.tensor([[-1.0, 0.0], [0.0, -1.0]]), Algebra(2))
    tensor([0., 0., 0., 1.])
    """
    check_algebra(algebra)
    target = full_unless_given(algebra, out_layout)
    _check_matrix(matrix, algebra)
    values = matrix.float() if matrix.dtype in _HALF else matrix
    return move(_rotor_of(values, algebra), algebra.even, target).to(matrix.dtype)


def _check_matrix(matrix: Tensor, algebra: Algebra) -> None:
    if not isinstance(matrix, Tensor) or matrix.dtype not in FLOATING:
        given = matrix.dtype if isinstance(matrix, Tensor) else type(matrix).__name__
        raise DTypeError(f"the matrix is {given}, expected a real floating tensor; convert it with .float()")
    if matrix.dim() < 2 or matrix.shape[-2] != algebra.dim or matrix.shape[-1] != algebra.dim:
        raise ShapeError(
            f"the matrix has shape {tuple(matrix.shape)}, but rotations of the vectors of {algebra} have {algebra.dim} "
            "rows and columns"
        )


@kept_constant
def _order(key: str) -> tuple[int, ...]:
    """Return where each generator stands among the vectors of a layout."""
    masks = [mask for mask in layout_of_key(key).blade_masks if mask.bit_count() == 1]
    return tuple(masks.index(1 << index) for index in range(len(masks)))


def _rotor_of(matrix: Tensor, algebra: Algebra) -> Tensor:
    """Return the rotor of a matrix on ``algebra.even``, checked."""
    layouts = frame(algebra.even.key)
    order = constant(_order(algebra.vectors.key), torch.int64, matrix.device)
    in_order = matrix.index_select(-1, order).index_select(-2, order)
    signs = _reflections(in_order.detach())
    even = outer_exponential(_cayley_bivector(in_order * signs.unsqueeze(-2), algebra, layouts), layouts)
    blade = _blade_of(signs, layouts.even)
    rotor = multiply("geometric_product", even, blade, layouts.even, layouts.even, layouts.even)
    norm = norm_squared(rotor, algebra, layout=layouts.even).unsqueeze(-1)
    rotor = _with_positive_scalar(rotor / norm.abs().sqrt(), layouts)
    wrong = (norm.detach() <= 0) | _acts_differently(rotor.detach(), matrix.detach(), algebra)
    wrong = wrong & ~matrix.detach().isnan().flatten(-2).any(-1, keepdim=True)
    refuse_where(wrong, lambda: _no_rotation(matrix[wrong.squeeze(-1)][0], algebra))
    return torch.where(wrong, torch.nan, rotor)


def _reflections(matrix: Tensor) -> Tensor:
    """Return signs ``d`` such that elimination of ``1 + M diag(d)`` without pivoting has pivots of at least one."""
    rest, signs = matrix, []
    for _ in range(matrix.shape[-1]):
        corner = rest[..., :1, :1]
        signs.append(torch.ones_like(corner).copysign(corner))
        factors = rest[..., 1:, :1] * signs[-1] / (1 + corner.abs())
        rest = rest[..., 1:, 1:] - factors * rest[..., :1, 1:]
    return torch.cat(signs, -1).squeeze(-2) if signs else matrix.new_ones(matrix.shape[:-1])


def _cayley_bivector(matrix: Tensor, algebra: Algebra, layouts: Frame) -> Tensor:
    """Return the bivector whose outer exponential turns vectors as the matrix does."""
    identity = torch.eye(algebra.dim, dtype=matrix.dtype, device=matrix.device)
    tangent = torch.linalg.solve_ex(matrix + identity, matrix - identity).result
    inverses = tuple(1 / square if square else 0.0 for square in algebra.metric)
    inverse_metric = constant(inverses, matrix.dtype, matrix.device)
    tangent = tangent * inverse_metric
    # the column of a null generator is empty; its row has the same entries
    tangent = torch.where(inverse_metric != 0, tangent, -tangent.mT)
    return from_antisymmetric((tangent - tangent.mT) / 2, layouts.bivectors)


def _blade_of(signs: Tensor, layout: Layout) -> Tensor:
    """Return the unit blade that reflects the generators with a negative sign."""
    bits = constant(tuple(1 << index for index in range(signs.shape[-1])), torch.int64, signs.device)
    masks = constant(layout.blade_masks, torch.int64, signs.device)
    mask = ((signs < 0) * bits).sum(-1, keepdim=True)
    magnitudes = constant(blade_squares(layout.key), signs.dtype, signs.device).abs().sqrt()
    return torch.where(masks == mask, 1 / magnitudes, 0.0)


def _with_positive_scalar(rotor: Tensor, layouts: Frame) -> Tensor:
    """Choose between a rotor and its negative."""
    scalar = move(rotor.detach(), layouts.even, layouts.scalars)
    largest = rotor.detach().gather(-1, rotor.detach().abs().argmax(-1, keepdim=True))
    rounding = 16 * torch.finfo(rotor.dtype).eps * largest.abs()
    leading = torch.where(scalar.abs() > rounding, scalar, largest)
    return torch.where(leading < 0, -rotor, rotor)


def _acts_differently(rotor: Tensor, matrix: Tensor, algebra: Algebra) -> Tensor:
    """Tell where a rotor does not act as the matrix, with an axis of one."""
    if not algebra.dim:
        return torch.zeros_like(rotor[..., :1], dtype=torch.bool)
    error = (rotor_to_matrix(rotor, algebra, layout=algebra.even) - matrix).abs().flatten(-2)
    limit = TOLERANCE[rotor.dtype] * matrix.abs().flatten(-2).amax(-1, keepdim=True).clamp(min=1.0) ** 2
    return ~(error <= limit).all(-1, keepdim=True)


def _no_rotation(matrix: Tensor, algebra: Algebra) -> str:
    return (
        f"the matrix is no rotation that a rotor of {algebra} performs (its determinant is "
        f"{torch.linalg.det(matrix.detach()).item():.4g}). Expected M^T G M = G with the metric G, determinant 1, no "
        "reversal of both positive and negative directions, and null generators left as they are"
    )


def rotor_from_frames(
    source: Tensor,
    target: Tensor,
    algebra: Algebra,
    *,
    layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Return the rotors that take one frame of vectors to another, up to sign.

    Parameters
    ----------
    source, target : Tensor
        Shape ``(..., n, num_blades)``, or the size of their layout: ``n`` independent vectors each, with the same inner
        products among them in both frames. Leading axes broadcast.
    algebra : Algebra
        The algebra, with ``n`` generators.
    layout, out_layout : Layout, optional
        Layouts of the frames and the result; full multivectors if omitted.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout: rotors with ``R source_k reverse(R) = target_k``, their
        sign as for :func:`rotor_from_matrix`.

    Raises
    ------
    DomainError
        If the frames hold more than vectors, the source does not span the space, or no rotor takes one to the
        other; see :func:`rotor_from_matrix`. In compiled graphs and transforms the result is NaN instead.
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError, LayoutError
        If the tensors do not fit the algebra, their layout or each other.

    Notes
    -----
    Equivariant: moving both frames by a rotor conjugates the result with it.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(2)
    >>> frame = torch.eye(2)
    >>> F.rotor_from_frames(frame, -frame, algebra, layout=algebra.vectors)
    tensor([0., 0., 0., 1.])
    """
    given, target_layout = full_unless_given(algebra, layout), full_unless_given(algebra, out_layout)
    check_pair(source, target, algebra, given, given)
    for vectors in (source, target):
        if vectors.dim() < 2 or vectors.shape[-2] != algebra.dim:
            raise ShapeError(
                f"a frame of {algebra} has {algebra.dim} vectors, shape (..., {algebra.dim}, {given.size}), but the "
                f"argument has shape {tuple(vectors.shape)}"
            )
    first, second = (_vectors_of(vectors, given) for vectors in torch.broadcast_tensors(source, target))
    solution = torch.linalg.solve_ex(first, second).result
    singular = solution.detach().isfinite().logical_not() & (first + second).detach().isfinite().all(-1, keepdim=True)
    refuse_where(
        singular.any(-1),
        lambda: f"the source frame does not span the vectors of {algebra}; give {algebra.dim} independent vectors",
    )
    return move(_rotor_of(solution.mT, algebra), algebra.even, target_layout).to(source.dtype)


def _vectors_of(values: Tensor, layout: Layout) -> Tensor:
    """Return multivectors on the vectors, which they have to be."""
    values = values.float() if values.dtype in _HALF else values
    outside = refuse_other_grades(values, layout, (1,), "rotor_from_frames", "vectors")
    vectors = move(values, layout, layout.algebra.vectors)
    return vectors if outside is None else torch.where(outside, torch.nan, vectors)
