"""Moving coefficients between layouts, and the frame that functions on layouts share."""

from collections.abc import Callable

import torch
from torch import Tensor

from cliffnet import ops
from cliffnet.algebra import Algebra, Layout, product_plan, relocation
from cliffnet.errors import LayoutError
from cliffnet.functional._autocast import without_autocast
from cliffnet.functional._checks import check_algebra, check_layout, check_multivector
from cliffnet.functional._constants import constant
from cliffnet.functional._format import is_blade_major

_HALF = (torch.bfloat16, torch.float16)

OnLayout = Callable[[Tensor, Layout], tuple[Tensor, Layout]]


def multiply(kind: str, a: Tensor, b: Tensor, a_layout: Layout, b_layout: Layout, out_layout: Layout) -> Tensor:
    """Multiply operands that are known to fit: the product ``kind``, computed only where ``out_layout`` has blades."""
    return ops.bilinear(a, b, product_plan(kind, a_layout.key, b_layout.key, out_layout.key))


def move(x: Tensor, source: Layout, target: Layout) -> Tensor:
    """Return the coefficients of one layout in another; blades that the target lacks are dropped."""
    if source is target:
        return x
    return place(x, relocation(source.key, target.key), target.size)


def place(x: Tensor, entries: tuple[tuple[int, int, float], ...], size: int) -> Tensor:
    """Apply a map of blades to signed blades, given as entries ``(out, in, coefficient)`` with distinct outputs."""
    entries = tuple(sorted(entries))
    sources = constant(tuple(entry[1] for entry in entries), torch.int64, x.device)
    # blade-major tensors are indexed plane by plane, which keeps their format
    planes = is_blade_major(x)
    axis = 0 if planes else -1
    values = x.movedim(-1, 0) if planes else x
    mapped = values.index_select(axis, sources)
    coefficients = tuple(entry[2] for entry in entries)
    if any(coefficient != 1.0 for coefficient in coefficients):
        factors = constant(coefficients, x.dtype, x.device)
        mapped = mapped * (factors.reshape(-1, *(1,) * (values.dim() - 1)) if planes else factors)
    if len(entries) != size:
        targets = constant(tuple(entry[0] for entry in entries), torch.int64, x.device)
        shape = (size, *values.shape[1:]) if planes else (*values.shape[:-1], size)
        mapped = values.new_zeros(shape).index_copy(axis, targets, mapped)
    return mapped.movedim(0, -1) if planes else mapped


def change_layout(x: Tensor, source: Layout, target: Layout, *, project: bool = False) -> Tensor:
    """Return the same multivectors on another layout.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., source.size)``.
    source, target : Layout
        Layouts of the argument and the result, of one algebra.
    project : bool
        Drop the blades that ``target`` lacks, instead of refusing.

    Returns
    -------
    Tensor
        Shape ``(..., target.size)``; blades that ``source`` lacks are zero.

    Raises
    ------
    LayoutError
        If ``target`` lacks a blade of ``source`` and ``project`` is not set.

    Notes
    -----
    Without ``project`` the multivectors stay the same, so every group commutes with it.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(2)
    >>> F.change_layout(torch.tensor([1.0, 2.0]), algebra.vectors, algebra.full).tolist()
    [0.0, 1.0, 2.0, 0.0]
    """
    for layout in (source, target):
        # before it is asked for its algebra
        check_layout(layout, source.algebra if isinstance(source, Layout) else None)
    check_multivector(x, source.algebra, layout=source)
    if not project:
        check_holds(target, source)
    return move(x, source, target)


def check_holds(target: Layout, source: Layout) -> None:
    """Refuse a target that lacks blades of the source."""
    if not target.holds(source):
        missing = (source - target).describe()
        raise LayoutError(f"{target!r} lacks {missing} of {source!r}; choose a larger layout or pass project=True")


def full_unless_given(algebra: Algebra, layout: Layout | None) -> Layout:
    """Return the layout, checked to be one of the algebra, or that of full multivectors."""
    check_algebra(algebra)
    if layout is None:
        return algebra.full
    check_layout(layout, algebra)
    return layout


def apply(
    function: OnLayout,
    a: Tensor,
    algebra: Algebra,
    layout: Layout | None,
    out_layout: Layout | None,
) -> Tensor:
    """Run a function of one multivector on a layout and return its result on the layout that the caller wants.

    Parameters
    ----------
    function : callable
        Takes values and their layout, returns values and theirs. Half precision reaches it as single.
    a : Tensor
        Shape ``(..., layout.size)``.
    algebra : Algebra
        The algebra of ``a``.
    layout : Layout, optional
        Layout of ``a``; full multivectors if omitted.
    out_layout : Layout, optional
        Layout of the result: if omitted, full when ``layout`` is, else what ``function`` returns. Blades it lacks are
        dropped.
    """
    given = full_unless_given(algebra, layout)
    check_multivector(a, algebra, layout=given)
    target = full_unless_given(algebra, out_layout) if layout is None or out_layout is not None else None
    half = a.dtype in _HALF
    # no autocast: products of matrices inside keep the precision of the argument
    with without_autocast(a.device):
        values, result_layout = function(a.float() if half else a, given)
    if target is not None:
        if result_layout.size and target.size and not (result_layout & target).size:
            raise LayoutError(
                f"the result lies in {result_layout!r}, but {target!r} was asked for, which holds none of it"
            )
        values = move(values, result_layout, target)
    return values.to(a.dtype) if half else values
