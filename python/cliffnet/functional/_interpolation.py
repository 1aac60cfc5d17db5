"""Square roots of rotors, and what lies between two rotors."""

import torch
from torch import Tensor

from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import DTypeError, ShapeError
from cliffnet.functional._blades import reverse
from cliffnet.functional._checks import check_pair
from cliffnet.functional._exponential import exp_on_layout
from cliffnet.functional._invariants import norm_squared
from cliffnet.functional._layouts import apply, full_unless_given, multiply
from cliffnet.functional._logarithm import log_on_layout
from cliffnet.functional._refusals import TOLERANCE


def sqrt(a: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None) -> Tensor:
    """Return the principal square root of rotors and motors, ``exp(log(R) / 2)``: ``1 + R``, normalised.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., num_blades)``, or the size of its layout: even elements with ``R reverse(R) = 1``.
    algebra : Algebra
        The algebra of ``a``.
    layout, out_layout : Layout, optional
        Layouts of ``a`` and the result; full multivectors if both are omitted. If only ``out_layout`` is, the result is
        on the even blades made of the generators that ``layout`` uses.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout: the rotor ``Q`` nearest to one with ``Q Q = R``.

    Raises
    ------
    DomainError
        Where :func:`log` is not defined. In compiled graphs and transforms the result is NaN instead.
    ShapeError, DTypeError, AlgebraMismatchError, LayoutError
        If the tensor does not fit the algebra or its layout.

    Notes
    -----
    Equivariant under Pin: ``sqrt(g.R) = g.sqrt(R)``. Normalising ``1 + R`` instead would lose half of the digits near
    angles of pi.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(2)
    >>> F.sqrt(torch.tensor([0.0, 1.0]), algebra, layout=algebra.even)
    tensor([0.7071, 0.7071])
    """
    return apply(lambda values, at: _sqrt(values, at, TOLERANCE[a.dtype]), a, algebra, layout, out_layout)


def _sqrt(values: Tensor, layout: Layout, tolerance: float) -> tuple[Tensor, Layout]:
    logarithm, bivectors = log_on_layout(values, layout, "sqrt", tolerance)
    return exp_on_layout(logarithm / 2, bivectors)


def slerp(
    a: Tensor,
    b: Tensor,
    t: Tensor | float,
    algebra: Algebra,
    *,
    layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Interpolate between rotors or motors with constant velocity: ``exp(t log(b a^-1)) a``.

    Parameters
    ----------
    a, b : Tensor
        Shape ``(..., num_blades)``, or the size of their layout: versors of one parity and unit norm; leading axes
        broadcast.
    t : Tensor or float
        Shape ``(...)``, broadcast against the leading axes: 0 gives ``a``, 1 gives ``b``, other values extrapolate.
    algebra : Algebra
        The algebra of both.
    layout, out_layout : Layout, optional
        Layouts of the ends and the result; full multivectors if both are omitted. If only ``out_layout`` is, the result
        is on the blades that such a product can reach.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout: versors of unit norm.

    Raises
    ------
    DomainError
        Where :func:`log` is not defined on ``b a^-1``, as for opposite rotors. In compiled graphs and transforms the
        result is NaN instead.
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError, LayoutError
        If the tensors do not fit the algebra, their layout or each other.

    Notes
    -----
    Equivariant under Pin, and ``slerp(a c, b c, t) = slerp(a, b, t) c`` for versors ``c``. Rotors are taken as
    they are: ``b`` and ``-b`` act the same but lie at different distances, so choose the sign with the larger
    ``<b reverse(a)>_0`` for the shorter way.

    References
    ----------
    Shoemake, Animating rotation with quaternion curves, SIGGRAPH 1985.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(2)
    >>> one, quarter = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> F.slerp(one, quarter, 0.5, algebra, layout=algebra.even)
    tensor([0.7071, 0.7071])
    """
    given = full_unless_given(algebra, layout)
    check_pair(a, b, algebra, given, given)
    _check_time(t, torch.broadcast_shapes(a.shape[:-1], b.shape[:-1]))
    return apply(lambda start, at: _slerp(start, b, t, at, "slerp"), a, algebra, layout, out_layout)


def geometric_mean(
    a: Tensor, b: Tensor, algebra: Algebra, *, layout: Layout | None = None, out_layout: Layout | None = None
) -> Tensor:
    """Return the rotor or motor halfway between two: ``sqrt(b a^-1) a``, which is ``a + b`` normalised.

    Parameters
    ----------
    a, b : Tensor
        Shape ``(..., num_blades)``, or the size of their layout: versors of one parity and unit norm; leading axes
        broadcast.
    algebra : Algebra
        The algebra of both.
    layout, out_layout : Layout, optional
        Layouts of the arguments and the result, as for :func:`slerp`.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout.

    Raises
    ------
    DomainError
        Where :func:`log` is not defined on ``b a^-1``, as for opposite rotors. In compiled graphs and transforms the
        result is NaN instead.
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError, LayoutError
        If the tensors do not fit the algebra, their layout or each other.

    Notes
    -----
    Symmetric in ``a`` and ``b``; equivariant under Pin.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(2)
    >>> one, quarter = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> F.geometric_mean(one, quarter, algebra, layout=algebra.even)
    tensor([0.7071, 0.7071])
    """
    given = full_unless_given(algebra, layout)
    check_pair(a, b, algebra, given, given)
    return apply(lambda start, at: _slerp(start, b, 0.5, at, "geometric_mean"), a, algebra, layout, out_layout)


def _check_time(t: Tensor | float, leading: torch.Size) -> None:
    """Refuse what is no number or tensor of numbers, and shapes that do not broadcast."""
    if not isinstance(t, Tensor | float | int):
        raise DTypeError(f"t is a {type(t).__name__}, expected a number or a torch.Tensor")
    if isinstance(t, Tensor):
        try:
            torch.broadcast_shapes(t.shape, leading)
        except RuntimeError as error:
            raise ShapeError(
                f"t has shape {tuple(t.shape)}, which does not broadcast with the leading shape {tuple(leading)}; "
                "sizes must be equal or 1, aligned from the right"
            ) from error


def _slerp(a: Tensor, b: Tensor, t: Tensor | float, layout: Layout, name: str) -> tuple[Tensor, Layout]:
    algebra, between = layout.algebra, layout.product(layout)
    a_reverse = reverse(a, algebra, layout=layout)
    quotient = multiply("geometric_product", b.to(a.dtype), a_reverse, layout, layout, between)
    quotient = quotient * norm_squared(a.detach(), algebra, layout=layout).unsqueeze(-1).sign()
    logarithm, bivectors = log_on_layout(quotient, between, name, TOLERANCE[b.dtype])
    part = t.to(a.dtype).unsqueeze(-1) if isinstance(t, Tensor) else t
    turn, even = exp_on_layout(part * logarithm, bivectors)
    out = even.product(layout)
    return multiply("geometric_product", turn, a, even, layout, out), out
