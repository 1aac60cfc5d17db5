"""What tasks share that predict one number from a fixed number of vectors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cliffnet.algebra import Algebra, Partition
from cliffnet.errors import TaskError
from cliffnet.models import EGNN, MLP
from cliffnet.models._graphs import edges_of_batch
from cliffnet.training._config import DataOptions, ModelOptions, TrainOptions
from cliffnet.training._plots import plot_predictions
from cliffnet.training._task import TensorSet, unknown

CGENN_RECIPE = TrainOptions(
    steps=131_072, batch_size=128, lr=1e-3, lr_decay=1.0, grad_clip=0.0, validate_every=1024, checkpoint_every=1024
)
"""Adam with a constant learning rate, as CGENN trains on signed volumes and hulls."""

FAMILIES = ("cgenn", "glgenn")
_POINTS_DRAWN = 2000


class VectorMLP(nn.Module):
    """Plain MLP from the coordinates of all vectors to one number.

    Parameters
    ----------
    num_vectors, dim : int
        Vectors of a sample, and their coordinates.
    channels, blocks : int
        Width and depth.
    """

    def __init__(self, num_vectors: int, dim: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.net = MLP(1, num_vectors * dim, 1, channels, blocks)

    def forward(self, vectors: Tensor) -> Tensor:
        """Map ``(samples, vectors, n)`` to ``(samples,)``."""
        out: Tensor = self.net(vectors.flatten(-2).unsqueeze(-2))
        return out[..., 0, 0]


class CloudEGNN(nn.Module):
    """EGNN on the complete graph of some points, to the mean of its features and one number.

    Parameters
    ----------
    channels, blocks : int
        Width and depth.

    Notes
    -----
    Invariant under E(n) and permutations of the points.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.net = EGNN(1, channels, channels, blocks)
        self.readout = nn.Sequential(nn.SiLU(), nn.Linear(channels, 1))

    def forward(self, points: Tensor) -> Tensor:
        """Map ``(samples, points, n)`` to ``(samples,)``."""
        samples, count = points.shape[:2]
        edges = edges_of_batch(None, samples, count, points.device)
        features, _ = self.net(points.new_ones(samples * count, 1), points.flatten(0, 1), edges)
        out: Tensor = self.readout(features.unflatten(0, (samples, count)).mean(1))
        return out.squeeze(-1)


class VectorRegression:
    """Base of the tasks: mean squared error of one number for each sample.

    A set has ``inputs`` ``(samples, vectors, n)`` and ``target`` ``(samples,)``; where it has ``target_mean`` and
    ``target_std`` ``(samples,)`` too, the model predicts the standardised target and is judged by the target itself.
    """

    name: str
    summary: str
    models: Mapping[str, ModelOptions]
    recipes: Mapping[str, TrainOptions]
    data: DataOptions
    eval_sets: Mapping[str, str] = {"eval": "test"}
    metric_names: tuple[str, ...] = ("loss", "mse", "mae")
    evaluation_batch = 256

    def accepts(self, model: nn.Module, data: TensorSet) -> bool:
        """Say that every model takes every set."""
        return True

    def errors(self, model: nn.Module, batch: TensorSet) -> dict[str, Tensor]:
        """Return the squared error, which is the loss, and the absolute error of each sample."""
        difference = predict(model, batch) - batch["target"]
        return {"loss": difference.square(), "mse": difference.square(), "mae": difference.abs()}

    def metrics(self, errors: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the means."""
        return {name: values.mean().item() for name, values in errors.items()}

    def plot(self, model: nn.Module, sets: Mapping[str, TensorSet], folder: Path) -> list[Path]:
        """Draw predicted against true targets of each set."""
        pairs = {}
        for name, data in sets.items():
            part = {key: tensor[:_POINTS_DRAWN] for key, tensor in data.items()}
            with torch.no_grad():
                predicted = predict(model.eval(), part)
            pairs[self.eval_sets.get(name, name)] = (part["target"].cpu(), predicted.cpu())
        return [plot_predictions(pairs, self.name, folder / "predictions.png")] if pairs else []

    def unknown_model(self, model: str) -> TaskError:
        """Return the error for a model that the task has not."""
        return TaskError(unknown("model", model, self.models))


def family_options(model: str, algebra: Algebra) -> dict[str, Any]:
    """Return what makes a network one of CGENN or of GLGENN: the partition, and the kind of blocks."""
    if model == "cgenn":
        return {"partition": Partition.by_grade(algebra)}
    return {"partition": Partition.by_grade_mod(algebra, 4), "blocks": "glgenn"}


def predict(model: nn.Module, batch: TensorSet) -> Tensor:
    """Return what the model says of the targets themselves."""
    prediction: Tensor = model(batch["inputs"])
    if "target_std" in batch:
        prediction = prediction * batch["target_std"] + batch["target_mean"]
    return prediction
