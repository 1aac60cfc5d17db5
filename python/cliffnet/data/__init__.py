"""Data sets: generated from a seed and cached on disk, or read from published files."""

from cliffnet.data._cache import cache_dir, cached_tensors
from cliffnet.data._hulls import HullMeasures, load_hulls, measure_hulls
from cliffnet.data._jets import JET_FILES, load_jets
from cliffnet.data._lorentz_invariants import (
    LORENTZ_SETS,
    boost,
    load_lorentz_invariants,
    lorentz_target,
    minkowski_product,
)
from cliffnet.data._random import seeded_generator
from cliffnet.data._regression import (
    RegressionStatistics,
    load_regression,
    regression_statistics,
    regression_target,
)
from cliffnet.data._signed_volume import load_signed_volumes, signed_volumes
from cliffnet.data.storage import load_tensors, save_tensors, write_atomically

__all__ = [
    "JET_FILES",
    "LORENTZ_SETS",
    "HullMeasures",
    "RegressionStatistics",
    "boost",
    "cache_dir",
    "cached_tensors",
    "load_hulls",
    "load_jets",
    "load_lorentz_invariants",
    "load_regression",
    "load_signed_volumes",
    "load_tensors",
    "lorentz_target",
    "measure_hulls",
    "minkowski_product",
    "regression_statistics",
    "regression_target",
    "save_tensors",
    "seeded_generator",
    "signed_volumes",
    "write_atomically",
]
