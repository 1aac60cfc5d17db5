"""Judging models: metrics over a set, and the results of a finished run."""

import json
import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from cliffnet.data.storage import write_atomically
from cliffnet.errors import CliffnetWarning, TaskError
from cliffnet.training._checkpoint import load_best, load_weights
from cliffnet.training._config import RunConfig, choose_device, read_config
from cliffnet.training._plots import plot_learning_curves
from cliffnet.training._progress import Reporter
from cliffnet.training._task import Task, TensorSet, check_model, get_task, unknown

RESULTS_FILE = "results.json"
PLOTS_FOLDER = "plots"


@dataclass(frozen=True)
class RunResults:
    """Metrics of a run.

    Attributes
    ----------
    config : RunConfig
        The run.
    num_parameters : int
        Trainable parameters of its model.
    step : int
        Step of the best weights, which are the ones judged.
    sets : dict
        Metrics by evaluation set; None for a set that the model cannot take.
    plots : list of Path
        Files drawn.
    """

    config: RunConfig
    num_parameters: int
    step: int
    sets: dict[str, dict[str, float] | None]
    plots: list[Path]


def move(data: TensorSet, device: torch.device, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Return a set on a device, its floating tensors in a dtype."""
    return {name: tensor.to(device, dtype if tensor.is_floating_point() else None) for name, tensor in data.items()}


def load_set(task: Task, set_name: str, config: RunConfig, reporter: Reporter) -> TensorSet:
    """Return one set of a run on the CPU, with a bar while it is generated."""
    with reporter.bar(f"data set {set_name}", config.data.num_samples(set_name), unit="samples") as bar:
        return task.load(set_name, config.data, lambda count: bar.advance(count))


def evaluate(
    task: Task,
    model: nn.Module,
    data: TensorSet,
    advance: Callable[[int], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[str, float] | None:
    """Return the metrics of a model on a set.

    Parameters
    ----------
    task : Task
        Gives the errors and the metrics.
    model : Module
        As built by the task; left in the mode it was in.
    data : mapping of str to Tensor
        On the device and in the dtype of the model.
    advance : callable, optional
        Called with the number of samples just done.
    stopped : callable
        Asked before each batch whether to give up.

    Returns
    -------
    dict of str to float, or None
        None if ``stopped`` said so.
    """
    total, size = len(next(iter(data.values()))), task.evaluation_batch
    parts: dict[str, list[torch.Tensor]] = {}
    was_training = model.training
    model.eval()
    try:
        for start in range(0, total, size):
            if stopped():
                return None
            batch = {name: tensor[start : start + size] for name, tensor in data.items()}
            with torch.no_grad():
                errors = task.errors(model, batch)
            for name, values in errors.items():
                parts.setdefault(name, []).append(values.double().cpu())
            if advance is not None:
                advance(min(size, total - start))
    finally:
        model.train(was_training)
    return task.metrics({name: torch.cat(values) for name, values in parts.items()})


def evaluate_run(
    folder: Path, sets: Iterable[str] | None = None, device: str | None = None, reporter: Reporter | None = None
) -> RunResults:
    """Judge the best weights of a run, and draw its plots when all sets are asked for.

    Parameters
    ----------
    folder : Path
        Run folder; ``results.json`` and ``plots/`` are written into it when all sets are asked for.
    sets : iterable of str, optional
        Evaluation sets of the task, all by default.
    device : str, optional
        Where to run, the device of the run by default.
    reporter : Reporter, optional
        Where progress goes.

    Returns
    -------
    RunResults

    Raises
    ------
    CheckpointError
        If the folder holds no run, or one without usable weights.
    TaskError
        If the task has no such set.

    Warns
    -----
    CliffnetWarning
        If the run folder cannot be written.
    """
    reporter = Reporter() if reporter is None else reporter
    config = read_config(folder)
    task = get_task(config.task)
    check_model(task, config.model)
    names = list(task.eval_sets) if sets is None else list(sets)
    for name in names:
        if name not in task.eval_sets:
            raise TaskError(unknown("evaluation set", name, task.eval_sets))
    place = choose_device(device or config.device)
    weights, step = load_best(folder)
    with torch.random.fork_rng([]):  # initial weights are drawn, and replaced at once
        model = task.build(config.model, config.model_options, config.data)
    load_weights(model, weights, folder)
    model.to(place, config.torch_dtype)

    loaded = {name: move(load_set(task, name, config, reporter), place, config.torch_dtype) for name in names}
    results: dict[str, dict[str, float] | None] = dict.fromkeys(names)
    for name, data in loaded.items():
        if task.accepts(model, data):
            with reporter.bar(f"evaluating on {name}", len(next(iter(data.values()))), unit="samples") as bar:
                results[name] = evaluate(task, model, data, bar.advance)
    num_parameters = sum(p.numel() for p in model.parameters())
    plots: list[Path] = []
    if sets is None:
        accepted = {name: data for name, data in loaded.items() if results[name] is not None}
        facts = {"best_step": step, "parameters": num_parameters, "sets": _json_safe(results)}
        text = json.dumps(facts, indent=2) + "\n"
        try:
            write_atomically(folder / RESULTS_FILE, text.encode())
            plots.append(plot_learning_curves({config.model: folder}, folder / PLOTS_FOLDER / "learning_curves.png"))
            plots += task.plot(model, accepted, folder / PLOTS_FOLDER)
        except OSError as error:  # the numbers are there; a folder that is full or read-only must not hide them
            warnings.warn(f"results and plots could not be written to {folder} ({error})", CliffnetWarning, 2)
    return RunResults(config, num_parameters, step, results, plots)


def _json_safe(results: Mapping[str, Mapping[str, float] | None]) -> dict[str, dict[str, float | None] | None]:
    """Replace numbers that JSON does not have by null."""

    def _finite(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        name: None if values is None else {key: _finite(value) for key, value in values.items()}
        for name, values in results.items()
    }
