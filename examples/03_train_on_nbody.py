"""Train from Python what ``cliffnet train nbody-gravity`` trains: a small GATr beside a plain transformer.

Both learn where a star and its planets are a little later; then they are tried on systems that were moved in space and
on systems with more planets. The first argument, if any, is the folder for the runs.
"""

import sys
from pathlib import Path

from cliffnet.training import DataOptions, ModelOptions, RunConfig, TrainOptions, get_task, start_run

TASK = "nbody-gravity"
SIZES = {
    "gatr": ModelOptions(channels=4, scalars=16, blocks=2, heads=2),
    "transformer": ModelOptions(channels=32, blocks=2, heads=2),
}
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples")

labels = get_task(TASK).eval_sets
print(f"{'mean squared error':20}", *(f"{label:>16}" for label in labels.values()))
for model, options in SIZES.items():
    config = RunConfig(
        task=TASK,
        model=model,
        model_options=options,
        data=DataOptions(train_samples=300, val_samples=100, eval_samples=100),
        train=TrainOptions(steps=120, batch_size=32, lr=5e-3),
        device="cpu",
    )
    # The folder gets config.json, metrics, plots and checkpoints; `cliffnet eval FOLDER` judges it again.
    results = start_run(config, folder / model, overwrite=True)
    errors = [values["mse"] for values in results.sets.values() if values is not None]
    print(f"{model:20}", *(f"{error:16.4f}" for error in errors))
