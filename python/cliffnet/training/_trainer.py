"""The training loop."""

import copy
import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import Tensor, nn

from cliffnet.data import seeded_generator
from cliffnet.errors import CheckpointError, DivergenceError
from cliffnet.training._checkpoint import (
    Progress,
    load_checkpoint,
    load_weights,
    pack_optimizer,
    save_best,
    save_checkpoint,
    unpack_optimizer,
)
from cliffnet.training._config import RunConfig, choose_device
from cliffnet.training._evaluate import evaluate, load_set, move
from cliffnet.training._metrics import MetricsLog
from cliffnet.training._progress import Bar, Reporter
from cliffnet.training._signals import StopSignals, TrainingInterrupted
from cliffnet.training._task import check_model, get_task


class BatchOrder:
    """Which samples make up the batch of each step: every epoch is a fresh permutation, its last batch may be short.

    A pure function of the seed and the step, so that a resumed run sees the batches it would have seen.

    Parameters
    ----------
    num_samples, batch_size : int
        Sizes.
    seed : int
        Seed of the order.
    """

    def __init__(self, num_samples: int, batch_size: int, seed: int) -> None:
        self._num_samples = num_samples
        self._batch_size = min(batch_size, num_samples)
        self._seed = seed
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.long)

    def __getitem__(self, step: int) -> Tensor:
        epoch, place = divmod(step, math.ceil(self._num_samples / self._batch_size))
        if epoch != self._epoch:
            self._order = torch.randperm(self._num_samples, generator=seeded_generator("batches", self._seed, epoch))
            self._epoch = epoch
        return self._order[place * self._batch_size : (place + 1) * self._batch_size]


class Trainer:
    """Trains one model on one task, in a run folder.

    Parameters
    ----------
    config : RunConfig
        The run; its model options are complete.
    folder : Path
        Run folder, with ``config.json`` in it.
    reporter : Reporter, optional
        Where progress goes.
    resume : bool
        Go on from the newest checkpoint instead of starting.

    Attributes
    ----------
    model : Module
        The model being trained.
    progress : Progress
        Counters.
    """

    def __init__(self, config: RunConfig, folder: Path, reporter: Reporter | None = None, resume: bool = False) -> None:
        self.config, self.options, self.folder = config, config.train, folder
        self._reporter = Reporter() if reporter is None else reporter
        self._task = get_task(config.task)
        check_model(self._task, config.model)
        self._device = choose_device(config.device)
        self._data: dict[str, dict[str, Tensor]] = {}
        self.progress = Progress()
        with self._private_random_state():
            torch.manual_seed(self.options.seed)
            self.model: nn.Module = self._task.build(config.model, config.model_options, config.data)
            self._random_state = self._read_random_state()
        self.model.to(self._device, config.torch_dtype)
        self._averaged = copy.deepcopy(self.model) if self.options.ema else None
        fused = self._device.type in ("cpu", "cuda")
        self._optimizer = torch.optim.Adam(
            self.model.parameters(), lr=self.options.lr, weight_decay=self.options.weight_decay, fused=fused
        )
        if resume:
            self._restore()
        self._compiled: nn.Module = torch.compile(self.model) if config.compile else self.model  # type: ignore[assignment]  # typed as a callable

    @property
    def num_parameters(self) -> int:
        """Trainable parameters of the model."""
        return sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)

    def load_data(self) -> None:
        """Load or generate the training and validation sets, unless they are there."""
        for name in ("train", "val"):
            if name not in self._data:
                data = load_set(self._task, name, self.config, self._reporter)
                self._data[name] = move(data, self._device, self.config.torch_dtype)

    def fit(self) -> None:
        """Train to the last step.

        Raises
        ------
        TrainingInterrupted
            On SIGINT or SIGTERM, after the step in progress and a checkpoint.
        DivergenceError
            If the loss or the gradient is not finite; the last checkpoint is kept.
        CheckpointError
            If the run folder cannot be written; the last checkpoint is kept.
        """
        self.load_data()
        try:
            with self._private_random_state(), StopSignals() as stop:
                self._write_random_state()
                if self.progress.step == 0:
                    self._save()
                log = MetricsLog(self.folder, self._task.metric_names, self.progress.step)
                try:
                    self._loop(log, stop)
                finally:
                    log.close()
        except OSError as error:
            raise CheckpointError(
                f"the run cannot be saved in {self.folder} ({error}); the last checkpoint is kept: "
                f"when there is room again, go on with: cliffnet train --resume {self.folder}"
            ) from error

    def _loop(self, log: MetricsLog, stop: StopSignals) -> None:
        options, progress, train = self.options, self.progress, self._data["train"]
        order = BatchOrder(len(next(iter(train.values()))), options.batch_size, options.seed)
        spent, started = progress.seconds, time.monotonic()
        window = _Window()
        self.model.train()
        with self._reporter.bar(f"training {self.config.model}", options.steps, progress.step) as bar:
            while True:
                self._validate_if_due(log, stop)
                progress.seconds = spent + time.monotonic() - started
                if stop.received is not None:
                    self._save()
                    raise TrainingInterrupted(stop.received, self.folder, progress.step)
                if progress.step % options.checkpoint_interval == 0 or progress.step == options.steps:
                    self._save()
                if progress.step == options.steps:
                    return
                batch = {name: tensor[order[progress.step].to(tensor.device)] for name, tensor in train.items()}
                window.add(*self._step(batch))
                progress.step += 1
                self._report(window, log, bar)

    def _step(self, batch: Mapping[str, Tensor]) -> tuple[float, float]:
        """Take one optimiser step; return the loss and the norm of the gradient before clipping."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.options.learning_rate(self.progress.step)
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._task.errors(self._compiled, batch)["loss"].mean()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.options.grad_clip or math.inf)
        values = loss.item(), norm.item()
        if not all(map(math.isfinite, values)):
            raise DivergenceError(
                f"at step {self.progress.step + 1} the loss is {values[0]} and the norm of its gradient {values[1]}; "
                f"the last checkpoint in {self.folder} is kept: try a smaller --lr, or --dtype float64"
            )
        self._optimizer.step()
        if self._averaged is not None:
            with torch.no_grad():
                for average, current in zip(self._averaged.parameters(), self.model.parameters(), strict=True):
                    average.lerp_(current, 1 - self.options.ema)
                for kept, buffer in zip(self._averaged.buffers(), self.model.buffers(), strict=True):
                    kept.copy_(buffer)
        return values

    def _report(self, window: "_Window", log: MetricsLog, bar: Bar) -> None:
        """Show the step just taken, and write a row of the log when one is due."""
        progress = self.progress
        bar.advance(1, f"loss {window.loss:.3g}  best {progress.best_loss:.3g}")
        if progress.step % self.options.log_every == 0 or progress.step == self.options.steps:
            values = {
                "loss": window.loss,
                "learning_rate": self.options.learning_rate(progress.step - 1),
                "gradient_norm": window.norm,
                "steps_per_second": window.rate,
                "seconds": progress.seconds,
            }
            log.write(progress.step, "train", values)
            window.clear()

    def _validate_if_due(self, log: MetricsLog, stop: StopSignals) -> None:
        """Validate at the start, at every interval and at the end; keep the weights when they are the best so far."""
        progress = self.progress
        due = progress.step % self.options.validation_interval == 0 or progress.step == self.options.steps
        if not due or progress.validated_step == progress.step:
            return
        data = self._data["val"]
        judged = self.model if self._averaged is None else self._averaged
        with self._reporter.bar("validating", len(next(iter(data.values()))), unit="samples") as bar:
            metrics = evaluate(self._task, judged, data, bar.advance, lambda: stop.received is not None)
        if metrics is None:  # asked to stop: the checkpoint says that this validation is still to be done
            return
        log.write(progress.step, "val", {**metrics, "seconds": progress.seconds})
        progress.validated_step = progress.step
        if metrics["loss"] < progress.best_loss:
            progress.best_loss, progress.best_step = metrics["loss"], progress.step
            save_best(self.folder, judged.state_dict(), progress)

    def _save(self) -> None:
        """Write a checkpoint of everything that decides how the run goes on."""
        extra = pack_optimizer(self.model, self._optimizer) | self._read_random_state()
        if self._averaged is not None:
            extra |= {f"ema.{name}": value for name, value in self._averaged.state_dict().items()}
        save_checkpoint(self.folder, self.progress, self.model.state_dict(), extra)

    def _restore(self) -> None:
        """Go back to the newest checkpoint."""
        self.progress, weights, extra = load_checkpoint(self.folder)
        load_weights(self.model, weights, self.folder)
        try:
            unpack_optimizer(self.model, self._optimizer, extra)
            if self._averaged is not None:
                self._averaged.load_state_dict(
                    {name.removeprefix("ema."): value for name, value in extra.items() if name.startswith("ema.")}
                )
            self._random_state = {name: extra[name] for name in extra if name.startswith("random.")}
        except (KeyError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"the optimiser state in {self.folder} does not fit the model ({error})") from error

    def _private_random_state(self) -> AbstractContextManager[None]:
        """Keep the caller's global random numbers out of the run, and the run out of them."""
        return torch.random.fork_rng([self._device] if self._device.type == "cuda" else [])

    def _read_random_state(self) -> dict[str, Tensor]:
        state = {"random.cpu": torch.get_rng_state()}
        if self._device.type == "cuda":
            state["random.cuda"] = torch.cuda.get_rng_state(self._device)
        return state

    def _write_random_state(self) -> None:
        torch.set_rng_state(self._random_state["random.cpu"])
        if self._device.type == "cuda" and "random.cuda" in self._random_state:
            torch.cuda.set_rng_state(self._random_state["random.cuda"], self._device)


class _Window:
    """Averages since the last row of the log."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._losses: list[float] = []
        self._norms: list[float] = []
        self._started = time.monotonic()

    def add(self, loss: float, norm: float) -> None:
        self._losses.append(loss)
        self._norms.append(norm)

    @property
    def loss(self) -> float:
        return sum(self._losses) / len(self._losses)

    @property
    def norm(self) -> float:
        return sum(self._norms) / len(self._norms)

    @property
    def rate(self) -> float:
        return len(self._losses) / max(time.monotonic() - self._started, 1e-9)
