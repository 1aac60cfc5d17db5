"""Signed volumes of three vectors in R^3, the O(3) experiment of CGENN."""

from cliffnet.training._config import RunConfig
from cliffnet.training.reproduction import Cell, Table
from cliffnet.training.tasks.signed_volume import SignedVolume


def _run(label: str, seconds_per_step: float) -> Cell:
    model = label.lower()
    config = RunConfig(SignedVolume.name, model, data=SignedVolume.data, train=SignedVolume.recipes[model])
    return Cell(label, f"{SignedVolume.data.train_samples} samples", None, config, seconds_per_step)


TABLE = Table(
    name="signed-volume",
    title="Signed volumes of three vectors in R^3",
    set_name="eval",
    metric="mse",
    metric_label="mean squared error",
    cells=(_run("CGENN", 0.008), _run("MLP", 0.003)),
    notes=("The paper shows this experiment as curves, so there are no published numbers to compare with.",),
)
