"""Volumes of convex hulls of points in R^n (CGENN, section 5.3; GLGENN)."""

from collections.abc import Callable, Mapping

from torch import nn

from cliffnet.algebra import Algebra
from cliffnet.data import load_hulls
from cliffnet.models import ConvexHullNet
from cliffnet.training._config import DataOptions, ModelOptions, TrainOptions
from cliffnet.training._task import TensorSet
from cliffnet.training.tasks._vector_regression import (
    CGENN_RECIPE,
    FAMILIES,
    CloudEGNN,
    VectorMLP,
    VectorRegression,
    family_options,
)


class Hulls(VectorRegression):
    """Volume of the convex hull of ``--points`` points in R^n, n being ``--dim``."""

    name = "hulls"
    summary = "volume of the convex hull of some points"
    models: Mapping[str, ModelOptions] = {
        "cgenn": ModelOptions(channels=32, blocks=4),
        "glgenn": ModelOptions(channels=32, blocks=4),
        "egnn": ModelOptions(channels=64, blocks=4),
        "mlp": ModelOptions(channels=380, blocks=2),
    }
    recipes: Mapping[str, TrainOptions] = dict.fromkeys(models, CGENN_RECIPE)
    data = DataOptions(train_samples=16_384, val_samples=16_384, eval_samples=16_384, dim=5, points=16)

    def load(self, set_name: str, options: DataOptions, progress: Callable[[int], None] | None = None) -> TensorSet:
        """Return a set with ``inputs`` ``(samples, points, n)`` and ``target`` ``(samples,)``."""
        dim, points = options.sizes("dim", "points")
        size = options.num_samples(set_name)
        return load_hulls(set_name, size, dim=dim, points=points, seed=options.seed, progress=progress)

    def build(self, model: str, options: ModelOptions, data: DataOptions) -> nn.Module:
        """Return a fresh model from clouds of points to numbers."""
        dim, points = data.sizes("dim", "points")
        channels, blocks = options.sizes("channels", "blocks")
        if model in FAMILIES:
            return ConvexHullNet(points, channels, num_layers=blocks, **family_options(model, Algebra(dim)))
        if model == "egnn":
            return CloudEGNN(channels, blocks)
        if model == "mlp":
            return VectorMLP(points, dim, channels, blocks)
        raise self.unknown_model(model)
