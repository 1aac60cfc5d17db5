"""Linear maps of vectors extended to all blades."""

import torch
from torch import Tensor

from cliffnet._graphs import kept_object
from cliffnet.algebra import Algebra, Layout, layout_of_key
from cliffnet.errors import DTypeError, NotInvertibleError, ShapeError
from cliffnet.functional._autocast import without_autocast
from cliffnet.functional._blade_recursion import GradeStep, blade_recursion
from cliffnet.functional._checks import FLOATING, check_algebra, check_together
from cliffnet.functional._constants import constant
from cliffnet.functional._layouts import apply, full_unless_given, move, multiply

_HALF = (torch.bfloat16, torch.float16)


def outermorphism(
    matrix: Tensor, a: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None
) -> Tensor:
    """Extend a linear map of vectors to multivectors and apply it: ``f(a ^ b) = f(a) ^ f(b)``, ``f(1) = 1``.

    Vectors map by ``f(e_j) = sum over i of matrix[i, j] e_i``; on grade ``k`` the map is the ``k``-th compound matrix,
    whose entries are the minors of size ``k``.

    Parameters
    ----------
    matrix : Tensor
        Shape ``(..., n, n)``: column ``j`` holds the image of generator ``j``, in the order of ``algebra.metric``.
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout; leading axes broadcast with those of ``matrix``.
    algebra : Algebra
        The algebra of ``a``.
    layout, out_layout : Layout, optional
        Layouts of ``a`` and of the result. If both are omitted, full multivectors; a missing ``out_layout`` means all
        blades of the grades of ``layout``, which the map preserves.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout of the result.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the matrix is not square of size ``n``, or the arguments do not fit each other.

    Notes
    -----
    Independent of the metric. ``f(I) = det(matrix) I``, and maps compose: the outermorphism of ``M N`` is that of ``M``
    after that of ``N``. Commutes with Pin as far as ``matrix`` does. The images of all blades of a grade are built from
    those of the grade below, so a matrix that is shared by a batch is extended once.

    References
    ----------
    Dorst, Fontijne, Mann, Geometric Algebra for Computer Science, 2007, Section 4.2.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> scaling = torch.diag(torch.tensor([2.0, 3.0]))
    >>> F.outermorphism(scaling, torch.ones(4), Algebra(2)).tolist()
    [1.0, 2.0, 3.0, 6.0]
    """
    _check_matrix(matrix, algebra)
    given = full_unless_given(algebra, layout)
    wanted = given.whole_grades() if layout is not None and out_layout is None else out_layout

    def map_blades(values: Tensor, source: Layout) -> tuple[Tensor, Layout]:
        check_together(matrix, a, "the matrix and the multivector")
        return _map_blades(_widened(matrix).to(values.dtype), values, source)

    return apply(map_blades, a, algebra, layout, wanted)


def outermorphism_adjoint(
    matrix: Tensor, a: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None
) -> Tensor:
    """Apply the adjoint of an outermorphism: ``<reverse(f(a)) b>_0 = <reverse(a) adjoint(b)>_0``.

    The adjoint is the outermorphism of ``metric^-1 matrix^T metric``.

    Parameters
    ----------
    matrix : Tensor
        Shape ``(..., n, n)``: the map ``f`` as in :func:`outermorphism`.
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout; leading axes broadcast with those of ``matrix``.
    algebra : Algebra
        The algebra of ``a``.
    layout, out_layout : Layout, optional
        As in :func:`outermorphism`.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout of the result.

    Raises
    ------
    NotInvertibleError
        If the metric is degenerate: the inner product does not see null generators, so it determines no adjoint, and
        most maps have none.
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        As in :func:`outermorphism`.

    Notes
    -----
    ``adjoint(f(I)) = det(matrix)^2 I``. The adjoint of an orthogonal map is its inverse.
    """
    _check_matrix(matrix, algebra)
    if algebra.r:
        raise NotInvertibleError(
            f"{algebra} is degenerate, so outermorphisms have no adjoint in its inner product; for the transpose of "
            "the coefficients use outermorphism(matrix.mT, ...)"
        )
    if all(square == algebra.metric[0] for square in algebra.metric):
        return outermorphism(matrix.mT, a, algebra, layout=layout, out_layout=out_layout)
    squares = constant(algebra.metric, matrix.dtype, matrix.device)
    return outermorphism(matrix.mT * squares / squares.unsqueeze(-1), a, algebra, layout=layout, out_layout=out_layout)


def outermorphism_matrix(
    matrix: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None
) -> Tensor:
    """Return the matrix of an outermorphism on the coefficients of multivectors.

    Block diagonal in the grades: the blocks are the compound matrices of ``matrix``.

    Parameters
    ----------
    matrix : Tensor
        Shape ``(..., n, n)``: the map of vectors, as in :func:`outermorphism`.
    algebra : Algebra
        The algebra.
    layout : Layout, optional
        Blades of the columns; full multivectors if omitted.
    out_layout : Layout, optional
        Blades of the rows; all blades of the grades of ``layout`` if omitted.

    Returns
    -------
    Tensor
        Shape ``(..., out_layout.size, layout.size)``.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If the matrix is not square of size ``n``, or a layout is of another algebra.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(3)
    >>> F.outermorphism_matrix(2 * torch.eye(3), algebra, layout=algebra.pseudoscalars)
    tensor([[8.]])
    """
    _check_matrix(matrix, algebra)
    source = full_unless_given(algebra, layout)
    target = source.whole_grades() if out_layout is None else full_unless_given(algebra, out_layout)
    columns: list[Tensor] = []
    order: list[int] = []
    for grade, (step, images) in enumerate(_blade_images(_widened(matrix), source)):
        if step.rows:
            columns.append(move(_signed(_rows(images, step), step), _grade_layout(algebra, grade), target))
            order.extend(step.places)
    if not columns:
        return matrix.new_zeros((*matrix.shape[:-2], target.size, 0))
    places = tuple(order.index(place) for place in range(source.size))
    stacked = torch.cat(columns, -2).index_select(-2, constant(places, torch.int64, matrix.device))
    return stacked.mT.to(matrix.dtype)


def _check_matrix(matrix: Tensor, algebra: Algebra) -> None:
    """Refuse what is no floating matrix on the generators of the algebra."""
    check_algebra(algebra)
    if not isinstance(matrix, Tensor):
        raise DTypeError(f"the matrix is a {type(matrix).__name__}, expected a torch.Tensor")
    if matrix.dtype not in FLOATING:
        raise DTypeError(f"the matrix has dtype {matrix.dtype}, expected a floating one; convert it with .float()")
    if matrix.dim() < 2 or matrix.shape[-2:] != (algebra.dim, algebra.dim):
        raise ShapeError(
            f"the matrix has shape {tuple(matrix.shape)}, expected (..., {algebra.dim}, {algebra.dim}): column j is "
            f"the image of generator j of {algebra}"
        )


def _grade_layout(algebra: Algebra, grade: int) -> Layout:
    """Return the layout of a grade; vectors in the order of the generators, whatever the basis."""
    return _generators(algebra) if grade == 1 else algebra.layout(grades=(grade,))


def _generators(algebra: Algebra) -> Layout:
    """Return the layout of the generators in the order of ``algebra.metric``."""
    return _generators_of(algebra.vectors.key)


# layouts are made in kept functions, which graphs run: they cannot follow how a layout gets its key
@kept_object
def _generators_of(vectors: str) -> Layout:
    algebra = layout_of_key(vectors).algebra
    return Layout(algebra, [1 << i for i in range(algebra.dim)], [1] * algebra.dim)


@kept_object
def _images_of(source: str) -> Layout:
    """Return the blades of whole grades that those of a layout map to, grade after grade."""
    layout = layout_of_key(source)
    parts = [_grade_layout(layout.algebra, grade) for grade in sorted(set(layout.grades))]
    masks, signs = (
        [blade for part in parts for blade in getattr(part, name)] for name in ("blade_masks", "blade_signs")
    )
    return Layout(layout.algebra, masks, signs)


def combine_rows(values: Tensor, rows: Tensor) -> Tensor:
    """Return ``values @ rows`` for coefficients and images of their blades, in full precision under autocast too."""
    with without_autocast(values.device):
        return values @ rows if rows.dim() == 2 else (values.unsqueeze(-2) @ rows).squeeze(-2)


def _widened(matrix: Tensor) -> Tensor:
    return matrix.float() if matrix.dtype in _HALF else matrix


def _blade_images(matrix: Tensor, source: Layout) -> list[tuple[GradeStep, Tensor]]:
    """Return the images of the blades of each grade as rows, ``(..., blades, blades of the grade)``."""
    algebra, columns = source.algebra, matrix.mT
    result = []
    images = matrix.new_ones((*matrix.shape[:-2], 1, 1))
    for grade, step in enumerate(blade_recursion(source.key)):
        if grade > 0:
            vectors = columns.index_select(-2, constant(step.first, torch.int64, matrix.device))
            if grade == 1:
                images = vectors
            else:
                below = images.index_select(-2, constant(step.rest, torch.int64, matrix.device))
                layouts = (_grade_layout(algebra, k) for k in (1, grade - 1, grade))
                images = multiply("outer_product", vectors, below, *layouts)
        result.append((step, images))
    return result


def _rows(images: Tensor, step: GradeStep) -> Tensor:
    if len(step.rows) == images.shape[-2]:
        return images
    return images.index_select(-2, constant(step.rows, torch.int64, images.device))


def _signed(rows: Tensor, step: GradeStep) -> Tensor:
    if all(sign == 1.0 for sign in step.signs):
        return rows
    return rows * constant(step.signs, rows.dtype, rows.device).unsqueeze(-1)


def _map_blades(matrix: Tensor, values: Tensor, source: Layout) -> tuple[Tensor, Layout]:
    try:
        leading = torch.broadcast_shapes(matrix.shape[:-2], values.shape[:-1])
    except RuntimeError as error:
        raise ShapeError(
            f"the leading axes of the matrix {tuple(matrix.shape)} and of the multivector {tuple(values.shape)} do not "
            "broadcast; sizes must be equal or 1, aligned from the right"
        ) from error
    pieces: list[Tensor] = []
    for step, images in _blade_images(matrix, source):
        if not step.rows:
            continue
        rows = _signed(_rows(images, step), step)
        part = values.index_select(-1, constant(step.places, torch.int64, values.device))
        piece = combine_rows(part, rows)
        pieces.append(piece.expand(*leading, piece.shape[-1]))
    if not pieces:
        return values.expand(*leading, 0), source
    return torch.cat(pieces, -1), _images_of(source.key)
