"""Geometric objects as multivectors, and back."""

from cliffnet.geometry import pga3d

__all__ = ["pga3d"]
