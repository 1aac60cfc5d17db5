"""Geometric (Clifford) algebra for PyTorch: one engine, any signature."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from cliffnet import functional as functional
from cliffnet.algebra import Algebra as Algebra
from cliffnet.algebra import Layout as Layout
from cliffnet.algebra import LinearMaps as LinearMaps
from cliffnet.algebra import Partition as Partition
from cliffnet.multivector import Multivector as Multivector
from cliffnet.multivector import parse as parse
from cliffnet.ops import build_info as _build_info
from cliffnet_plugins import for_hypothesis as _for_hypothesis

if _TYPE_CHECKING:
    from cliffnet._preparation import prepare as prepare

__version__ = _build_info()["version"]

_for_hypothesis.register()

# imported when first asked for, as attributes of this package
_SUBPACKAGES = ("data", "geometry", "interop", "io", "models", "nn", "testing", "training", "viz")
# so too this function, and the module it is in
_LATE = {"prepare": "_preparation"}


def __getattr__(name: str) -> _Any:
    if name in _SUBPACKAGES:
        return _import_module(f"{__name__}.{name}")
    if name in _LATE:
        return getattr(_import_module(f"{__name__}.{_LATE[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBPACKAGES, *_LATE})
