"""Charged balls: the simulator of the NRI and EGNN papers (Kipf et al. 2018; Satorras et al. 2021, section 5.1)."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet.data.nbody._pairs import pair_energy
from cliffnet.errors import DataError, ShapeError

CHARGED_DT = 0.001
STEPS_PER_FRAME = 100
MAX_FORCE = 100.0  # bound of each component of the force on a ball
HALF_BOX = 5.0  # initial positions are reflected into [-5, 5]; there are no walls afterwards
_PAIRS_IN_CACHE = 10_240  # pairs of balls simulated together: their tensors fit the second-level cache


class ChargedFrames(NamedTuple):
    """Result of :func:`simulate_charged`.

    Attributes
    ----------
    positions, velocities : Tensor
        Shape ``(systems, frames, balls, 3)``.
    """

    positions: Tensor
    velocities: Tensor


def coulomb_forces(charges: Tensor, positions: Tensor) -> Tensor:
    r"""Return the force on each ball, each component clipped to [-100, 100].

    :math:`F_i = \sum_{j \ne i} q_i q_j (x_i - x_j) / |x_i - x_j|^3`, without softening.

    Parameters
    ----------
    charges : Tensor
        Shape ``(..., balls)``.
    positions : Tensor
        Shape ``(..., balls, 3)``.

    Returns
    -------
    Tensor
        Shape ``(..., balls, 3)``. Commutes with translations; with rotations where nothing is clipped.

    Raises
    ------
    ShapeError
        If the shapes do not fit together.

    Examples
    --------
    >>> x = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    >>> coulomb_forces(torch.tensor([1.0, -1.0]), x)[:, 0].tolist()
    [0.25, -0.25]
    """
    _check_shapes(charges, positions)
    separation = positions.unsqueeze(-2) - positions.unsqueeze(-3)
    square = separation.square().sum(-1)
    itself = torch.eye(charges.shape[-1], dtype=torch.bool, device=charges.device)
    strength = charges.unsqueeze(-1) * charges.unsqueeze(-2) / square.masked_fill(itself, 1.0) ** 1.5
    strength = strength.masked_fill(itself, 0.0)
    return (strength.unsqueeze(-1) * separation).sum(-2).clamp(-MAX_FORCE, MAX_FORCE)


def reflect_into_box(positions: Tensor, velocities: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror coordinates beyond 5 at the walls of the box ``[-5, 5]^3``, and turn these velocities inwards.

    Parameters
    ----------
    positions, velocities : Tensor
        Same shape.

    Returns
    -------
    positions, velocities : Tensor
        New tensors.
    """
    above, below = positions > HALF_BOX, positions < -HALF_BOX
    inwards = torch.where(above, -velocities.abs(), torch.where(below, velocities.abs(), velocities))
    mirrored = torch.where(above, 2 * HALF_BOX - positions, torch.where(below, -2 * HALF_BOX - positions, positions))
    return mirrored, inwards


def simulate_charged(
    charges: Tensor,
    positions: Tensor,
    velocities: Tensor,
    frames: Sequence[int],
    progress: Callable[[int], None] | None = None,
    *,
    reflect: bool = True,
) -> ChargedFrames:
    """Integrate the motion of charged balls and return the frames asked for.

    The initial state is reflected into the box, unless that is turned off to go on from a frame. Then comes
    ``v += dt F(x)`` once, and each step is ``x += dt v`` followed by ``v += dt F(x)``, with ``dt`` = 0.001. Frame ``f``
    is the state after ``100 (f + 1)`` moves, before the velocities take their share of the last one: so the published
    files have it, and their frame 0 is not the initial state.

    Parameters
    ----------
    charges : Tensor
        Shape ``(systems, balls)``.
    positions, velocities : Tensor
        Initial state, shape ``(systems, balls, 3)``; not changed.
    frames : sequence of int
        Frames to return, in this order.
    progress : callable, optional
        Called with the number of systems just finished.
    reflect : bool
        Whether to apply :func:`reflect_into_box` to the initial state.

    Returns
    -------
    ChargedFrames
        In the dtype of the arguments. The motion is chaotic: rounding errors grow during close encounters.

    Raises
    ------
    ShapeError
        If the shapes do not fit together.
    DataError
        If no frame is asked for, or a negative one.
    """
    _check_shapes(charges, positions, velocities)
    if charges.dim() != 2:
        raise ShapeError(f"charges have shape {tuple(charges.shape)}; expected (systems, balls)")
    if not frames or min(frames) < 0:
        raise DataError(f"frames are {list(frames)}; give at least one, counted from 0")
    if reflect:
        positions, velocities = reflect_into_box(positions, velocities)
    first, _ = torch.triu_indices(charges.shape[1], charges.shape[1], offset=1)
    chunk = max(1, _PAIRS_IN_CACHE // max(1, len(first)))
    parts = []
    pieces = (tensor.split(chunk) for tensor in (charges, positions, velocities))
    for charge, position, velocity in zip(*pieces, strict=True):
        parts.append(_simulate_chunk(charge, position, velocity, frames))
        if progress is not None:
            progress(len(charge))
    return ChargedFrames(*(torch.cat(part) for part in zip(*parts, strict=True)))


def charged_energy(charges: Tensor, positions: Tensor, velocities: Tensor) -> Tensor:
    r"""Return the energy :math:`\sum_i v_i^2 / 2 + \sum_{i<j} q_i q_j / |x_i - x_j|` of each system of unit masses.

    Parameters
    ----------
    charges : Tensor
        Shape ``(..., balls)``.
    positions, velocities : Tensor
        Shape ``(..., balls, 3)``.

    Returns
    -------
    Tensor
        Shape ``(...)``. Invariant under translations, rotations and reflections.
    """
    return velocities.square().sum((-1, -2)) / 2 + pair_energy(charges, positions)


def _simulate_chunk(charges: Tensor, positions: Tensor, velocities: Tensor, frames: Sequence[int]) -> list[Tensor]:
    """Simulate systems together, one plane of systems for each coordinate of each ball."""
    forces = _Forces(charges)
    x, v = (tensor.permute(2, 1, 0).contiguous() for tensor in (positions, velocities))  # (3, balls, systems)
    v.add_(forces(x), alpha=CHARGED_DT)
    recorded = {}
    for frame in range(max(frames) + 1):
        for step in range(STEPS_PER_FRAME):
            x.add_(v, alpha=CHARGED_DT)
            if step == STEPS_PER_FRAME - 1 and frame in frames:
                recorded[frame] = x.clone(), v.clone()
            v.add_(forces(x), alpha=CHARGED_DT)
    stacked = (torch.stack([recorded[frame][part] for frame in frames]) for part in (0, 1))
    return [tensor.permute(3, 0, 2, 1) for tensor in stacked]


class _Forces:
    """Forces on balls in planes ``(3, balls, systems)``, without allocating anything.

    Each pair of balls is looked at once: a difference is a product with the incidence matrix of the pairs, and so is
    the sum over the pairs of a ball.
    """

    def __init__(self, charges: Tensor) -> None:
        systems, balls = charges.shape
        first, second = torch.triu_indices(balls, balls, offset=1, device=charges.device)
        pairs = len(first)
        rows = torch.arange(pairs, device=charges.device)
        self._differences = charges.new_zeros(pairs, balls)
        self._differences[rows, first] = 1
        self._differences[rows, second] = -1
        self._sums = self._differences.T.contiguous()
        self._products = (charges[:, first] * charges[:, second]).T.contiguous()
        self._separation = charges.new_empty(3, pairs, systems)
        self._square, self._cube = (charges.new_empty(pairs, systems) for _ in range(2))
        self._force = charges.new_empty(3, balls, systems)

    def __call__(self, positions: Tensor) -> Tensor:
        separation, square, cube = self._separation, self._square, self._cube
        torch.matmul(self._differences, positions, out=separation)
        torch.mul(separation[0], separation[0], out=square)
        square.addcmul_(separation[1], separation[1]).addcmul_(separation[2], separation[2])
        torch.sqrt(square, out=cube).mul_(square)
        separation.mul_(torch.div(self._products, cube, out=cube))
        return torch.matmul(self._sums, separation, out=self._force).clamp_(-MAX_FORCE, MAX_FORCE)


def _check_shapes(charges: Tensor, positions: Tensor, velocities: Tensor | None = None) -> None:
    shapes = [tuple(tensor.shape) for tensor in (positions, velocities) if tensor is not None]
    if any(shape != (*charges.shape, 3) for shape in shapes):
        raise ShapeError(
            f"charges have shape {tuple(charges.shape)}, positions and velocities {' and '.join(map(str, shapes))}; "
            "expected (..., balls) and (..., balls, 3)"
        )
