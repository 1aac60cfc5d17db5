"""Charged n-body: five balls, 3000 training systems, from the papers that use the set of EGNN."""

from cliffnet.training._config import RunConfig
from cliffnet.training.reproduction import Cell, Published, Table
from cliffnet.training.tasks.nbody_charged import NBodyCharged

_SETTING = "3000 systems"
_EGNN = "EGNN, table 2"
_CGENN = "CGENN, table 1"


def _shown(model: str, mean: float, source: str) -> Cell:
    return Cell(model, _SETTING, Published(mean, source=source))


def _run(label: str, published: Published | None, seconds_per_step: float) -> Cell:
    model = label.lower()
    config = RunConfig(NBodyCharged.name, model, data=NBodyCharged.data, train=NBodyCharged.recipes[model])
    return Cell(label, _SETTING, published, config, seconds_per_step)


TABLE = Table(
    name="nbody-charged",
    title="Charged n-body: positions of five balls 1000 steps later",
    set_name="eval",
    metric="mse",
    metric_label="mean squared error",
    cells=(
        _run("Linear", Published(0.0819, source=_EGNN), 0.001),
        _shown("SE(3)-Transformer", 0.0244, _EGNN),
        _shown("TFN", 0.0155, _EGNN),
        _shown("GNN", 0.0107, _EGNN),
        _shown("Radial field", 0.0104, _EGNN),
        _run("EGNN", Published(0.0070, source="README of PONITA's repository (0.0071 in the paper of EGNN)"), 0.025),
        _shown("SEGNN", 0.0043, "README of segnn-jax's repository"),
        _shown("PONITA", 0.0043, "README of PONITA's repository"),
        _run("CGENN", Published(0.0039, 0.0001, _CGENN), 0.17),
        _run("GLGENN", None, 0.17),
        _shown("Multivector Neurons", 0.0035, "README of Multivector Neurons' repository"),
    ),
    notes=(
        "Weights are chosen by the validation set. The protocol is long: --budget and --models make it affordable.",
    ),
)
