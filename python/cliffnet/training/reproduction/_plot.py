"""The picture of a reproduction."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cliffnet.training._plots import new_figure, save_figure
from cliffnet.training.reproduction._results import CellResult
from cliffnet.training.reproduction._table import Table, describe_budget

PLOT_FILE = "comparison.png"


def plot_results(table: Table, results: Sequence[CellResult], budget: float, path: Path) -> Path:
    """Draw means with deviations beside the published ones, on a logarithmic axis.

    Parameters
    ----------
    table : Table
        For names.
    results : sequence of CellResult
        What to draw; cells without a finished run show the published number alone.
    budget : float
        Share of the published steps, for the title.
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    settings = list(dict.fromkeys(result.cell.setting for result in results))
    models = list(dict.fromkeys(result.cell.model for result in results))
    figure = new_figure(max(7.0, 1.5 + 0.35 * len(results)), 4.5)
    axes = figure.subplots()
    width = 0.8 / len(models)
    for index, model in enumerate(models):
        colour = f"C{index % 10}"
        for result in results:
            if result.cell.model == model:
                place = settings.index(result.cell.setting) + (index + 0.5) * width - 0.4
                _draw(axes, place, width / 5, result, colour)
        axes.plot([], [], "s", color=colour, label=model)
    axes.errorbar([], [], yerr=[], fmt="o", color="0.3", label="here")
    axes.errorbar([], [], yerr=[], fmt="D", color="0.3", fillstyle="none", label="published")
    axes.set_xticks(range(len(settings)), settings)
    title = "\n".join(filter(None, (table.title, describe_budget(budget))))
    axes.set(ylabel=table.metric_label, yscale="log", xlim=(-0.5, len(settings) - 0.5))
    figure.suptitle(title, fontsize=10)
    axes.set_axisbelow(True)
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8)
    return save_figure(figure, path)


def _draw(axes: Any, place: float, shift: float, result: CellResult, colour: str) -> None:
    published = result.cell.published
    style = {"color": colour, "markersize": 5, "capsize": 3, "linestyle": "none"}
    if published is not None:
        spread = _spread(published.mean, published.deviation)
        axes.errorbar(place + shift, published.mean, spread, marker="D", fillstyle="none", **style)
    if result.mean is not None and math.isfinite(result.mean):
        axes.errorbar(place - shift, result.mean, _spread(result.mean, result.deviation), marker="o", **style)


def _spread(mean: float, deviation: float | None) -> list[list[float]] | None:
    """Return the lengths of an error bar that stays on a logarithmic axis."""
    if deviation is None or not math.isfinite(deviation):
        return None
    return [[min(deviation, 0.9 * mean)], [deviation]]
