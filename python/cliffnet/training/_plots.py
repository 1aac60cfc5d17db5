"""Plots that every task shares; matplotlib is used through figures only, so no global state is touched."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from cliffnet.data.storage import require
from cliffnet.training._metrics import curve, read_metrics
from cliffnet.training._scores import area_under_curve, receiver_curve


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of this size in inches that can be saved without a display."""
    figure = require("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")
    require("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Any, path: Path) -> Path:
    """Write a figure as PNG; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path


def plot_learning_curves(runs: Mapping[str, Path], path: Path) -> Path:
    """Draw training and validation loss of some runs over the steps.

    Parameters
    ----------
    runs : mapping of str to Path
        Label and run folder.
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    figure = new_figure(7, 4.5)
    axes = figure.subplots()
    for index, (label, folder) in enumerate(runs.items()):
        rows = read_metrics(folder)
        colour = f"C{index}"
        axes.plot(*curve(rows, "train", "loss"), color=colour, alpha=0.35, linewidth=0.8)
        axes.plot(*curve(rows, "val", "loss"), color=colour, marker=".", label=f"{label}, validation")
        axes.plot([], [], color=colour, alpha=0.35, label=f"{label}, training batches")
    axes.set(xlabel="step", ylabel="loss", yscale="log", title="Learning curves")
    axes.grid(alpha=0.3)
    axes.legend()
    return save_figure(figure, path)


def plot_predictions(pairs: Mapping[str, tuple[Tensor, Tensor]], title: str, path: Path) -> Path:
    """Draw predicted against true numbers, a panel for each set.

    Parameters
    ----------
    pairs : mapping of str to (Tensor, Tensor)
        Label, true and predicted numbers of shape ``(samples,)``.
    title : str
        Of the figure.
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    figure = new_figure(4.5 * len(pairs), 4.5)
    for axes, (label, (true, predicted)) in zip(
        figure.subplots(1, len(pairs), squeeze=False)[0], pairs.items(), strict=True
    ):
        low, high = true.min().item(), true.max().item()
        axes.plot([low, high], [low, high], color="black", linewidth=0.8)
        axes.scatter(true.tolist(), predicted.tolist(), s=4, alpha=0.4)
        error = (predicted - true).square().mean().item()
        axes.set(xlabel="true", ylabel="predicted", title=f"{label}: mean squared error {error:.3g}")
        axes.grid(alpha=0.3)
    figure.suptitle(title)
    return save_figure(figure, path)


def plot_receiver_curves(curves: Mapping[str, tuple[Tensor, Tensor]], path: Path) -> Path:
    """Draw the rejection of background over the efficiency for the signal.

    Parameters
    ----------
    curves : mapping of str to (Tensor, Tensor)
        Label, scores and whether they are of signal, both of shape ``(samples,)``.
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    figure = new_figure(6, 4.5)
    axes = figure.subplots()
    for label, (scores, signal) in curves.items():
        false, true = receiver_curve(scores, signal)
        shown = false > 0
        area = area_under_curve(scores, signal)
        axes.plot(true[shown].tolist(), (1 / false[shown]).tolist(), label=f"{label}, area {area:.4f}")
    axes.set(xlabel="signal efficiency", ylabel="background rejection", yscale="log", xlim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    return save_figure(figure, path)


def plot_comparison(
    results: Mapping[str, Mapping[str, float | None]], set_labels: Sequence[str], metric: str, path: Path
) -> Path:
    """Draw one group of bars per evaluation set, one bar per model, on a logarithmic axis.

    Parameters
    ----------
    results : mapping of str to mapping
        Model label to set label to metric; None where a model cannot take a set.
    set_labels : sequence of str
        Groups, in order.
    metric : str
        Axis label.
    path : Path
        PNG file to write.

    Returns
    -------
    Path
    """
    figure = new_figure(7, 4.5)
    axes = figure.subplots()
    width = 0.8 / max(len(results), 1)
    for index, (label, values) in enumerate(results.items()):
        known = [(place, values.get(name)) for place, name in enumerate(set_labels)]
        offset = (index - (len(results) - 1) / 2) * width
        bars = axes.bar(
            [place + offset for place, value in known if value is not None],
            [value for _, value in known if value is not None],
            width,
            label=label,
        )
        axes.bar_label(bars, fmt="{:.2g}", fontsize=8)
        for place, value in known:
            if value is None:
                axes.text(place + offset, 0.02, "n/a", ha="center", transform=axes.get_xaxis_transform(), fontsize=8)
    axes.set_xticks(range(len(set_labels)), set_labels)
    axes.set(ylabel=metric, yscale="log", xlim=(-0.5, len(set_labels) - 0.5), title="Models compared")
    axes.margins(y=0.1)
    axes.set_axisbelow(True)
    axes.grid(axis="y", alpha=0.3)
    axes.legend()
    return save_figure(figure, path)
