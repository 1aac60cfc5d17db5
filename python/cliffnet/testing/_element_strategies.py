"""Strategies for multivectors, vectors and blades."""

import itertools

import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import Tensor

from cliffnet import functional as F
from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import DomainError, GradeError
from cliffnet.testing._numbers import BatchShape, Elements, check, coefficients, in_batches, put, squares

# A float vector closer to a null one than this is as good as null: its inverse has lost a digit and more.
_NULL = 0.05


def multivectors(
    algebra: Algebra,
    layout: Layout | None = None,
    elements: Elements = "int",
    batch_shape: BatchShape = (),
    dtype: torch.dtype = torch.float64,
) -> SearchStrategy[Tensor]:
    """Draw multivectors; shrinks to zero.

    Parameters
    ----------
    algebra : Algebra
        The algebra.
    layout : Layout, optional
        Blades to draw, instead of all.
    elements : {"int", "float"}
        Integers from -4 to 4, on which polynomial identities of three factors are exact in every dtype from float32
        up to 6 generators, or floating-point numbers of that range, of which none but 0 is below 2^-10.
    batch_shape : tuple of int or strategy
        Leading axes.
    dtype : torch.dtype
        The dtype of the tensor.

    Returns
    -------
    SearchStrategy of Tensor
        Shape ``(*batch_shape, layout.size)``.

    Raises
    ------
    AlgebraMismatchError
        If the layout belongs to another algebra.
    ConfigError
        If ``elements`` is unknown.
    """
    check(algebra, layout)
    size = algebra.full.size if layout is None else layout.size
    coefficients((0,), elements, dtype)
    return in_batches(batch_shape, lambda shape: coefficients((*shape, size), elements, dtype))


def vectors(
    algebra: Algebra,
    nonnull: bool = True,
    layout: Layout | None = None,
    elements: Elements = "int",
    batch_shape: BatchShape = (),
    dtype: torch.dtype = torch.float64,
) -> SearchStrategy[Tensor]:
    """Draw vectors; shrinks to the first generator of non-zero square, or to zero where null vectors are allowed.

    Parameters
    ----------
    algebra : Algebra
        The algebra.
    nonnull : bool
        Draw only vectors with ``v^2 != 0``, which have inverses; float ones keep a distance from null ones.
    layout, elements, batch_shape, dtype
        As in :func:`multivectors`.

    Returns
    -------
    SearchStrategy of Tensor
        Shape ``(*batch_shape, num_blades)``, or of the layout.

    Raises
    ------
    DomainError
        If every vector of the algebra is null.
    LayoutError
        If the layout cannot hold vectors.
    """
    check(algebra, layout)
    return put(vectors_on(algebra, nonnull, elements, batch_shape, dtype, largest=4), algebra.vectors, layout)


def vectors_on(
    algebra: Algebra, nonnull: bool, elements: Elements, batch_shape: BatchShape, dtype: torch.dtype, largest: int
) -> SearchStrategy[Tensor]:
    """Draw vectors on the layout of vectors."""
    drawn = in_batches(
        batch_shape, lambda shape: coefficients((*shape, algebra.vectors.size), elements, dtype, largest)
    )
    if not nonnull:
        return drawn
    metric = squares(algebra, dtype)
    if not metric.any():
        raise DomainError(f"every vector of {algebra} squares to zero; pass nonnull=False to draw those")
    generator = torch.zeros_like(metric)
    generator[metric.nonzero()[0]] = 1.0

    def replaced(v: Tensor) -> Tensor:
        null = (metric * v**2).sum(-1).abs() <= (0 if elements == "int" else _NULL) * (metric.abs() * v**2).sum(-1)
        return torch.where(null.unsqueeze(-1), generator, v)

    return drawn.map(replaced)


def blades(
    algebra: Algebra,
    grade: int,
    layout: Layout | None = None,
    elements: Elements = "int",
    batch_shape: BatchShape = (),
    dtype: torch.dtype = torch.float64,
) -> SearchStrategy[Tensor]:
    """Draw blades, outer products of ``grade`` vectors that are not zero; shrinks to the first basis blade.

    Each is a multiple of the outer product of the rows of a matrix in echelon form, so every subspace with integer
    (or float) coordinates of that range is drawn, null ones included. Coefficients are minors of that matrix: integers,
    but not of one digit.

    Parameters
    ----------
    algebra : Algebra
        The algebra.
    grade : int
        Number of vectors.
    layout, elements, batch_shape, dtype
        As in :func:`multivectors`.

    Returns
    -------
    SearchStrategy of Tensor
        Shape ``(*batch_shape, num_blades)``, or of the layout.

    Raises
    ------
    GradeError
        If the algebra has no such grade.
    LayoutError
        If the layout cannot hold the grade.
    """
    check(algebra, layout)
    if grade not in range(algebra.dim + 1):
        raise GradeError(f"{algebra} has no blades of grade {grade!r}; its grades are 0 to {algebra.dim}")
    target = algebra.layout(grades=(grade,))
    pivots = st.sampled_from(list(itertools.combinations(range(algebra.dim), grade)))
    sizes = st.sampled_from([1.0, -1.0, 2.0, -2.0, 3.0, -3.0])
    coefficients((0,), elements, dtype)

    def of_shape(shape: tuple[int, ...]) -> SearchStrategy[Tensor]:
        rows = coefficients((*shape, grade, algebra.dim), elements, dtype)
        return st.builds(lambda columns, size, matrix: size * _outer(algebra, matrix, columns), pivots, sizes, rows)

    return put(in_batches(batch_shape, of_shape), target, layout)


def _outer(algebra: Algebra, rows: Tensor, pivots: tuple[int, ...]) -> Tensor:
    """Return the outer product of rows that are made independent: the identity in the columns of the pivots."""
    identity = torch.eye(len(pivots), dtype=rows.dtype)
    rows = rows.clone()
    rows[..., list(pivots)] = identity
    result, layout = rows.new_ones(*rows.shape[:-2], 1), algebra.scalars
    for k in range(len(pivots)):
        target = algebra.layout(grades=(k + 1,))
        result = F.outer_product(
            result, rows[..., k, :], algebra, a_layout=layout, b_layout=algebra.vectors, out_layout=target
        )
        layout = target
    return result
