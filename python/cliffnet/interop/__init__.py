"""Checkpoints and objects of other libraries."""

from cliffnet.interop._clifford import from_clifford, to_clifford
from cliffnet.interop._kingdon import from_kingdon, to_kingdon
from cliffnet.interop.reference import load_reference

__all__ = ["from_clifford", "from_kingdon", "load_reference", "to_clifford", "to_kingdon"]
