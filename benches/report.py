"""Rows of figures, the table that is printed and the CSV that is appended to."""

import csv
import datetime
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch

import cliffnet
from benches.timing import Quantiles
from cliffnet.ops import build_info

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Bar:
    """What a figure has to reach: at least a ratio to its baseline, or at most an amount in the row's own unit."""

    at_least_ratio: float | None = None
    at_most: float | None = None

    def text(self, unit: str) -> str:
        """Write the bar down, such as ``>= 20x``."""
        return f">= {self.at_least_ratio:g}x" if self.at_least_ratio is not None else f"<= {self.at_most:g} {unit}"


@dataclass(frozen=True)
class Row:
    """One figure: ours beside a baseline; without ``ours`` it was not measured and ``note`` says why."""

    name: str
    case: str
    unit: str
    ours: Quantiles | None = None
    baseline: str = ""
    baseline_median: float | None = None
    bar: Bar | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The median of the baseline over ours: how many times faster or smaller ours is."""
        if self.ours is None or self.baseline_median is None:
            return None
        return self.baseline_median / self.ours.median if self.ours.median else float("inf")

    @property
    def met(self) -> bool | None:
        """Whether the bar is reached; None where there is no bar or no measurement."""
        if self.bar is None or self.ours is None:
            return None
        if self.bar.at_most is not None:
            return self.ours.median <= self.bar.at_most
        return None if self.ratio is None else self.ratio >= (self.bar.at_least_ratio or 0)


@dataclass(frozen=True)
class Machine:
    """What a measurement depends on besides the code that is measured."""

    threads: str
    torch: str
    cliffnet: str
    commit: str
    cpu: str
    isa: str
    date: str

    @classmethod
    def here(cls) -> "Machine":
        """Describe this process."""
        return cls(
            threads=str(torch.get_num_threads()),
            torch=str(torch.__version__),
            cliffnet=cliffnet.__version__,
            commit=_commit(),
            cpu=_cpu(),
            isa=build_info()["isa"],
            date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )


def _commit() -> str:
    """Return the short hash of the checkout, with ``+`` where files differ from it."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _cpu() -> str:
    """Return the name of the processor, with family, model and stepping, for some names say little."""
    listing = Path("/proc/cpuinfo")
    if not listing.exists():
        return platform.processor() or platform.machine()
    entries: dict[str, str] = {}
    for line in listing.read_text().splitlines():
        key, _, value = line.partition(":")
        entries.setdefault(key.strip(), value.strip())
    numbers = "-".join(entries.get(key, "?") for key in ("cpu family", "model", "stepping"))
    return f"{entries.get('model name', platform.machine())} ({numbers})"


_MEASURED = ("name", "case", "unit", "ours_median", "ours_p20", "ours_p80", "baseline", "baseline_median", "ratio")
COLUMNS = (*_MEASURED, "bar", "met", "note", *(item.name for item in fields(Machine)))


def record(row: Row, machine: Machine) -> dict[str, str]:
    """Return a measured row as the entries of one CSV line."""
    if row.ours is None:
        raise ValueError(f"{row.name} ({row.case}) was not measured")
    return {
        "name": row.name,
        "case": row.case,
        "unit": row.unit,
        "ours_median": _number(row.ours.median),
        "ours_p20": _number(row.ours.p20),
        "ours_p80": _number(row.ours.p80),
        "baseline": row.baseline,
        "baseline_median": _number(row.baseline_median),
        "ratio": _number(row.ratio),
        "bar": row.bar.text(row.unit) if row.bar else "",
        "met": _yes_or_no(row.met),
        "note": row.note,
        **vars(machine),
    }


def check_csv(path: Path) -> None:
    """Raise ``ValueError`` unless rows can be appended: its folder exists, and its columns are ours if it exists."""
    if not path.parent.is_dir():
        raise ValueError(f"the folder of {path} does not exist")
    if path.is_dir():
        raise ValueError(f"{path} is a folder")
    if path.exists() and path.stat().st_size:
        with path.open(newline="") as file:
            header = next(csv.reader(file))
        if header != list(COLUMNS):
            raise ValueError(f"{path} has other columns ({','.join(header)}); give a new file")


def append_csv(path: Path, rows: Iterable[Row], machine: Machine) -> None:
    """Append the measured rows to a CSV file, which is created with its header where it does not exist."""
    check_csv(path)
    fresh = not path.exists() or not path.stat().st_size
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerows(record(row, machine) for row in rows if row.ours is not None)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def _yes_or_no(met: bool | None) -> str:
    return "" if met is None else ("yes" if met else "no")


_HEADS = ("figure", "ours", "baseline", "", "ratio", "bar", "met?")


def _amount(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.3g} {unit}"


def cells(row: Row) -> tuple[str, ...]:
    """Return a row as the texts of one table line."""
    bar = row.bar.text(row.unit) if row.bar else ""
    title = f"{row.name}: {row.case}"
    if row.ours is None:
        return title, "not measured", "", row.baseline, "", bar, ""
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
    ours, baseline = _amount(row.ours.median, row.unit), _amount(row.baseline_median, row.unit)
    return title, ours, baseline, row.baseline, ratio, bar, _yes_or_no(row.met)


def print_report(rows: Sequence[Row], machine: Machine) -> None:
    """Print the machine, the table and the notes under it, through rich where it is installed."""
    sentence = (
        f"{machine.threads} thread(s), {machine.cpu}, {machine.isa}, torch {machine.torch}, "
        f"cliffnet {machine.cliffnet} at {machine.commit}, {machine.date}"
    )
    lines = [cells(row) for row in rows]
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        widths = [max(len(line[index]) for line in [_HEADS, *lines]) for index in range(len(_HEADS))]
        for line in [_HEADS, *lines]:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    else:
        table = Table()
        for head in _HEADS:
            table.add_column(head, justify="right" if head in ("ours", "baseline", "ratio") else "left")
        for line in lines:
            table.add_row(*line)
        # wide enough for every cell where the output is a file, so that lines of the table stay lines
        Console(width=None if sys.stdout.isatty() else 170, highlight=False).print(table)
    for note in dict.fromkeys(f"{row.name}: {row.note}" for row in rows if row.note):
        print(note)
    print(sentence)
