"""Jets of top quarks among those of quarks and gluons (LorentzNet; CGENN, section 5.5)."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from cliffnet.algebra import Algebra, Partition
from cliffnet.data import load_jets, minkowski_product
from cliffnet.errors import TaskError
from cliffnet.models import LorentzTaggingNet
from cliffnet.models._graphs import complete_graphs
from cliffnet.training._config import DataOptions, ModelOptions, TrainOptions
from cliffnet.training._plots import plot_receiver_curves
from cliffnet.training._scores import area_under_curve, background_rejection
from cliffnet.training._task import TensorSet, unknown

_EVALUATED_AT_ONCE = 32
_SIGNAL_EFFICIENCIES = (0.5, 0.3)


class TopTagging:
    """The top-tagging reference data set, read from ``--data``."""

    name = "top-tagging"
    summary = "jets of top quarks among others, from published files (--data)"
    models: Mapping[str, ModelOptions] = {
        "cgenn": ModelOptions(channels=8, scalars=72, blocks=4),
        "cgenn-gpmlp": ModelOptions(channels=8, scalars=72, blocks=4),
        "glgenn": ModelOptions(channels=8, scalars=72, blocks=4),
    }
    recipes: Mapping[str, TrainOptions] = dict.fromkeys(
        models,
        TrainOptions(
            steps=331_126,
            batch_size=32,
            lr=1e-3,
            schedule="warmup-cosine",
            lr_final=1e-7,
            grad_clip=0.0,
            validate_every=8192,
        ),
    )
    data = DataOptions(train_samples=1_211_000, val_samples=403_000, eval_samples=404_000, path="")
    eval_sets: Mapping[str, str] = {"eval": "test"}
    metric_names = ("loss", "accuracy", "auc", *(f"rejection_{value}" for value in _SIGNAL_EFFICIENCIES))
    evaluation_batch = _EVALUATED_AT_ONCE

    def load(self, set_name: str, options: DataOptions, progress: Callable[[int], None] | None = None) -> TensorSet:
        """Return at most as many jets as asked for, with beams; see :func:`cliffnet.data.load_jets`."""
        size = options.num_samples(set_name)
        return load_jets(options.path or None, set_name, size, beams=True, progress=progress)

    def build(self, model: str, options: ModelOptions, data: DataOptions) -> nn.Module:
        """Return a fresh model from momenta, attributes of particles, mask and edges to two logits."""
        sizes = options.sizes("channels", "scalars", "blocks")
        if model == "cgenn":
            return LorentzTaggingNet(*sizes)
        if model == "cgenn-gpmlp":
            return LorentzTaggingNet(*sizes, layer_type="gpmlp")
        if model == "glgenn":
            return LorentzTaggingNet(*sizes, partition=Partition.by_grade_mod(Algebra(1, 3), 4))
        raise TaskError(unknown("model", model, self.models))

    def accepts(self, model: nn.Module, data: TensorSet) -> bool:
        """Say that every model takes every set."""
        return True

    def errors(self, model: nn.Module, batch: TensorSet) -> dict[str, Tensor]:
        """Return the cross entropy, which is the loss, whether it is right, and the score and kind of each jet."""
        logits = _logits(model, batch)
        target = batch["target"]
        return {
            "loss": nn.functional.cross_entropy(logits, target, reduction="none"),
            "accuracy": (logits.argmax(-1) == target).to(logits.dtype),
            "score": logits[:, 1] - logits[:, 0],
            "signal": target.to(logits.dtype),
        }

    def metrics(self, errors: Mapping[str, Tensor]) -> dict[str, float]:
        """Return loss, accuracy, area under the curve, and background rejections at signal efficiencies.

        What the jets at hand cannot tell is NaN: curves of one kind of jet, infinite rejections.
        """
        score, signal = errors["score"], errors["signal"] > 0.5
        found = {name: errors[name].mean().item() for name in ("loss", "accuracy")}
        found["auc"] = area_under_curve(score, signal)
        for efficiency in _SIGNAL_EFFICIENCIES:
            found[f"rejection_{efficiency}"] = background_rejection(score, signal, efficiency)
        return found

    def plot(self, model: nn.Module, sets: Mapping[str, TensorSet], folder: Path) -> list[Path]:
        """Draw the receiver curve of each set."""
        curves = {}
        for name, data in sets.items():
            scores = []
            for start in range(0, len(data["target"]), _EVALUATED_AT_ONCE):
                batch = {key: tensor[start : start + _EVALUATED_AT_ONCE] for key, tensor in data.items()}
                with torch.no_grad():
                    scores.append(self.errors(model.eval(), batch)["score"].cpu())
            curves[self.eval_sets.get(name, name)] = (torch.cat(scores), data["target"].cpu() == 1)
        return [plot_receiver_curves(curves, folder / "receiver_curves.png")] if curves else []


def _logits(model: nn.Module, batch: TensorSet) -> Tensor:
    """Classify a batch, slots that none of its jets needs left out."""
    slots = int(batch["mask"].any(0).nonzero().max()) + 1
    momenta, mask, beam = (batch[name][:, :slots] for name in ("momenta", "mask", "beam"))
    mass = minkowski_product(momenta, momenta).abs().sqrt()
    attributes = torch.stack([mass * (mask & ~beam), mass * beam], dim=-1)
    logits: Tensor = model(momenta, attributes, mask, complete_graphs(mask))
    return logits
