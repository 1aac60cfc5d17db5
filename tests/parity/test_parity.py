"""The parity check passes on the golden files, and fails on altered and broken ones."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cliffnet import Algebra

HERE = Path(__file__).parent
COMPACT = HERE / "golden"
FOLDER = Path(os.environ.get("CLIFFNET_GOLDEN", COMPACT))
# A folder of golden files may hold families that have no adapter yet.
FAMILIES = ("gatr", "algebra", "cgenn", "glgenn")
FILES = [path for family in FAMILIES for path in sorted((FOLDER / family).glob("*.npz"))]
NETWORKS = [path for family in ("cgenn", "glgenn") for path in sorted((COMPACT / family).glob("*.npz"))]


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


SINGLE = [*sorted((COMPACT / "gatr").glob("*.npz"))[:6], *sorted((COMPACT / "algebra").glob("*.npz")), *NETWORKS]


@pytest.mark.parametrize("path", SINGLE, ids=lambda path: path.stem)
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


WHOLE_NETS = (
    "egcl_ppp",
    "hull_glgmlp",
    "lorentz_fc_train",
    "lorentz_gpmlp_eval",
    "nbody_glggnn",
    "o3_cgmlp",
    "o5_cgmlp",
    "on_glgmlp_n4",
)


# Alterations of data sets have tests of their own.
@pytest.mark.parametrize(
    "source",
    [path for path in NETWORKS if path.stem not in ("dataset_targets", "lr_schedule", "nbody_sim_seed43")],
    ids=lambda path: path.stem,
)
def test_any_altered_number_of_an_algebra_or_graph_layer_fails(check, tmp_path, capsys, source):
    with np.load(source) as archive:
        keys = [key for key in archive.files if key != "meta"]
    if source.stem in WHOLE_NETS:
        # Their inputs and parameters hold numbers that have no part in the outputs.
        keys = [key for key in keys if key.startswith(("out/", "grad_in/"))]

    def change(arrays, key):
        if arrays[key].dtype.kind == "f":
            _nudge(arrays, key)
        else:
            array = arrays[key].copy()
            array.flat[array.size // 2] = not array.flat[array.size // 2]
            arrays[key] = array

    files = [_altered(source, tmp_path / f"{index}.npz", key, change) for index, key in enumerate(keys)]
    assert check(files) == 1
    assert capsys.readouterr().out.endswith(f"0 ok, {len(keys)} failed, 0 unsupported\n")


@pytest.mark.parametrize("name", ["clifford_cl_3_0_1", "kingdon_3DPGA", "geometry_cga3d", "geometry_pga3d"])
def test_any_altered_number_of_an_algebra_fails(check, tmp_path, capsys, name):
    source = COMPACT / "algebra" / f"{name}.npz"
    with np.load(source) as archive:
        keys = [key for key in archive.files if key != "meta"]
    if source.stem in WHOLE_NETS:
        # Their inputs and parameters hold numbers that have no part in the outputs.
        keys = [key for key in keys if key.startswith(("out/", "grad_in/"))]

    def change(arrays, key):
        if arrays[key].dtype.kind == "i":
            arrays[key] = arrays[key] + np.eye(*arrays[key].shape, dtype=arrays[key].dtype)
        elif key.endswith("_int"):
            arrays[key] = arrays[key] + 1e-9
        else:
            _nudge(arrays, key)

    files = [_altered(source, tmp_path / f"{index}.npz", key, change) for index, key in enumerate(keys)]
    assert check(files) == 1
    assert capsys.readouterr().out.endswith(f"0 ok, {len(keys)} failed, 0 unsupported\n")


def _with_meta(arrays, **changes):
    meta = json.loads(str(arrays["meta"]))
    arrays["meta"] = np.array(json.dumps({**meta, **changes}))


def test_an_algebra_in_another_basis_is_one_more_file(check, tmp_path, capsys):
    """Reorder the blades of a file and give some the other sign; the last one, which orients the duals, stays."""
    source = COMPACT / "algebra" / "clifford_cl_3_0_1.npz"
    generator = np.random.default_rng(0)
    order = np.append(generator.permutation(15), 15)
    inverse = np.argsort(order)

    def change(arrays, key):
        meta = json.loads(str(arrays["meta"]))
        flipped = [len(meta["blade_names"][i]) > 2 and i != 15 and generator.random() < 0.5 for i in order]
        signs = np.where(flipped, -1.0, 1.0)
        names = [meta["blade_names"][i] for i in order]
        names = [
            f"e{name[-1]}{name[2:-1]}{name[1]}" if flip else name for name, flip in zip(names, flipped, strict=True)
        ]
        masks, blade_signs = [meta["blade_bitmask"][i] for i in order], signs.astype(int).tolist()
        _with_meta(arrays, blade_names=names, blade_bitmask=masks, blade_sign=blade_signs)
        index = inverse[arrays.pop("out/cayley_index")[order][:, order]]
        squares = signs[:, None] * signs * signs[index]
        new_sign = arrays.pop("out/cayley_sign")[order][:, order] * squares
        matrix = arrays.pop("out/left_matrix_a0")[order][:, order] * signs * signs[:, None]
        for name in arrays:
            if name != "meta" and arrays[name].shape[-1] == 16:
                arrays[name] = arrays[name][..., order] * signs
        arrays |= {"out/cayley_index": index, "out/cayley_sign": new_sign, "out/left_matrix_a0": matrix}

    path = _altered(source, tmp_path / "other_basis.npz", "", change)
    code = check([path])
    assert code == 0, capsys.readouterr().out


def test_named_bases_are_those_of_the_files():
    for path in (COMPACT / "algebra").glob("kingdon_*PGA.npz"):
        with np.load(path) as archive:
            meta = json.loads(str(archive["meta"]))
        assert Algebra.from_name(meta["named"]).blade_names == tuple(meta["blade_names"])


def test_what_an_algebra_file_says_is_read(check, tmp_path, capsys):
    source = COMPACT / "algebra" / "clifford_cl_2_0_0.npz"
    with np.load(source) as archive:
        definitions = json.loads(str(archive["meta"]))["definitions"]

    def add_output(arrays, key):
        arrays["out/unheard_of"] = arrays["out/gp"]

    def whole_numbers(arrays, key):
        arrays["out/op_int"] = arrays["out/gp_int"]

    def another_meaning(arrays, key):
        _with_meta(arrays, definitions={**definitions, "commutator": "ab-ba"})

    def another_dual(arrays, key):
        _with_meta(arrays, dual_definition="left complement")

    def other_names(arrays, key):
        _with_meta(arrays, blade_names=["1", "e2", "e1", "e12"])

    for change, message in [
        (add_output, "unsupported  (output 'unheard_of')"),
        (another_meaning, "unsupported  ('commutator' defined as 'ab-ba')"),
        (another_dual, "unsupported  (a dual defined as 'left complement')"),
        (other_names, "do not go with the stated masks and signs"),
        (whole_numbers, "FAIL  (out/op_int"),
        (lambda arrays, key: _drop(arrays, "in/b"), "FAIL  (there is no in/b)"),
        (lambda arrays, key: _with_meta(arrays, metric=None), "meta lacks the lists metric"),
        (lambda arrays, key: _with_meta(arrays, metric=[1, -1]), "FAIL"),
    ]:
        assert check([_altered(source, tmp_path / "altered.npz", "", change)]) == 1
        assert message in capsys.readouterr().out


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


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_the_cuda_backend_is_one_line(check, capsys):
    assert check([str(SINGLE[0]), "--backend", "cuda"]) == 2
    assert capsys.readouterr().out == "no CUDA device\n"
