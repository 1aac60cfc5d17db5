"""``cliffnet info``."""

import argparse
import platform
import sys
from typing import Any

import torch

from cliffnet.cli._console import make_console, print_table


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "info", help="versions and backend, or the blades of an algebra", description="Describe this installation."
    )
    parser.set_defaults(run=run)
    parser.add_argument("algebra", nargs="?", metavar="ALGEBRA", help='e.g. "Cl(3,0,1)": print its blades')


def run(options: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    if options.algebra is not None:
        _print_algebra(options.algebra)
        return 0
    facts = {
        "cliffnet": "(not installed)",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "threads": str(torch.get_num_threads()),
        "cuda": torch.version.cuda or "not built in",
        "devices": ", ".join(_devices()),
    }
    width = max(map(len, facts))
    for key, value in facts.items():
        sys.stdout.write(f"{key:<{width}}  {value}\n")
    return 0


def _devices() -> list[str]:
    return ["cpu", *(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))]


def _print_algebra(text: str) -> None:
    """Print one row for each blade: name, grade, square, right complement."""
    from cliffnet import Algebra

    algebra = Algebra.from_string(text)
    rows = []
    for index, (name, grade) in enumerate(zip(algebra.blade_names, algebra.grades, strict=True)):
        rows.append((name, str(index), str(grade)))
    print_table(make_console(), f"{algebra}: {algebra.num_blades} blades", ("blade", "index", "grade"), rows)
