"""Progress of long work: bars on a terminal, occasional plain lines elsewhere, silence for library use."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from cliffnet.data.storage import require

_QUIET_SECONDS = 2.0  # work that is done sooner shows nothing in plain mode
_LINE_SECONDS = 10.0


class Bar:
    """One piece of work with a known number of steps; this base class shows nothing."""

    def advance(self, amount: int, note: str = "") -> None:
        """Report ``amount`` more steps, and a short text such as the current loss."""

    def finish(self) -> None:
        """Report that the work ended, complete or not."""


class Reporter:
    """Where progress and messages go; this base class drops them."""

    def say(self, text: str) -> None:
        """Show a line of text."""

    @contextmanager
    def bar(self, label: str, total: int, done: int = 0, unit: str = "steps") -> Iterator[Bar]:
        """Show the progress of a block of code.

        Parameters
        ----------
        label : str
            What is being done.
        total, done : int
            Number of steps, and how many of them are behind.
        unit : str
            What a step is, for the rate.

        Yields
        ------
        Bar
        """
        bar = self.open_bar(label, total, done, unit)
        try:
            yield bar
        finally:
            bar.finish()

    def open_bar(self, label: str, total: int, done: int, unit: str, passing: bool = False) -> Bar:
        """Return a bar as :meth:`bar` yields it, for the caller to finish.

        Parameters
        ----------
        label, total, done, unit
            As of :meth:`bar`.
        passing : bool
            Take the bar off the screen when it is finished, however long it took.

        Returns
        -------
        Bar
        """
        return Bar()


class PlainReporter(Reporter):
    """Lines of text, for logs and pipes.

    Parameters
    ----------
    stream : text stream, optional
        Where the lines go, standard output by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def say(self, text: str) -> None:
        """Write the line."""
        stream = sys.stdout if self._stream is None else self._stream
        stream.write(text + "\n")
        stream.flush()

    def open_bar(self, label: str, total: int, done: int, unit: str, passing: bool = False) -> Bar:
        """Return a bar that writes a line now and then."""
        return _PlainBar(self, label, total, done, unit)


class RichReporter(Reporter):
    """Live bars through rich.

    Parameters
    ----------
    console : rich.console.Console
        The terminal.
    """

    def __init__(self, console: Any) -> None:
        self._console = console
        self._progress: Any = None
        self._open_bars = 0

    def say(self, text: str) -> None:
        """Print the line above the bars."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def open_bar(self, label: str, total: int, done: int, unit: str, passing: bool = False) -> Bar:
        """Return a live bar."""
        if self._progress is None:
            rich = require("rich.progress")
            self._progress = rich.Progress(
                rich.TextColumn("{task.description}"),
                rich.BarColumn(),
                rich.MofNCompleteColumn(),
                rich.TextColumn("{task.fields[rate]}"),
                rich.TimeRemainingColumn(),
                rich.TextColumn("{task.fields[note]}"),
                console=self._console,
            )
            self._progress.start()
        self._open_bars += 1
        return _RichBar(self, label, total, done, unit, passing)

    def close_bar(self) -> None:
        """Take one bar off the screen, and stop drawing when it was the last."""
        self._open_bars -= 1
        if self._open_bars == 0:
            self._progress.stop()
            self._progress = None


class _Rate:
    """Steps per second since the start."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.started = time.monotonic()
        self.count = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def value(self) -> float:
        return self.count / max(self.seconds, 1e-9)

    def __str__(self) -> str:
        return f"{self.value:,.{0 if self.value >= 100 else 1}f} {self.unit}/s"


class _PlainBar(Bar):
    def __init__(self, reporter: PlainReporter, label: str, total: int, done: int, unit: str) -> None:
        self._reporter, self._label, self._total, self._done = reporter, label, total, done
        self._rate = _Rate(unit)
        self._next_line = _QUIET_SECONDS
        self._note = ""

    def advance(self, amount: int, note: str = "") -> None:
        self._done += amount
        self._rate.count += amount
        self._note = note or self._note
        if self._rate.count and self._rate.seconds >= self._next_line and self._done < self._total:
            self._next_line = self._rate.seconds + _LINE_SECONDS
            left = (self._total - self._done) / max(self._rate.value, 1e-9)
            self._line(f"{format_seconds(left)} left")

    def finish(self) -> None:
        if self._rate.seconds >= _QUIET_SECONDS:
            self._line(f"{format_seconds(self._rate.seconds)} taken")

    def _line(self, timing: str) -> None:
        share = 100 * self._done // max(self._total, 1)
        parts = [f"{self._label}: {self._done}/{self._total} ({share} %)", str(self._rate), timing, self._note]
        self._reporter.say("  ".join(part for part in parts if part))


class _RichBar(Bar):
    def __init__(self, reporter: RichReporter, label: str, total: int, done: int, unit: str, passing: bool) -> None:
        self._reporter, self._passing = reporter, passing
        self._rate = _Rate(unit)
        self._progress = reporter._progress
        self._task = self._progress.add_task(label, total=total, completed=done, rate="", note="")

    def advance(self, amount: int, note: str = "") -> None:
        self._rate.count += amount
        fields = {"rate": str(self._rate)} | ({"note": note} if note else {})
        self._progress.update(self._task, advance=amount, **fields)

    def finish(self) -> None:
        if self._passing or self._rate.seconds < _QUIET_SECONDS:
            self._progress.remove_task(self._task)
        self._reporter.close_bar()


def format_seconds(seconds: float) -> str:
    """Return a duration as ``1:02:03`` or ``2:03``.

    Examples
    --------
    >>> format_seconds(3723), format_seconds(63)
    ('1:02:03', '1:03')
    """
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
