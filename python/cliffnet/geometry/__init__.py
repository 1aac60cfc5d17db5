"""Geometric objects as multivectors, and back: one module a model of geometry."""

from cliffnet.geometry import cga, pga2d, pga3d, sta

__all__ = ["cga", "pga2d", "pga3d", "sta"]
