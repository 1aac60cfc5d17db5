"""Training runs in several processes at once, one run a process."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cliffnet
from cliffnet.training._progress import Bar, Reporter
from cliffnet.training._signals import StopSignals
from cliffnet.training.reproduction._plan import PlannedRun

_POLL_SECONDS = 0.2
_TRAINED_UNIT = "steps"  # the unit of the bars of training, and of no other


class Worker:
    """A training process, and what it is busy with.

    Parameters
    ----------
    events : queue.Queue
        Receives ``(worker, message)``, and ``(worker, None)`` when the process has ended.
    kept_open : sequence of int
        File descriptors that the process inherits.

    Attributes
    ----------
    run : PlannedRun or None
        The run in progress.
    bars : dict of int to Bar
        Bars of the run that are on the screen.
    trained : set of int
        Those that count steps of training.
    reason : str
        Why the process is about to end, if it has said so.
    """

    def __init__(self, events: "queue.Queue[tuple[Worker, dict[str, Any] | None]]", kept_open: Sequence[int]) -> None:
        self.run: PlannedRun | None = None
        self.bars: dict[int, Bar] = {}
        self.trained: set[int] = set()
        self.reason = ""
        paths = [str(Path(cliffnet.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cliffnet.training.reproduction._worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            pass_fds=kept_open,
            process_group=0,  # Ctrl-C is for the process that shows the progress, which passes it on once
        )
        self._reader = threading.Thread(target=self._read, args=(events,), daemon=True)
        self._reader.start()

    def start(self, run: PlannedRun) -> None:
        """Give an idle process its next run."""
        self.run = run
        job = {"config": run.config.to_json(), "folder": str(run.folder.resolve())}
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, which the thread that reads reports
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()

    def stop(self) -> None:
        """Ask the run in progress to write a checkpoint and end."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> str:
        """Wait for the end of the process; return how it ended, in words."""
        self._close_input()
        code = self._process.wait()
        if code >= 0:
            return f"its process ended with exit code {code}"
        name = signal.Signals(-code).name
        return f"its process was ended by {name}{', perhaps for want of memory' if name == 'SIGKILL' else ''}"

    def close(self) -> None:
        """End the process: at once if it is idle, after a checkpoint otherwise."""
        self._close_input()
        if self.run is not None:
            self.stop()
        self._process.wait()
        self._reader.join()

    def _close_input(self) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def _read(self, events: "queue.Queue[tuple[Worker, dict[str, Any] | None]]") -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                events.put((self, json.loads(line)))
        events.put((self, None))


class Pool:
    """Trains runs in processes of their own.

    Parameters
    ----------
    jobs : int
        Processes at a time.
    reporter : Reporter
        Where progress goes.
    stepped : callable
        Called with a run and the steps that it has just taken.
    ended : callable
        Called with a run that has ended, and None or the message of its failure.
    kept_open : sequence of int
        File descriptors that the processes inherit.
    """

    def __init__(
        self,
        jobs: int,
        reporter: Reporter,
        stepped: Callable[[PlannedRun, int], None],
        ended: Callable[[PlannedRun, str | None], None],
        kept_open: Sequence[int] = (),
    ) -> None:
        self._jobs, self._reporter = jobs, reporter
        self._stepped, self._ended, self._kept_open = stepped, ended, kept_open
        self._events: queue.Queue[tuple[Worker, dict[str, Any] | None]] = queue.Queue()
        self._workers: list[Worker] = []

    def train(self, runs: Sequence[PlannedRun]) -> int | None:
        """Train all runs, or those that come before a signal.

        Parameters
        ----------
        runs : sequence of PlannedRun
            In order.

        Returns
        -------
        int or None
            The signal that asked to stop, after which every run in progress has written a checkpoint.
        """
        waiting = list(reversed(runs))
        try:
            with StopSignals() as stop:
                while stop.received is None:
                    self._dispatch(waiting)
                    if not self._busy:
                        return None
                    self._handle_next()
                if self._busy:
                    self._reporter.say("stopping after checkpoints")
                for worker in self._busy:
                    worker.stop()
                while self._busy:
                    self._handle_next(stopping=True)
                return stop.received
        finally:
            for worker in self._workers:
                worker.close()

    @property
    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.run is not None]

    def _dispatch(self, waiting: list[PlannedRun]) -> None:
        """Give runs to idle processes, and start processes while there are too few."""
        while waiting and len(self._busy) < self._jobs:
            idle = [worker for worker in self._workers if worker.run is None]
            if not idle:
                idle = [Worker(self._events, self._kept_open)]
                self._workers += idle
            idle[0].start(waiting.pop())

    def _handle_next(self, stopping: bool = False) -> None:
        """Wait a moment for something to happen."""
        try:
            worker, message = self._events.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            return
        if message is None:
            self._workers.remove(worker)
            reason = worker.wait()
            if worker.run is not None:
                self._end(worker, worker.reason or reason, stopping)
        elif worker.run is not None:
            self._handle(worker, worker.run, message)

    def _handle(self, worker: Worker, run: PlannedRun, message: dict[str, Any]) -> None:
        kind = message["kind"]
        if kind == "say":
            self._reporter.say(f"{run.label}: {message['text']}")
        elif kind == "open":
            label, total, done, unit = (message[key] for key in ("label", "total", "done", "unit"))
            worker.bars[message["bar"]] = self._reporter.open_bar(f"{run.label}: {label}", total, done, unit, True)
            if unit == _TRAINED_UNIT:
                worker.trained.add(message["bar"])
        elif kind == "advance":
            worker.bars[message["bar"]].advance(message["amount"], message["note"])
            if message["bar"] in worker.trained:
                self._stepped(run, message["amount"])
        elif kind == "close":
            worker.bars.pop(message["bar"]).finish()
        elif kind == "finished":
            self._end(worker, None)
        elif kind == "failed":
            self._end(worker, message["message"])
        elif kind == "interrupted":
            name = signal.Signals(message["signum"]).name
            worker.reason = f"its process was stopped by {name} after step {message['step']}"

    def _end(self, worker: Worker, failure: str | None, stopping: bool = False) -> None:
        """Take note of the end of a run, which is no failure when it was asked for."""
        run, worker.run = worker.run, None
        for bar in worker.bars.values():
            bar.finish()
        worker.bars, worker.trained = {}, set()
        if run is not None and not stopping:
            self._ended(run, failure)
