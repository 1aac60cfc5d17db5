"""Matrices of multiplication and of the action of versors, on the coefficients of multivectors."""

from functools import cache

import torch
from torch import Tensor

from cliffnet._graphs import constant_in_graphs
from cliffnet.algebra import Algebra, Layout, metric_and_blades
from cliffnet.functional._checks import check_multivector
from cliffnet.functional._invariants import sandwich
from cliffnet.functional._layouts import full_unless_given

_Table = tuple[Tensor, Tensor]

# beyond this many entries a table is made anew for each call, which costs less than the memory to keep it
_LARGEST_KEPT = 1 << 20


def left_matrix(
    a: Tensor,
    algebra: Algebra,
    *,
    layout: Layout | None = None,
    in_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Return the matrix of multiplication from the left: ``left_matrix(a) @ b`` holds the coefficients of ``a b``.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``a``.
    layout, in_layout, out_layout : Layout, optional
        Layouts of ``a``, of ``b`` (the columns) and of the product (the rows). Full multivectors if omitted, except
        that a missing ``out_layout`` means all blades that the other two reach.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades, num_blades)``, or the sizes of ``out_layout`` and ``in_layout``.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``a`` does not hold multivectors of the algebra, or a layout is of another one.

    Notes
    -----
    The regular representation: ``left_matrix(a b) = left_matrix(a) @ left_matrix(b)``. Entries are coefficients of
    ``a`` up to sign and metric.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> F.left_matrix(torch.tensor([2.0, 3.0]), Algebra.complex())
    tensor([[ 2., -3.],
            [ 3.,  2.]])
    """
    return _multiplication_matrix(a, algebra, layout, in_layout, out_layout, "left")


def right_matrix(
    a: Tensor,
    algebra: Algebra,
    *,
    layout: Layout | None = None,
    in_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Return the matrix of multiplication from the right: ``right_matrix(a) @ b`` holds the coefficients of ``b a``.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``a``.
    layout, in_layout, out_layout : Layout, optional
        Layouts of ``a``, of ``b`` (the columns) and of the product (the rows), as in :func:`left_matrix`.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades, num_blades)``, or the sizes of ``out_layout`` and ``in_layout``.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``a`` does not hold multivectors of the algebra, or a layout is of another one.

    Notes
    -----
    ``right_matrix(a b) = right_matrix(b) @ right_matrix(a)``; commutes with every :func:`left_matrix`.
    """
    return _multiplication_matrix(a, algebra, layout, in_layout, out_layout, "right")


def sandwich_matrix(
    versor: Tensor,
    algebra: Algebra,
    *,
    unit: bool = False,
    inverse: bool = False,
    layout: Layout | None = None,
    versor_layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Return the matrix of the action of a versor: ``V x V^-1``, or ``V involute(x) V^-1`` for odd ``V``.

    Parameters
    ----------
    versor : Tensor
        Shape ``(..., num_blades)``, or the size of its layout: products of invertible vectors, of any magnitude.
    algebra : Algebra
        The algebra.
    unit, inverse : bool
        As in :func:`sandwich`.
    layout : Layout, optional
        Layout of ``x``, the columns; full multivectors if omitted.
    versor_layout : Layout, optional
        Layout of the versor; full multivectors if omitted.
    out_layout : Layout, optional
        Layout of the rows; all blades of the grades of ``layout`` if omitted, which versors preserve.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades, num_blades)``, or the sizes of ``out_layout`` and ``layout``: square for a layout of
        whole grades.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If the versor does not hold multivectors of the algebra, or a layout is of another one.

    Notes
    -----
    A representation of Pin: the matrix of ``V W`` is the product of the matrices. On ``algebra.vectors`` it preserves
    the metric.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(2)
    >>> reflection = torch.tensor([1.0, 0.0])
    >>> F.sandwich_matrix(reflection, algebra, versor_layout=algebra.vectors, layout=algebra.vectors)
    tensor([[-1.,  0.],
            [ 0.,  1.]])
    """
    source = full_unless_given(algebra, layout)
    check_multivector(versor, algebra, "the versor", full_unless_given(algebra, versor_layout))
    basis = torch.eye(source.size, dtype=versor.dtype, device=versor.device)
    images = sandwich(
        versor.unsqueeze(-2),
        basis,
        algebra,
        unit=unit,
        inverse=inverse,
        versor_layout=versor_layout,
        x_layout=source,
        out_layout=source.whole_grades() if out_layout is None else out_layout,
    )
    return images.mT


def _multiplication_matrix(
    a: Tensor,
    algebra: Algebra,
    layout: Layout | None,
    in_layout: Layout | None,
    out_layout: Layout | None,
    side: str,
) -> Tensor:
    factor, columns = full_unless_given(algebra, layout), full_unless_given(algebra, in_layout)
    check_multivector(a, algebra, layout=factor)
    if out_layout is not None:
        rows = full_unless_given(algebra, out_layout)
    else:
        rows = factor.product(columns) if side == "left" else columns.product(factor)
    places, coefficients = _table(factor.key, columns.key, rows.key, side, a.dtype, a.device)
    # entries that no blade of a reaches read the zero put at the end
    padded = torch.cat((a, a.new_zeros(*a.shape[:-1], 1)), -1)
    entries = padded.index_select(-1, places) * coefficients
    return entries.reshape(*a.shape[:-1], rows.size, columns.size)


@constant_in_graphs
def _table(factor: str, columns: str, rows: str, side: str, dtype: torch.dtype, device: torch.device) -> _Table:
    """Return, for each entry of the matrix, which coefficient of ``a`` it holds and times what."""
    size = len(metric_and_blades(columns)[1][0]) * len(metric_and_blades(rows)[1][0])
    kept = size <= _LARGEST_KEPT
    if not kept or torch._C._len_torch_dispatch_stack() or torch._C._are_functorch_transforms_active():
        return _make_table(factor, columns, rows, side, dtype, device)
    with torch.inference_mode(False):
        return _kept_table(factor, columns, rows, side, dtype, device)


def _make_table(factor: str, columns: str, rows: str, side: str, dtype: torch.dtype, device: torch.device) -> _Table:
    metric = metric_and_blades(factor)[0]
    factors, factor_signs = _blades(factor)
    column_masks, column_signs = _blades(columns)
    row_masks, row_signs = _blades(rows)
    missing = len(factors)
    others = (row_masks.unsqueeze(-1) ^ column_masks).flatten()
    column_masks = column_masks.expand(len(row_masks), -1).flatten()
    ordered, order = factors.sort()
    found = torch.searchsorted(ordered, others).clamp_max(max(missing - 1, 0))
    places = torch.where(ordered[found] == others, order[found], missing) if missing else torch.zeros_like(others)
    left, right = (others, column_masks) if side == "left" else (column_masks, others)
    coefficients = torch.where(_odd_swaps(left, right), -1.0, 1.0).double()
    for i, square in enumerate(metric):
        if square != 1.0:
            coefficients = torch.where((left & right) >> i & 1 == 1, coefficients * square, coefficients)
    places = torch.where(coefficients == 0.0, missing, places)
    signs = torch.cat((factor_signs, factor_signs.new_ones(1)))[places]
    signs = signs * (row_signs.unsqueeze(-1) * column_signs).flatten()
    return places.to(device), (coefficients * signs).to(device=device, dtype=dtype)


_kept_table = cache(_make_table)


def _blades(layout: str) -> _Table:
    masks, signs = metric_and_blades(layout)[1]
    # on the CPU whatever the default device: some have no double precision
    return torch.tensor(masks, dtype=torch.int64, device="cpu"), torch.tensor(signs, dtype=torch.float64, device="cpu")


def _odd_swaps(left: Tensor, right: Tensor) -> Tensor:
    """Tell whether an odd number of swaps sorts the generators of two blades, given as bit masks."""
    # bit i: the parity of the generators of the left blade above i
    above = left >> 1
    for shift in (1, 2, 4, 8, 16, 32):
        above = above ^ (above >> shift)
    pairs = above & right
    for shift in (32, 16, 8, 4, 2, 1):
        pairs = pairs ^ (pairs >> shift)
    odd: Tensor = (pairs & 1).bool()
    return odd
