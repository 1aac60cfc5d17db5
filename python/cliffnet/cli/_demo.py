"""``cliffnet demo``: the main job at a size that fits five minutes on two cores."""

import argparse
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cliffnet.cli._console import make_console, make_reporter, number, print_table
from cliffnet.cli._train import use_threads
from cliffnet.training import (
    DataOptions,
    ModelOptions,
    Reporter,
    RunConfig,
    RunResults,
    TrainOptions,
    choose_device,
    format_seconds,
    get_task,
    plot_comparison,
    plot_learning_curves,
    start_run,
)

_TASK = "nbody-gravity"
_DATA = DataOptions(train_samples=1000, val_samples=500, eval_samples=1000)
_PROBE_STEPS = 8
_THREADS = 1  # tensors this small gain little from a second one, and lose a lot where the cores are busy


@dataclass(frozen=True)
class _Entry:
    """One model of the demo: its size, the steps planned for it and the seconds it may take."""

    label: str
    model: str
    options: ModelOptions
    steps: int
    lr: float
    seconds: float


_ENTRIES = (
    _Entry("GATr", "gatr", ModelOptions(channels=8, scalars=32, blocks=4, heads=4), 2000, 1e-3, 165),
    _Entry("Transformer", "transformer", ModelOptions(channels=128, blocks=4, heads=8), 2500, 1e-3, 60),
    _Entry("MLP", "mlp", ModelOptions(channels=384, blocks=2), 3000, 1e-3, 20),
)


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="train GATr and two baselines on n-body data in five minutes",
        description="Train GATr, a transformer and an MLP on simulated n-body data and compare them on shifted "
        "systems and on systems with more planets.",
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--run-dir", type=Path, default=Path("runs/demo"), metavar="DIR", help="(default: runs/demo; replaced)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: auto)")
    parser.add_argument(
        "--threads",
        type=int,
        default=_THREADS,
        metavar="N",
        help=f"CPU threads, 0 for torch's own choice (default: {_THREADS})",
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, metavar="F", help="share of the planned steps and seconds (default: 1)"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    console = make_console()
    reporter = make_reporter(console)
    use_threads(options.threads)
    device = str(choose_device(options.device))
    started = time.monotonic()
    results: dict[str, RunResults] = {}
    seconds: dict[str, float] = {}
    for entry in _ENTRIES:
        config = _config(entry, device, options.threads, options.scale, reporter)
        begun = time.monotonic()
        results[entry.label] = start_run(config, options.run_dir / entry.model, overwrite=True, reporter=reporter)
        seconds[entry.label] = time.monotonic() - begun
    plots = _plot(results, options.run_dir)
    _print(console, results, seconds)
    for plot in plots:
        console.print(f"plot: {plot}", soft_wrap=True, markup=False)
    console.print(f"{format_seconds(time.monotonic() - started)} in all")
    return 0


def _config(entry: _Entry, device: str, threads: int, scale: float, reporter: Reporter) -> RunConfig:
    """Return the run of one entry, with fewer steps than planned where this machine is too slow for them."""
    per_step = _seconds_per_step(entry, device)
    fitting = int(entry.seconds / per_step)
    steps = max(1, round(scale * min(entry.steps, fitting)))
    if fitting < entry.steps:
        reporter.say(f"{entry.label}: {steps} steps instead of {entry.steps}, to stay within five minutes")
    return RunConfig(
        task=_TASK,
        model=entry.model,
        model_options=entry.options,
        data=_DATA,
        train=TrainOptions(steps=steps, lr=entry.lr),
        device=device,
        threads=threads,
    )


def _seconds_per_step(entry: _Entry, device: str) -> float:
    """Time a few training steps on random bodies."""
    task = get_task(_TASK)
    with torch.random.fork_rng([]):
        model = task.build(entry.model, entry.options, _DATA).to(device)
        batch = {"inputs": torch.rand(64, 4, 7, device=device), "target": torch.rand(64, 4, 3, device=device)}
    times = []
    for _ in range(_PROBE_STEPS):
        begun = time.perf_counter()
        loss = task.errors(model, batch)["loss"].mean()
        loss.backward()
        loss.item()
        times.append(time.perf_counter() - begun)
    quick = statistics.quantiles(times)[0]  # the first steps are slow, and others may be using the machine
    return 1.15 * quick  # with the optimiser, validations and checkpoints


def _print(console: Any, results: dict[str, RunResults], seconds: dict[str, float]) -> None:
    """Print one row for each model."""
    labels = get_task(_TASK).eval_sets
    rows = []
    for label, result in results.items():
        errors = [None if values is None else values["mse"] for values in result.sets.values()]
        rows.append(
            (
                label,
                *map(number, errors),
                f"{result.num_parameters:,}",
                str(result.config.train.steps),
                format_seconds(seconds[label]),
            )
        )
    columns = ("model", *(labels[name] for name in labels), "parameters", "steps", "time")
    print_table(console, "mean squared error of the final positions", columns, rows, highlight=(0,))


def _plot(results: dict[str, RunResults], folder: Path) -> list[Path]:
    """Draw all models together; return these plots and the trajectories of each model."""
    labels = get_task(_TASK).eval_sets
    errors = {
        label: {labels[name]: None if values is None else values["mse"] for name, values in result.sets.items()}
        for label, result in results.items()
    }
    runs = {entry.label: folder / entry.model for entry in _ENTRIES}
    return [
        plot_comparison(errors, list(labels.values()), "mean squared error", folder / "comparison.png"),
        plot_learning_curves(runs, folder / "learning_curves.png"),
        *(plot for result in results.values() for plot in result.plots if plot.stem == "trajectories"),
    ]
