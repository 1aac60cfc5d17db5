"""Gravity n-body: from masses, positions and velocities predict the positions a little later (GATr, section 4.1)."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cliffnet.data.nbody import (
    DT,
    GRAVITY_SETS,
    STEPS,
    embed_bodies,
    extract_positions,
    load_gravity,
    prediction_losses,
    simulate,
)
from cliffnet.errors import TaskError
from cliffnet.models.baselines import MLP, Transformer
from cliffnet.models.gatr import GATr
from cliffnet.training._config import DataOptions, ModelOptions, TrainOptions
from cliffnet.training._plots import new_figure, save_figure
from cliffnet.training._task import TensorSet, unknown

_FEATURES = 7  # mass, position, velocity
_SYSTEMS_DRAWN = 4


class BodyGATr(nn.Module):
    """GATr between the embedding of bodies and the positions it predicts.

    Parameters
    ----------
    channels, scalars, blocks, heads : int
        Hidden multivector channels, hidden scalar channels, depth, attention heads.

    Notes
    -----
    Commutes with E(3) and with permutations of the bodies.
    """

    def __init__(self, channels: int, scalars: int, blocks: int, heads: int) -> None:
        super().__init__()
        self.net = GATr(
            in_mv_channels=1,
            out_mv_channels=1,
            hidden_mv_channels=channels,
            in_scalar_channels=1,
            out_scalar_channels=1,
            hidden_scalar_channels=scalars,
            attention={"num_heads": heads},
            num_blocks=blocks,
        )

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Map bodies ``(samples, bodies, 7)`` to positions ``(samples, bodies, 3)`` and regularisers ``(samples,)``."""
        scalars = inputs.new_zeros(*inputs.shape[:-1], 1)
        return extract_positions(*self.net(embed_bodies(inputs), scalars))


class BodyBaseline(nn.Module):
    """A network on plain features, without a regulariser.

    Parameters
    ----------
    net : Module
        Maps ``(samples, bodies, 7)`` to ``(samples, bodies, 3)``.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Map bodies ``(samples, bodies, 7)`` to positions ``(samples, bodies, 3)`` and zeros ``(samples,)``."""
        return self.net(inputs), inputs.new_zeros(len(inputs))


class NBodyGravity:
    """The n-body experiment of GATr, with its shifted and 5-planet evaluation sets."""

    name = "nbody-gravity"
    summary = "final positions of a star and its planets from their initial state"
    models: Mapping[str, ModelOptions] = {
        "gatr": ModelOptions(channels=16, scalars=128, blocks=10, heads=8),
        "transformer": ModelOptions(channels=384, blocks=10, heads=8),
        "mlp": ModelOptions(channels=384, blocks=2),
    }
    recipes: Mapping[str, TrainOptions] = dict.fromkeys(models, TrainOptions())
    data = DataOptions()
    eval_sets: Mapping[str, str] = {name: GRAVITY_SETS[name].label for name in ("eval", "e3", "object")}
    metric_names = ("loss", "mse", "mae", "rmse")
    evaluation_batch = 256

    def load(self, set_name: str, options: DataOptions, progress: Callable[[int], None] | None = None) -> TensorSet:
        """Return a set with ``inputs`` ``(samples, bodies, 7)`` and ``target`` ``(samples, bodies, 3)``."""
        return load_gravity(set_name, options.num_samples(set_name), seed=options.seed, progress=progress)

    def build(self, model: str, options: ModelOptions, data: DataOptions) -> nn.Module:
        """Return a fresh model from bodies to positions and a regulariser."""
        sizes = {key: value for key, value in vars(options).items() if value is not None}
        if model == "gatr":
            return BodyGATr(**sizes)
        if model == "transformer":
            return BodyBaseline(Transformer(_FEATURES, 3, sizes["channels"], sizes["blocks"], sizes["heads"]))
        if model == "mlp":
            bodies = GRAVITY_SETS["train"].num_planets + 1
            return BodyBaseline(MLP(bodies, _FEATURES, 3, sizes["channels"], sizes["blocks"]))
        raise TaskError(unknown("model", model, self.models))

    def accepts(self, model: nn.Module, data: TensorSet) -> bool:
        """Say whether a model can take the number of bodies in a set."""
        limits = [layer.num_objects for layer in model.modules() if isinstance(layer, MLP)]
        return all(limit == data["inputs"].shape[1] for limit in limits)

    def errors(self, model: nn.Module, batch: TensorSet) -> dict[str, Tensor]:
        """Return the loss, the mean squared and the mean absolute error of each sample."""
        positions, regulariser = model(batch["inputs"])
        difference = positions - batch["target"]
        return {
            "loss": prediction_losses(positions, batch["target"], regulariser),
            "mse": difference.square().mean((-1, -2)),
            "mae": difference.abs().mean((-1, -2)),
        }

    def metrics(self, errors: Mapping[str, Tensor]) -> dict[str, float]:
        """Return loss, mse, mae, and rmse as the root of the mse (the reference takes the root of the loss)."""
        means = {name: values.mean().item() for name, values in errors.items()}
        return {**means, "rmse": math.sqrt(means["mse"])}

    def plot(self, model: nn.Module, sets: Mapping[str, TensorSet], folder: Path) -> list[Path]:
        """Draw some systems of each set: the paths of the bodies, where they end, and where the model says."""
        if not sets:
            return []
        figure = new_figure(3 * _SYSTEMS_DRAWN, 3 * len(sets) + 0.4)
        panels = figure.subplots(len(sets), _SYSTEMS_DRAWN, squeeze=False)
        for row, (name, data) in zip(panels, sets.items(), strict=True):
            inputs = data["inputs"][:_SYSTEMS_DRAWN]
            with torch.no_grad():
                predicted = model.eval()(inputs)[0].double().cpu()
            for axes, system, end in zip(row, inputs.double().cpu(), predicted, strict=False):
                _draw_system(axes, system, end)
            row[0].set_ylabel(self.eval_sets.get(name, name))
        handles, labels = panels[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3)
        return [save_figure(figure, folder / "trajectories.png")]


def _draw_system(axes: Any, system: Tensor, predicted: Tensor) -> None:
    """Draw one system ``(bodies, 7)`` in the plane of its orbits, centred on the star."""
    masses, positions, velocities = system[:, 0], system[:, 1:4], system[:, 4:]
    trajectory = simulate(masses, positions, velocities, STEPS, DT, record_every=2).trajectory
    assert trajectory is not None
    star = positions[masses.argmax()]
    plane = torch.linalg.svd(positions - star).Vh[:2].T
    paths, ends = (trajectory - star) @ plane, (predicted - star) @ plane
    for index, path in enumerate(paths):
        axes.plot(*path.T.tolist(), color="C0", linewidth=1.2, label=None if index else "true path")
    axes.scatter(*paths[:, -1].T.tolist(), s=14, color="C0", label="true end")
    axes.scatter(*ends.T.tolist(), s=40, marker="x", color="C3", label="predicted end")
    span = 1.2 * paths.abs().max().item()
    axes.set(xlim=(-span, span), ylim=(-span, span), aspect="equal", xticks=[], yticks=[])
    if (ends.abs() > span).any():
        axes.set_title("some predictions lie outside", fontsize=8)
