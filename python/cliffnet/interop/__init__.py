"""Reading checkpoints of other implementations."""

from cliffnet.interop.reference import load_reference

__all__ = ["load_reference"]
