"""``cliffnet eval``."""

import argparse
from pathlib import Path
from typing import Any

from cliffnet.cli._console import make_console, make_reporter, number, print_table
from cliffnet.training import RunResults, evaluate_run, get_task, read_config


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("eval", help="judge a trained run", description="Judge the best weights of a run.")
    parser.set_defaults(run=run)
    parser.add_argument("folder", metavar="RUN", type=Path, help="run folder")
    parser.add_argument("--set", default="all", help="an evaluation set of the task, or all (default: all)")
    parser.add_argument("--device", help="auto, cpu, cuda, ... (default: as the run)")


def run(options: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    config = read_config(options.folder)
    console = make_console()
    sets = None if options.set == "all" else [options.set]
    results = evaluate_run(options.folder, sets, options.device, make_reporter(console))
    print_results(console, results, f"{config.model} on {config.task}")
    return 0


def print_results(console: Any, results: RunResults, title: str) -> None:
    """Print the metrics of a run, a row for each set."""
    task = get_task(results.config.task)
    metrics = [name for name in task.metric_names if name != "loss"]
    rows = [
        (f"{name} ({task.eval_sets[name]})", *(number(None if values is None else values[key]) for key in metrics))
        for name, values in results.sets.items()
    ]
    note = f"{title}; {results.num_parameters:,} parameters, best weights from step {results.step}"
    print_table(console, note, ("set", *metrics), rows)
