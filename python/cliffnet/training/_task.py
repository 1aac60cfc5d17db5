"""What a task gives to the training loop, and the table in which tasks are found by name."""

import difflib
import importlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from cliffnet.errors import TaskError
from cliffnet.training._config import DataOptions, ModelOptions, TrainOptions

TensorSet = Mapping[str, Tensor]
"""A data set: named tensors that share their first axis, the samples."""


class Task(Protocol):
    """One problem: its data, its models, its loss and its pictures.

    Attributes
    ----------
    name, summary : str
        As shown on the command line.
    models : mapping of str to ModelOptions
        Models by name, with the published sizes as defaults; None marks an option that the model does not have.
    recipes : mapping of str to TrainOptions
        How each model was trained where it was published.
    data : DataOptions
        The published data; None marks an option that the task does not have.
    eval_sets : mapping of str to str
        Sets on which a finished run is judged, with their labels.
    metric_names : tuple of str
        Keys of the result of :meth:`metrics`.
    evaluation_batch : int
        Samples judged together.
    """

    name: str
    summary: str
    models: Mapping[str, ModelOptions]
    recipes: Mapping[str, TrainOptions]
    data: DataOptions
    eval_sets: Mapping[str, str]
    metric_names: tuple[str, ...]
    evaluation_batch: int

    def load(self, set_name: str, options: DataOptions, progress: Callable[[int], None] | None = None) -> TensorSet:
        """Return the set ``"train"``, ``"val"`` or one of ``eval_sets``, on the CPU."""
        ...

    def build(self, model: str, options: ModelOptions, data: DataOptions) -> nn.Module:
        """Return a fresh model for some data; both options are complete."""
        ...

    def accepts(self, model: nn.Module, data: TensorSet) -> bool:
        """Say whether a model can take this set at all."""
        ...

    def errors(self, model: nn.Module, batch: TensorSet) -> dict[str, Tensor]:
        """Return named errors of each sample, shape ``(samples,)``; ``"loss"`` is the one that is minimised."""
        ...

    def metrics(self, errors: Mapping[str, Tensor]) -> dict[str, float]:
        """Turn the :meth:`errors` of all samples of a set, float64, into its metrics, ``"loss"`` among them."""
        ...

    def plot(self, model: nn.Module, sets: Mapping[str, TensorSet], folder: Path) -> list[Path]:
        """Draw what the model does on the sets; return the files written."""
        ...


_TASKS = {
    "nbody-gravity": "cliffnet.training.tasks.nbody_gravity:NBodyGravity",
    "nbody-charged": "cliffnet.training.tasks.nbody_charged:NBodyCharged",
    "signed-volume": "cliffnet.training.tasks.signed_volume:SignedVolume",
    "o5-regression": "cliffnet.training.tasks.regression:O5Regression",
    "o7-regression": "cliffnet.training.tasks.regression:O7Regression",
    "hulls": "cliffnet.training.tasks.hulls:Hulls",
    "lorentz-invariants": "cliffnet.training.tasks.lorentz_invariants:LorentzInvariants",
    "top-tagging": "cliffnet.training.tasks.top_tagging:TopTagging",
}
"""Name of each task, and where its class is; a new task is one new file and one line here."""


def task_names() -> tuple[str, ...]:
    """Return the names of all tasks."""
    return tuple(_TASKS)


def get_task(name: str) -> Task:
    """Return the task called ``name``.

    Parameters
    ----------
    name : str
        One of :func:`task_names`.

    Returns
    -------
    Task

    Raises
    ------
    TaskError
        If there is none; the message lists those there are, the nearest first.
    """
    if name not in _TASKS:
        raise TaskError(unknown("task", name, _TASKS))
    module, _, attribute = _TASKS[name].partition(":")
    task: Task = getattr(importlib.import_module(module), attribute)()
    return task


def check_model(task: Task, model: str) -> None:
    """Make sure that a task has a model of this name.

    Raises
    ------
    TaskError
        If it has not.
    """
    if model not in task.models:
        raise TaskError(f"{unknown('model', model, task.models)} (task {task.name})")


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return a message about an unknown name, with near matches and all that exist."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"there is no {kind} called {name!r}.{hint} Known: {', '.join(known)}"
