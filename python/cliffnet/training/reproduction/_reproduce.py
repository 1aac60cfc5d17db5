"""The whole of a reproduction: data, runs, results."""

import fcntl
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cliffnet.errors import CliffnetError, CliffnetWarning, ConfigError
from cliffnet.training._evaluate import load_set
from cliffnet.training._progress import Reporter, format_seconds
from cliffnet.training._task import get_task
from cliffnet.training.reproduction._plan import PlannedRun, Reproduction
from cliffnet.training.reproduction._plot import PLOT_FILE, plot_results
from cliffnet.training.reproduction._pool import Pool
from cliffnet.training.reproduction._results import CellResult, collect, write_results
from cliffnet.training.reproduction._table import describe_budget

_LOCK_FILE = "lock"


class ReproductionInterrupted(Exception):
    """A reproduction was asked to stop; finished runs are kept, the others have written checkpoints.

    Attributes
    ----------
    signum : int
        The signal that asked.
    folder : Path
        The reproduction, ready to go on.
    """

    def __init__(self, signum: int, folder: Path) -> None:
        super().__init__(f"stopped; everything so far is in {folder}, and the same command goes on from there")
        self.signum = signum
        self.folder = folder


def reproduce(
    reproduction: Reproduction, runs: Sequence[PlannedRun], jobs: int = 1, reporter: Reporter | None = None
) -> tuple[list[CellResult], list[Path]]:
    """Do what is left of a reproduction.

    Finished runs are kept, interrupted ones go on from their checkpoints. A run that fails leaves the others alone.

    Parameters
    ----------
    reproduction : Reproduction
        The table and its folder.
    runs : sequence of PlannedRun
        From :meth:`Reproduction.plan`.
    jobs : int
        Runs at a time, each in a process of its own.
    reporter : Reporter, optional
        Where progress goes.

    Returns
    -------
    results : list of CellResult
        All cells of the table, with what is finished of them in the folder.
    files : list of Path
        Tables and plot.

    Raises
    ------
    ConfigError
        If ``jobs`` is not positive, or the folder holds anything else, or is in use; nothing is written then.
    ReproductionInterrupted
        On SIGINT or SIGTERM, after checkpoints.
    OSError
        If tables or plot cannot be written.
    """
    if jobs < 1:
        raise ConfigError(f"{jobs} jobs were asked for; expected at least 1")
    reporter = Reporter() if reporter is None else reporter
    reproduction.claim(runs)
    with _lock(reproduction.folder) as lock:
        left = [run for run in runs if reproduction.outcome(run) is None]
        session = _Session(reproduction, runs, left, reporter)
        session.announce(jobs)
        _prepare_data(left, reporter)
        signum = session.train(jobs, lock)
        results = collect(reproduction, session.failures)
        files = write_results(reproduction, results)
        if signum is not None:
            raise ReproductionInterrupted(signum, reproduction.folder)
        plot = reproduction.folder / PLOT_FILE
        return results, [*files, plot_results(reproduction.table, results, reproduction.budget, plot)]


class _Session:
    """The runs that are left, with what is told about them."""

    def __init__(
        self, reproduction: Reproduction, runs: Sequence[PlannedRun], left: Sequence[PlannedRun], reporter: Reporter
    ) -> None:
        self.failures: dict[tuple[str, int], str] = {}
        self._reproduction, self._left, self._reporter = reproduction, left, reporter
        self._total, self._ended_runs = len(runs), len(runs) - len(left)
        self._work = sum(_planned_seconds(run, run.config.train.steps) for run in runs)
        self._work_done = self._work - sum(
            _planned_seconds(run, run.config.train.steps - run.steps_done) for run in left
        )
        self._fraction = 0.0
        self._started = time.monotonic()

    def announce(self, jobs: int) -> None:
        """Say what there is to do."""
        table, budget = self._reproduction.table, describe_budget(self._reproduction.budget)
        parts = [
            f"{table.name}: {self._total} runs, {self._ended_runs} finished before",
            f"about {format_seconds((self._work - self._work_done) / min(jobs, max(len(self._left), 1)))} to go "
            f"on {jobs} {'process' if jobs == 1 else 'processes'}",
            budget,
        ]
        self._reporter.say("; ".join(filter(None, parts)))

    def train(self, jobs: int, lock: int) -> int | None:
        """Train; return the signal that asked to stop, if any."""
        if not self._left:
            return None
        with self._reporter.bar("all runs, planned seconds", round(self._work), round(self._work_done), "s") as bar:
            self._bar = bar
            return Pool(jobs, self._reporter, self._stepped, self._ended, (lock,)).train(self._left)

    def _stepped(self, run: PlannedRun, steps: int) -> None:
        self._fraction += _planned_seconds(run, steps)
        whole = int(self._fraction)
        self._fraction -= whole
        if whole:
            self._bar.advance(whole)

    def _ended(self, run: PlannedRun, failure: str | None) -> None:
        outcome = self._reproduction.outcome(run)
        if failure is None and outcome is None:
            failure = f"its results could not be written to {run.folder}"
        self._ended_runs += 1
        self._bar.advance(0, f"{self._ended_runs}/{self._total} runs")
        count = f"({self._ended_runs} of {self._total} runs)"
        if failure is not None or outcome is None:
            self.failures[run.cell.name, run.seed] = failure or ""
            self._reporter.say(f"{run.label}: failed {count}: {failure}")
        else:
            told = f"{self._reproduction.table.metric} {outcome.value:.3g} in {format_seconds(outcome.seconds)}"
            self._reporter.say(f"{run.label}: {told} {count}")
        try:
            write_results(self._reproduction, collect(self._reproduction, self.failures))
        except OSError as error:  # the other runs go on; at the end it is an error
            warnings.warn(f"the tables so far could not be written ({error})", CliffnetWarning, 2)


def _planned_seconds(run: PlannedRun, steps: int) -> float:
    return steps * (run.cell.seconds_per_step or 1.0)


def _prepare_data(runs: Sequence[PlannedRun], reporter: Reporter) -> None:
    """Generate what is not in the cache yet once, before several processes do."""
    seen = set()
    for run in runs:
        for name in ("train", "val", *get_task(run.config.task).eval_sets):
            key = (run.config.task, name, run.config.data)
            if key not in seen:
                seen.add(key)
                try:
                    load_set(get_task(run.config.task), name, run.config, reporter)
                except (CliffnetError, OSError):
                    continue  # every run that needs it fails with this message, and the others go on


@contextmanager
def _lock(folder: Path) -> Iterator[int]:
    """Hold the folder for this process and those it starts; yield the file descriptor that holds it."""
    with (folder / _LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"another process is at work in {folder}; wait for it, or choose another --run-dir"
            ) from error
        yield file.fileno()
