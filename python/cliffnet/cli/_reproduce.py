"""``cliffnet reproduce``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cliffnet.cli._console import make_console, make_reporter, number, print_table
from cliffnet.training import choose_device, format_seconds
from cliffnet.training.reproduction import (
    CellResult,
    Published,
    Reproduction,
    Table,
    describe_budget,
    get_table,
    reproduce,
    table_names,
)

_RUNS = Path("reproductions")


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "reproduce",
        help="train a published table again and compare",
        description="Train the models of a published table by its protocol and print mean and deviation over several "
        "seeds beside the published numbers. The same command goes on where an earlier one was interrupted. "
        "Without a table, list them.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("table", nargs="?", metavar="TABLE", help=f"one of: {', '.join(table_names())}")
    parser.add_argument(
        "--run-dir", type=Path, metavar="DIR", help=f"folder of runs and results (default: {_RUNS}/TABLE)"
    )
    parser.add_argument(
        "--budget", type=float, default=1.0, metavar="FRACTION", help="share of the published steps (default: 1)"
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="runs of each cell (default: as the table says)")
    parser.add_argument("--models", type=_names, metavar="NAME,...", help="only these models (default: all)")
    parser.add_argument("--only", type=_names, metavar="CELL,...", help="only these cells, e.g. glgenn-256")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="training processes at a time (default: 1)")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="CPU threads of each, 0 for torch's choice (default: 1)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: auto)")


def run(options: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    console = make_console()
    if options.table is None:
        _print_tables(console)
        return 0
    table = get_table(options.table)
    folder = _RUNS / table.name if options.run_dir is None else options.run_dir
    reproduction = Reproduction(table, folder, options.budget, str(choose_device(options.device)), options.threads)
    runs = reproduction.plan(options.seeds, options.models, options.only)
    results, files = reproduce(reproduction, runs, options.jobs, make_reporter(console))
    _print_results(console, reproduction, results)
    for file in files:
        console.print(f"{'plot' if file.suffix == '.png' else 'table'}: {file}", soft_wrap=True, markup=False)
    return _report_failures(results)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _print_tables(console: Any) -> None:
    """Print a row for each table, with what it costs."""
    rows = []
    for name in table_names():
        table = get_table(name)
        models = dict.fromkeys(cell.model for cell in table.runnable)
        runs = f"{len(table.runnable)} x {table.seeds}"
        rows.append((name, runs, format_seconds(table.seconds()), ", ".join(models), table.title))
    print_table(console, "published tables", ("table", "cells x seeds", "one core", "models", "title"), rows)
    console.print("Times are estimates; --jobs divides and --budget scales them.", soft_wrap=True)


def _print_results(console: Any, reproduction: Reproduction, results: Sequence[CellResult]) -> None:
    """Print a row for each cell: what came out, and what was published."""
    table, budget = reproduction.table, describe_budget(reproduction.budget)
    rows = [_row(table, result, reproduction.budget) for result in results]
    title = f"{table.title}; {table.metric_label}"
    columns = ("model", "setting", "here", "seeds", "published", "ratio", "steps", "parameters", "time")
    print_table(console, f"{title}; {budget}" if budget else title, columns, rows)
    sources = dict.fromkeys(cell.published.source for cell in table.cells if cell.published is not None)
    for note in (*(f"published: {source}" for source in sources if source), *table.notes):
        console.print(note, soft_wrap=True, markup=False)


def _row(table: Table, result: CellResult, budget: float) -> tuple[str, ...]:
    cell = result.cell
    if cell.config is None:
        return (cell.model, cell.setting, "-", "-", _published(cell.published), "-", "-", "-", "-")
    return (
        cell.model,
        cell.setting,
        "-" if result.mean is None else _spread(result.mean, result.deviation),
        f"{len(result.outcomes)}" + (f", {len(result.failures)} failed" if result.failures else ""),
        _published(cell.published),
        "-" if result.ratio is None else number(result.ratio),
        f"{table.config(cell, 0, budget).train.steps:,}",
        "-" if result.parameters is None else f"{result.parameters:,}",
        "-" if result.seconds is None else format_seconds(result.seconds),
    )


def _published(published: Published | None) -> str:
    return "-" if published is None else _spread(published.mean, published.deviation)


def _spread(mean: float, deviation: float | None) -> str:
    """Return a mean with its deviation.

    Examples
    --------
    >>> _spread(16.94, 0.441), _spread(0.0005, None)
    ('16.9 +- 0.44', '0.0005')
    """
    return number(mean) if deviation is None else f"{number(mean)} +- {deviation:.2g}"


def _report_failures(results: Sequence[CellResult]) -> int:
    """Write the messages of runs that failed; return the exit code."""
    failures = [
        f"{result.cell.name}, seed {seed}: {message}"
        for result in results
        for seed, message in sorted(result.failures.items())
    ]
    if not failures:
        return 0
    sys.stderr.writelines(f"cliffnet: failed: {failure}\n" for failure in failures)
    sys.stderr.write(f"cliffnet: error: {len(failures)} failed; the same command tries them again\n")
    return 2
