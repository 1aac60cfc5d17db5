"""The log of a run: one CSV file, and the same numbers for TensorBoard."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from cliffnet.data.storage import write_atomically
from cliffnet.errors import CheckpointError
from cliffnet.training._events import EventFile

CSV_FILE = "metrics.csv"
_TRAIN_COLUMNS = ("learning_rate", "gradient_norm", "steps_per_second", "seconds")


class MetricsLog:
    """Writes metrics to ``metrics.csv`` and ``tensorboard/`` of a run folder.

    Parameters
    ----------
    folder : Path
        Run folder.
    metric_names : sequence of str
        Metrics of the task, ``"loss"`` first.
    step : int
        Step from which the run goes on; rows behind it, left by a session that was killed, are removed.
    """

    def __init__(self, folder: Path, metric_names: Sequence[str], step: int) -> None:
        self._columns = ("step", "set", *metric_names, *_TRAIN_COLUMNS)
        self._path = folder / CSV_FILE
        rows = [row for row in read_metrics(folder) if int(row["step"]) <= step]
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self._path, text.getvalue().encode())
        self._file = self._path.open("a", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._file, self._columns, lineterminator="\n")
        self._board = EventFile(folder / "tensorboard", step)

    def write(self, step: int, set_name: str, values: Mapping[str, float]) -> None:
        """Write one row.

        Parameters
        ----------
        step : int
            Steps taken.
        set_name : str
            ``"train"`` or ``"val"``.
        values : mapping of str to float
            Any of the columns.
        """
        self._writer.writerow({"step": step, "set": set_name, **{key: f"{value:.9g}" for key, value in values.items()}})
        self._file.flush()
        self._board.write(step, {f"{set_name}/{key}": value for key, value in values.items()})

    def close(self) -> None:
        """Flush both files."""
        self._file.close()
        self._board.close()


def read_metrics(folder: Path) -> list[dict[str, str]]:
    """Read the rows of ``metrics.csv`` of a run, none if there is no such file.

    Parameters
    ----------
    folder : Path
        Run folder.

    Returns
    -------
    list of dict
        Column name to text.

    Raises
    ------
    CheckpointError
        If the file is not the log of a run.
    """
    path = folder / CSV_FILE
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if None not in row.values()]  # a cut last row is dropped
        for row in rows:
            int(row["step"])
    except (KeyError, ValueError, csv.Error) as error:
        raise CheckpointError(f"{path} is not the log of a run ({error})") from error
    return rows


def curve(rows: Sequence[Mapping[str, str]], set_name: str, column: str) -> tuple[list[int], list[float]]:
    """Return steps and values of one column of one set, rows without a value left out."""
    points = [(int(row["step"]), float(row[column])) for row in rows if row.get("set") == set_name and row.get(column)]
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    return [step for step, _ in finite], [value for _, value in finite]
