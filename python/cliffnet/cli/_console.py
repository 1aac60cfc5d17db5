"""Output of the command line through rich: live bars and wide tables on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from cliffnet.data.storage import require
from cliffnet.training import PlainReporter, Reporter, RichReporter

_PLAIN_WIDTH = 160


def make_console() -> Any:
    """Return a rich console on standard output, wide enough for our tables when it is not a terminal."""
    width = None if sys.stdout.isatty() else _PLAIN_WIDTH
    return require("rich.console").Console(file=sys.stdout, width=width, highlight=False)


def make_reporter(console: Any) -> Reporter:
    """Return live bars on a terminal and plain lines elsewhere."""
    return RichReporter(console) if console.is_terminal else PlainReporter()


def print_table(
    console: Any, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], highlight: Sequence[int] = ()
) -> None:
    """Print a table: the first column to the left, the others to the right.

    Parameters
    ----------
    console : rich.console.Console
        Where to print.
    title : str
        Heading.
    columns : sequence of str
        Column heads.
    rows : iterable of sequences of str
        Cells.
    highlight : sequence of int
        Rows in bold.
    """
    table = require("rich.table").Table()
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    for index, row in enumerate(rows):
        table.add_row(*row, style="bold" if index in highlight else None)
    console.print(title, style="bold", markup=False, soft_wrap=True)
    console.print(table)


def number(value: float | None) -> str:
    """Return three significant digits, or ``n/a`` for None.

    Examples
    --------
    >>> number(0.00051234), number(None)
    ('0.000512', 'n/a')
    """
    return "n/a" if value is None else f"{value:.3g}"
