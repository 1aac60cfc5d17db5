"""A small training loop with exact resume, and the table of tasks that ``cliffnet train`` knows."""

from cliffnet.training._config import DataOptions, ModelOptions, RunConfig, TrainOptions, choose_device, read_config
from cliffnet.training._evaluate import RunResults, evaluate, evaluate_run
from cliffnet.training._metrics import read_metrics
from cliffnet.training._plots import plot_comparison, plot_learning_curves
from cliffnet.training._progress import PlainReporter, Reporter, RichReporter, format_seconds
from cliffnet.training._run import remove_run, resume_run, start_run
from cliffnet.training._schedule import exponential, warmup_cosine
from cliffnet.training._signals import TrainingInterrupted
from cliffnet.training._task import Task, TensorSet, check_model, get_task, task_names
from cliffnet.training._trainer import Trainer

__all__ = [
    "DataOptions",
    "ModelOptions",
    "PlainReporter",
    "Reporter",
    "RichReporter",
    "RunConfig",
    "RunResults",
    "Task",
    "TensorSet",
    "TrainOptions",
    "Trainer",
    "TrainingInterrupted",
    "check_model",
    "choose_device",
    "evaluate",
    "evaluate_run",
    "exponential",
    "format_seconds",
    "get_task",
    "plot_comparison",
    "plot_learning_curves",
    "read_config",
    "read_metrics",
    "remove_run",
    "resume_run",
    "start_run",
    "task_names",
    "warmup_cosine",
]
