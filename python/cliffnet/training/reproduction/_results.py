"""What came out of a reproduction: means and deviations beside the published numbers, as CSV."""

import csv
import io
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cliffnet.data.storage import write_atomically
from cliffnet.training.reproduction._plan import Outcome, Reproduction
from cliffnet.training.reproduction._table import Cell, describe_budget

CSV_FILE = "results.csv"
RUNS_FILE = "runs.csv"
_COLUMNS = (
    *("table", "cell", "model", "setting", "set", "metric", "mean", "deviation", "seeds", "failed"),
    *("published_mean", "published_deviation", "source", "steps", "published_steps", "budget", "scaling"),
    *("parameters", "seconds"),
)
_RUN_COLUMNS = ("cell", "seed", "value", "best_step", "steps", "seconds", "parameters", "failure", "folder")


@dataclass(frozen=True)
class CellResult:
    """What came out of a cell.

    Attributes
    ----------
    cell : Cell
        With the published number.
    outcomes : dict of int to Outcome
        Finished runs by seed.
    failures : dict of int to str
        Messages by seed.
    """

    cell: Cell
    outcomes: Mapping[int, Outcome] = field(default_factory=dict)
    failures: Mapping[int, str] = field(default_factory=dict)

    @property
    def mean(self) -> float | None:
        """Mean over the seeds; None without a finished run."""
        return statistics.fmean(self._values) if self._values else None

    @property
    def deviation(self) -> float | None:
        """Standard deviation over the seeds, with one degree of freedom less than seeds; None for fewer than two."""
        values = self._values
        if len(values) < 2:
            return None
        return statistics.stdev(values) if all(map(math.isfinite, values)) else math.nan

    @property
    def ratio(self) -> float | None:
        """The mean over the published mean; None if there is one of them only."""
        if self.mean is None or self.cell.published is None:
            return None
        return self.mean / self.cell.published.mean

    @property
    def parameters(self) -> int | None:
        """Of the model; None without a finished run."""
        return next((outcome.parameters for outcome in self.outcomes.values()), None)

    @property
    def seconds(self) -> float | None:
        """Mean time of training; None without a finished run."""
        times = [outcome.seconds for outcome in self.outcomes.values()]
        return statistics.fmean(times) if times else None

    @property
    def _values(self) -> list[float]:
        return [outcome.value for outcome in self.outcomes.values()]


def collect(reproduction: Reproduction, failures: Mapping[tuple[str, int], str]) -> list[CellResult]:
    """Return what is finished of all cells of a table, those of earlier sessions included.

    Parameters
    ----------
    reproduction : Reproduction
        The table and its folder.
    failures : mapping of (str, int) to str
        Messages by name of the cell and seed.

    Returns
    -------
    list of CellResult
    """
    return [
        CellResult(
            cell,
            dict(reproduction.finished(cell)),
            {seed: message for (name, seed), message in failures.items() if name == cell.name},
        )
        for cell in reproduction.table.cells
    ]


def write_results(reproduction: Reproduction, results: Sequence[CellResult]) -> list[Path]:
    """Write ``results.csv``, a row for each cell, and ``runs.csv``, a row for each run; return their paths."""
    table, folder = reproduction.table, reproduction.folder
    cells, runs = [], []
    for result in results:
        cell, published, config = result.cell, result.cell.published, result.cell.config
        cells.append(
            {
                **{"table": table.name, "cell": cell.name, "model": cell.model, "setting": cell.setting},
                **{"set": table.set_name, "metric": table.metric, "mean": result.mean, "deviation": result.deviation},
                "seeds": len(result.outcomes),
                "failed": len(result.failures),
                "published_mean": None if published is None else published.mean,
                "published_deviation": None if published is None else published.deviation,
                "source": None if published is None else published.source,
                "steps": None if config is None else table.config(cell, 0, reproduction.budget).train.steps,
                "published_steps": None if config is None else config.train.steps,
                "budget": reproduction.budget,
                "scaling": describe_budget(reproduction.budget),
                "parameters": result.parameters,
                "seconds": result.seconds,
            }
        )
        for seed in sorted(result.outcomes.keys() | result.failures.keys()):
            planned = reproduction.run(cell, seed)
            runs.append(
                {
                    **{"cell": cell.name, "seed": seed, "steps": planned.config.train.steps},
                    **(vars(result.outcomes[seed]) if seed in result.outcomes else {}),
                    **{"failure": result.failures.get(seed), "folder": str(planned.folder.relative_to(folder))},
                }
            )
    return [_write(folder / CSV_FILE, _COLUMNS, cells), _write(folder / RUNS_FILE, _RUN_COLUMNS, runs)]


def _write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: f"{value:.9g}" if isinstance(value, float) else value for key, value in row.items()} for row in rows
    )
    write_atomically(path, text.getvalue().encode())
    return path
