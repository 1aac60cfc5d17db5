"""Rotors of three dimensions as quaternions."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from cliffnet._graphs import kept_object
from cliffnet.algebra import Algebra, Layout, layout_of_key
from cliffnet.errors import ConfigError, DomainError, DTypeError, ShapeError, SignatureError
from cliffnet.functional._checks import FLOATING, check_algebra, check_multivector
from cliffnet.functional._constants import constant
from cliffnet.functional._domain import refuse
from cliffnet.functional._layouts import full_unless_given, move
from cliffnet.functional._refusals import TOLERANCE, magnitude

Order = Literal["wxyz", "xyzw"]

_ORDERS = {"wxyz": (0, 1, 2, 3), "xyzw": (3, 0, 1, 2)}


class _Units(NamedTuple):
    """Blades of ``1, i, j, k``, and the factors that make them unit quaternions."""

    layout: Layout
    factors: tuple[float, ...]


def rotor_from_quaternion(
    quaternion: Tensor, algebra: Algebra, *, order: Order = "wxyz", out_layout: Layout | None = None
) -> Tensor:
    """Write quaternions as rotors that turn vectors the same way: ``i, j, k`` are ``-e23, e13, -e12``.

    Parameters
    ----------
    quaternion : Tensor
        Shape ``(..., 4)``; of unit norm for a rotor, but any norm is kept.
    algebra : Algebra
        An algebra with three generators of one sign. ``e1, e2, e3`` are the first three positive ones if there are that
        many, else the first three negative ones, where ``i, j, k`` are ``e23, -e13, e12``.
    order : {"wxyz", "xyzw"}
        Where the real part stands: first, or last as in :func:`cliffnet.geometry.pga3d.embed_rotation`.
    out_layout : Layout, optional
        Layout of the result; full multivectors if omitted.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``, or the size of the layout.

    Raises
    ------
    SignatureError
        If no three generators have one sign.
    ConfigError
        If the order is unknown.
    ShapeError, DTypeError
        If the last axis is not of four, or the tensor not floating.

    Notes
    -----
    A homomorphism: products of quaternions become products of rotors. ``R x reverse(R)`` is ``q x q*``.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(3)
    >>> F.rotor_from_quaternion(torch.tensor([1.0, 2.0, 3.0, 4.0]), algebra, out_layout=algebra.even)
    tensor([ 1., -4.,  3., -2.])
    """
    check_algebra(algebra)
    target = full_unless_given(algebra, out_layout)
    if not isinstance(quaternion, Tensor) or quaternion.dtype not in FLOATING:
        given = quaternion.dtype if isinstance(quaternion, Tensor) else type(quaternion).__name__
        raise DTypeError(f"the quaternion is {given}, expected a floating tensor; convert it with .float()")
    if quaternion.dim() == 0 or quaternion.shape[-1] != 4:
        raise ShapeError(f"the quaternion has shape {tuple(quaternion.shape)}, expected (..., 4)")
    units = _units_of(algebra)
    entries = quaternion.index_select(-1, constant(_positions(order), torch.int64, quaternion.device))
    return move(entries * constant(units.factors, entries.dtype, entries.device), units.layout, target)


def rotor_to_quaternion(
    rotor: Tensor, algebra: Algebra, *, order: Order = "wxyz", layout: Layout | None = None
) -> Tensor:
    """Write rotors of three dimensions as quaternions, the inverse of :func:`rotor_from_quaternion`.

    Parameters
    ----------
    rotor : Tensor
        Shape ``(..., num_blades)``, or the size of its layout: scalars plus bivectors of the three generators.
    algebra : Algebra
        The algebra of ``rotor``, as for :func:`rotor_from_quaternion`.
    order : {"wxyz", "xyzw"}
        Where the real part stands.
    layout : Layout, optional
        Layout of ``rotor``; full multivectors if omitted.

    Returns
    -------
    Tensor
        Shape ``(..., 4)``.

    Raises
    ------
    DomainError
        If a coefficient of another blade is larger than rounding (1e-3 of the largest in single precision, 1e-5 in
        double), as for a motor that translates. In compiled graphs and transforms the result is NaN instead.
    SignatureError, ConfigError, ShapeError, DTypeError, AlgebraMismatchError, LayoutError
        If the algebra, the order or the tensor does not fit.

    Notes
    -----
    A homomorphism, see :func:`rotor_from_quaternion`.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(3)
    >>> F.rotor_to_quaternion(torch.tensor([1.0, -4.0, 3.0, -2.0]), algebra, layout=algebra.even)
    tensor([1., 2., 3., 4.])
    """
    given = full_unless_given(algebra, layout)
    check_multivector(rotor, algebra, "the rotor", given)
    units = _units_of(algebra)
    others = given - units.layout
    entries = move(rotor, given, units.layout) / constant(units.factors, rotor.dtype, rotor.device)
    if others.size:
        rest = move(rotor, given, others).detach().abs()
        limit = (TOLERANCE[torch.promote_types(rotor.dtype, torch.float32)] * magnitude(rotor)).to(rotor.dtype)
        refuse(
            rest > limit,
            lambda: DomainError(
                f"rotor_to_quaternion takes combinations of {', '.join(units.layout.blade_names)}, but the argument "
                f"has coefficients of {others.describe()}; split a translation off first"
            ),
        )
        entries = torch.where((rest <= limit).all(-1, keepdim=True), entries, torch.nan)
    inverse = tuple(_positions(order).index(place) for place in range(4))
    return entries.index_select(-1, constant(inverse, torch.int64, rotor.device))


def _positions(order: str) -> tuple[int, ...]:
    if order not in _ORDERS:
        raise ConfigError(f"the order is {order!r}, expected 'wxyz' or 'xyzw'")
    return _ORDERS[order]


def _units_of(algebra: Algebra) -> _Units:
    if algebra.p < 3 and algebra.q < 3:
        raise SignatureError(
            f"{algebra} has {algebra.p} positive and {algebra.q} negative generators, but quaternions need three of "
            "one sign, as in Algebra(3) or Algebra(3, 0, 1)"
        )
    return _units(algebra.vectors.key)


@kept_object
def _units(vectors: str) -> _Units:
    algebra = layout_of_key(vectors).algebra
    sign = 1.0 if algebra.p >= 3 else -1.0
    metric = algebra.metric
    first, second, third = [index for index, square in enumerate(metric) if square * sign > 0][:3]
    factors = [1.0]
    for low, high, orientation in ((second, third, -1.0), (first, third, 1.0), (first, second, -1.0)):
        factors.append(sign * orientation / abs(metric[low] * metric[high]) ** 0.5)
    masks = [0, 1 << second | 1 << third, 1 << first | 1 << third, 1 << first | 1 << second]
    return _Units(Layout(algebra, masks, [1, 1, 1, 1]), tuple(factors))
