"""A Lorentz-invariant function of four momenta, judged on slow and on fast events."""

from collections.abc import Callable, Mapping

from torch import nn

from cliffnet.algebra import Algebra
from cliffnet.data import load_lorentz_invariants, regression_statistics
from cliffnet.models import InvariantRegressionNet
from cliffnet.training._config import DataOptions, ModelOptions, TrainOptions
from cliffnet.training._task import TensorSet
from cliffnet.training.tasks._vector_regression import FAMILIES, VectorMLP, VectorRegression, family_options
from cliffnet.training.tasks.regression import standardized

_PARTICLES = 4
_READOUT = 256


class LorentzInvariants(VectorRegression):
    """An invariant of four momenta; the test set ``boosted`` moves faster than anything in training."""

    name = "lorentz-invariants"
    summary = "Lorentz-invariant function of four momenta"
    models: Mapping[str, ModelOptions] = {
        "cgenn": ModelOptions(channels=16),
        "glgenn": ModelOptions(channels=16),
        "mlp": ModelOptions(channels=256, blocks=3),
    }
    recipes: Mapping[str, TrainOptions] = dict.fromkeys(
        models, TrainOptions(steps=20_000, batch_size=128, lr=1e-3, schedule="warmup-cosine")
    )
    data = DataOptions(train_samples=20_000, val_samples=4_096, eval_samples=4_096)
    eval_sets: Mapping[str, str] = {"eval": "in distribution", "boosted": "boosted"}

    def load(self, set_name: str, options: DataOptions, progress: Callable[[int], None] | None = None) -> TensorSet:
        """Return a set with standardised ``inputs`` ``(samples, 4, 4)`` and ``target`` as it is."""
        train = load_lorentz_invariants("train", options.train_samples, seed=options.seed)
        statistics = regression_statistics(train["inputs"], train["target"])
        return standardized(
            load_lorentz_invariants(set_name, options.num_samples(set_name), seed=options.seed), statistics
        )

    def build(self, model: str, options: ModelOptions, data: DataOptions) -> nn.Module:
        """Return a fresh model from momenta to numbers."""
        if model in FAMILIES:
            (channels,) = options.sizes("channels")
            family = family_options(model, Algebra(1, 3))
            return InvariantRegressionNet(_PARTICLES, channels, (_READOUT, _READOUT), **family)
        if model == "mlp":
            channels, blocks = options.sizes("channels", "blocks")
            return VectorMLP(_PARTICLES, 4, channels, blocks)
        raise self.unknown_model(model)
