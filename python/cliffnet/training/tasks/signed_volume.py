"""Signed volumes of triples of vectors (CGENN, section 5.1)."""

from collections.abc import Callable, Mapping

from torch import nn

from cliffnet.data import load_signed_volumes
from cliffnet.models import SignedVolumeNet
from cliffnet.training._config import DataOptions, ModelOptions, TrainOptions
from cliffnet.training._task import TensorSet
from cliffnet.training.tasks._vector_regression import CGENN_RECIPE, VectorMLP, VectorRegression


class SignedVolume(VectorRegression):
    """The O(3) experiment of CGENN: a tenth of the determinant of three vectors.

    There is no GLGENN here: products without a first-order term make even elements of vectors, without pseudoscalar.
    """

    name = "signed-volume"
    summary = "signed volume that three vectors span"
    models: Mapping[str, ModelOptions] = {
        "cgenn": ModelOptions(channels=96, blocks=4),
        "mlp": ModelOptions(channels=380, blocks=2),
    }
    recipes: Mapping[str, TrainOptions] = dict.fromkeys(models, CGENN_RECIPE)
    data = DataOptions(train_samples=65_536, val_samples=16_384, eval_samples=16_384)

    def load(self, set_name: str, options: DataOptions, progress: Callable[[int], None] | None = None) -> TensorSet:
        """Return a set with ``inputs`` ``(samples, 3, 3)`` and ``target`` ``(samples,)``."""
        return load_signed_volumes(set_name, options.num_samples(set_name), seed=options.seed)

    def build(self, model: str, options: ModelOptions, data: DataOptions) -> nn.Module:
        """Return a fresh model from triples of vectors to numbers."""
        channels, blocks = options.sizes("channels", "blocks")
        if model == "cgenn":
            return SignedVolumeNet(3, channels, num_layers=blocks)
        if model == "mlp":
            return VectorMLP(3, 3, channels, blocks)
        raise self.unknown_model(model)
