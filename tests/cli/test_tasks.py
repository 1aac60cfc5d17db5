"""The tasks from the command line, at tiny sizes."""

import json

import numpy as np
import pytest

SIZES = ("--train-samples", 24, "--val-samples", 8, "--eval-samples", 8, "--steps", 2, "--threads", 1)


@pytest.mark.parametrize(
    "words",
    [
        "nbody-charged --model cgenn --channels 4 --blocks 1 --points 4",
        "nbody-charged --model egnn --channels 8 --blocks 1 --schedule warmup-cosine --lr-final 1e-7",
        "signed-volume --model cgenn --channels 4 --blocks 2",
        "o5-regression --model glgenn --channels 4 --weight-decay 1e-4",
        "o7-regression --model cgenn --channels 4",
        "hulls --model glgenn --channels 4 --blocks 1 --dim 4 --points 9",
        "lorentz-invariants --model cgenn --channels 4 --grad-clip 1",
    ],
)
def test_train_resume_and_eval(cliffnet, tmp_path, words):
    code, out, err = cliffnet("train", *words.split(), *SIZES, "--run-dir", tmp_path, "--name", "run")
    assert code == 0, err
    assert "mse" in out
    assert ".png" in out
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    given = dict(zip(words.split()[1::2], words.split()[2::2], strict=True))
    stored = {**config["train"], **config["data"], **config["model_options"]}
    for flag, value in given.items():
        if flag != "--model":
            own = stored[flag[2:].replace("-", "_")]
            assert own == type(own)(value)
    assert cliffnet("train", "--resume", tmp_path / "run", *words.split()[1:])[0] == 0
    assert cliffnet("eval", tmp_path / "run")[0] == 0


@pytest.fixture
def jets(tmp_path):
    h5py = pytest.importorskip("h5py")
    generator = np.random.default_rng(0)
    for name in ("train", "val", "test"):
        momenta = generator.normal(size=(24, 5, 4))
        momenta[..., 0] = 1 + np.linalg.norm(momenta[..., 1:], axis=-1)
        momenta[::3, 3:] = 0
        (tmp_path / "jets").mkdir(exist_ok=True)
        with h5py.File(tmp_path / "jets" / f"{name}.h5", "w") as file:
            file["Pmu"] = momenta
            file["Nobj"] = (momenta[..., 0] != 0).sum(1)
            file["is_signal"] = np.arange(24) % 2
    return tmp_path / "jets"


def test_top_tagging_reads_published_files(cliffnet, tmp_path, jets, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("train", "top-tagging", "--model", "cgenn-gpmlp", "--channels", 2, "--scalars", 4, "--blocks", 1)
    code, out, err = cliffnet(*words, "--data", "jets", "--steps", 2, "--threads", 1, "--name", "run")
    assert code == 0, err
    for text in ("accuracy", "auc", "rejection_0.3", "receiver_curves.png"):
        assert text in out
    monkeypatch.chdir(jets)  # the run knows where its data are
    code, _, err = cliffnet("train", "--resume", tmp_path / "runs" / "run", "--data", tmp_path / "jets")
    assert code == 0, err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("top-tagging --model cgenn", "say where they are (on the command line with --data)"),
        ("top-tagging --model cgenn --data nowhere", "LorentzNet"),
        ("hulls --model cgenn --dim 5 --points 5", "5 points in R^5 have no hull with a volume"),
        ("hulls --model cgenn --points 0", "points is 0; it must be positive"),
        ("signed-volume --model cgenn --dim 4", "task 'signed-volume' has no option --dim, which was given as 4"),
        ("o5-regression --model egnn", "there is no model called 'egnn'"),
        ("nbody-charged --model cgenn --train-samples 10001", "the training set of charged balls has 10000"),
        ("nbody-charged --model cgenn --points 1", "two balls"),
        ("nbody-charged --model linear --channels 3", "has no option --channels; it has none"),
        ("hulls --model mlp --schedule cosine", "expected one of exponential, warmup-cosine"),
    ],
)
def test_wrong_input(cliffnet, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = cliffnet("train", *words.split())
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())
