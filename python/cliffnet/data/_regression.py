"""An O(n)-invariant function of two vectors: the regression experiment of EMLP, CGENN and GLGENN.

Finzi et al. 2021 (arXiv:2104.09459, section 7.1) have it in R^5, Filimoshina and Shirokov 2025 (arXiv:2506.09625) also
in R^7.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet.data._splits import load_split, normal_samples
from cliffnet.errors import DataError, ShapeError

_VERSION = 1  # raise it when the generator changes, so that older caches are not used


class RegressionStatistics(NamedTuple):
    """Statistics of a training set, by which inputs and targets are standardised without breaking the symmetry.

    Attributes
    ----------
    input_scale : Tensor
        Root mean square of the coordinates of each vector, shape ``(vectors,)``.
    target_mean, target_std : Tensor
        Mean and standard deviation (over N, not N - 1) of the targets, shape ``()``.
    """

    input_scale: Tensor
    target_mean: Tensor
    target_std: Tensor


def regression_target(vectors: Tensor) -> Tensor:
    r"""Return :math:`\sin|x_1| - |x_2|^3 / 2 + x_1 \cdot x_2 / (|x_1| |x_2|)`.

    Parameters
    ----------
    vectors : Tensor
        Shape ``(..., 2, n)``.

    Returns
    -------
    Tensor
        Shape ``(...)``. Invariant under O(n); NaN where a vector is zero.

    Raises
    ------
    ShapeError
        If there are not two vectors.

    Examples
    --------
    >>> regression_target(torch.tensor([[torch.pi, 0.0], [2.0, 0.0]])).item()
    -3.0
    """
    if vectors.dim() < 2 or vectors.shape[-2] != 2:
        raise ShapeError(f"vectors have shape {tuple(vectors.shape)}; expected (..., 2, n): two vectors")
    first, second = torch.linalg.vector_norm(vectors, dim=-1).unbind(-1)
    cosine = (vectors[..., 0, :] * vectors[..., 1, :]).sum(-1) / (first * second)
    target: Tensor = first.sin() - 0.5 * second**3 + cosine
    return target


def regression_statistics(vectors: Tensor, target: Tensor) -> RegressionStatistics:
    """Return the statistics of a training set.

    Parameters
    ----------
    vectors : Tensor
        Shape ``(samples, vectors, n)``.
    target : Tensor
        Shape ``(samples,)``.

    Returns
    -------
    RegressionStatistics

    Raises
    ------
    DataError
        If the targets do not vary, so that there is nothing to divide by.
    """
    scale = vectors.square().mean((0, 2)).sqrt()
    std = target.std(correction=0)
    if not (std > 0 and (scale > 0).all()):
        raise DataError(f"{len(target)} training samples without spread cannot be standardised; give at least 2")
    return RegressionStatistics(scale, target.mean(), std)


def load_regression(
    set_name: str, num_samples: int, *, dim: int = 5, seed: int = 42, folder: Path | None = None
) -> dict[str, Tensor]:
    """Return pairs of N(0, I) vectors of R^n with :func:`regression_target`, generated at the first call and cached.

    Parameters
    ----------
    set_name : str
        ``"train"``, ``"val"`` or ``"eval"``.
    num_samples, seed : int
        Size of the set, seed of all sets.
    dim : int
        Dimension n.
    folder : Path, optional
        Cache folder.

    Returns
    -------
    dict of str to Tensor
        ``inputs`` of shape ``(samples, 2, n)`` and ``target`` of shape ``(samples,)``, float64, not standardised.

    Raises
    ------
    TaskError
        If there is no such set.
    DataError
        If the number of samples or dimensions is not positive.
    """
    if dim < 1:
        raise DataError(f"asked for vectors in {dim} dimensions; expected at least 1")

    def generate(generator: torch.Generator) -> dict[str, Tensor]:
        vectors = normal_samples(num_samples, 2, dim, generator=generator)
        return {"inputs": vectors, "target": regression_target(vectors)}

    options = {"dim": dim}
    return load_split(
        f"o{dim}-regression", _VERSION, set_name, num_samples, seed, generate, folder=folder, options=options
    )
