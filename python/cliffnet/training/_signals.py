"""Ending a run cleanly on Ctrl-C or SIGTERM."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any, Self


class TrainingInterrupted(Exception):
    """A run was asked to stop and has written a checkpoint.

    Attributes
    ----------
    signum : int
        The signal that asked.
    folder : Path
        The run, ready to be resumed.
    step : int
        Steps behind it.
    """

    def __init__(self, signum: int, folder: Path, step: int) -> None:
        super().__init__(
            f"stopped by {signal.Signals(signum).name} after step {step}; the run in {folder} can be resumed"
        )
        self.signum = signum
        self.folder = folder
        self.step = step


class StopSignals:
    """Context in which SIGINT and SIGTERM only set :attr:`received`; a second one acts at once as usual.

    Outside the main thread, where Python allows no handlers, it does nothing.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGINT, signal.SIGTERM):
                self._previous[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        self.received = signum
        self._restore()

    def _restore(self) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        self._previous = {}
