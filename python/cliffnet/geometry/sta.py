"""Special relativity in the spacetime algebra Cl(1,3): events, boosts, rotations and the electromagnetic field.

Units with c = 1. ``Algebra.sta()`` is Cl(1,3), with ``g0^2 = +1`` (e1) and ``gi^2 = -1`` (e2, e3, e4). For the
opposite metric every function takes ``algebra=Algebra.sta("-+++")``, time e1 as before, or ``algebra=Algebra(3, 1)``,
time e4 and space e1, e2, e3. In all of them relative vectors are the bivectors ``s_i = g_i / g0``, which square to
+1, and ``I = g0 g1 g2 g3 = s_1 s_2 s_3``. A rotor R moves x to ``R x reverse(R)``. Hestenes, "Space-Time Algebra",
1966; Doran and Lasenby, "Geometric Algebra for Physicists", 2003, ch. 5 and 7.
"""

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet.algebra import Algebra
from cliffnet.geometry._coefficients import broadcast, check_last_axis, place
from cliffnet.geometry._sta_frame import (
    ALGEBRA,
    frame,
    place_event,
    place_pseudovector,
    place_relative_vector,
    take_event,
    take_pseudovector,
    take_relative_vector,
)

__all__ = [
    "ALGEBRA",
    "apply_rotor",
    "boosted_field",
    "embed_boost",
    "embed_boost_from_velocity",
    "embed_event",
    "embed_field",
    "embed_four_velocity",
    "embed_relative_vector",
    "embed_rotation",
    "extract_event",
    "extract_field",
    "extract_relative_vector",
    "extract_velocity",
    "field_invariants",
    "interval",
    "proper_time",
    "spacetime_split",
    "split_rotor",
]


def embed_event(event: Tensor, *, algebra: Algebra = ALGEBRA) -> Tensor:
    """Embed events or four-vectors (t, x, y, z) as ``t g0 + x g1 + y g2 + z g3``.

    Parameters
    ----------
    event : Tensor
        Contravariant components, shape ``(..., 4)``.
    algebra : Algebra
        A spacetime algebra.

    Returns
    -------
    Tensor
        Shape ``(..., 16)``. Lorentz equivariant.
    """
    check_last_axis(event, 4, "event")
    return place_event(event, algebra)


def extract_event(multivector: Tensor, *, algebra: Algebra = ALGEBRA) -> Tensor:
    """Return the contravariant components (t, x, y, z), shape (..., 4), of the vector part of (..., 16)."""
    return take_event(multivector, algebra)


def interval(first: Tensor, second: Tensor, *, algebra: Algebra = ALGEBRA) -> Tensor:
    """Return the invariant interval ``(t2 - t1)^2 - |x2 - x1|^2`` of two events.

    Parameters
    ----------
    first, second : Tensor
        Embedded events, shape ``(..., 16)``.
    algebra : Algebra
        A spacetime algebra.

    Returns
    -------
    Tensor
        Shape ``(...)``: positive for time-like separation in either metric. Lorentz and translation invariant.

    Examples
    --------
    >>> events = embed_event(torch.tensor([[0.0, 0.0, 0.0, 0.0], [5.0, 3.0, 0.0, 0.0]]))
    >>> interval(events[0], events[1]).item(), proper_time(events[0], events[1]).item()
    (16.0, 4.0)
    """
    first, second = broadcast(first=first, second=second)
    return frame(algebra).time_square * F.norm_squared(second - first, algebra)


def proper_time(first: Tensor, second: Tensor, *, algebra: Algebra = ALGEBRA) -> Tensor:
    """Return the time ``sqrt(interval)`` on a clock moving from one event to another; NaN for space-like ones."""
    return interval(first, second, algebra=algebra).sqrt()


def embed_relative_vector(vector: Tensor, *, algebra: Algebra = ALGEBRA) -> Tensor:
    """Embed vectors (..., 3) of the observer g0's space as bivectors ``v_i s_i``, shape (..., 16)."""
    check_last_axis(vector, 3, "vector")
    return place_relative_vector(vector, algebra)


def extract_relative_vector(multivector: Tensor, *, algebra: Algebra = ALGEBRA) -> Tensor:
    """Return the components (..., 3) on the ``s_i`` of multivectors (..., 16)."""
    return take_relative_vector(multivector, algebra)


def spacetime_split(multivector: Tensor, *, algebra: Algebra = ALGEBRA) -> Tensor:
    """Return ``x / g0 = t + x_i s_i`` for events x.

    Parameters
    ----------
    multivector : Tensor
        Embedded events, shape ``(..., 16)``.
    algebra : Algebra
        A spacetime algebra.

    Returns
    -------
    Tensor
        Shape ``(..., 16)``: the time as scalar and the position as relative vector. Equivariant under rotations.

    References
    ----------
    Doran and Lasenby, "Geometric Algebra for Physicists", 2003, ch. 5.
    """
    time = embed_event(multivector.new_tensor([1.0, 0.0, 0.0, 0.0]), algebra=algebra)
    return frame(algebra).time_square * F.geometric_product(multivector, time, algebra)


def embed_boost(rapidity: Tensor | float, direction: Tensor, *, algebra: Algebra = ALGEBRA) -> Tensor:
    """Return the boost ``exp(rapidity u / 2) = cosh(rapidity/2) + sinh(rapidity/2) u_i s_i``.

    Parameters
    ----------
    rapidity : Tensor or float
        Shape ``(...)``; the speed is its hyperbolic tangent.
    direction : Tensor
        Unit vectors u, shape ``(..., 3)``.
    algebra : Algebra
        A spacetime algebra.

    Returns
    -------
    Tensor
        Rotors, shape ``(..., 16)``, that take a clock at rest to one moving along u.
    """
    check_last_axis(direction, 3, "direction")
    half, x, y, z = broadcast(rapidity=0.5 * rapidity, x=direction[..., 0], y=direction[..., 1], z=direction[..., 2])
    relative = half.sinh().unsqueeze(-1) * torch.stack((x, y, z), dim=-1)
    return place({"1": half.cosh()}, half, algebra) + embed_relative_vector(relative, algebra=algebra)


def embed_boost_from_velocity(velocity: Tensor, *, algebra: Algebra = ALGEBRA) -> Tensor:
    """Return the boost that takes a clock at rest to one of a velocity, ``(1 + gamma + gamma v) / sqrt(2 + 2 gamma)``.

    Parameters
    ----------
    velocity : Tensor
        Shape ``(..., 3)``, in units of c; NaN from the speed of light on.
    algebra : Algebra
        A spacetime algebra.

    Returns
    -------
    Tensor
        Rotors, shape ``(..., 16)``; differentiable at rest.
    """
    check_last_axis(velocity, 3, "velocity")
    gamma = _lorentz_factor(velocity)
    scale = (2.0 * (1.0 + gamma)).sqrt()
    relative = embed_relative_vector((gamma / scale).unsqueeze(-1) * velocity, algebra=algebra)
    return place({"1": (1.0 + gamma) / scale}, gamma, algebra) + relative


def _lorentz_factor(velocity: Tensor) -> Tensor:
    return (1.0 - velocity.square().sum(-1)).rsqrt()


def embed_rotation(axis: Tensor, angle: Tensor | float, *, algebra: Algebra = ALGEBRA) -> Tensor:
    """Return the rotation of space ``exp(-angle/2 I u) = cos(angle/2) - sin(angle/2) I u_i s_i``.

    Parameters
    ----------
    axis : Tensor
        Unit vectors u, shape ``(..., 3)``.
    angle : Tensor or float
        In radians, right-handed about the axis, shape ``(...)``.
    algebra : Algebra
        A spacetime algebra.

    Returns
    -------
    Tensor
        Rotors, shape ``(..., 16)``.
    """
    check_last_axis(axis, 3, "axis")
    half, x, y, z = broadcast(angle=0.5 * angle, axis_x=axis[..., 0], axis_y=axis[..., 1], axis_z=axis[..., 2])
    turn = -half.sin().unsqueeze(-1) * torch.stack((x, y, z), dim=-1)
    return place({"1": half.cos()}, half, algebra) + place_pseudovector(turn, algebra)


def apply_rotor(rotor: Tensor, multivector: Tensor, *, algebra: Algebra = ALGEBRA) -> Tensor:
    """Transform multivectors (..., 16) by rotors (..., 16) of any magnitude: ``R x R^-1``, as ``F.sandwich``."""
    return F.sandwich(rotor, multivector, algebra)


def split_rotor(rotor: Tensor, *, algebra: Algebra = ALGEBRA) -> tuple[Tensor, Tensor]:
    """Return the boost B and the rotation U of a rotor ``R = B U``, relative to the observer g0.

    Parameters
    ----------
    rotor : Tensor
        Unit rotors that keep the direction of time, shape ``(..., 16)``.
    algebra : Algebra
        A spacetime algebra.

    Returns
    -------
    tuple of Tensor
        Rotors, shape ``(..., 16)``. B takes g0 to ``R g0 reverse(R)``.

    References
    ----------
    Doran and Lasenby, "Geometric Algebra for Physicists", 2003, ch. 5.
    """
    rest = embed_event(rotor.new_tensor([1.0, 0.0, 0.0, 0.0]), algebra=algebra)
    moving = F.geometric_product(F.geometric_product(rotor, rest, algebra), F.reverse(rotor, algebra), algebra)
    boost = embed_boost_from_velocity(extract_velocity(moving, algebra=algebra), algebra=algebra)
    return boost, F.geometric_product(F.reverse(boost, algebra), rotor, algebra)


def embed_four_velocity(velocity: Tensor, *, algebra: Algebra = ALGEBRA) -> Tensor:
    """Return the four-velocity ``gamma (g0 + v_i g_i)`` of velocities (..., 3), shape (..., 16); NaN from c on."""
    check_last_axis(velocity, 3, "velocity")
    gamma = _lorentz_factor(velocity).unsqueeze(-1)
    return embed_event(torch.cat((gamma, gamma * velocity), dim=-1), algebra=algebra)


def extract_velocity(four_velocity: Tensor, *, algebra: Algebra = ALGEBRA) -> Tensor:
    """Return the velocity ``x / t`` (..., 3) of time-like vectors (..., 16) of any length, such as momenta."""
    event = extract_event(four_velocity, algebra=algebra)
    return event[..., 1:] / event[..., :1]


def embed_field(electric: Tensor, magnetic: Tensor, *, algebra: Algebra = ALGEBRA) -> Tensor:
    """Embed the electromagnetic field as the bivector ``F = E + I B`` with ``E = E_i s_i`` and ``B = B_i s_i``.

    Parameters
    ----------
    electric, magnetic : Tensor
        Shape ``(..., 3)``, in units where c = 1.
    algebra : Algebra
        A spacetime algebra.

    Returns
    -------
    Tensor
        Shape ``(..., 16)``. A rotor R transforms it as ``R F reverse(R)``.

    References
    ----------
    Doran and Lasenby, "Geometric Algebra for Physicists", 2003, ch. 7.
    """
    check_last_axis(electric, 3, "electric")
    check_last_axis(magnetic, 3, "magnetic")
    electric, magnetic = broadcast(electric=electric, magnetic=magnetic)
    return place_relative_vector(electric, algebra) + place_pseudovector(magnetic, algebra)


def extract_field(field: Tensor, *, algebra: Algebra = ALGEBRA) -> tuple[Tensor, Tensor]:
    """Return the electric and the magnetic field (..., 3) that the observer g0 sees in bivectors (..., 16)."""
    return take_relative_vector(field, algebra), take_pseudovector(field, algebra)


def field_invariants(field: Tensor, *, algebra: Algebra = ALGEBRA) -> tuple[Tensor, Tensor]:
    """Return the Lorentz invariants ``E^2 - B^2`` and ``E . B``, from ``F^2 = E^2 - B^2 + 2 I E . B``.

    Parameters
    ----------
    field : Tensor
        Bivectors, shape ``(..., 16)``.
    algebra : Algebra
        A spacetime algebra.

    Returns
    -------
    tuple of Tensor
        Shapes ``(...)``. Invariant under boosts and rotations; the second is odd under mirrors.
    """
    square = F.geometric_product(field, field, algebra)
    index, sign = algebra.index(frame(algebra).pseudoscalar)
    return square[..., algebra.index("1")[0]], 0.5 * sign * square[..., index]


def boosted_field(
    electric: Tensor, magnetic: Tensor, velocity: Tensor, *, algebra: Algebra = ALGEBRA
) -> tuple[Tensor, Tensor]:
    """Return the fields that an observer of a velocity sees: ``reverse(R) F R`` with the boost R of the velocity.

    Along v they are unchanged; across, ``E' = gamma (E + v x B)`` and ``B' = gamma (B - v x E)``.

    Parameters
    ----------
    electric, magnetic, velocity : Tensor
        Shape ``(..., 3)``, with c = 1.
    algebra : Algebra
        A spacetime algebra.

    Returns
    -------
    tuple of Tensor
        The electric and the magnetic field in the moving frame, shape ``(..., 3)``.

    References
    ----------
    Jackson, "Classical Electrodynamics", 3rd ed., 1999, sec. 11.10.
    """
    electric, magnetic, velocity = broadcast(electric=electric, magnetic=magnetic, velocity=velocity)
    back = embed_boost_from_velocity(-velocity, algebra=algebra)
    return extract_field(F.sandwich(back, embed_field(electric, magnetic, algebra=algebra), algebra), algebra=algebra)
