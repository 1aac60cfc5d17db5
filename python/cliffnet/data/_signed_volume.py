"""Signed volumes of parallelepipeds: the O(3) experiment of CGENN (Ruhe et al. 2023, arXiv:2305.11141, section 5.1)."""

from pathlib import Path

import torch
from torch import Tensor

from cliffnet.data._splits import load_split, normal_samples
from cliffnet.errors import ShapeError

_SCALE = 10.0
_VERSION = 1  # raise it when the generator changes, so that older caches are not used


def signed_volumes(vectors: Tensor) -> Tensor:
    """Return the signed volume that the vectors of each sample span, over ten.

    ``det(vectors) / 10``.

    Parameters
    ----------
    vectors : Tensor
        Shape ``(..., n, n)``: n vectors in n dimensions.

    Returns
    -------
    Tensor
        Shape ``(...)``. Invariant under rotations; reflections change its sign.

    Raises
    ------
    ShapeError
        If there are not as many vectors as dimensions.

    Examples
    --------
    >>> round(signed_volumes(torch.eye(3)[[1, 0, 2]]).item(), 6)
    -0.1
    """
    if vectors.dim() < 2 or vectors.shape[-1] != vectors.shape[-2]:
        raise ShapeError(f"vectors have shape {tuple(vectors.shape)}; expected (..., n, n): n vectors in n dimensions")
    volumes: Tensor = torch.linalg.det(vectors) / _SCALE
    return volumes


def load_signed_volumes(
    set_name: str, num_samples: int, *, seed: int = 42, folder: Path | None = None
) -> dict[str, Tensor]:
    """Return triples of N(0, I) vectors of R^3 with their signed volumes, generated at the first call and cached.

    Parameters
    ----------
    set_name : str
        ``"train"``, ``"val"`` or ``"eval"``.
    num_samples, seed : int
        Size of the set, seed of all sets.
    folder : Path, optional
        Cache folder.

    Returns
    -------
    dict of str to Tensor
        ``inputs`` of shape ``(samples, 3, 3)`` and ``target`` of shape ``(samples,)``, float64.

    Raises
    ------
    TaskError
        If there is no such set.
    DataError
        If the number of samples is not positive.
    """

    def generate(generator: torch.Generator) -> dict[str, Tensor]:
        vectors = normal_samples(num_samples, 3, 3, generator=generator)
        return {"inputs": vectors, "target": signed_volumes(vectors)}

    return load_split("signed-volume", _VERSION, set_name, num_samples, seed, generate, folder=folder)
