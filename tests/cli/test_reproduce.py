"""``cliffnet reproduce``: what a user sees, and what signals do."""

import os
import signal
from pathlib import Path

import pytest
import torch

from cliffnet.data import load_tensors
from cliffnet.training import DataOptions, ModelOptions, RunConfig, TrainOptions, start_run
from cliffnet.training.reproduction import Cell, Published, Reproduction, Table
from cliffnet.training.reproduction._reproduce import _Session
from cliffnet.training.reproduction._table import _TABLES

CONFIG = RunConfig(
    task="nbody-gravity",
    model="mlp",
    model_options=ModelOptions(channels=16, blocks=1),
    data=DataOptions(train_samples=60, val_samples=20, eval_samples=20),
    train=TrainOptions(steps=2000, batch_size=16, checkpoint_every=1000, validate_every=1000, log_every=100),
)
TINY = Table(
    name="tiny",
    title="A tiny table",
    set_name="eval",
    metric="mse",
    metric_label="mean squared error",
    cells=(
        Cell("MLP", "60 systems", Published(0.5, 0.25, "a paper"), CONFIG, 0.001),
        Cell("SEGNN", "60 systems", Published(0.25, source="another paper")),
    ),
    seeds=2,
    notes=("Tiny is quick.",),
)


@pytest.fixture(autouse=True)
def _tiny_table(monkeypatch):
    monkeypatch.setitem(_TABLES, "tiny", f"{__name__}:TINY")


def test_tables_are_listed_with_their_cost(cliffnet):
    code, out, err = cliffnet("reproduce")
    assert code == 0, err
    for text in ("nbody-gravity", "GATr, Transformer, MLP", "3 x 3", "tiny", "1 x 2", "0:04", "estimates"):
        assert text in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("reproduce nbody-gravty", "Did you mean nbody-gravity"),
        ("reproduce tiny --budget 0", "expected a positive share of the published steps"),
        ("reproduce tiny --budget much", "invalid float value"),
        ("reproduce tiny --seeds 0", "0 seeds were asked for"),
        ("reproduce tiny --jobs 0", "0 jobs were asked for"),
        ("reproduce tiny --models gatr", "no model called 'gatr'"),
        ("reproduce tiny --only mlp-61", "Did you mean mlp-60?"),
        ("reproduce tiny --threads -1", "threads is -1"),
        ("reproduce tiny --device tpu9", "try --device cpu"),
        ("reproduce tiny --run-dir .", "exists and is no reproduction"),
    ],
)
def test_wrong_input(cliffnet, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").touch()
    code, _, err = cliffnet(*words.split())
    assert code == 2
    assert message in err
    assert len(list(tmp_path.iterdir())) == 1


def test_scaled_table_says_so_everywhere_and_tells_what_failed(cliffnet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("reproductions/tiny")
    reproduction = Reproduction(TINY, folder, 0.002)
    runs = reproduction.plan()
    reproduction.claim(runs)
    runs[1].folder.parent.mkdir(parents=True)
    runs[1].folder.write_text("in the way")
    code, out, err = cliffnet("reproduce", "tiny", "--budget", 0.002, "--device", "cpu")
    assert code == 2
    for text in (
        *("A tiny table; mean squared error; scaled to 0.2 % of the published steps", "0.5 +- 0.25", "SEGNN", "0.25"),
        *("published: a paper", "published: another paper", "Tiny is quick.", "(2 of 2 runs)", "comparison.png"),
        "1, 1 failed",
    ):
        assert text in out
    assert f"cliffnet: failed: mlp-60, seed 1: {runs[1].folder.resolve()} exists and is not a folder" in err
    assert "1 failed; the same command tries them again" in err
    assert runs[1].folder.read_text() == "in the way"
    assert "scaled to 0.2 % of the published steps" in (folder / "results.csv").read_text()
    assert (folder / "comparison.png").stat().st_size > 5000
    assert len((folder / "runs.csv").read_text().splitlines()) == 3


def test_signal_leaves_everything_to_go_on_with(cliffnet, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    words = ("reproduce", "tiny", "--seeds", 1, "--run-dir", folder, "--device", "cpu")
    sent = []

    def interrupt(*_):
        if not sent:
            sent.append(signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(_Session, "_stepped", interrupt)
        code, out, err = cliffnet(*words)
    assert code == 128 + signal.SIGTERM
    assert f"everything so far is in {folder}, and the same command goes on from there" in err
    assert "Traceback" not in err
    (run,) = Reproduction(TINY, folder).plan(seeds=1)
    assert 0 < run.steps_done < 2000
    code, out, err = cliffnet(*words)
    assert code == 0, err
    assert "1 runs, 0 finished before" in out
    start_run(run.config, tmp_path / "whole")
    ends = [
        load_tensors(path / "checkpoints/step-00002000/weights.safetensors")[0]
        for path in (run.folder, tmp_path / "whole")
    ]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    kept = (run.folder / "results.json").stat().st_mtime_ns
    code, out, err = cliffnet(*words)
    assert code == 0, err
    assert "1 runs, 1 finished before" in out
    assert (run.folder / "results.json").stat().st_mtime_ns == kept
