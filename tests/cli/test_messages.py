"""Wrong input: one message, exit code 2, nothing overwritten."""

import pytest

from cliffnet import Algebra
from cliffnet.cli._algebra import print_algebra

MLP = (
    *("train", "nbody-gravity", "--model", "mlp", "--steps", 3),
    *("--train-samples", 40, "--val-samples", 10, "--eval-samples", 10),
)


@pytest.fixture
def run_folder(cliffnet, tmp_path):
    code, out, err = cliffnet(*MLP, "--run-dir", tmp_path, "--name", "run")
    assert code == 0, err
    assert "n/a" in out
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train nbody-gravty --model gatr", "Did you mean nbody-gravity"),
        ("train nbody-gravity --model transfomer", "Did you mean transformer? Known: gatr, transformer, mlp"),
        ("train", "or --resume RUN"),
        ("train nbody-gravity", "give --model; task nbody-gravity has gatr, transformer, mlp"),
        ("train nbody-gravity --model mlp --heads 3", "has no option --heads"),
        ("train nbody-gravity --model gatr --steps 0", "steps is 0; it must be positive"),
        ("train nbody-gravity --model gatr --dtype float16", "expected one of float32, float64"),
        ("train nbody-gravity --model gatr --device cuda:77", "try --device cpu"),
        ("train nbody-gravity --model gatr --name a/b", "expected a plain folder name"),
        ("train nbody-gravity --model gatr --steps many", "invalid int value: 'many'"),
        ("train nbody-gravity --model gatr --frobnicate", "unrecognized arguments: --frobnicate"),
        ("train --resume nowhere", "there is no run folder nowhere"),
        ("eval nowhere", "there is no run folder nowhere"),
        ("info Cl(3,", "names no algebra"),
        ("info 5DPGA", "no algebra is called '5DPGA'; known are"),
        ("launch", "invalid choice: 'launch'"),
    ],
)
def test_wrong_input(cliffnet, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = cliffnet(*words.split())
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_existing_run_is_left_alone(cliffnet, run_folder):
    before = {path: path.stat().st_mtime_ns for path in run_folder.rglob("*")}
    code, _, err = cliffnet(*MLP, "--run-dir", run_folder.parent, "--name", "run")
    assert code == 2
    assert "--resume" in err
    assert "--overwrite" in err
    assert {path: path.stat().st_mtime_ns for path in run_folder.rglob("*")} == before


def test_resume_refuses_other_options_and_takes_its_own(cliffnet, run_folder):
    code, _, err = cliffnet("train", "--resume", run_folder, "--lr", 0.1)
    assert code == 2
    assert "--lr 0.1 cannot be given with --resume; the run has 0.0003" in err
    code, _, err = cliffnet("train", "--resume", run_folder, "--overwrite")
    assert code == 2
    assert cliffnet("train", "nbody-gravity", "--model", "mlp", "--resume", run_folder, "--steps", 3)[0] == 0


def test_foreign_and_damaged_runs(cliffnet, run_folder):
    code, _, err = cliffnet("eval", run_folder, "--set", "object2")
    assert code == 2
    assert "Did you mean object?" in err
    for path in (run_folder / "best.safetensors", run_folder / "checkpoints" / "step-00000003" / "weights.safetensors"):
        path.write_bytes(b"something else")
    for words in (("eval", run_folder), ("train", "--resume", run_folder)):
        code, _, err = cliffnet(*words)
        assert code == 2
        assert "cannot be used" in err
    (run_folder / "config.json").write_text("{}")
    code, _, err = cliffnet("eval", run_folder)
    assert code == 2
    assert "not the configuration of a cliffnet run" in err


def test_info_describes_the_installation(cliffnet):
    code, out, _ = cliffnet("info")
    assert code == 0
    for word in ("cliffnet", "torch", "backend", "threads"):
        assert word in out


@pytest.mark.parametrize(
    ("algebra", "expected", "absent"),
    [
        (
            "Cl(3,0,1)",
            (
                *("signature p = 3, q = 0, r = 1", "generators e0^2 = 0, e1^2 = +1", "blades 16 = 1 + 4 + 6 + 4 + 1"),
                *("matrices M2(C) x Lambda(1)", "also Algebra.pga(3), 3DPGA in another basis"),
                *("pseudoscalar e0123, square 0", "e01 5 2 0 -e01 e23", "e12 8 2 -1 -e12 e03"),
            ),
            ("products",),
        ),
        ("3DPGA", ("algebra Algebra.from_name('3DPGA')", "e31 9 2 -1 -e31 e02"), ("also",)),
        ("Cl(2)", ("also Algebra.vga(2)", "products, row times column", "e12 e12 -e2 e1 -1"), ()),
        ("Cl(4,1)", ("also Algebra.cga(3), Algebra.from_name('CGA3D')", "matrices M4(C)"), ()),
        ("Cl(9)", ("512 = 1 + 9 + 36", "the first 256 blades"), ()),
        ("Cl(60,2)", ("blades 2^62", "e3^2 = +1, ..., e62^2 = -1", "use layouts such as"), ("index",)),
        ("Cl(0)", ("generators none", "blades 1 = 1"), ()),
    ],
)
def test_info_describes_an_algebra(cliffnet, algebra, expected, absent):
    code, out, err = cliffnet("info", algebra)
    assert code == 0, err
    words = " ".join(out.replace("│", " ").split())
    for text in expected:
        assert text in words
    for text in absent:
        assert text not in words


def test_info_writes_multiples_of_blades(capsys):
    print_algebra(Algebra(metric=(2, -3)))
    words = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "e12 e12 -2 e2 -3 e1 6" in words
    assert "e1 e1 2 e12 2 e2" in words


def test_help_lists_the_commands(cliffnet):
    code, out, _ = cliffnet("--help")
    assert code == 0
    for command in ("info", "train", "eval", "demo"):
        assert command in out


def test_warnings_are_one_line(cliffnet, tmp_path, monkeypatch):
    (tmp_path / "blocked").write_text("")
    monkeypatch.setenv("CLIFFNET_CACHE_DIR", str(tmp_path / "blocked"))
    monkeypatch.setattr("warnings.filters", [])
    code, _, err = cliffnet(*MLP, "--run-dir", tmp_path, "--name", "run")
    assert code == 0
    assert "cliffnet: warning: generated data could not be cached" in err
