"""Checkpoints of a run.

Layout of a run folder::

    config.json                         what determines the run
    metrics.csv                         one row per logged step and per validation
    tensorboard/                        the same for TensorBoard
    checkpoints/step-00001000/          complete or absent: written under another name, flushed, renamed
        weights.safetensors             parameters and buffers, by name
        optimizer.safetensors           Adam moments, random number state, averaged weights
        state.json                      step, best validation so far, seconds spent
    best.safetensors                    the weights with the lowest validation loss
    results.json                        metrics of the finished run on the evaluation sets
    plots/*.png

The two newest checkpoints are kept. The order of the data is a function of the seed and the step, so the step is all
that is stored of it.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cliffnet.data.storage import load_tensors, save_tensors, sync_folder, write_atomically
from cliffnet.errors import CheckpointError, DataError

BEST_FILE = "best.safetensors"
_FOLDER = "checkpoints"
_FORMAT = "cliffnet-checkpoint"
_KEPT = 2


@dataclass
class Progress:
    """How far a run has come.

    Attributes
    ----------
    step : int
        Optimiser steps taken.
    validated_step : int
        Step of the last validation; -1 before the first.
    best_loss, best_step : float, int
        Lowest validation loss, and when it was reached; infinity and -1 before the first validation.
    seconds : float
        Time spent training, all sessions together.
    """

    step: int = 0
    validated_step: int = -1
    best_loss: float = float("inf")
    best_step: int = -1
    seconds: float = 0.0


def save_checkpoint(
    folder: Path, progress: Progress, weights: Mapping[str, Tensor], extra: Mapping[str, Tensor]
) -> None:
    """Write a checkpoint of the run in ``folder`` and drop those before the last two.

    Parameters
    ----------
    folder : Path
        Run folder.
    progress : Progress
        Counters.
    weights, extra : mapping of str to Tensor
        State dict of the model; everything else.

    Raises
    ------
    OSError
        If it cannot be written; the checkpoints before are untouched.
    """
    parent = folder / _FOLDER
    parent.mkdir(exist_ok=True)
    final = parent / f"step-{progress.step:08}"
    state = (json.dumps({"format": _FORMAT, **asdict(progress)}, indent=2) + "\n").encode()
    if final.is_dir():  # the same step has the same tensors; only a validation may have come in between
        write_atomically(final / "state.json", state)
        return
    temporary = parent / f".{final.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        save_tensors(temporary / "weights.safetensors", weights, {"format": _FORMAT})
        save_tensors(temporary / "optimizer.safetensors", extra, {"format": _FORMAT})
        write_atomically(temporary / "state.json", state)
        temporary.rename(final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(parent)
    for old in _checkpoints(folder)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(folder: Path) -> tuple[Progress, dict[str, Tensor], dict[str, Tensor]]:
    """Read the newest checkpoint of the run in ``folder``.

    Parameters
    ----------
    folder : Path
        Run folder.

    Returns
    -------
    progress : Progress
    weights, extra : dict of str to Tensor

    Raises
    ------
    CheckpointError
        If there is none, or it is damaged or foreign.
    """
    found = _checkpoints(folder)
    if not found:
        raise CheckpointError(f"the run in {folder} has no checkpoint; start it again with --overwrite")
    newest = found[-1]
    advice = f"; remove {newest} to go on from {found[-2].name}" if len(found) > 1 else ""
    try:
        progress = _read_state(newest)
        weights, _ = load_tensors(newest / "weights.safetensors")
        extra, _ = load_tensors(newest / "optimizer.safetensors")
    except (OSError, DataError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"checkpoint {newest} cannot be used ({error}){advice}") from error
    return progress, weights, extra


def load_progress(folder: Path) -> Progress | None:
    """Read how far the run in ``folder`` has come, without its tensors; None if it has no checkpoint.

    Raises
    ------
    CheckpointError
        If the newest checkpoint is damaged or foreign.
    """
    found = _checkpoints(folder)
    if not found:
        return None
    try:
        return _read_state(found[-1])
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"checkpoint {found[-1]} cannot be used ({error})") from error


def save_best(folder: Path, weights: Mapping[str, Tensor], progress: Progress) -> None:
    """Write the weights that did best in validation."""
    metadata = {"format": _FORMAT, "step": str(progress.best_step), "loss": repr(progress.best_loss)}
    save_tensors(folder / BEST_FILE, weights, metadata)


def load_best(folder: Path) -> tuple[dict[str, Tensor], int]:
    """Read the best weights of the run in ``folder``, and the step they are from.

    Raises
    ------
    CheckpointError
        If they are missing, damaged or foreign.
    """
    path = folder / BEST_FILE
    try:
        weights, metadata = load_tensors(path)
        if metadata.get("format") != _FORMAT:
            raise DataError(f"{path} was not written by a cliffnet run")
        return weights, int(metadata["step"])
    except FileNotFoundError as error:
        raise CheckpointError(
            f"the run in {folder} has no {BEST_FILE} yet; let it reach its first validation"
        ) from error
    except (OSError, DataError, ValueError, KeyError) as error:
        raise CheckpointError(f"the best weights cannot be used ({error})") from error


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], source: Path) -> None:
    """Put weights into a model, refusing any that do not fit exactly.

    Parameters
    ----------
    model : Module
        Receives the weights.
    weights : mapping of str to Tensor
        A complete state dict.
    source : Path
        For the message.

    Raises
    ------
    CheckpointError
        If names or shapes differ.
    """
    own = model.state_dict()
    missing, foreign = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    misshapen = [name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape]
    problems = [
        f"{len(names)} {what} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for what, names in (("missing", missing), ("unexpected", foreign), ("of another shape", sorted(misshapen)))
        if names
    ]
    if problems:
        raise CheckpointError(f"the weights in {source} belong to another model: {'; '.join(problems)}")
    model.load_state_dict(dict(weights))


def pack_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the state of an optimiser over ``model.parameters()`` as named tensors."""
    return {
        f"optimizer.{key}.{name}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def unpack_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what :func:`pack_optimizer` returned."""
    keys = sorted({name.split(".")[1] for name in tensors if name.startswith("optimizer.")})
    state: dict[int, dict[str, Any]] = {}
    for index, (name, _) in enumerate(model.named_parameters()):
        found = {key: tensors[f"optimizer.{key}.{name}"] for key in keys if f"optimizer.{key}.{name}" in tensors}
        if found:
            state[index] = found
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _read_state(checkpoint: Path) -> Progress:
    state = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
    if state.pop("format") != _FORMAT:
        raise ValueError("its state.json has another format")
    return Progress(**state)


def _checkpoints(folder: Path) -> list[Path]:
    """Return the complete checkpoints, oldest first."""
    return sorted(path for path in (folder / _FOLDER).glob("step-*") if path.is_dir())
