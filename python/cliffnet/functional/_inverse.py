"""Inverses of multivectors."""

from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import LayoutError, NotInvertibleError
from cliffnet.functional._adjugate import adjugate, recipe
from cliffnet.functional._constants import constant
from cliffnet.functional._core import core, core_norm, core_scale, matrix_size
from cliffnet.functional._domain import refuse
from cliffnet.functional._layouts import apply, move, multiply, place
from cliffnet.functional._matrix import from_matrix, to_matrix


def inverse(a: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None) -> Tensor:
    """Return the two-sided inverse: ``a x = x a = 1``.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout. Any elements, not only versors.
    algebra : Algebra
        The algebra of ``a``.
    layout, out_layout : Layout, optional
        Layouts of ``a`` and the result; full multivectors if omitted, and a missing ``out_layout`` means the blades
        that inverses of elements on ``layout`` can have.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout. NaN where ``a`` holds NaN or infinity.

    Raises
    ------
    NotInvertibleError
        If an element is singular to working precision: ``|a| |x| >= 1 / eps`` in the coefficient norm weighted by the
        magnitude of the blades, or ``a x`` is no nearer to 1 than that of a singular element can be. Not raised inside
        compiled graphs and transforms, where such elements give NaN.
    LayoutError
        If the algebra has more than 12 generators and elements of the layout have no closed form.
    ShapeError, DTypeError, AlgebraMismatchError
        If ``a`` does not hold multivectors of the algebra.

    Notes
    -----
    Elements with a scalar ``a conjugate(a)`` or ``a reverse(a)`` are divided by it, others of up to five generators
    multiplied by further conjugates [1]_; beyond, the matrix of the non-degenerate part is inverted. With null
    generators Newton's iteration ``x (2 - a x)`` then ends exactly. Computed in double precision. Equivariant under
    Pin, as under every automorphism: ``inverse(g.a) = g.inverse(a)``.

    References
    ----------
    .. [1] Hitzer and Sangwine, Multivector and multivector matrix inverses in real Clifford algebras,
       Appl. Math. Comput. 311 (2017).

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> F.inverse(torch.tensor([3.0, 1.0]), Algebra(1)).tolist()
    [0.375, -0.125]
    """
    return apply(lambda values, given: _refusing(values, given), a, algebra, layout, out_layout)


def inverse_ex(
    a: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None
) -> tuple[Tensor, Tensor]:
    """Return the two-sided inverse and where there is none, without an error.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout.
    algebra : Algebra
        The algebra of ``a``.
    layout, out_layout : Layout, optional
        As for :func:`inverse`.

    Returns
    -------
    inverse : Tensor
        As :func:`inverse` returns it; NaN where there is none.
    info : Tensor
        Shape ``(...)``, int32: 1 where :func:`inverse` would refuse the element, else 0.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError, LayoutError
        If ``a`` does not hold multivectors of the algebra, or the layout has no inverse in it.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> F.inverse_ex(torch.tensor([[2.0, 0.0], [1.0, 1.0]]), Algebra(1))[1].tolist()
    [0, 1]
    """
    infos: list[Tensor] = []

    def function(values: Tensor, given: Layout) -> tuple[Tensor, Layout]:
        result = invert(values, given)
        infos.append(result.is_singular)
        return result.values, result.layout

    values = apply(function, a, algebra, layout, out_layout)
    return values, infos[0].to(torch.int32)


class Inverse(NamedTuple):
    """Inverses on a layout, NaN where there is none, and a flag there."""

    values: Tensor
    layout: Layout
    is_singular: Tensor


def invert(a: Tensor, layout: Layout) -> Inverse:
    """Return inverses of single- or double-precision elements, without refusing any."""
    wide = a.double()
    # null blades do not count, so they cannot drown the others
    scale = core_scale(wide, layout)
    unit = wide * scale.reciprocal()
    values, out = _inverse_of_unit(unit, layout)
    # zero, or NaN where a coefficient is not finite
    is_finite = (wide.detach() * 0.0).sum(-1) == 0
    is_none = ~_is_inverse(unit.detach(), layout, values.detach(), out, torch.finfo(a.dtype).eps) | ~is_finite
    is_singular = is_none & is_finite
    values = values * scale.reciprocal().masked_fill(is_none.unsqueeze(-1), torch.nan)
    return Inverse(values.to(a.dtype), out, is_singular)


def _refusing(values: Tensor, layout: Layout) -> tuple[Tensor, Layout]:
    result = invert(values, layout)
    refuse(result.is_singular, lambda: not_invertible(result.is_singular, layout.algebra))
    return result.values, result.layout


def not_invertible(flag: Tensor, algebra: Algebra) -> NotInvertibleError:
    """Return the error for a batch with singular elements."""
    where = tuple(flag.nonzero()[0].tolist())
    found = (
        f"{int(flag.sum())} of {flag.numel()} elements of {algebra} have no inverse, the first at index {where}"
        if where
        else f"the element of {algebra} has no inverse"
    )
    return NotInvertibleError(f"{found} (singular to working precision); inverse_ex tells where without an error")


def _matrix_out(layout: Layout) -> Layout:
    """Return where inverses lie that are found through matrices: parity is all that they keep."""
    algebra = layout.algebra
    if not algebra.is_dense:
        raise LayoutError(
            f"elements of {layout!r} have no inverse in closed form, and {algebra} has too many blades for another "
            "way; use a smaller algebra, or a layout such as algebra.vectors"
        )
    return algebra.even if layout.is_even else algebra.odd if layout.is_odd else algebra.full


def _inverse_of_unit(a: Tensor, layout: Layout) -> tuple[Tensor, Layout]:
    steps = recipe(layout)
    if steps is not None:
        result = adjugate(a, layout, steps)
        return result.values / result.norm.unsqueeze(-1), result.layout
    algebra, out = layout.algebra, _matrix_out(layout)
    part = core(layout)
    values = _inverse_in_core(place(a, part.into, part.full.size), part.full)
    if not algebra.r:
        return move(place(values, part.out_of, algebra.num_blades), algebra.full, out), out
    x, full = place(values, part.out_of, algebra.num_blades), algebra.full
    dense = move(a, layout, full)
    # the error is nilpotent of order r + 1, and every step squares it
    for _ in range(algebra.r.bit_length()):
        correction = 2.0 * _one(full, a) - multiply("geometric_product", dense, x, full, full, full)
        x = multiply("geometric_product", x, correction, full, full, full)
    return move(x, full, out), out


def _inverse_in_core(a: Tensor, full: Layout) -> Tensor:
    steps = recipe(full)
    if steps is not None:
        result = adjugate(a, full, steps)
        return result.values / result.norm.unsqueeze(-1)
    matrix, _ = torch.linalg.inv_ex(to_matrix(a, full.algebra))
    return from_matrix(matrix, full.algebra)


def _one(layout: Layout, like: Tensor) -> Tensor:
    return constant(tuple(0.0 if mask else 1.0 for mask in layout.blade_masks), like.dtype, like.device)


def _is_inverse(a: Tensor, layout: Layout, x: Tensor, x_layout: Layout, eps: float) -> Tensor:
    """Tell where elements have the inverse that they are given.

    For a singular ``a`` and any ``x`` the matrix of ``a x - 1`` has a singular value of at least 1, hence a core norm
    of at least ``matrix_size^-1/2``. Half of that leaves room for rounding, unless ``|a| |x|`` is as large as
    ``1 / eps``.
    """
    out = (layout.product(x_layout) | layout.algebra.scalars).without_null()
    residual = multiply("geometric_product", a, x, layout, x_layout, out) - _one(out, a)
    near_one: Tensor = core_norm(residual, out) < 0.5 * matrix_size(layout.algebra.dim) ** -0.5
    moderate: Tensor = core_norm(a, layout) * core_norm(x, x_layout) < 1.0 / eps
    return near_one & moderate
