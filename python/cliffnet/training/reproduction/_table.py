"""What a published table is: cells with a run each, and the numbers that were published for them."""

import dataclasses
import importlib
import math
from dataclasses import dataclass

from cliffnet.errors import ConfigError, TaskError
from cliffnet.training._config import RunConfig
from cliffnet.training._task import get_task, unknown

LAST_VALIDATION = "last validation"
"""Name of the validation set as it is judged after the last step, whatever the best weights are."""


@dataclass(frozen=True)
class Published:
    """A published number.

    Attributes
    ----------
    mean : float
        As printed, or the mean over the published trials.
    deviation : float, optional
        Standard deviation over the trials, where it was published or can be computed.
    source : str
        Where it was published.
    """

    mean: float
    deviation: float | None = None
    source: str = ""


@dataclass(frozen=True)
class Cell:
    """One number of a table.

    Attributes
    ----------
    model : str
        Name of the row, as people write it.
    setting : str
        Name of the column.
    published : Published, optional
        None where the protocol is published but the number is not.
    config : RunConfig, optional
        The run, whatever its seed; None for a row that is shown for comparison only.
    seconds_per_step : float
        Of the whole run, validations included, on one core of a current processor: for estimates.
    """

    model: str
    setting: str
    published: Published | None = None
    config: RunConfig | None = None
    seconds_per_step: float = 0.0

    @property
    def name(self) -> str:
        """Name on the command line and of folders, e.g. ``"glgenn-256"``."""
        words = f"{self.model} {self.setting.split()[0]}".lower()
        return "".join(letter if letter.isalnum() or letter in "._" else "-" for letter in words)


@dataclass(frozen=True)
class Table:
    """A published table and the protocol behind it.

    Attributes
    ----------
    name, title : str
        Name on the command line, and what the table shows.
    set_name, metric : str
        Which metric of which set is compared: of an evaluation set by the best weights, or of :data:`LAST_VALIDATION`,
        the validation after the last step.
    metric_label : str
        The metric in words.
    cells : tuple of Cell
        Rows by model, columns by setting.
    seeds : int
        Trials of each cell.
    fresh_data : bool
        Whether each trial draws data of its own.
    notes : tuple of str
        What a reader should know about the protocol, printed below the table.
    """

    name: str
    title: str
    set_name: str
    metric: str
    metric_label: str
    cells: tuple[Cell, ...]
    seeds: int = 3
    fresh_data: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [cell.name for cell in self.cells]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ConfigError(f"table {self.name!r} has several cells called {', '.join(repeated)}")
        for cell in self.runnable:
            assert cell.config is not None
            task = get_task(cell.config.task)
            if self.set_name not in (LAST_VALIDATION, *task.eval_sets) or self.metric not in task.metric_names:
                raise ConfigError(
                    f"table {self.name!r} compares {self.metric!r} of {self.set_name!r}, which cell {cell.name!r} lacks"
                )

    @property
    def runnable(self) -> tuple[Cell, ...]:
        """The cells that have a run."""
        return tuple(cell for cell in self.cells if cell.config is not None)

    def config(self, cell: Cell, seed: int, budget: float = 1.0) -> RunConfig:
        """Return the run of a cell for one seed, its steps scaled by ``budget``."""
        assert cell.config is not None
        train = cell.config.train
        steps = max(1, round(train.steps * budget))
        data = cell.config.data
        if self.fresh_data:
            data = dataclasses.replace(data, seed=data.seed + seed)
        return dataclasses.replace(cell.config, data=data, train=dataclasses.replace(train, steps=steps, seed=seed))

    def seconds(self, budget: float = 1.0, seeds: int | None = None) -> float:
        """Return the estimated time of all runs, one after the other on one core."""
        seeds = self.seeds if seeds is None else seeds
        return sum(seeds * self.config(cell, 0, budget).train.steps * cell.seconds_per_step for cell in self.runnable)


_TABLES = {
    "nbody-gravity": "cliffnet.training.tables.nbody_gravity:TABLE",
    "nbody-charged": "cliffnet.training.tables.nbody_charged:TABLE",
    "o5-regression": "cliffnet.training.tables.o5_regression:TABLE",
    "hulls": "cliffnet.training.tables.hulls:TABLE",
    "signed-volume": "cliffnet.training.tables.signed_volume:TABLE",
}
"""Name of each table, and where it is declared; a new table is one new file and one line here."""


def table_names() -> tuple[str, ...]:
    """Return the names of all tables."""
    return tuple(_TABLES)


def get_table(name: str) -> Table:
    """Return the table called ``name``.

    Raises
    ------
    TaskError
        If there is none; the message lists those there are, the nearest first.
    """
    if name not in _TABLES:
        raise TaskError(unknown("table", name, _TABLES))
    module, _, attribute = _TABLES[name].partition(":")
    table: Table = getattr(importlib.import_module(module), attribute)
    return table


def describe_budget(budget: float) -> str:
    """Return how the steps were scaled, in words; nothing for the published number.

    Raises
    ------
    ConfigError
        If it is not a positive number.

    Examples
    --------
    >>> describe_budget(0.1), describe_budget(1.0)
    ('scaled to 10 % of the published steps', '')
    """
    if not (math.isfinite(budget) and budget > 0):
        raise ConfigError(f"the budget is {budget}; expected a positive share of the published steps, such as 0.1")
    return "" if budget == 1 else f"scaled to {100 * budget:.3g} % of the published steps"
