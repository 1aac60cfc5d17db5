"""``cliffnet warmup``."""

import argparse
from collections.abc import Iterator
from typing import Any

import torch

from cliffnet._preparation import preparable, prepare
from cliffnet.algebra import Algebra, Partition
from cliffnet.cli._algebra import read_algebra
from cliffnet.cli._console import make_console, make_reporter, print_table
from cliffnet.errors import ConfigError
from cliffnet.ops import MadeKernel, cache_folder
from cliffnet.training import Reporter

_DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_PARTITIONS = {
    "grade": Partition.by_grade,
    "mod4": lambda algebra: Partition.by_grade_mod(algebra, 4),
    "parity": Partition.by_parity,
    "whole": Partition.whole,
}


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "warmup",
        help="compile CUDA kernels ahead of their first use",
        description="Compile the CUDA kernels of an algebra into the folder of compiled kernels, for the device of "
        "this machine or, with --architecture, for another: then no device is needed.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("algebra", metavar="ALGEBRA", help='e.g. "Cl(3,0,1)" or 3DPGA')
    parser.add_argument(
        "--partition", choices=_PARTITIONS, help="also the weighted products and gates of this partition of the grades"
    )
    parser.add_argument(
        "--operators",
        type=_words,
        metavar="NAME,...",
        help="only these functions, e.g. geometric_product,steerable_product; gatr takes all of the transformer",
    )
    parser.add_argument(
        "--dtype",
        type=_words,
        default=["float32"],
        metavar="NAME,...",
        help=f"of {', '.join(_DTYPES)} (default: float32)",
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--device", default="cuda", help="cuda, cuda:1, ... (default: cuda)")
    place.add_argument(
        "--architecture", type=_words, metavar="N,...", help="compile only, for compute capabilities such as 90 for 9.0"
    )
    parser.add_argument(
        "--derivatives", type=int, choices=(0, 1, 2), default=1, help="orders of derivatives to prepare (default: 1)"
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="kernels compiled at a time (default: up to 4)")


def run(options: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    dtypes = [_dtype(name) for name in options.dtype]
    architectures = [None] if options.architecture is None else [_architecture(word) for word in options.architecture]
    if options.jobs is not None and options.jobs < 1:
        raise ConfigError(f"--jobs is {options.jobs}, expected at least 1")
    subjects = list(_subjects(options))
    console = make_console()
    reporter = make_reporter(console)
    made: list[MadeKernel] = []
    for architecture in architectures:
        for subject, functions in subjects:
            arguments = {
                "device": options.device,
                "dtype": dtypes,
                "functions": functions,
                "derivatives": options.derivatives,
                "architecture": architecture,
                "jobs": options.jobs,
            }
            made += _prepare(reporter, subject, arguments)
    _print_made(console, made)
    return 0


def _subjects(options: argparse.Namespace) -> Iterator[tuple[Algebra | Partition, list[str] | None]]:
    """Yield algebra and partition, each with the functions that are asked of it."""
    algebra = read_algebra(options.algebra)
    subjects: list[Algebra | Partition] = [algebra]
    if options.partition is not None:
        subjects.append(_PARTITIONS[options.partition](algebra))
    if options.operators is None:
        yield from ((subject, None) for subject in subjects)
        return
    known = [name for subject in subjects for name in preparable(subject)]
    unknown = [name for name in options.operators if name not in known]
    if unknown:
        needed = "" if options.partition else "; others need --partition"
        raise ConfigError(
            f"there is no {', '.join(unknown)} to prepare; choose from {', '.join(dict.fromkeys(known))}{needed}"
        )
    for subject in subjects:
        names = [name for name in options.operators if name in preparable(subject)]
        if names:
            yield subject, names


def _prepare(reporter: Reporter, subject: Algebra | Partition, arguments: dict[str, Any]) -> list[MadeKernel]:
    label = str(subject) if arguments["architecture"] is None else f"{subject}, sm_{arguments['architecture']}"
    bar = None

    def advance(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            bar = reporter.open_bar(label, total, 0, "calls")
        bar.advance(1)

    try:
        return prepare(subject, advance=advance, **arguments)
    finally:
        if bar is not None:
            bar.finish()


def _print_made(console: Any, made: list[MadeKernel]) -> None:
    """Print a row for each operator, dtype and architecture, and their sum."""
    groups: dict[tuple[str, str, int], list[MadeKernel]] = {}
    for kernel in made:
        groups.setdefault((kernel.operator, kernel.dtype, kernel.architecture), []).append(kernel)
    rows = [
        (operator, dtype, f"sm_{architecture}", *_counts(kernels), f"{sum(one.seconds for one in kernels):.2f} s")
        for (operator, dtype, architecture), kernels in groups.items()
    ]
    if rows:
        columns = ("operator", "dtype", "architecture", "compiled", "from the cache", "time")
        print_table(console, "CUDA kernels", columns, rows)
    compiled, cached = _counts(made)
    console.print(
        f"{compiled} compiled, {cached} from the cache {cache_folder() or '(none)'}", soft_wrap=True, markup=False
    )


def _counts(made: list[MadeKernel]) -> tuple[str, str]:
    compiled = sum(kernel.is_compiled for kernel in made)
    return str(compiled), str(len(made) - compiled)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _dtype(name: str) -> torch.dtype:
    if name not in _DTYPES:
        raise ConfigError(f"no kernel is for {name}; choose from {', '.join(_DTYPES)}")
    return _DTYPES[name]


def _architecture(word: str) -> int:
    digits = word.removeprefix("sm_").replace(".", "")
    if not digits.isdigit():
        raise ConfigError(f"'{word}' is no architecture; give a compute capability such as 90 or 9.0")
    return int(digits)
