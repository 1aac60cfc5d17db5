"""The gravity n-body experiment of GATr at 1000 training systems, from the README of its repository."""

from cliffnet.training._config import DataOptions, RunConfig, TrainOptions
from cliffnet.training.reproduction import Cell, Published, Table

_SOURCE = "README of GATr's repository"
_SETTING = "1000 systems"
_DATA = DataOptions(train_samples=1000)
_TRAIN = TrainOptions(steps=5000)


def _shown(model: str, mean: float) -> Cell:
    return Cell(model, _SETTING, Published(mean, source=_SOURCE))


def _run(label: str, mean: float, model: str, seconds_per_step: float) -> Cell:
    config = RunConfig("nbody-gravity", model, data=_DATA, train=_TRAIN)
    return Cell(label, _SETTING, Published(mean, source=_SOURCE), config, seconds_per_step)


TABLE = Table(
    name="nbody-gravity",
    title="Gravity n-body: positions of a star and three planets after 100 steps",
    set_name="eval",
    metric="mse",
    metric_label="mean squared error",
    cells=(
        _run("GATr", 0.0005, "gatr", 0.22),
        _shown("SEGNN", 0.0006),
        _shown("SE(3)-Transformer", 0.0025),
        _run("Transformer", 0.0050, "transformer", 0.20),
        _shown("GCA-GNN", 0.0526),
        _run("MLP", 0.0776, "mlp", 0.005),
    ),
    notes=("The published numbers are of one run each.",),
)
