"""A resumed run ends with the weights of an uninterrupted one, bit for bit."""

import os
import signal

import pytest
import torch

from cliffnet.data import load_tensors
from cliffnet.errors import CheckpointError, DivergenceError
from cliffnet.training import Trainer, TrainingInterrupted, read_metrics, resume_run, start_run


def final_tensors(folder, step=12):
    checkpoint = folder / "checkpoints" / f"step-{step:08}"
    merged = {}
    for path in (checkpoint / "weights.safetensors", checkpoint / "optimizer.safetensors", folder / "best.safetensors"):
        merged |= {f"{path.stem}/{name}": tensor for name, tensor in load_tensors(path)[0].items()}
    return merged


def assert_same_run(first, second):
    ours, theirs = final_tensors(first), final_tensors(second)
    assert ours.keys() == theirs.keys()
    different = [name for name in ours if not torch.equal(ours[name], theirs[name])]
    assert not different
    losses = [
        [(row["step"], row["set"], row["loss"]) for row in read_metrics(folder) if row["set"] == "val"]
        for folder in (first, second)
    ]
    assert losses[0] == losses[1]


def stop_at(monkeypatch, step, signum, when="step"):
    """Send a signal to this process as soon as the run reaches a step, or its validation."""
    original = Trainer._step if when == "step" else Trainer._validate_if_due

    def patched(self, *args):
        if self.progress.step == step:
            os.kill(os.getpid(), signum)
        return original(self, *args)

    monkeypatch.setattr(Trainer, original.__name__, patched)


@pytest.mark.parametrize(
    ("model", "signum"),
    [
        ("transformer", signal.SIGTERM),
        ("mlp", signal.SIGTERM),
        ("gatr", signal.SIGTERM),
        ("transformer", signal.SIGINT),
    ],
)
def test_interrupted_run_resumes_exactly(tmp_path, make_config, monkeypatch, model, signum):
    config = make_config(model)
    before = signal.getsignal(signum)
    start_run(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_at(patch, 6, signum)
        with pytest.raises(TrainingInterrupted) as stop:
            start_run(config, tmp_path / "cut")
    assert (stop.value.signum, stop.value.step) == (signum, 7)
    assert signal.getsignal(signum) == before
    assert not (tmp_path / "cut" / "results.json").exists()
    resume_run(tmp_path / "cut")
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_run_stopped_during_validation_validates_when_resumed(tmp_path, make_config, monkeypatch):
    config = make_config()
    start_run(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_at(patch, 5, signal.SIGTERM, when="validation")
        with pytest.raises(TrainingInterrupted):
            start_run(config, tmp_path / "cut")
    assert [row["step"] for row in read_metrics(tmp_path / "cut") if row["set"] == "val"] == ["0"]
    resume_run(tmp_path / "cut")
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_killed_run_resumes_exactly_from_its_last_checkpoint(tmp_path, make_config, monkeypatch):
    config = make_config(ema=0.9, dtype="float64")
    start_run(config, tmp_path / "whole")

    class Killed(BaseException):
        pass

    original = Trainer._step

    def die(self, *args):
        if self.progress.step == 11:
            raise Killed
        return original(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", die)
        with pytest.raises(Killed):
            start_run(config, tmp_path / "cut")
    resume_run(tmp_path / "cut")
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
    assert any(name.startswith("optimizer/ema.") for name in final_tensors(tmp_path / "cut"))
    steps = [int(row["step"]) for row in read_metrics(tmp_path / "cut") if row["set"] == "train"]
    assert steps == sorted(set(steps))


def test_finished_run_can_be_resumed_and_stays(tmp_path, make_config):
    start_run(make_config(), tmp_path / "run")
    before = final_tensors(tmp_path / "run")
    resume_run(tmp_path / "run")
    after = final_tensors(tmp_path / "run")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_seed_decides_the_weights_and_global_state_does_not(tmp_path, make_config):
    torch.manual_seed(1)
    start_run(make_config(), tmp_path / "first")
    torch.manual_seed(2)
    state = torch.get_rng_state()
    start_run(make_config(), tmp_path / "second")
    assert torch.equal(state, torch.get_rng_state())
    assert_same_run(tmp_path / "first", tmp_path / "second")
    start_run(make_config(seed=5), tmp_path / "third")
    ours, other = final_tensors(tmp_path / "first"), final_tensors(tmp_path / "third")
    assert not torch.equal(ours["weights/net.linear_in.weight"], other["weights/net.linear_in.weight"])


def test_non_finite_loss_stops_the_run_and_keeps_the_last_checkpoint(tmp_path, make_config, monkeypatch):
    original = Trainer._step

    def poison(self, batch):
        if self.progress.step == 9:
            batch = {**batch, "target": batch["target"] * float("nan")}
        return original(self, batch)

    monkeypatch.setattr(Trainer, "_step", poison)
    with pytest.raises(DivergenceError, match="at step 10 the loss is nan"):
        start_run(make_config(), tmp_path / "run")
    kept = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert kept == ["step-00000004", "step-00000008"]
    weights, _ = load_tensors(tmp_path / "run" / "checkpoints" / "step-00000008" / "weights.safetensors")
    assert all(tensor.isfinite().all() for tensor in weights.values())


def test_full_disk_keeps_the_last_checkpoint(tmp_path, make_config, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    original = Trainer._step

    def fill(self, batch):
        if self.progress.step == 6:
            monkeypatch.setattr("os.fsync", full)
        return original(self, batch)

    monkeypatch.setattr(Trainer, "_step", fill)
    with pytest.raises(CheckpointError, match=r"No space left on device.*train --resume"):
        start_run(make_config(validate_every=100), tmp_path / "run")
    monkeypatch.undo()
    assert sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir()) == [
        "step-00000000",
        "step-00000004",
    ]
