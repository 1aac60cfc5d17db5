"""What generated data sets share: the names of their parts, a stream of random numbers for each part, the cache."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from cliffnet.data._cache import cached_tensors
from cliffnet.data._random import seeded_generator
from cliffnet.errors import DataError, TaskError

_BLOCK = 1024  # samples drawn together


def normal_samples(num_samples: int, *shape: int, generator: torch.Generator) -> Tensor:
    """Draw N(0, 1) samples in blocks, so that the first ones do not depend on how many are asked for.

    Parameters
    ----------
    num_samples : int
        Number of samples.
    *shape : int
        Shape of each.
    generator : torch.Generator
        Source of randomness.

    Returns
    -------
    Tensor
        Shape ``(samples, *shape)``, float64.
    """
    blocks = -(-num_samples // _BLOCK)
    drawn = [torch.randn(_BLOCK, *shape, generator=generator, dtype=torch.float64) for _ in range(blocks)]
    return torch.cat(drawn)[:num_samples].clone()


def load_split(
    name: str,
    version: int,
    set_name: str,
    num_samples: int,
    seed: int,
    generate: Callable[[torch.Generator], dict[str, Tensor]],
    *,
    folder: Path | None = None,
    options: Mapping[str, object] | None = None,
    sets: tuple[str, ...] = ("train", "val", "eval"),
) -> dict[str, Tensor]:
    """Return one part of a generated data set, from the cache if it is there.

    Parameters
    ----------
    name : str
        Of the data set.
    version : int
        Of its generator.
    set_name : str
        One of ``sets``. Each has its own stream of random numbers.
    num_samples, seed : int
        Size of the part, seed of all parts.
    generate : callable
        Makes the part from its stream.
    folder : Path, optional
        Cache folder.
    options : mapping, optional
        Whatever else determines the data.
    sets : tuple of str
        Names of the parts.

    Returns
    -------
    dict of str to Tensor

    Raises
    ------
    TaskError
        If there is no such part.
    DataError
        If the number of samples is not positive.
    """
    if set_name not in sets:
        raise TaskError(f"{name} has no data set called {set_name!r}; there are {', '.join(sets)}")
    if num_samples < 1:
        raise DataError(f"asked for {num_samples} samples of {name}; expected at least 1")
    parameters = {
        "generator": name,
        "version": version,
        "set": set_name,
        "samples": num_samples,
        "seed": seed,
        **(options or {}),
    }
    return cached_tensors(
        f"{name}-{set_name}-{num_samples}",
        parameters,
        lambda: generate(seeded_generator(name, set_name, seed)),
        folder,
    )
