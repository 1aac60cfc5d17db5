"""The data sets of the charged n-body experiment (``nbody_small`` of EGNN, Satorras et al. 2021, section 5.1)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cliffnet._extras import require
from cliffnet.data._cache import cached_tensors
from cliffnet.data.nbody._charged import simulate_charged
from cliffnet.errors import DataError, TaskError

INPUT_FRAME = 30
TARGET_FRAME = 40
SPEED = 0.5
_FRAMES_OF_NOISE = 49  # the published generator draws noise for each frame, also where its amplitude is zero
_VERSION = 1  # raise it when the generator changes, so that older caches are not used


class ChargedSet(NamedTuple):
    """A stretch of the stream of systems that a seed gives.

    Attributes
    ----------
    start, size : int
        First system, and how many there are.
    label : str
        For tables.
    """

    start: int
    size: int
    label: str


CHARGED_SETS = {
    "train": ChargedSet(0, 10_000, "training"),
    "val": ChargedSet(10_000, 2_000, "validation"),
    "eval": ChargedSet(12_000, 2_000, "test"),
}


def draw_charged(num_samples: int, *, num_balls: int = 5, seed: int = 43, skip: int = 0) -> tuple[Tensor, ...]:
    """Draw initial states as the published generator does, with the random numbers it uses.

    Charges are +1 or -1 with equal chance, positions are N(0, 1) times ``(balls / 5)^(1/3)``, velocities have norm 0.5
    and random directions. Seed 43 and 5 balls give the systems of ``nbody_small``: first 10 000 for training, then
    2 000 for validation and 2 000 for testing.

    Parameters
    ----------
    num_samples, num_balls : int
        Systems, and balls in each.
    seed : int
        Seed of the stream.
    skip : int
        Systems of the stream to leave out before the first.

    Returns
    -------
    charges : Tensor
        Shape ``(samples, balls)``, float64.
    positions, velocities : Tensor
        Shape ``(samples, balls, 3)``, float64.

    Raises
    ------
    DataError
        If there are no samples, fewer than two balls, a negative number to leave out, or the seed is not in [0, 2^32).
    """
    if num_samples < 1 or num_balls < 2 or skip < 0 or not 0 <= seed < 2**32:
        raise DataError(
            f"asked for {num_samples} systems of {num_balls} balls behind {skip} others, with seed {seed}; "
            "expected at least one system, two balls, no negative number and a seed in [0, 2^32)"
        )
    numpy = require("numpy")
    stream = numpy.random.RandomState(seed)  # frozen by numpy: the same numbers in every version
    states = []
    for index in range(skip + num_samples):
        state = _draw_system(stream, num_balls)
        if index >= skip:
            states.append(state)
    uniform, normal = (torch.from_numpy(numpy.stack(part)) for part in zip(*states, strict=True))
    charges = torch.where(uniform < 0.5, -1.0, 1.0).double()
    positions, velocities = (part.mT for part in normal.unflatten(-1, (2, 3, num_balls)).unbind(1))
    speeds = torch.linalg.vector_norm(velocities, dim=-1, keepdim=True)
    return charges, positions * (num_balls / 5.0) ** (1 / 3), velocities * (SPEED / speeds)


def generate_charged(
    num_samples: int,
    *,
    num_balls: int = 5,
    seed: int = 43,
    skip: int = 0,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Tensor]:
    """Generate systems and where they are ten frames, 1000 steps, later.

    Parameters
    ----------
    num_samples, num_balls, seed, skip
        As for :func:`draw_charged`.
    progress : callable, optional
        Called with the number of systems just finished.

    Returns
    -------
    dict of str to Tensor
        ``inputs`` of shape ``(samples, balls, 7)``: charge, position, velocity at frame 30; ``target`` of shape
        ``(samples, balls, 3)``: positions at frame 40. Both float64.

    Raises
    ------
    DataError
        As :func:`draw_charged`.
    """
    charges, positions, velocities = draw_charged(num_samples, num_balls=num_balls, seed=seed, skip=skip)
    frames = simulate_charged(charges, positions, velocities, (INPUT_FRAME, TARGET_FRAME), progress)
    parts = [charges.unsqueeze(-1), frames.positions[:, 0], frames.velocities[:, 0]]
    return {"inputs": torch.cat(parts, dim=-1), "target": frames.positions[:, 1].contiguous()}


def load_charged(
    set_name: str,
    num_samples: int,
    *,
    num_balls: int = 5,
    seed: int = 43,
    folder: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Tensor]:
    """Return one of the :data:`CHARGED_SETS`, generated at the first call and cached.

    Parameters
    ----------
    set_name : str
        ``"train"``, ``"val"`` or ``"eval"``.
    num_samples : int
        Number of systems, the first ones of the set.
    num_balls, seed : int
        As for :func:`draw_charged`; 5 and 43 give the published sets.
    folder : Path, optional
        Cache folder.
    progress : callable, optional
        Called with the number of systems just finished; not called when the cache has them.

    Returns
    -------
    dict of str to Tensor
        As :func:`generate_charged`.

    Raises
    ------
    TaskError
        If there is no such set.
    DataError
        If it does not have so many systems.
    """
    if set_name not in CHARGED_SETS:
        raise TaskError(f"no n-body data set is called {set_name!r}; there are {', '.join(CHARGED_SETS)}")
    start, size, label = CHARGED_SETS[set_name]
    if num_samples > size:
        raise DataError(f"asked for {num_samples} systems; the {label} set of charged balls has {size}")
    parameters = {
        "generator": "nbody-charged",
        "version": _VERSION,
        "set": set_name,
        "samples": num_samples,
        "balls": num_balls,
        "seed": seed,
    }

    def generate() -> dict[str, Tensor]:
        return generate_charged(num_samples, num_balls=num_balls, seed=seed, skip=start, progress=progress)

    return cached_tensors(f"nbody-charged-{set_name}-{num_samples}", parameters, generate, folder)


def _draw_system(stream: Any, num_balls: int) -> tuple[Any, Any]:
    """Draw what decides charges, positions and velocities of a system, and use up what the published generator does.

    One call gives all normal numbers, which are the same as from call after call.
    """
    uniform = stream.random_sample(num_balls)
    normal = stream.randn((2 + 2 * _FRAMES_OF_NOISE) * 3 * num_balls)
    return uniform, normal[: 6 * num_balls]
