"""Train the repositories' own networks beside ours by the published protocol: ``python -m benches.train_beside -h``.

Both start from the same weights and see the same batches, so a difference between the two columns is a difference
between implementations, and one between both columns and the published number is one of data or protocol. The clones
are named by ``CGENN_REFERENCE`` and ``GLGENN_REFERENCE``.
"""

import argparse
import csv
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from benches import cgenn_sides
from benches.gatr_sides import ReferenceUnavailableError
from cliffnet.interop import load_reference
from cliffnet.training import DataOptions, Task, TensorSet, get_task
from cliffnet.training._run import resolve_config
from cliffnet.training._trainer import BatchOrder
from cliffnet.training.reproduction import Cell, Table, get_table

_FIELDS = ("table", "cell", "seed", "steps", "metric", "ours", "reference", "ours_seconds", "reference_seconds")
_EVALUATED = 1024
Errors = Callable[[nn.Module, TensorSet], Tensor]


@dataclass(frozen=True)
class Network:
    """A network of a repository and the mean of its loss on a set."""

    family: cgenn_sides.Family
    module: str
    class_name: str
    options: Callable[[TensorSet], dict[str, float]]
    loss: Errors


def _regression_options(train: TensorSet) -> dict[str, float]:
    return {"ymean": train["target_mean"][0].item(), "ystd": train["target_std"][0].item()}


def _regression_loss(net: nn.Module, batch: TensorSet) -> Tensor:
    target = (batch["target"] - batch["target_mean"]) / batch["target_std"]
    loss: Tensor = net((batch["inputs"].flatten(1), target.unsqueeze(-1)), 0)[0]
    return loss


def _dimension(train: TensorSet) -> dict[str, float]:
    return {"n": train["inputs"].shape[-1]}


def _hull_loss(net: nn.Module, batch: TensorSet) -> Tensor:
    loss: Tensor = net((batch["inputs"], batch["target"]), 0)[0]
    return loss


_REGRESSION = (_regression_options, _regression_loss)
NETWORKS = {
    ("o5-regression", "cgenn"): Network(cgenn_sides.CGENN, "models.o5_cgmlp", "O5CGMLP", *_REGRESSION),
    ("o5-regression", "glgenn"): Network(cgenn_sides.GLGENN, "models.o5_glgmlp", "O5GLGMLP", *_REGRESSION),
    ("hulls", "cgenn"): Network(
        cgenn_sides.CGENN, "models.hulls_cgmlp", "ConvexHullCGMLP", lambda train: {}, _hull_loss
    ),
    ("hulls", "glgenn"): Network(cgenn_sides.GLGENN, "models.hull_glgmlp", "ConvexHullGLGMLP", _dimension, _hull_loss),
}
"""The networks of the repositories, by table and model."""


def _loaded(task: Task, which: str, options: DataOptions) -> TensorSet:
    return {name: tensor.float() for name, tensor in task.load(which, options).items()}


def _batches(data: TensorSet, size: int, seed: int) -> Callable[[int], TensorSet]:
    order = BatchOrder(len(data["target"]), size, seed)
    return lambda step: {name: tensor[order[step]] for name, tensor in data.items()}


def _trained(net: nn.Module, loss: Errors, batch: Callable[[int], TensorSet], steps: int, rate: float) -> float:
    """Train by Adam at a constant rate; return the seconds it took."""
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    started = time.perf_counter()
    for step in range(steps):
        optimizer.zero_grad(set_to_none=True)
        loss(net, batch(step)).backward()
        optimizer.step()
    return time.perf_counter() - started


@torch.no_grad()
def _mean_loss(net: nn.Module, loss: Errors, data: TensorSet) -> float:
    total, count = 0.0, len(data["target"])
    for begin in range(0, count, _EVALUATED):
        part = {name: tensor[begin : begin + _EVALUATED] for name, tensor in data.items()}
        total += loss(net, part).item() * len(part["target"])
    return total / count


def train_beside(table: Table, cell: Cell, seed: int, steps: int | None = None) -> dict[str, object]:
    """Train both networks of a cell; return a row of the result.

    Parameters
    ----------
    table, cell
        What to train, and by which protocol.
    seed : int
        Of data where the protocol draws them afresh, of weights and of the order of batches.
    steps : int, optional
        Steps, those of the protocol by default.
    """
    config = resolve_config(table.config(cell, seed))
    options = config.train if steps is None else replace(config.train, steps=steps)
    network, task = NETWORKS[table.name, config.model], get_task(config.task)
    train, validation = (_loaded(task, which, config.data) for which in ("train", "val"))
    torch.manual_seed(seed)
    theirs = getattr(network.family.load(network.module), network.class_name)(**network.options(train))
    source = "glgenn" if network.family is cgenn_sides.GLGENN else "cgenn"
    ours = load_reference(source, network.class_name, network.options(train), theirs.state_dict())
    batch = _batches(train, options.batch_size, seed)
    # the published losses fit targets over the deviation of the training set where a set has one
    scale = train["target_std"][0].item() ** 2 if "target_std" in train else 1.0
    row: dict[str, object] = {
        "table": table.name,
        "cell": cell.name,
        "seed": seed,
        "steps": options.steps,
        "metric": table.metric,
    }
    for side, net, loss in (
        ("ours", ours, lambda net, part: task.errors(net, part)["loss"].mean()),
        ("reference", theirs, network.loss),
    ):
        row[f"{side}_seconds"] = round(_trained(net, loss, batch, options.steps, options.lr), 1)
        row[side] = _mean_loss(net, loss, validation) / scale
    return row


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.train_beside", description=__doc__)
    parser.add_argument("table", choices=sorted({name for name, _ in NETWORKS}))
    parser.add_argument("cells", nargs="+", metavar="CELL", help="cells of the table, such as glgenn-1024")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="steps, those of the protocol by default")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="append each trial to this file")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    table = get_table(options.table)
    cells = {cell.name: cell for cell in table.runnable}
    unknown = [name for name in options.cells if name not in cells]
    if unknown:
        parser.error(f"table {table.name!r} has no cell {unknown[0]!r} with a run; it has {', '.join(cells)}")
    for name in options.cells:
        rows = []
        for seed in range(options.seeds):
            try:
                rows.append(train_beside(table, cells[name], seed, options.steps))
            except ReferenceUnavailableError as error:
                parser.error(str(error))
            print(rows[-1], flush=True)
            if options.csv is not None:
                is_new = not options.csv.exists()
                with options.csv.open("a", newline="") as file:
                    writer = csv.DictWriter(file, _FIELDS)
                    if is_new:
                        writer.writeheader()
                    writer.writerow(rows[-1])
        for side in ("ours", "reference"):
            values = [float(str(row[side])) for row in rows]
            spread = statistics.stdev(values) if len(values) > 1 else float("nan")
            print(f"{name}, {side}: {statistics.mean(values):.4g} +- {spread:.2g} ({len(values)} seeds)")


if __name__ == "__main__":
    main()
