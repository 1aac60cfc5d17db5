"""The gravity data sets of the n-body experiment of GATr (Brehmer et al. 2023, arXiv:2305.18415, section 4.1)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cliffnet.data._cache import cached_tensors
from cliffnet.data._random import seeded_generator
from cliffnet.data.nbody._simulation import simulate
from cliffnet.errors import DataError, TaskError

STEPS = 100
DT = 0.001
SHIFT = 200.0  # along x, for the shifted set
MAX_DISPLACEMENT = 2.0  # systems with a body that moved further are thrown away
_VERSION = 1  # raise it when the generator changes, so that older caches are not used
_CHUNK = 1000
_CANDIDATES = 1100  # ten per cent more than are kept


@dataclass(frozen=True)
class GravitySet:
    """What distinguishes one data set of the experiment from another.

    Attributes
    ----------
    num_planets : int
        Bodies besides the star.
    shifted : bool
        Whether every system is moved by 200 along x.
    label : str
        For tables.
    """

    num_planets: int
    shifted: bool
    label: str


GRAVITY_SETS = {
    "train": GravitySet(3, False, "training"),
    "val": GravitySet(3, False, "validation"),
    "eval": GravitySet(3, False, "in distribution"),
    "e3": GravitySet(3, True, "shifted by 200"),
    "object": GravitySet(5, False, "5 planets"),
}


def draw_systems(
    num_samples: int, num_planets: int, shifted: bool, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw initial states: a heavy star at rest and light planets near circular orbits around it.

    Star masses are log-uniform in [1, 10], planet masses in [0.01, 0.1]. Planets start uniformly in the annulus
    0.1 <= r <= 1 with velocity ``sqrt(M / r)`` across the radius, in a random sense, plus N(0, 0.01^2) noise.
    The bodies are permuted, turned by a uniform rotation and moved by N(0, 20^2).

    Parameters
    ----------
    num_samples, num_planets : int
        Systems, and planets in each.
    shifted : bool
        Add 200 to every x coordinate.
    generator : torch.Generator
        Source of randomness; nothing global is touched.

    Returns
    -------
    masses : Tensor
        Shape ``(samples, planets + 1)``, float64.
    positions, velocities : Tensor
        Shape ``(samples, planets + 1, 3)``, float64.
    """
    uniform = _Uniform(num_samples, generator)
    star = 10 ** uniform(1)
    masses = torch.cat([star, 10 ** (uniform(num_planets) - 2)], dim=1)

    radius = (0.01 + 0.99 * uniform(num_planets)).sqrt()  # uniform in area between r = 0.1 and r = 1
    angle = 2 * math.pi * uniform(num_planets)
    sense = torch.where(uniform(num_planets) < 0.5, -1.0, 1.0)
    speed = sense * (star / radius).sqrt()
    zero = torch.zeros_like(radius)
    planets = torch.stack([radius * angle.cos(), radius * angle.sin(), zero], dim=-1)
    orbital = torch.stack([-speed * angle.sin(), speed * angle.cos(), zero], dim=-1)
    orbital = orbital + 0.01 * uniform.normal(num_planets, 3)

    at_star = torch.zeros(num_samples, 1, 3, dtype=torch.float64)
    order = uniform(num_planets + 1).argsort(dim=1)
    masses = masses.gather(1, order)
    order = order.unsqueeze(-1).expand(-1, -1, 3)
    positions = torch.cat([at_star, planets], dim=1).gather(1, order)
    velocities = torch.cat([at_star, orbital], dim=1).gather(1, order)

    rotation = _rotation_matrix(uniform.normal(4))
    positions = positions @ rotation.mT + 20 * uniform.normal(1, 3)
    if shifted:
        positions[..., 0] += SHIFT
    return masses, positions, velocities @ rotation.mT


def generate_gravity(
    num_samples: int,
    *,
    num_planets: int = 3,
    shifted: bool = False,
    generator: torch.Generator,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Tensor]:
    """Generate systems and where they are after 100 steps of 0.001.

    Systems in which a body moved more than 2 are thrown away. Samples come in blocks of 1000 cut from 1100
    candidates, so the first samples do not depend on how many are asked for.

    Parameters
    ----------
    num_samples, num_planets, shifted, generator
        As for :func:`draw_systems`.
    progress : callable, optional
        Called with the number of samples just finished.

    Returns
    -------
    dict of str to Tensor
        ``inputs`` of shape ``(samples, bodies, 7)``: mass, position, velocity; ``target`` of shape
        ``(samples, bodies, 3)``: final positions. Both float64.

    Raises
    ------
    DataError
        If the number of samples or planets is not positive.
    """
    if num_samples < 1 or num_planets < 1:
        raise DataError(f"asked for {num_samples} samples with {num_planets} planets; both must be at least 1")
    inputs: list[Tensor] = []
    targets: list[Tensor] = []
    done = 0
    while done < num_samples:
        masses, positions, velocities = draw_systems(_CANDIDATES, num_planets, shifted, generator)
        final = simulate(masses, positions, velocities, STEPS, DT).positions
        moved = torch.linalg.vector_norm(final - positions, dim=-1).amax(dim=1)
        kept = (moved <= MAX_DISPLACEMENT).nonzero().squeeze(1)[: min(_CHUNK, num_samples - done)]
        inputs.append(torch.cat([masses.unsqueeze(-1), positions, velocities], dim=-1)[kept])
        targets.append(final[kept])
        done += len(kept)
        if progress is not None:
            progress(len(kept))
    return {"inputs": torch.cat(inputs), "target": torch.cat(targets)}


def load_gravity(
    set_name: str,
    num_samples: int,
    *,
    seed: int = 42,
    folder: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Tensor]:
    """Return one of the :data:`GRAVITY_SETS`, generated at the first call and cached.

    Parameters
    ----------
    set_name : str
        ``"train"``, ``"val"``, ``"eval"``, ``"e3"`` or ``"object"``. Each has its own stream of random numbers.
    num_samples : int
        Number of systems.
    seed : int
        Seed of the whole family of sets.
    folder : Path, optional
        Cache folder.
    progress : callable, optional
        Called with the number of samples just finished; not called when the cache has them.

    Returns
    -------
    dict of str to Tensor
        As :func:`generate_gravity`.

    Raises
    ------
    TaskError
        If there is no such set.
    """
    if set_name not in GRAVITY_SETS:
        raise TaskError(f"no n-body data set is called {set_name!r}; there are {', '.join(GRAVITY_SETS)}")
    kind = GRAVITY_SETS[set_name]
    parameters = {
        "generator": "nbody-gravity",
        "version": _VERSION,
        "set": set_name,
        "samples": num_samples,
        "planets": kind.num_planets,
        "shifted": kind.shifted,
        "seed": seed,
    }

    def generate() -> dict[str, Tensor]:
        return generate_gravity(
            num_samples,
            num_planets=kind.num_planets,
            shifted=kind.shifted,
            generator=seeded_generator("nbody-gravity", set_name, seed),
            progress=progress,
        )

    return cached_tensors(f"nbody-gravity-{set_name}-{num_samples}", parameters, generate, folder)


class _Uniform:
    """Float64 samples with a leading sample axis, all from one generator."""

    def __init__(self, num_samples: int, generator: torch.Generator) -> None:
        self._num_samples = num_samples
        self._generator = generator

    def __call__(self, *shape: int) -> Tensor:
        return torch.rand(self._num_samples, *shape, generator=self._generator, dtype=torch.float64)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(self._num_samples, *shape, generator=self._generator, dtype=torch.float64)


def _rotation_matrix(quaternion: Tensor) -> Tensor:
    """Return the rotation of a non-zero quaternion ``(..., 4)``; uniform on SO(3) for normal entries."""
    w, x, y, z = (quaternion / torch.linalg.vector_norm(quaternion, dim=-1, keepdim=True)).unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
