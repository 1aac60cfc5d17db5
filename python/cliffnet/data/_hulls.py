"""Volumes of convex hulls: the R^n experiment of CGENN (Ruhe et al. 2023, arXiv:2305.11141, section 5.3) and GLGENN."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cliffnet._extras import require
from cliffnet.data._splits import load_split, normal_samples
from cliffnet.errors import DataError, ShapeError

_VERSION = 1  # raise it when the generator changes, so that older caches are not used
_REPORT_EVERY = 128


class HullMeasures(NamedTuple):
    """Result of :func:`measure_hulls`.

    Attributes
    ----------
    volumes : Tensor
        Shape ``(samples,)``, float64. Invariant under translations, rotations, reflections and permutations.
    num_facets : Tensor
        Simplices that bound each hull, shape ``(samples,)``, int64.
    """

    volumes: Tensor
    num_facets: Tensor


def measure_hulls(points: Tensor, progress: Callable[[int], None] | None = None) -> HullMeasures:
    """Measure convex hulls with Qhull, through scipy.

    One hull of 16 points in R^5 takes a tenth of a millisecond, so one thread is enough.

    Parameters
    ----------
    points : Tensor
        Shape ``(samples, points, n)``.
    progress : callable, optional
        Called with the number of hulls just finished.

    Returns
    -------
    HullMeasures

    Raises
    ------
    ShapeError
        If the axes are not samples, points and coordinates.
    DataError
        If a hull is degenerate: too few points, points in a hyperplane, or coordinates that are not finite.
    MissingDependencyError
        If scipy is not installed.

    Examples
    --------
    >>> corners = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.5]]])
    >>> measure_hulls(corners).volumes.item(), measure_hulls(corners).num_facets.item()
    (1.0, 4)
    """
    if points.dim() != 3:
        raise ShapeError(f"points have shape {tuple(points.shape)}; expected (samples, points, n)")
    _, num_points, dim = points.shape
    if dim < 2 or num_points <= dim:
        raise DataError(
            f"{num_points} points in R^{dim} have no hull with a volume; expected n >= 2 and more than n points"
        )
    spatial = require("scipy.spatial", "data")
    volumes, facets, waiting = [], [], 0
    for index, cloud in enumerate(points.double().cpu().numpy()):
        hull = _hull(spatial, cloud, index)
        volumes.append(hull.volume)
        facets.append(len(hull.simplices))
        waiting += 1
        if progress is not None and (waiting == _REPORT_EVERY or index + 1 == len(points)):
            progress(waiting)
            waiting = 0
    return HullMeasures(torch.tensor(volumes, dtype=torch.float64), torch.tensor(facets, dtype=torch.long))


def load_hulls(
    set_name: str,
    num_samples: int,
    *,
    dim: int = 5,
    points: int = 16,
    seed: int = 42,
    folder: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Tensor]:
    """Return clouds of N(0, I) points of R^n with the volumes of their hulls, generated at the first call and cached.

    Parameters
    ----------
    set_name : str
        ``"train"``, ``"val"`` or ``"eval"``.
    num_samples, seed : int
        Size of the set, seed of all sets.
    dim, points : int
        Dimension n, and points in each cloud.
    folder : Path, optional
        Cache folder.
    progress : callable, optional
        Called with the number of hulls just finished; not called when the cache has them.

    Returns
    -------
    dict of str to Tensor
        ``inputs`` of shape ``(samples, points, n)`` and ``target`` of shape ``(samples,)``, float64.

    Raises
    ------
    TaskError
        If there is no such set.
    DataError
        If there are too few points for a volume, or no samples.
    MissingDependencyError
        If scipy is not installed.
    """

    def generate(generator: torch.Generator) -> dict[str, Tensor]:
        clouds = normal_samples(num_samples, points, dim, generator=generator)
        return {"inputs": clouds, "target": measure_hulls(clouds, progress).volumes}

    options = {"dim": dim, "points": points}
    return load_split("hulls", _VERSION, set_name, num_samples, seed, generate, folder=folder, options=options)


def _hull(spatial: Any, cloud: Any, index: int) -> Any:
    try:
        return spatial.ConvexHull(cloud)
    except (spatial.QhullError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(
            f"the hull of sample {index} has no volume that could be computed ({reason}); "
            "expected finite points that do not lie in a hyperplane"
        ) from error
