"""Charged n-body: from charges, positions and velocities predict the positions 1000 steps later (EGNN, section 5.1)."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cliffnet.data.nbody import load_charged, simulate_charged
from cliffnet.errors import TaskError
from cliffnet.models import MLP, ChargedNBodyNet, Transformer, VelocityEGNN
from cliffnet.models._graphs import edges_of_batch
from cliffnet.training._config import DataOptions, ModelOptions, TrainOptions
from cliffnet.training._plots import new_figure, save_figure
from cliffnet.training._task import TensorSet, unknown

_FEATURES = 7  # charge, position, velocity
_CLAMP = 100.0  # of coordinate messages, as published
_FRAMES = 10  # between input and target
_SYSTEMS_DRAWN = 4

CGENN_RECIPE = TrainOptions(
    steps=131_072,
    batch_size=100,
    lr=4e-3,
    schedule="warmup-cosine",
    lr_final=1e-7,
    weight_decay=1e-4,
    grad_clip=0.0,
    validate_every=128,
    checkpoint_every=1024,
)
EGNN_RECIPE = dataclasses.replace(
    CGENN_RECIPE,
    steps=300_000,
    lr=5e-4,
    schedule="exponential",
    lr_decay=1.0,
    lr_final=0.0,
    weight_decay=1e-12,
    validate_every=150,
)


class BallNet(nn.Module):
    """A Clifford network on charges, positions and velocities.

    Parameters
    ----------
    net : ChargedNBodyNet
        The network.
    """

    def __init__(self, net: ChargedNBodyNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, inputs: Tensor) -> Tensor:
        """Map balls ``(systems, balls, 7)`` to positions ``(systems, balls, 3)``."""
        out: Tensor = self.net(inputs[..., 1:4], inputs[..., 4:], inputs[..., 0])
        return out


class BallEGNN(nn.Module):
    """EGNN with velocities: nodes know their speeds, edges products of charges and squared distances.

    Parameters
    ----------
    channels, blocks : int
        Width and depth.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.net = VelocityEGNN(1, channels, blocks, clamp=_CLAMP)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map balls ``(systems, balls, 7)`` to positions ``(systems, balls, 3)``."""
        systems, balls = inputs.shape[:2]
        edges = edges_of_batch(None, systems, balls, inputs.device)
        flat = inputs.flatten(0, 1)
        charges, positions, velocities = flat[:, :1], flat[:, 1:4], flat[:, 4:]
        sources, targets = edges
        squares = (positions[targets] - positions[sources]).square().sum(-1, keepdim=True)
        attributes = torch.cat([charges[targets] * charges[sources], squares], dim=-1)
        speeds = torch.linalg.vector_norm(velocities, dim=-1, keepdim=True)
        out: Tensor = self.net(speeds, positions, velocities, edges, attributes).unflatten(0, (systems, balls))
        return out


class StraightMotion(nn.Module):
    """Positions plus a learnt time times velocities: the linear baseline."""

    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Parameter(torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map balls ``(systems, balls, 7)`` to positions ``(systems, balls, 3)``."""
        moved: Tensor = inputs[..., 1:4] + self.time * inputs[..., 4:]
        return moved


class NBodyCharged:
    """The published set of charged balls; ``--points`` asks for another number of them."""

    name = "nbody-charged"
    summary = "positions of charged balls from their state 1000 steps earlier"
    models: Mapping[str, ModelOptions] = {
        "cgenn": ModelOptions(channels=28, blocks=3),
        "glgenn": ModelOptions(channels=28, blocks=3),
        "egnn": ModelOptions(channels=64, blocks=4),
        "transformer": ModelOptions(channels=64, blocks=4, heads=4),
        "mlp": ModelOptions(channels=384, blocks=2),
        "linear": ModelOptions(),
    }
    recipes: Mapping[str, TrainOptions] = {
        **dict.fromkeys(models, EGNN_RECIPE),
        **dict.fromkeys(("cgenn", "glgenn"), CGENN_RECIPE),
    }
    data = DataOptions(train_samples=3_000, val_samples=2_000, eval_samples=2_000, seed=43, points=5)
    eval_sets: Mapping[str, str] = {"eval": "test"}
    metric_names = ("loss", "mse", "mae")
    evaluation_batch = 256

    def load(self, set_name: str, options: DataOptions, progress: Callable[[int], None] | None = None) -> TensorSet:
        """Return a set with ``inputs`` ``(samples, balls, 7)`` and ``target`` ``(samples, balls, 3)``."""
        (balls,), size = options.sizes("points"), options.num_samples(set_name)
        return load_charged(set_name, size, num_balls=balls, seed=options.seed, progress=progress)

    def build(self, model: str, options: ModelOptions, data: DataOptions) -> nn.Module:
        """Return a fresh model from balls to positions."""
        if model == "cgenn":
            return BallNet(ChargedNBodyNet(*options.sizes("channels", "blocks")))
        if model == "glgenn":
            channels, blocks = options.sizes("channels", "blocks")
            return BallNet(ChargedNBodyNet.glgenn(hidden_channels=channels, num_layers=blocks))
        if model == "egnn":
            return BallEGNN(*options.sizes("channels", "blocks"))
        if model == "transformer":
            return Transformer(_FEATURES, 3, *options.sizes("channels", "blocks", "heads"))
        if model == "mlp":
            (balls,) = data.sizes("points")
            return MLP(balls, _FEATURES, 3, *options.sizes("channels", "blocks"))
        if model == "linear":
            return StraightMotion()
        raise TaskError(unknown("model", model, self.models))

    def accepts(self, model: nn.Module, data: TensorSet) -> bool:
        """Say that every model takes every set."""
        return True

    def errors(self, model: nn.Module, batch: TensorSet) -> dict[str, Tensor]:
        """Return the mean squared error, which is the loss, and the mean absolute error of each system."""
        difference = model(batch["inputs"]) - batch["target"]
        squared = difference.square().mean((-1, -2))
        return {"loss": squared, "mse": squared, "mae": difference.abs().mean((-1, -2))}

    def metrics(self, errors: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the means."""
        return {name: values.mean().item() for name, values in errors.items()}

    def plot(self, model: nn.Module, sets: Mapping[str, TensorSet], folder: Path) -> list[Path]:
        """Draw some systems: the paths of the balls, where they end, and where the model says."""
        if not sets:
            return []
        figure = new_figure(3 * _SYSTEMS_DRAWN, 3 * len(sets) + 0.4)
        panels = figure.subplots(len(sets), _SYSTEMS_DRAWN, squeeze=False)
        for row, data in zip(panels, sets.values(), strict=True):
            inputs, target = data["inputs"][:_SYSTEMS_DRAWN], data["target"][:_SYSTEMS_DRAWN].double().cpu()
            with torch.no_grad():
                predicted = model.eval()(inputs).double().cpu()
            inputs = inputs.double().cpu()
            start = inputs[..., 1:4]
            moved = simulate_charged(inputs[..., 0], start, inputs[..., 4:], range(_FRAMES - 1), reflect=False)
            paths = torch.cat([start.unsqueeze(1), moved.positions, target.unsqueeze(1)], dim=1)
            for axes, path, end, charges in zip(row, paths, predicted, inputs[..., 0], strict=False):
                _draw_system(axes, path, end, charges)
        handles, labels = panels[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3)
        return [save_figure(figure, folder / "trajectories.png")]


def _draw_system(axes: Any, path: Tensor, predicted: Tensor, charges: Tensor) -> None:
    """Draw paths ``(frames, balls, 3)`` in the plane in which they spread most, red for positive charges."""
    centre = path.mean((0, 1))
    plane = torch.linalg.svd((path - centre).flatten(0, 1), full_matrices=False).Vh[:2].T
    paths, ends = (path - centre) @ plane, (predicted - centre) @ plane
    colours = ["C3" if charge > 0 else "C0" for charge in charges.tolist()]
    for index, colour in enumerate(colours):
        axes.plot(*paths[:, index].T.tolist(), color=colour, linewidth=1.2, label=None if index else "true path")
    axes.scatter(*paths[-1].T.tolist(), s=14, color=colours, label="true end")
    axes.scatter(*ends.T.tolist(), s=40, marker="x", color="black", label="predicted end")
    axes.set(aspect="equal", xticks=[], yticks=[])
