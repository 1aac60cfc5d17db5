"""Synthetic data sets, generated from a seed and cached on disk."""

from cliffnet.data._cache import cache_dir, cached_tensors
from cliffnet.data._random import seeded_generator
from cliffnet.data.storage import load_tensors, save_tensors, write_atomically

__all__ = ["cache_dir", "cached_tensors", "load_tensors", "save_tensors", "seeded_generator", "write_atomically"]
