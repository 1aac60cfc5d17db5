"""``cliffnet train``."""

import argparse
import dataclasses
import time
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from cliffnet.cli._console import make_console, make_reporter
from cliffnet.cli._eval import print_results
from cliffnet.errors import ConfigError
from cliffnet.training import (
    DataOptions,
    ModelOptions,
    RunConfig,
    TrainOptions,
    check_model,
    get_task,
    read_config,
    resume_run,
    start_run,
    task_names,
)

_MODEL_HELP = {
    "channels": "width; multivector channels where there are any",
    "scalars": "scalar channels beside them",
    "blocks": "depth",
    "heads": "attention heads",
}
_DATA_HELP = {
    "train_samples": "training samples",
    "val_samples": "validation samples",
    "eval_samples": "samples in each evaluation set",
    "data_seed": "seed of the data sets",
    "dim": "dimension of space (hulls)",
    "points": "points of a cloud, balls of a system (hulls, nbody-charged)",
    "data_path": "folder or file of published data (top-tagging)",
}
_TRAIN_HELP = {
    "steps": "optimiser steps",
    "batch_size": "samples in a step",
    "lr": "learning rate at the start, or between warm-up and decay",
    "schedule": "exponential or warmup-cosine",
    "lr_decay": "exponential: learning rate at the end over that at the start",
    "lr_final": "warmup-cosine: learning rate at both ends",
    "weight_decay": "L2 penalty of Adam",
    "grad_clip": "largest norm of the gradient; 0 for no bound",
    "validate_every": "steps between validations; 0 for a tenth of the run, at most 1000",
    "checkpoint_every": "steps between checkpoints; 0 for a tenth of the run, at most 1000",
    "log_every": "steps between rows of the log",
    "ema": "decay of averaged weights to validate and keep; 0 for none",
    "seed": "seed of initial weights and batch order",
}
_PREFIXED = ("seed", "path")  # data options whose names on the command line begin with data
_ANYTIME = ("resume", "device", "threads")  # what may be chosen afresh for a resumed run


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("train", help="train a model on a task", description="Train a model on a task.")
    parser.set_defaults(run=run)
    parser.add_argument("task", nargs="?", metavar="TASK", help=f"one of: {', '.join(task_names())}")
    parser.add_argument("--model", help="model of the task, e.g. gatr, transformer, mlp")
    parser.add_argument("--resume", metavar="RUN", type=Path, help="go on with the run in this folder")
    parser.add_argument("--run-dir", metavar="DIR", type=Path, help="folder of all runs (default: runs)")
    parser.add_argument("--name", help="name of the run folder (default: task, model and time)")
    parser.add_argument("--overwrite", action="store_true", default=None, help="replace a run of the same name")
    parser.add_argument("--device", help="auto, cpu, cuda, cuda:1, ... (default: auto)")
    parser.add_argument("--dtype", help="float32 or float64 (default: float32)")
    parser.add_argument("--compile", action="store_true", default=None, help="train through torch.compile")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: as torch chooses)")
    for title, cls, texts in (
        ("optimisation (default: the recipe of task and model)", TrainOptions, _TRAIN_HELP),
        ("data (default: those of the task)", DataOptions, _DATA_HELP),
        ("model size (default: that of task and model)", ModelOptions, _MODEL_HELP),
    ):
        group = parser.add_argument_group(title)
        for name, text in texts.items():
            kind, metavar = _kind(cls, name.removeprefix("data_"))
            group.add_argument(_flag(name), dest=name, type=kind, metavar=metavar, help=text)


def run(options: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    given = {key: value for key, value in vars(options).items() if value is not None and key != "run"}
    console = make_console()
    reporter = make_reporter(console)
    started = time.monotonic()
    if "resume" in given:
        folder, config = given["resume"], read_config(given["resume"])
        refuse_conflicts(given, config)
        use_threads(given.get("threads", config.threads))
        results = resume_run(folder, given.get("device"), reporter)
    else:
        config = build_config(given)
        folder = run_folder(given, config)
        use_threads(config.threads)
        results = start_run(config, folder, given.get("overwrite", False), reporter)
    print_results(console, results, f"{config.model} on {config.task}, {time.monotonic() - started:.0f} s")
    console.print(f"run folder: {folder}", soft_wrap=True, markup=False)
    for plot in results.plots:
        console.print(f"plot: {plot}", soft_wrap=True, markup=False)
    return 0


def build_config(given: dict[str, Any]) -> RunConfig:
    """Return the configuration for the options given on the command line.

    Raises
    ------
    TaskError, ConfigError
        If a name is unknown or a value out of range.
    """
    if "task" not in given:
        raise ConfigError(f"train what? give a task ({', '.join(task_names())}) or --resume RUN")
    task = get_task(given["task"])
    if "model" not in given:
        raise ConfigError(f"give --model; task {task.name} has {', '.join(task.models)}")
    check_model(task, given["model"])
    return RunConfig(
        task=task.name,
        model=given["model"],
        model_options=ModelOptions(**_pick(given, _MODEL_HELP)),
        data=dataclasses.replace(task.data, **_pick(given, _DATA_HELP)),
        train=dataclasses.replace(task.recipes[given["model"]], **_pick(given, _TRAIN_HELP)),
        dtype=given.get("dtype", "float32"),
        compile=given.get("compile", False),
        device=given.get("device", "auto"),
        threads=given.get("threads", 0),
    )


def run_folder(given: dict[str, Any], config: RunConfig) -> Path:
    """Return where the run goes.

    Raises
    ------
    ConfigError
        If the name is not that of a folder.
    """
    name = given.get("name", f"{config.task}-{config.model}-{time.strftime('%Y%m%d-%H%M%S')}")
    if not name or name in (".", "..") or Path(name).name != name:
        raise ConfigError(f"--name is {name!r}; expected a plain folder name, the place is given by --run-dir")
    return Path(given.get("run_dir", "runs")) / str(name)


def refuse_conflicts(given: dict[str, Any], config: RunConfig) -> None:
    """Refuse options that would make a resumed run another run.

    Raises
    ------
    ConfigError
        If an option differs from the run's own.
    """
    own: dict[str, Any] = {
        **dataclasses.asdict(config.train),
        **{f"data_{key}" if key in _PREFIXED else key: value for key, value in dataclasses.asdict(config.data).items()},
        **dataclasses.asdict(config.model_options),
        **{key: getattr(config, key) for key in ("task", "model", "dtype", "compile")},
    }
    for key, value in given.items():
        if key not in _ANYTIME and (key not in own or own[key] != value):
            has = f"; the run has {own[key]}" if key in own else ""
            raise ConfigError(
                f"{_flag(key)} {value} cannot be given with --resume{has}: "
                f"only {', '.join(f'--{name}' for name in _ANYTIME[1:])} may change"
            )


def use_threads(threads: int) -> None:
    """Let torch use this many CPU threads; 0 leaves its choice.

    Raises
    ------
    ConfigError
        If the number is negative.
    """
    if threads < 0:
        raise ConfigError(f"--threads is {threads}; it must not be negative")
    if threads:
        torch.set_num_threads(threads)


def _absolute(path: str) -> str:
    """Return a path that means the same when the run is resumed from another folder."""
    return str(Path(path).expanduser().resolve())


def _flag(name: str) -> str:
    """Return how an option is spelt on the command line."""
    return "--data" if name == "data_path" else f"--{name.replace('_', '-')}"


def _kind(options: type, name: str) -> tuple[Callable[[str], Any], str]:
    """Return what reads an option, and what stands for its value in the help."""
    if name == "path":
        return _absolute, "PATH"
    declared = typing.get_type_hints(options)[name]
    kind = next(one for one in (typing.get_args(declared) or (declared,)) if one is not type(None))
    return kind, "N" if kind in (int, float) else name.upper()


def _pick(given: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {name.removeprefix("data_"): given[name] for name in names if name in given}
