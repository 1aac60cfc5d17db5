"""Newtonian point masses (G = 1), integrated by the semi-implicit Euler rule."""

from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet.data.nbody._pairs import pair_energy
from cliffnet.errors import ShapeError

_COINCIDENT = 1e-9  # closer pairs count as distance 1, so that a body exerts no force on itself


class Simulation(NamedTuple):
    """Result of :func:`simulate`.

    Attributes
    ----------
    positions, velocities : Tensor
        Final state, shape ``(..., bodies, 3)``.
    trajectory : Tensor or None
        Recorded positions, shape ``(..., bodies, frames, 3)``, the first frame being the initial state.
    """

    positions: Tensor
    velocities: Tensor
    trajectory: Tensor | None


def accelerations(masses: Tensor, positions: Tensor) -> Tensor:
    r"""Return the gravitational acceleration of each body.

    :math:`a_i = \sum_j m_j (x_j - x_i) / |x_j - x_i|^3`, distances below 1e-9 being replaced by 1.

    Parameters
    ----------
    masses : Tensor
        Shape ``(..., bodies)``.
    positions : Tensor
        Shape ``(..., bodies, 3)``.

    Returns
    -------
    Tensor
        Shape ``(..., bodies, 3)``. Commutes with translations and rotations of all positions.

    Raises
    ------
    ShapeError
        If the shapes do not fit together.

    Examples
    --------
    >>> x = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    >>> accelerations(torch.tensor([8.0, 4.0]), x)[:, 0].tolist()
    [1.0, -2.0]
    """
    if positions.shape[-1:] != (3,) or masses.shape != positions.shape[:-1]:
        raise ShapeError(
            f"masses have shape {tuple(masses.shape)} and positions {tuple(positions.shape)}; "
            "expected (..., bodies) and (..., bodies, 3)"
        )
    separation = positions.unsqueeze(-3) - positions.unsqueeze(-2)  # (..., i, j, 3): from body i to body j
    distance = torch.linalg.vector_norm(separation, dim=-1)
    distance = torch.where(distance < _COINCIDENT, 1.0, distance)
    return (separation * (masses.unsqueeze(-2) / distance**3).unsqueeze(-1)).sum(-2)


def simulate(
    masses: Tensor,
    positions: Tensor,
    velocities: Tensor,
    steps: int,
    dt: float,
    record_every: int | None = None,
) -> Simulation:
    """Integrate the motion of gravitating bodies.

    Each step is ``v += dt a(x)``, then ``x += dt v``.

    Parameters
    ----------
    masses : Tensor
        Shape ``(..., bodies)``.
    positions, velocities : Tensor
        Initial state, shape ``(..., bodies, 3)``; not changed.
    steps : int
        Number of steps.
    dt : float
        Length of a step in time.
    record_every : int, optional
        Record the positions every so many steps, the start included.

    Returns
    -------
    Simulation
        Final positions and velocities, and the recorded positions if asked for.
    """
    frames = [positions] if record_every else []
    for step in range(1, steps + 1):
        velocities = velocities + dt * accelerations(masses, positions)
        positions = positions + dt * velocities
        if record_every and step % record_every == 0:
            frames.append(positions)
    return Simulation(positions, velocities, torch.stack(frames, dim=-2) if frames else None)


def total_energy(masses: Tensor, positions: Tensor, velocities: Tensor) -> Tensor:
    r"""Return the energy :math:`\sum_i m_i v_i^2 / 2 - \sum_{i<j} m_i m_j / |x_i - x_j|` of each system.

    Parameters
    ----------
    masses : Tensor
        Shape ``(..., bodies)``.
    positions, velocities : Tensor
        Shape ``(..., bodies, 3)``.

    Returns
    -------
    Tensor
        Shape ``(...)``. Invariant under translations, rotations and reflections.
    """
    return 0.5 * (masses * velocities.square().sum(-1)).sum(-1) - pair_energy(masses, positions)
