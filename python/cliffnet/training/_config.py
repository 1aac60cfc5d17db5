"""What determines a run: plain dataclasses that become the run's ``config.json`` and come back from it."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import torch

from cliffnet.errors import CheckpointError, ConfigError, DeviceError
from cliffnet.training._schedule import exponential, warmup_cosine

DTYPES = {"float32": torch.float32, "float64": torch.float64}
CONFIG_FILE = "config.json"
SCHEDULES = ("exponential", "warmup-cosine")
_FORMAT = "cliffnet-run"
_VERSION = 2
_READABLE = (1, 2)  # version 1 has fewer options; what it lacks was then as the defaults are


@dataclass(frozen=True)
class DataOptions:
    """Sizes and seed of the data sets; None takes the default of the task.

    Attributes
    ----------
    train_samples, val_samples, eval_samples : int
        Samples in the training set, in the validation set and in each evaluation set.
    seed : int
        Seed of the data, apart from the seed of the run so that runs with several seeds share their data.
    dim : int, optional
        Dimension of space.
    points : int, optional
        Points of a cloud, balls of a system.
    path : str, optional
        Where published data are.
    """

    train_samples: int = 100_000
    val_samples: int = 5_000
    eval_samples: int = 5_000
    seed: int = 42
    dim: int | None = None
    points: int | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        for name in ("train_samples", "val_samples", "eval_samples"):
            _require_positive(self, name)
        for name in ("dim", "points"):
            if getattr(self, name) is not None:
                _require_positive(self, name)

    def sizes(self, *names: str) -> tuple[int, ...]:
        """Return options that the task has and that are filled."""
        return _filled(self, names)

    def num_samples(self, set_name: str) -> int:
        """Return the samples asked for in ``"train"``, ``"val"`` or an evaluation set."""
        return {"train": self.train_samples, "val": self.val_samples}.get(set_name, self.eval_samples)

    def resolve(self, task: str, defaults: "DataOptions") -> "DataOptions":
        """Fill what is None from the defaults of a task.

        Raises
        ------
        ConfigError
            If an option is given that the task does not have (its default is None).
        """
        filled = {}
        for name in ("dim", "points", "path"):
            value, default = getattr(self, name), getattr(defaults, name)
            if value is not None and default is None:
                flag = "data" if name == "path" else name
                raise ConfigError(f"task {task!r} has no option --{flag}, which was given as {value}")
            filled[name] = default if value is None else value
        return dataclasses.replace(self, **filled)


@dataclass(frozen=True)
class TrainOptions:
    """Optimisation: Adam, clipped gradients, a schedule of learning rates.

    Attributes
    ----------
    steps, batch_size : int
        Number of optimiser steps, samples in each.
    lr : float
        Learning rate at the start, or on the plateau.
    schedule : str
        ``"exponential"``: ``lr * lr_decay ** (step / steps)``; ``"warmup-cosine"``: see
        :func:`cliffnet.training.warmup_cosine`.
    lr_decay : float
        Share of the learning rate that an exponential schedule leaves at the end.
    lr_final : float
        Learning rate at both ends of a warmup-cosine schedule.
    weight_decay : float
        L2 penalty that Adam adds to the gradient.
    grad_clip : float
        Largest norm of the gradient; 0 for no bound.
    validate_every, checkpoint_every, log_every : int
        Steps between validations, checkpoints, and rows of the log. Zero for the first two means a tenth of the run,
        1000 steps at most.
    ema : float
        Decay of an exponential moving average of the weights that is validated and kept instead of them; 0 for none.
    seed : int
        Seed of the initial weights and of the order of the batches.
    """

    steps: int = 50_000
    batch_size: int = 64
    lr: float = 3e-4
    schedule: str = "exponential"
    lr_decay: float = 0.01
    lr_final: float = 0.0
    weight_decay: float = 0.0
    grad_clip: float = 10.0
    validate_every: int = 0
    checkpoint_every: int = 0
    log_every: int = 10
    ema: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "lr", "lr_decay", "log_every"):
            _require_positive(self, name)
        for name in ("lr_final", "weight_decay", "grad_clip"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must not be negative")
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"schedule is {self.schedule!r}; expected one of {', '.join(SCHEDULES)}")
        if self.validate_every < 0 or self.checkpoint_every < 0:
            raise ConfigError("validate_every and checkpoint_every must not be negative; 0 chooses by itself")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"ema is {self.ema}; expected a decay in [0, 1), 0 for none")

    @property
    def validation_interval(self) -> int:
        """Steps between validations."""
        return self.validate_every or max(1, min(1000, self.steps // 10))

    @property
    def checkpoint_interval(self) -> int:
        """Steps between checkpoints."""
        return self.checkpoint_every or max(1, min(1000, self.steps // 10))

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of the step with this index, from 0."""
        if self.schedule == "exponential":
            return exponential(step, self.steps, self.lr, self.lr_decay)
        return warmup_cosine(step, self.steps, self.lr, self.lr_final)


@dataclass(frozen=True)
class ModelOptions:
    """Size of a model; None takes the default of the model.

    Attributes
    ----------
    channels : int, optional
        Width (multivector channels of GATr).
    scalars : int, optional
        Scalar channels.
    blocks : int, optional
        Depth.
    heads : int, optional
        Attention heads.
    """

    channels: int | None = None
    scalars: int | None = None
    blocks: int | None = None
    heads: int | None = None

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if value is not None and value < 1:
                raise ConfigError(f"--{name} is {value}; it must be at least 1")

    def sizes(self, *names: str) -> tuple[int, ...]:
        """Return options that the model has and that are filled."""
        return _filled(self, names)

    def resolve(self, model: str, defaults: "ModelOptions") -> "ModelOptions":
        """Fill what is None from the defaults of a model.

        Raises
        ------
        ConfigError
            If an option is given that the model does not have (its default is None).
        """
        filled = {}
        for name, value in dataclasses.asdict(self).items():
            default = getattr(defaults, name)
            if value is not None and default is None:
                known = ", ".join(f"--{key}" for key, item in dataclasses.asdict(defaults).items() if item is not None)
                raise ConfigError(f"model {model!r} has no option --{name}; it has {known or 'none'}")
            filled[name] = default if value is None else value
        return ModelOptions(**filled)


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run.

    Attributes
    ----------
    task, model : str
        Names as on the command line.
    model_options, data, train
        See their classes.
    dtype : str
        ``"float32"`` or ``"float64"``.
    compile : bool
        Whether training goes through ``torch.compile``.
    device : str
        Where it was started; a resumed run may go on elsewhere.
    threads : int
        CPU threads; 0 leaves torch's own choice.
    """

    task: str
    model: str
    model_options: ModelOptions = field(default_factory=ModelOptions)
    data: DataOptions = field(default_factory=DataOptions)
    train: TrainOptions = field(default_factory=TrainOptions)
    dtype: str = "float32"
    compile: bool = False
    device: str = "cpu"
    threads: int = 0

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype is {self.dtype!r}; expected one of {', '.join(DTYPES)}")
        if self.threads < 0:
            raise ConfigError(f"threads is {self.threads}; expected a positive number, or 0 for torch's own choice")

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype as torch knows it."""
        return DTYPES[self.dtype]

    def to_json(self) -> str:
        """Return the text of ``config.json``."""
        content = {"format": _FORMAT, "version": _VERSION, **dataclasses.asdict(self)}
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Rebuild a configuration from the text of ``config.json``.

        Raises
        ------
        CheckpointError
            If the text is not one, or was written by a newer version.
        """
        try:
            content = json.loads(text)
            if content.pop("format") != _FORMAT:
                raise ValueError("it does not call itself one")
            version = content.pop("version")
            if version not in _READABLE:
                raise ValueError(f"its version is {version}, this cliffnet reads {' and '.join(map(str, _READABLE))}")
            return cls(
                **{
                    **content,
                    "model_options": ModelOptions(**content["model_options"]),
                    "data": DataOptions(**content["data"]),
                    "train": TrainOptions(**content["train"]),
                }
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(
                f"not the configuration of a cliffnet run ({type(error).__name__}: {error})"
            ) from error


def read_config(folder: Path) -> RunConfig:
    """Read the configuration of the run in ``folder``.

    Parameters
    ----------
    folder : Path
        Run folder.

    Returns
    -------
    RunConfig

    Raises
    ------
    CheckpointError
        If the folder is missing or holds no run.
    """
    if not folder.is_dir():
        raise CheckpointError(f"there is no run folder {folder}")
    path = folder / CONFIG_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{folder} is not a run folder: {CONFIG_FILE} cannot be read ({error})") from error
    try:
        return RunConfig.from_json(text)
    except CheckpointError as error:
        raise CheckpointError(f"{path} is {error}") from error


def choose_device(name: str) -> torch.device:
    """Return the device called ``name``; ``"auto"`` is CUDA where there is one, else the CPU.

    Parameters
    ----------
    name : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...

    Returns
    -------
    torch.device

    Raises
    ------
    DeviceError
        If torch does not know the name or the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DeviceError(f"device {name!r} cannot be used here ({reason}); try --device cpu") from error
    return device


def _filled(options: DataOptions | ModelOptions, names: tuple[str, ...]) -> tuple[int, ...]:
    values = tuple(getattr(options, name) for name in names)
    if None in values:
        raise ConfigError(f"{', '.join(names)} are {values}; resolve the options with the defaults of the task first")
    return values


def _require_positive(options: DataOptions | TrainOptions, name: str) -> None:
    value: Any = getattr(options, name)
    if not value > 0:
        raise ConfigError(f"{name} is {value}; it must be positive")
