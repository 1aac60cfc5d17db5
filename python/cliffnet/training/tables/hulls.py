"""Volumes of convex hulls of 16 points in R^5, from the trials in the repository of GLGENN."""

import dataclasses

from cliffnet.training._config import RunConfig
from cliffnet.training.reproduction import LAST_VALIDATION, Cell, Published, Table
from cliffnet.training.tasks.hulls import Hulls

_SOURCE = "experiments/convex_hull.csv of GLGENN's repository, 5 trials"
_PROTOCOL = {256: (512, 128), 1024: (1024, 128), 4096: (2048, 128), 16_384: (2048, 256)}
"""Steps and samples in each, by training samples."""

_PUBLISHED = {
    "GLGENN": {256: (16.944, 0.444), 1024: (10.404, 0.722), 4096: (6.201, 0.188), 16_384: (4.462, 0.234)},
    "CGENN": {256: (18.713, 1.379), 1024: (11.927, 1.460), 4096: (6.096, 0.639), 16_384: (4.106, 0.262)},
}
_SECONDS = {"GLGENN": 0.03, "CGENN": 0.04}  # of a step with 128 samples


def _cell(label: str, samples: int) -> Cell:
    steps, batch_size = _PROTOCOL[samples]
    model = label.lower()
    config = RunConfig(
        Hulls.name,
        model,
        data=dataclasses.replace(Hulls.data, train_samples=samples),
        train=dataclasses.replace(Hulls.recipes[model], steps=steps, batch_size=batch_size, validate_every=512),
    )
    published = Published(*_PUBLISHED[label][samples], _SOURCE)
    return Cell(label, f"{samples} samples", published, config, _SECONDS[label] * batch_size / 128)


TABLE = Table(
    name="hulls",
    title="Convex hulls of 16 points in R^5",
    set_name=LAST_VALIDATION,
    metric="loss",
    metric_label="mean squared error",
    cells=tuple(_cell(label, samples) for samples in _PROTOCOL for label in _PUBLISHED),
    seeds=5,
    notes=(
        "Judged after the last step on 16384 validation samples, as published; one published trial of each model "
        "with 16384 samples took 1024 steps instead of 2048.",
    ),
)
