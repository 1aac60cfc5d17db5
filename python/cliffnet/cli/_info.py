"""``cliffnet info``."""

import argparse
import importlib.metadata
import math
import platform
import sys
from typing import Any

import torch

import cliffnet
from cliffnet import Algebra
from cliffnet.cli._console import make_console, print_table
from cliffnet.ops import active_backend, build_info

_EXTRAS = ("numpy", "safetensors", "rich", "matplotlib", "tensorboard")
_MOST_BLADES = 256


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
        print_blades(Algebra.from_string(options.algebra))
        return 0
    facts = {
        "cliffnet": cliffnet.__version__,
        "backend": active_backend(),
        **{f"native {key}": value for key, value in build_info().items() if key != "version"},
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": str(torch.get_num_threads()),
        "cuda": torch.version.cuda or "not built in",
        "devices": ", ".join(_devices()),
        "platform": platform.platform(),
        **{name: _version(name) for name in _EXTRAS},
    }
    width = max(map(len, facts))
    sys.stdout.writelines(f"{key:<{width}}  {value}\n" for key, value in facts.items())
    return 0


def print_blades(algebra: Algebra) -> None:
    """Print one row for each blade: position, name, grade, square, reverse and right complement."""
    reverse = algebra.involution_signs("reverse")
    complement = {source: (target, sign) for target, source, sign in algebra.blade_map("right_complement")}
    rows = []
    for index, (name, grade, mask) in enumerate(
        zip(algebra.blade_names, algebra.grades, algebra.blade_masks, strict=True)
    ):
        square = reverse[index] * math.prod(algebra.metric[place] for place in range(algebra.dim) if mask >> place & 1)
        target, sign = complement[index]
        rows.append(
            (
                name,
                str(index),
                str(grade),
                f"{square:+g}" if square else "0",
                _signed(reverse[index], name),
                _signed(sign, algebra.blade_names[target]),
            )
        )
    title = f"{algebra}: {algebra.dim} generators, {algebra.num_blades} blades, metric {algebra.metric}"
    if len(rows) > _MOST_BLADES:
        title += f"; the first {_MOST_BLADES}"
    columns = ("blade", "index", "grade", "square", "reverse", "right complement")
    print_table(make_console(), title, columns, rows[:_MOST_BLADES])


def _signed(sign: float, name: str) -> str:
    return f"-{name}" if sign < 0 else name


def _devices() -> list[str]:
    return ["cpu", *(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return 'missing (pip install "cliffnet[train]")'
