"""An O(5)-invariant function of two vectors, from the trials in the repository of GLGENN."""

import dataclasses

from cliffnet.training._config import ModelOptions, RunConfig
from cliffnet.training.reproduction import LAST_VALIDATION, Cell, Published, Table
from cliffnet.training.tasks.regression import O5Regression

_SOURCE = "experiments/regression.csv of GLGENN's repository, 5 trials"
_QUOTED = "GLGENN, table of the O(5) regression"
_STEPS = {30: 1000, 300: 1000, 3000: 300, 30_000: 3000}
"""Steps, by training samples."""

_PUBLISHED = {
    "GLGENN": {30: (0.10548, 0.10106), 300: (0.00204, 0.00213), 3000: (0.00312, 0.00337), 30_000: (0.00106, 0.0017)},
    "CGENN": {30: (0.07908, 0.08728), 300: (0.0089, 0.01519), 3000: (0.00118, 0.00047), 30_000: (0.00026, 0.00015)},
}
_SHOWN = {
    "EMLP-O(5)": {30: 0.152, 300: 0.0344, 3000: 0.0310, 30_000: 0.0273},
    "MLP": {30: 28.1, 300: 0.248, 3000: 0.0623, 30_000: 0.0622},
}
_SECONDS = {"GLGENN": 0.004, "CGENN": 0.004}


def _cell(label: str, samples: int) -> Cell:
    model = label.lower()
    config = RunConfig(
        O5Regression.name,
        model,
        model_options=ModelOptions(channels=8, scalars=380),
        data=dataclasses.replace(O5Regression.data, train_samples=samples, val_samples=100),
        train=dataclasses.replace(
            O5Regression.recipes[model], steps=_STEPS[samples], batch_size=15, validate_every=100
        ),
    )
    return Cell(label, f"{samples} samples", Published(*_PUBLISHED[label][samples], _SOURCE), config, _SECONDS[label])


def _shown(label: str, samples: int) -> Cell:
    return Cell(label, f"{samples} samples", Published(_SHOWN[label][samples], source=_QUOTED))


TABLE = Table(
    name="o5-regression",
    title="O(5)-invariant function of two vectors",
    set_name=LAST_VALIDATION,
    metric="standardized_mse",
    metric_label="mean squared error over the variance of the targets",
    cells=tuple(
        cell
        for samples in _STEPS
        for cell in (
            *(_cell(label, samples) for label in _PUBLISHED),
            *(_shown(label, samples) for label in _SHOWN),
        )
    ),
    seeds=5,
    fresh_data=True,
    notes=(
        "Judged after the last step on 100 validation samples, as published; each trial draws data of its own.",
        "That the published losses are of standardized targets is inferred from their size: the source is silent. "
        "EMLP and MLP are quoted as printed, and seem to be errors of the targets themselves, whose variance is 38.",
    ),
)
