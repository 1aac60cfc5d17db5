"""Starting, resuming and removing runs: the folder, the loop and the results together."""

import dataclasses
import shutil
import tempfile
from pathlib import Path

from cliffnet.data.storage import require, write_atomically
from cliffnet.errors import CheckpointError, ConfigError
from cliffnet.training._config import CONFIG_FILE, RunConfig, choose_device, read_config
from cliffnet.training._evaluate import RunResults, evaluate_run
from cliffnet.training._progress import Reporter
from cliffnet.training._task import check_model, get_task
from cliffnet.training._trainer import Trainer

_PACKAGES = ("numpy", "safetensors.torch", "matplotlib.figure", "tensorboard.summary.writer.record_writer")


def start_run(config: RunConfig, folder: Path, overwrite: bool = False, reporter: Reporter | None = None) -> RunResults:
    """Train a model in a new run folder and judge it.

    Parameters
    ----------
    config : RunConfig
        The run; model options left None take the defaults of the model, data options those of the task.
    folder : Path
        Run folder to make. It appears once the data is there and the model is built.
    overwrite : bool
        Replace a run that is there already.
    reporter : Reporter, optional
        Where progress goes.

    Returns
    -------
    RunResults

    Raises
    ------
    CheckpointError
        If the folder exists, or cannot be written.
    TaskError, ConfigError, DeviceError, MissingDependencyError
        If the run cannot be what was asked for; nothing is written then.
    TrainingInterrupted, DivergenceError
        As :meth:`Trainer.fit`.
    """
    _require_packages()
    config = resolve_config(config)
    _check_free(folder, overwrite)
    trainer = Trainer(config, folder, reporter)
    trainer.load_data()
    _create(folder, config, overwrite)
    return _finish(trainer, folder, config.device, reporter)


def resolve_config(config: RunConfig) -> RunConfig:
    """Return a configuration with nothing left to choose, as ``config.json`` holds it.

    Parameters
    ----------
    config : RunConfig
        Model options left None take the defaults of the model, data options those of the task; a device may be
        ``"auto"``.

    Returns
    -------
    RunConfig

    Raises
    ------
    TaskError, ConfigError, DeviceError
        If the run cannot be what was asked for.
    """
    task = get_task(config.task)
    check_model(task, config.model)
    return dataclasses.replace(
        config,
        model_options=config.model_options.resolve(config.model, task.models[config.model]),
        data=config.data.resolve(task.name, task.data),
        device=str(choose_device(config.device)),
    )


def resume_run(folder: Path, device: str | None = None, reporter: Reporter | None = None) -> RunResults:
    """Go on with a run from its newest checkpoint and judge it.

    On the same kind of device and number of threads the weights become those of a run that was never interrupted,
    bit for bit.

    Parameters
    ----------
    folder : Path
        Run folder.
    device : str, optional
        Where to go on, the device of the run by default.
    reporter : Reporter, optional
        Where progress goes.

    Returns
    -------
    RunResults

    Raises
    ------
    CheckpointError
        If the folder holds no run or no usable checkpoint.
    TrainingInterrupted, DivergenceError
        As :meth:`Trainer.fit`.
    """
    _require_packages()
    config = read_config(folder)
    place = str(choose_device(device or config.device))
    trainer = Trainer(dataclasses.replace(config, device=place), folder, reporter, resume=True)
    trainer.load_data()
    return _finish(trainer, folder, place, reporter)


def remove_run(folder: Path) -> None:
    """Remove a run folder, or an empty folder, and nothing else.

    Raises
    ------
    ConfigError
        If the folder holds anything but a run.
    """
    if any(folder.iterdir()):
        try:
            read_config(folder)
        except CheckpointError as error:
            raise ConfigError(f"--overwrite removes only runs: {error}; choose another --name") from error
    shutil.rmtree(folder)


def _finish(trainer: Trainer, folder: Path, device: str, reporter: Reporter | None) -> RunResults:
    trainer.fit()
    return evaluate_run(folder, device=device, reporter=reporter)


def _require_packages() -> None:
    """Fail before any work if a package of the extra is missing."""
    for package in _PACKAGES:
        require(package)


def _check_free(folder: Path, overwrite: bool) -> None:
    """Make sure that the run folder may be made, without making it."""
    if folder.is_dir() and any(folder.iterdir()):
        if not overwrite:
            raise CheckpointError(
                f"the run folder {folder} exists; go on with it (cliffnet train --resume {folder}), "
                "replace it (--overwrite) or choose another --name"
            )
        try:
            read_config(folder)
        except CheckpointError as error:
            raise ConfigError(f"--overwrite replaces only runs: {error}; choose another --name") from error
    elif folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder} exists and is not a folder; choose another --name")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder.parent) as probe:
            probe.write(b"cliffnet")
    except OSError as error:
        raise CheckpointError(
            f"no run folder can be made in {folder.parent} ({error}); choose another --run-dir"
        ) from error


def _create(folder: Path, config: RunConfig, overwrite: bool) -> None:
    """Make the run folder with its configuration."""
    try:
        if overwrite and folder.is_dir():
            remove_run(folder)
        folder.mkdir(exist_ok=True)
        write_atomically(folder / CONFIG_FILE, config.to_json().encode())
    except OSError as error:
        raise CheckpointError(f"the run folder {folder} cannot be made ({error})") from error
