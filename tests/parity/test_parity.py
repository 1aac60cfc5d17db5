"""The parity check passes on the golden files, and fails on altered and broken ones."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
COMPACT = HERE / "golden"
FOLDER = Path(os.environ.get("CLIFFNET_GOLDEN", COMPACT))
# A folder of golden files may hold families that have no adapter yet.
FAMILIES = ("gatr",)
FILES = [path for family in FAMILIES for path in sorted((FOLDER / family).glob("*.npz"))]


@pytest.fixture(scope="module")
def check():
    spec = importlib.util.spec_from_file_location("parity_check", HERE / "check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def _altered(source, target, key, change):
    with np.load(source, allow_pickle=False) as archive:
        arrays = dict(archive)
    change(arrays, key)
    np.savez(target, **arrays)
    return str(target)


def _nudge(arrays, key):
    array = arrays[key].copy()
    array.flat[array.size // 2] += 1e-4 * (1 + np.abs(array).max())
    arrays[key] = array


def _drop(arrays, key):
    del arrays[key]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_file(check, path, capsys):
    code = check([str(path)])
    output = capsys.readouterr().out
    assert code == 0, output
    assert output.endswith("1 ok, 0 failed, 0 unsupported\n")


@pytest.mark.parametrize("path", sorted((COMPACT / "gatr").glob("*.npz"))[:6], ids=lambda path: path.stem)
def test_golden_file_in_single_precision(check, path):
    assert check([str(path), "--dtype", "float32"]) == 0


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("geometric_bilinear", "out/multivectors"),
        ("geometric_bilinear", "out/scalars"),
        ("geometric_bilinear", "param/linear_join_left.weight"),
        ("geometric_bilinear", "grad_in/reference_mv"),
        ("geometric_bilinear", "grad_param/linear_right.weight"),
        ("geometric_bilinear", "cot/multivectors"),
        ("self_attention_multi_query", "param/attention.log_weights"),
        ("self_attention_multi_query", "in/multivectors"),
    ],
)
def test_an_altered_number_fails(check, tmp_path, capsys, name, key):
    source = COMPACT / "gatr" / f"{name}.npz"
    assert check([_altered(source, tmp_path / "altered.npz", key, _nudge)]) == 1
    output = capsys.readouterr().out
    assert "FAIL" in output
    assert output.endswith("0 ok, 1 failed, 0 unsupported\n")


def test_a_missing_or_unknown_array_fails(check, tmp_path, capsys):
    source = COMPACT / "gatr" / "geometric_bilinear.npz"

    def add_output(arrays, key):
        arrays[key] = np.zeros(3)

    def rename(arrays, key):
        arrays["oops/x"] = arrays.pop(key)

    for change, key, message in [
        (_drop, "param/linear_left.weight", "grad_param/linear_left.weight has no param"),
        (add_output, "out/more", "missing on our side"),
        (add_output, "param/more", "unexpected more"),
        (rename, "in/scalars", "none of the groups"),
        (_drop, "meta", "no meta"),
    ]:
        assert check([_altered(source, tmp_path / "altered.npz", key, change)]) == 1
        assert message in capsys.readouterr().out


def test_unreadable_and_unsupported_files_are_told_without_a_traceback(tmp_path):
    (tmp_path / "text.npz").write_text("not an archive")
    meta = np.array('{"repo": "someone/else", "class": "Net"}')
    np.savez(tmp_path / "other.npz", meta=meta, **{"out/x": np.zeros(2)})
    meta = np.array('{"repo": "Qualcomm-AI-research/geometric-algebra-transformer", "class": "gatr.nets.Unknown"}')
    np.savez(tmp_path / "unknown.npz", meta=meta, **{"out/x": np.zeros(2)})
    files = [str(tmp_path / name) for name in ("text.npz", "none.npz", "other.npz", "unknown.npz")]
    good = str(COMPACT / "gatr" / "equi_linear_no_scalars.npz")
    result = subprocess.run([sys.executable, str(HERE / "check.py"), *files, good], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stdout.endswith("1 ok, 2 failed, 2 unsupported\n")
    assert "Traceback" not in result.stdout + result.stderr
