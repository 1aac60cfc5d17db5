"""Multivectors as matrices: the geometric product as a matrix product."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet._graphs import constant_in_graphs
from cliffnet.algebra import Algebra, Layout, matrix_entries, matrix_pieces, matrix_places, matrix_shape
from cliffnet.errors import DTypeError, LayoutError, ShapeError
from cliffnet.functional._autocast import without_autocast
from cliffnet.functional._checks import check_algebra, check_multivector
from cliffnet.functional._layouts import full_unless_given

_REAL = {torch.complex64: torch.float32, torch.complex128: torch.float64}
_HALF = (torch.bfloat16, torch.float16)

# most rows of a matrix of an algebra that is not dense: a minute and half a gigabyte for four times as many
_LARGEST = 1 << 10


class _Tables(NamedTuple):
    """The gathers of both directions for one layout."""

    sources: Tensor
    source_factors: Tensor
    entries: Tensor
    entry_factors: Tensor | None
    pieces: Tensor
    places: Tensor
    place_factors: Tensor
    hadamard: Tensor


class _Numbers(NamedTuple):
    """The same as plain numbers."""

    sources: tuple[int, ...]
    source_factors: tuple[float, ...]
    entries: tuple[int, ...]
    entry_factors: tuple[float, ...] | None
    pieces: tuple[int, ...]
    places: tuple[int, ...]
    place_factors: tuple[float, ...]
    hadamard: tuple[tuple[float, ...], ...]


@constant_in_graphs
def _numbers(layout: str) -> _Numbers:
    shape, places = matrix_shape(layout), matrix_places(layout)
    # words that no blade uses read the first blade, times zero
    sources, source_factors = [0] * shape.words, [0.0] * shape.words
    for index, (position, factor) in enumerate(places):
        sources[position], source_factors[position] = index, factor
    entries, entry_factors = matrix_entries(layout)
    columns = range(shape.columns)
    return _Numbers(
        tuple(sources),
        tuple(source_factors),
        tuple(entries),
        None if all(factor == 1.0 for factor in entry_factors) else tuple(entry_factors),
        tuple(matrix_pieces(layout)),
        tuple(position for position, _ in places),
        tuple(1 / (factor * shape.columns) for _, factor in places),
        tuple(tuple(1.0 - 2.0 * ((row & column).bit_count() & 1) for column in columns) for row in columns),
    )


def _make_tables(layout: str, dtype: torch.dtype, device: torch.device) -> _Tables:
    numbers = _numbers(layout)
    factors = numbers.entry_factors
    return _Tables(
        torch.tensor(numbers.sources, dtype=torch.int64, device=device),
        torch.tensor(numbers.source_factors, dtype=dtype, device=device),
        torch.tensor(numbers.entries, dtype=torch.int64, device=device),
        None if factors is None else torch.tensor(factors, dtype=dtype, device=device),
        torch.tensor(numbers.pieces, dtype=torch.int64, device=device),
        torch.tensor(numbers.places, dtype=torch.int64, device=device),
        torch.tensor(numbers.place_factors, dtype=dtype, device=device),
        torch.tensor(numbers.hadamard, dtype=dtype, device=device),
    )


_kept_tables = cache(_make_tables)


def _tables(layout: str, dtype: torch.dtype, device: torch.device) -> _Tables:
    """Return the tables; kept between calls except where a mode would leave its own kind of tensor behind.

    Graphs make them of numbers: the sizes of tensors that they took as constants could become symbolic.
    """
    if (
        torch.compiler.is_compiling()
        or torch._C._len_torch_dispatch_stack()
        or torch._C._are_functorch_transforms_active()
    ):
        return _make_tables(layout, dtype, device)
    with torch.inference_mode(False):
        return _kept_tables(layout, dtype, device)


def to_matrix(a: Tensor, algebra: Algebra, *, layout: Layout | None = None) -> Tensor:
    """Represent multivectors by square matrices: ``to_matrix(a b) = to_matrix(a) @ to_matrix(b)``.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., layout.size)``.
    algebra : Algebra
        The algebra of ``a``.
    layout : Layout, optional
        Layout of ``a``; full multivectors if omitted.

    Returns
    -------
    Tensor
        Shape ``(..., M, M)``, real where the non-degenerate part of the algebra is made of real matrices and complex
        otherwise; single precision for half-precision ``a``. With two simple parts (:attr:`Algebra.matrix_type` starts
        with 2) it is block diagonal. ``r`` null generators make it block lower triangular, ``2^r`` by ``2^r`` blocks,
        each a matrix of the non-degenerate part, or of that with one more generator where ``p + q`` is odd.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If the tensor does not fit the layout.
    LayoutError
        If the algebra has more than 12 generators and matrices of more than 1024 rows.

    Notes
    -----
    Faithful: different multivectors have different matrices. Each blade is a tensor product of Pauli matrices, so the
    matrix is a gather, a Hadamard transform and a gather: ``N^1.5`` multiply-adds at most. In a metric with entries
    other than 1, -1 and 0 a blade is scaled by the square roots of their magnitudes. Every entry depends on many
    coefficients, so one NaN or infinity spoils them. A change of basis (Pin) is a similarity of the matrices.

    References
    ----------
    Leopardi, A generalized FFT for Clifford algebras, Bull. Belg. Math. Soc. 11 (2005).

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> F.to_matrix(torch.tensor([1.0, 2.0, 0.0, 3.0]), Algebra(2)).tolist()
    [[3.0, 3.0], [-3.0, -1.0]]
    """
    layout = full_unless_given(algebra, layout)
    check_multivector(a, algebra, layout=layout)
    if a.dtype in _HALF:
        a = a.float()
    _check_size(algebra)
    shape = matrix_shape(layout.key)
    if not layout.size:
        dtype = torch.promote_types(a.dtype, torch.complex64) if shape.is_complex else a.dtype
        return a.new_zeros((*a.shape[:-1], shape.size, shape.size), dtype=dtype)
    tables = _tables(layout.key, a.dtype, a.device)
    words = a.index_select(-1, tables.sources) * tables.source_factors
    with without_autocast(a.device):
        parts = (words.unflatten(-1, (-1, shape.columns)) @ tables.hadamard).flatten(-2)
    parts = parts.unflatten(-1, (1 + shape.is_complex, -1)).index_select(-1, tables.entries)
    if tables.entry_factors is not None:
        parts = parts * tables.entry_factors
    parts = parts.unflatten(-1, (shape.size, shape.size))
    if shape.is_complex:
        return torch.complex(parts.select(-3, 0), parts.select(-3, 1))
    real: Tensor = parts.squeeze(-3)
    return real


def from_matrix(matrix: Tensor, algebra: Algebra, *, out_layout: Layout | None = None) -> Tensor:
    """Return the multivectors of matrices: the inverse of :func:`to_matrix`.

    Parameters
    ----------
    matrix : Tensor
        Shape ``(..., M, M)`` as :func:`to_matrix` returns it.
    algebra : Algebra
        The algebra of the result.
    out_layout : Layout, optional
        Layout of the result; full multivectors if omitted. Other blades are dropped.

    Returns
    -------
    Tensor
        Shape ``(..., out_layout.size)``, real. Of a matrix that is none of a multivector, the part that is one, read
        from the first block column where there are null generators.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If the matrix is not of the size and the number type that :func:`to_matrix` returns.
    LayoutError
        As in :func:`to_matrix`.

    Notes
    -----
    Linear in the matrix. A similarity by the matrix of a versor becomes the action of the versor (Pin).

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> F.from_matrix(torch.tensor([[3.0, 3.0], [-3.0, -1.0]]), Algebra(2)).tolist()
    [1.0, 2.0, 0.0, 3.0]
    """
    layout = full_unless_given(algebra, out_layout)
    _check_size(algebra)
    shape = matrix_shape(layout.key)
    _check_matrix(matrix, algebra, shape.size, shape.is_complex)
    tables = _tables(layout.key, _REAL.get(matrix.dtype, matrix.dtype), matrix.device)
    parts = torch.stack((matrix.real, matrix.imag), -3) if shape.is_complex else matrix.unsqueeze(-3)
    words = parts.flatten(-2).index_select(-1, tables.pieces)
    with without_autocast(matrix.device):
        words = (words.unflatten(-1, (-1, shape.columns)) @ tables.hadamard).flatten(-3)
    coefficients: Tensor = words.index_select(-1, tables.places) * tables.place_factors
    return coefficients


def _check_size(algebra: Algebra) -> None:
    """Refuse matrices that are too large to be written down, before their form is searched for."""
    rows = 1 << (algebra.p + algebra.q + 1) // 2 + algebra.r
    if rows > _LARGEST and not algebra.is_dense:
        raise LayoutError(
            f"matrices of {algebra} have up to {rows} rows, but {_LARGEST} at most are made; use an algebra of fewer "
            "generators, or F.left_matrix with the layouts of both factors"
        )


def _check_matrix(matrix: Tensor, algebra: Algebra, size: int, is_complex: bool) -> None:
    """Refuse a tensor that :func:`to_matrix` cannot have returned."""
    check_algebra(algebra)
    expected = (torch.complex64, torch.complex128) if is_complex else (torch.float32, torch.float64)
    if not isinstance(matrix, Tensor) or matrix.dtype not in expected:
        given = matrix.dtype if isinstance(matrix, Tensor) else type(matrix).__name__
        names = " or ".join(str(dtype).removeprefix("torch.") for dtype in expected)
        raise DTypeError(f"the matrix is {given}, but matrices of {algebra} are {names}; convert it with .to()")
    if matrix.dim() < 2 or matrix.shape[-2] != size or matrix.shape[-1] != size:
        raise ShapeError(
            f"the matrix has shape {tuple(matrix.shape)}, but matrices of {algebra} have {size} rows and columns"
        )
