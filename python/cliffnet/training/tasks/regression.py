"""An O(n)-invariant function of two vectors (CGENN, section 5.2; GLGENN)."""

import dataclasses
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from cliffnet.algebra import Algebra
from cliffnet.data import RegressionStatistics, load_regression, regression_statistics
from cliffnet.models import InvariantRegressionNet
from cliffnet.training._config import DataOptions, ModelOptions, TrainOptions
from cliffnet.training._task import TensorSet
from cliffnet.training.tasks._vector_regression import (
    CGENN_RECIPE,
    FAMILIES,
    VectorMLP,
    VectorRegression,
    family_options,
)


class InvariantRegression(VectorRegression):
    """Base of the regression tasks: inputs and targets standardised by the training set, errors of the targets."""

    dim: int
    models: Mapping[str, ModelOptions] = {
        "cgenn": ModelOptions(channels=8, scalars=580),
        "glgenn": ModelOptions(channels=8, scalars=580),
        "mlp": ModelOptions(channels=380, blocks=2),
    }
    recipes: Mapping[str, TrainOptions] = dict.fromkeys(models, dataclasses.replace(CGENN_RECIPE, batch_size=32))
    data = DataOptions(train_samples=50_000, val_samples=16_384, eval_samples=16_384)
    metric_names = (*VectorRegression.metric_names, "standardized_mse")

    def load(self, set_name: str, options: DataOptions, progress: Callable[[int], None] | None = None) -> TensorSet:
        """Return a set with standardised ``inputs`` ``(samples, 2, n)`` and ``target`` as it is."""
        train = load_regression("train", options.train_samples, dim=self.dim, seed=options.seed)
        statistics = regression_statistics(train["inputs"], train["target"])
        size = options.num_samples(set_name)
        return standardized(load_regression(set_name, size, dim=self.dim, seed=options.seed), statistics)

    def errors(self, model: nn.Module, batch: TensorSet) -> dict[str, Tensor]:
        """Return errors of the targets, and the squared error over the variance of the training targets."""
        errors = super().errors(model, batch)
        return {**errors, "standardized_mse": errors["mse"] / batch["target_std"].square()}

    def build(self, model: str, options: ModelOptions, data: DataOptions) -> nn.Module:
        """Return a fresh model from pairs of vectors to numbers."""
        if model in FAMILIES:
            channels, width = options.sizes("channels", "scalars")
            return InvariantRegressionNet(2, channels, (width, width), **family_options(model, Algebra(self.dim)))
        if model == "mlp":
            channels, blocks = options.sizes("channels", "blocks")
            return VectorMLP(2, self.dim, channels, blocks)
        raise self.unknown_model(model)


class O5Regression(InvariantRegression):
    """In R^5, as in EMLP, CGENN and GLGENN."""

    name = "o5-regression"
    summary = "O(5)-invariant function of two vectors"
    dim = 5


class O7Regression(InvariantRegression):
    """In R^7, as in GLGENN."""

    name = "o7-regression"
    summary = "O(7)-invariant function of two vectors"
    dim = 7


def standardized(data: TensorSet, statistics: RegressionStatistics) -> TensorSet:
    """Divide the inputs by their scales, and add what turns standardised predictions back into targets."""
    target = data["target"]
    return {
        "inputs": data["inputs"] / statistics.input_scale.unsqueeze(-1),
        "target": target,
        "target_mean": statistics.target_mean.expand_as(target),
        "target_std": statistics.target_std.expand_as(target),
    }
