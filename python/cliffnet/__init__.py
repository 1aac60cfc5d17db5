"""Geometric (Clifford) algebra for PyTorch: one engine, any signature."""

from cliffnet import functional as functional
from cliffnet.algebra import Algebra as Algebra
from cliffnet.algebra import Layout as Layout
from cliffnet.algebra import LinearMaps as LinearMaps
from cliffnet.algebra import Partition as Partition
from cliffnet.multivector import Multivector as Multivector
from cliffnet.multivector import parse as parse
from cliffnet.ops import build_info as _build_info
from cliffnet_plugins import for_hypothesis as _for_hypothesis

__version__ = _build_info()["version"]

_for_hypothesis.register()
