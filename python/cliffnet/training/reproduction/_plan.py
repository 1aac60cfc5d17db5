"""Which runs a reproduction consists of, where they are, and how far each has come."""

import dataclasses
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cliffnet.data.storage import write_atomically
from cliffnet.errors import CheckpointError, ConfigError, TaskError
from cliffnet.training._checkpoint import Progress, load_progress
from cliffnet.training._config import RunConfig, read_config
from cliffnet.training._evaluate import RESULTS_FILE
from cliffnet.training._metrics import read_metrics
from cliffnet.training._run import resolve_config
from cliffnet.training._task import unknown
from cliffnet.training.reproduction._table import LAST_VALIDATION, Cell, Table, describe_budget

_FILE = "reproduction.json"
_FORMAT = "cliffnet-reproduction"
_RUNS = "runs"


@dataclass(frozen=True)
class Outcome:
    """A finished run.

    Attributes
    ----------
    value : float
        The metric of the table; NaN where it was not finite.
    seconds : float
        Time spent training.
    parameters : int
        Of the model.
    best_step : int
        Step of the weights that were judged.
    """

    value: float
    seconds: float
    parameters: int
    best_step: int


@dataclass(frozen=True)
class PlannedRun:
    """One run of a reproduction.

    Attributes
    ----------
    cell : Cell
        Where its number goes.
    seed : int
        Of weights and batches.
    config : RunConfig
        Complete.
    folder : Path
        Run folder.
    """

    cell: Cell
    seed: int
    config: RunConfig
    folder: Path

    @property
    def label(self) -> str:
        """Name for people."""
        return f"{self.cell.name}, seed {self.seed}"

    @property
    def steps_done(self) -> int:
        """Steps behind the newest checkpoint; 0 if it cannot be read, which the run itself will report."""
        progress = _read_progress(self.folder)
        return 0 if progress is None else progress.step


@dataclass(frozen=True)
class Reproduction:
    """A table, the share of its steps, and the folder of the runs.

    Attributes
    ----------
    table : Table
        What is reproduced.
    folder : Path
        Holds ``runs/CELL/seed-K``, tables and plots.
    budget : float
        Share of the published steps.
    device : str
        Where runs train.
    threads : int
        CPU threads of each.
    """

    table: Table
    folder: Path
    budget: float = 1.0
    device: str = "cpu"
    threads: int = 1

    def plan(
        self, seeds: int | None = None, models: Sequence[str] | None = None, only: Sequence[str] | None = None
    ) -> list[PlannedRun]:
        """Return the runs that are asked for, all cells with one seed before the next seed.

        Parameters
        ----------
        seeds : int, optional
            Trials of each cell, as the table says by default.
        models, only : sequence of str, optional
            Names of models and of cells to keep; all by default.

        Returns
        -------
        list of PlannedRun

        Raises
        ------
        ConfigError
            If a number is out of range, or nothing is left.
        TaskError
            If a name is unknown, or is that of a published number without a run.
        """
        describe_budget(self.budget)
        seeds = self.table.seeds if seeds is None else seeds
        if seeds < 1:
            raise ConfigError(f"{seeds} seeds were asked for; expected at least 1")
        cells = self._select(models, only)
        return [self.run(cell, seed) for seed in range(seeds) for cell in cells]

    def run(self, cell: Cell, seed: int) -> PlannedRun:
        """Return one run."""
        config = dataclasses.replace(
            self.table.config(cell, seed, self.budget), device=self.device, threads=self.threads
        )
        return PlannedRun(cell, seed, resolve_config(config), self.folder / _RUNS / cell.name / f"seed-{seed}")

    def finished(self, cell: Cell) -> Iterator[tuple[int, Outcome]]:
        """Yield seed and outcome of the finished runs of a cell, of this session or an earlier one."""
        if cell.config is None:
            return
        seeds = (path.name.removeprefix("seed-") for path in (self.folder / _RUNS / cell.name).glob("seed-*"))
        for seed in sorted(int(seed) for seed in seeds if seed.isdecimal()):
            planned = self.run(cell, seed)
            outcome = self.outcome(planned)
            stored = _read_config(planned.folder)
            if outcome is not None and stored is not None and _same_run(stored, planned.config):
                yield seed, outcome

    def outcome(self, run: PlannedRun) -> Outcome | None:
        """Return the outcome of a run; None if it is not finished.

        A run is finished when it has taken its last step and ``results.json`` judges the best weights of it all:
        ``cliffnet eval`` writes that file for runs under way too.
        """
        progress = _read_progress(run.folder)
        if progress is None or progress.step != run.config.train.steps:
            return None
        try:
            results = json.loads((run.folder / RESULTS_FILE).read_text(encoding="utf-8"))
            if results["best_step"] != progress.best_step:
                return None
            if self.table.set_name == LAST_VALIDATION:
                value = _last_validation(run.folder, progress.step, self.table.metric)
            else:
                value = results["sets"][self.table.set_name][self.table.metric]
            value = math.nan if value is None else float(value)
            return Outcome(value, progress.seconds, int(results["parameters"]), progress.best_step)
        except (OSError, ValueError, TypeError, KeyError):  # missing, cut or of an older version: judged again
            return None

    def claim(self, runs: Sequence[PlannedRun]) -> None:
        """Make the folder this reproduction's, or make sure that it is.

        Raises
        ------
        ConfigError
            If the folder holds anything else, or runs with other options; nothing is written then.
        OSError
            If it cannot be written.
        """
        advice = "choose another --run-dir, or remove it"
        facts = {"table": self.table.name, "budget": self.budget}
        path = self.folder / _FILE
        if path.is_file():
            try:
                stored = json.loads(path.read_text(encoding="utf-8"))
                own = {"table": stored["table"], "budget": stored["budget"]}
            except (OSError, ValueError, TypeError, KeyError) as error:
                raise ConfigError(f"{path} is damaged ({error}); {advice}") from error
            if own != facts:
                told = describe_budget(own["budget"]) or "with the published steps"
                raise ConfigError(f"{self.folder} is a reproduction of {own['table']}, {told}; {advice}")
        elif self.folder.exists() and not (self.folder.is_dir() and not any(self.folder.iterdir())):
            raise ConfigError(f"{self.folder} exists and is no reproduction; {advice}")
        for run in runs:
            stored = _read_config(run.folder)
            if stored is not None:
                _refuse_other(stored, run, advice)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (json.dumps({"format": _FORMAT, **facts}, indent=2) + "\n").encode())

    def _select(self, models: Sequence[str] | None, only: Sequence[str] | None) -> list[Cell]:
        chosen = list(self.table.runnable)
        for kind, names, key in (("model", models, _model_of), ("cell", only, _name_of)):
            if names is None:
                continue
            known = list(dict.fromkeys(key(cell) for cell in self.table.runnable))
            shown = {key(cell) for cell in self.table.cells if cell.config is None}
            for name in names:
                if name.lower() not in known:
                    why = " (its published number is shown, but there is no run for it)" if name in shown else ""
                    raise TaskError(f"{unknown(kind, name, known)} (table {self.table.name}){why}")
            wanted = {name.lower() for name in names}
            chosen = [cell for cell in chosen if key(cell) in wanted]
        if not chosen:
            raise ConfigError(f"no cell of {self.table.name} is both of --models and of --only")
        return chosen


def _model_of(cell: Cell) -> str:
    return cell.config.model if cell.config is not None else cell.model.lower()


def _name_of(cell: Cell) -> str:
    return cell.name


def _read_progress(folder: Path) -> Progress | None:
    try:
        return load_progress(folder)
    except CheckpointError:
        return None


def _read_config(folder: Path) -> RunConfig | None:
    """Return the configuration of a run; None if it has none that can be read, which the run itself will report."""
    try:
        return read_config(folder)
    except CheckpointError:
        return None


def _last_validation(folder: Path, step: int, metric: str) -> float:
    """Return a metric of the validation after the last step."""
    values = [row[metric] for row in read_metrics(folder) if (row["set"], int(row["step"])) == ("val", step)]
    return float(values[-1]) if values else math.nan


def _same_run(stored: RunConfig, planned: RunConfig) -> bool:
    """Say whether two configurations differ at most in where they run."""
    return dataclasses.replace(stored, device=planned.device, threads=planned.threads) == planned


def _refuse_other(stored: RunConfig, run: PlannedRun, advice: str) -> None:
    if _same_run(stored, run.config):
        return
    ours, theirs = dataclasses.asdict(run.config), dataclasses.asdict(stored)
    different = [name for name in ours if ours[name] != theirs[name] and name not in ("device", "threads")]
    raise ConfigError(f"the run in {run.folder} was made with other {', '.join(different)}; {advice}")
