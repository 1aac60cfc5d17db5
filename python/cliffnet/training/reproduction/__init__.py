"""Published tables, trained again by the published protocol and compared with what was published."""

from cliffnet.training.reproduction._plan import Outcome, PlannedRun, Reproduction
from cliffnet.training.reproduction._plot import plot_results
from cliffnet.training.reproduction._reproduce import ReproductionInterrupted, reproduce
from cliffnet.training.reproduction._results import CellResult, collect, write_results
from cliffnet.training.reproduction._table import (
    LAST_VALIDATION,
    Cell,
    Published,
    Table,
    describe_budget,
    get_table,
    table_names,
)

__all__ = [
    "LAST_VALIDATION",
    "Cell",
    "CellResult",
    "Outcome",
    "PlannedRun",
    "Published",
    "Reproduction",
    "ReproductionInterrupted",
    "Table",
    "collect",
    "describe_budget",
    "get_table",
    "plot_results",
    "reproduce",
    "table_names",
    "write_results",
]
