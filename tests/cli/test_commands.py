"""The commands in processes of their own: what a user sees, and what signals and full disks do."""

import csv
import resource
import signal
import time

import pytest
import torch
from safetensors.torch import load_file

from cliffnet.data import load_tensors

TRAIN = (
    *("train", "nbody-gravity", "--model", "transformer", "--channels", 16, "--blocks", 1, "--heads", 2),
    *("--train-samples", 60, "--val-samples", 20, "--eval-samples", 20, "--batch-size", 16, "--threads", 1),
)


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the run did not get that far"
        time.sleep(0.02)


def finish(process):
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def test_train_then_eval(spawn, tmp_path):
    code, out, err = finish(spawn(*TRAIN, "--model", "gatr", "--scalars", 8, "--steps", 20, cwd=tmp_path))
    assert code == 0, err
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith("nbody-gravity-gatr-")
    for text in (
        "eval (in distribution)",
        "e3 (shifted by 200)",
        "object (5 planets)",
        "trajectories.png",
        str(run.name),
    ):
        assert text in out
    with (run / "metrics.csv").open() as file:
        assert {row["step"] for row in csv.DictReader(file)} >= {"0", "10", "20"}
    code, out, err = finish(spawn("eval", run, "--set", "e3"))
    assert code == 0, err
    assert "shifted by 200" in out
    assert "5 planets" not in out


def test_compiled_training_ends_where_eager_training_does(spawn, tmp_path):
    model = ("--model", "mlp", "--channels", 16, "--blocks", 1)
    sizes = ("--train-samples", 60, "--val-samples", 20, "--eval-samples", 20, "--batch-size", 16, "--threads", 1)
    options = ("train", "nbody-gravity", *model, *sizes, "--steps", 3, "--dtype", "float64", "--run-dir", tmp_path)
    for name, extra in (("eager", ()), ("compiled", ("--compile",))):
        code, _, err = finish(spawn(*options, "--name", name, *extra))
        assert code == 0, err
    eager, compiled = (load_file(tmp_path / name / "best.safetensors") for name in ("eager", "compiled"))
    assert eager.keys() == compiled.keys()
    for name, weight in eager.items():
        torch.testing.assert_close(compiled[name], weight, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_signal_saves_and_resume_ends_as_if_nothing_had_happened(spawn, cliffnet, tmp_path, signum):
    options = (*TRAIN, "--run-dir", tmp_path, "--steps", 1200, "--log-every", 1)
    process = spawn(*options, "--name", "cut")
    log = tmp_path / "cut" / "metrics.csv"
    wait_for(lambda: log.exists() and len(log.read_text().splitlines()) > 20)
    process.send_signal(signum)
    code, _, err = finish(process)
    assert code == 128 + signum
    assert f"go on with: cliffnet train --resume {tmp_path / 'cut'}" in err
    if signum == signal.SIGINT:
        return  # resuming is the same for both
    assert cliffnet("train", "--resume", tmp_path / "cut")[0] == 0
    assert cliffnet(*options, "--name", "whole")[0] == 0
    ends = [
        load_tensors(tmp_path / name / "checkpoints/step-00001200/weights.safetensors")[0] for name in ("cut", "whole")
    ]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_file_that_cannot_grow_is_one_message_and_exit_code_2(spawn, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    code, _, err = finish(spawn(*TRAIN, "--run-dir", tmp_path, "--name", "run", preexec_fn=limit))
    assert code == 2
    assert "the run cannot be saved" in err
    assert "File too large" in err
    assert not [path for path in (tmp_path / "run").rglob("*") if path.name.endswith(".tmp")]


def test_missing_extra_says_what_to_install(spawn, tmp_path):
    (tmp_path / "tensorboard.py").write_text("raise ImportError('no tensorboard here')")
    process = spawn(*TRAIN, "--run-dir", tmp_path / "runs", cwd=tmp_path)  # -m puts the working folder first
    code, _, err = finish(process)
    assert code == 2
    assert 'pip install "cliffnet[train]"' in err
    assert not (tmp_path / "runs").exists()


def test_demo_prints_the_table_and_where_the_plots_are(cliffnet, tmp_path):
    code, out, err = cliffnet("demo", "--run-dir", tmp_path / "demo", "--scale", 0.002, "--threads", 1)
    assert code == 0, err
    for text in (
        "GATr",
        "Transformer",
        "MLP",
        "n/a",
        "in distribution",
        "shifted by 200",
        "5 planets",
        "comparison.png",
    ):
        assert text in out
    for name in ("comparison.png", "learning_curves.png", "gatr/plots/trajectories.png"):
        assert (tmp_path / "demo" / name).stat().st_size > 1000
