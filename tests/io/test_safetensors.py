"""Multivectors in safetensors files."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from cliffnet import Algebra
from cliffnet import io as cliffnet_io
from cliffnet.errors import DataError, MissingDependencyError

PGA = Algebra(3, 0, 1)
SIGNED = Algebra.from_name("3DPGA")
WIDE = Algebra(40)


def cases():
    return {
        "motors": PGA.randn(2, 3, layout=PGA.even),
        "signed": SIGNED.randn(4, dtype=torch.float64),
        "picked": PGA.multivector(torch.ones(2), PGA.layout("e31", "e0")),
        "wide": WIDE.randn(2, layout=WIDE.vectors).to(torch.bfloat16),
        "named": Algebra(metric=(0.5, -2.0), names="xy").randn(),
        "none": PGA.randn(0, layout=PGA.vectors),
    }


def test_round_trip(tmp_path):
    path = tmp_path / "all.safetensors"
    saved = cases()
    cliffnet_io.save(path, saved)
    loaded = cliffnet_io.load(path)
    assert list(loaded) == sorted(saved)
    for name, value in saved.items():
        assert loaded[name].layout is value.layout
        assert torch.equal(loaded[name].tensor, value.tensor)
        assert loaded[name].dtype == value.dtype
    assert not [entry for entry in tmp_path.iterdir() if entry != path]


def test_one_alone(tmp_path):
    path = tmp_path / "one.safetensors"
    # memory that is shared, strided and differentiated
    x = PGA.randn(3, 4, layout=PGA.even).requires_grad_().map(lambda t: t.transpose(0, 1)[1:])
    cliffnet_io.save(str(path), x)
    loaded = cliffnet_io.load(str(path))
    assert (loaded == x).all()
    assert not loaded.requires_grad
    assert cliffnet_io.load(path, device="meta").device.type == "meta"
    cliffnet_io.save(path, {"multivector": x})
    assert list(cliffnet_io.load(path)) == ["multivector"]


def test_equal_content_gives_equal_files(tmp_path):
    saved = cases()
    for name in ("a", "b"):
        cliffnet_io.save(tmp_path / name, saved)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_others_read_the_tensors(tmp_path):
    path = tmp_path / "one.safetensors"
    x = PGA.randn(3)
    cliffnet_io.save(path, {"x": x})
    assert torch.equal(load_file(path)["x"], x.tensor)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "x.safetensors"
    cliffnet_io.save(path, {"x": PGA.randn(3, layout=PGA.even)})
    return path


def rewrite(path, **changes):
    """Change the metadata of a file and leave the rest."""
    blob = path.read_bytes()
    end = 8 + int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8:end])
    header["__metadata__"].update(changes)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + blob[end:])


def test_damaged_files_are_refused(saved):
    blob = saved.read_bytes()
    for kept in range(0, len(blob), 37):
        saved.write_bytes(blob[:kept])
        with pytest.raises(DataError, match="not a complete safetensors file"):
            cliffnet_io.load(saved)
    flipped = bytearray(blob)
    flipped[-5] ^= 1
    saved.write_bytes(flipped)
    with pytest.raises(DataError, match="checksum"):
        cliffnet_io.load(saved)
    saved.write_bytes(b"not at all")
    with pytest.raises(DataError, match="not a complete"):
        cliffnet_io.load(saved)


@pytest.mark.parametrize(
    "changes",
    [
        {"cliffnet.metric": "{"},
        {"cliffnet.metric": '{"y": [1]}'},
        {"cliffnet.metric": '{"x": ["a"]}'},
        {"cliffnet.metric": '{"x": [1, 1]}'},
        {"cliffnet.metric": "[]"},
        {"cliffnet.basis": '{"x": {"generators": ["0", "1"], "blades": null}}'},
        {"cliffnet.basis": '{"x": {"generators": ["0", "1", "2", "3"], "blades": ["e1"]}}'},
        {"cliffnet.basis": '{"x": null}'},
        {"cliffnet.layout": '{"x": ["1", "e12"]}'},
        {"cliffnet.layout": '{"x": ["1", "e9"]}'},
        {"cliffnet.layout": '{"x": ["1", "1"]}'},
    ],
)
def test_contradictions_are_refused(saved, changes):
    rewrite(saved, **changes)
    with pytest.raises(DataError, match=r"'x' in .* is no multivector"):
        cliffnet_io.load(saved)


def test_changed_facts_are_noticed(saved):
    # another algebra that would fit the tensor
    rewrite(saved, **{"cliffnet.metric": '{"x": [0.0, 1.0, 1.0, -1.0]}'})
    with pytest.raises(DataError, match="checksum"):
        cliffnet_io.load(saved)


def test_what_cannot_be_saved_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    for wrong in (torch.ones(3), [PGA.e1], None, {"x": torch.ones(3)}, {1: PGA.e1}, {"__metadata__": PGA.e1}):
        with pytest.raises(TypeError, match="expected"):
            cliffnet_io.save(path, wrong)
    assert not path.exists()


def test_plain_tensors_are_refused(tmp_path):
    path = tmp_path / "plain.safetensors"
    save_file({"x": torch.ones(2)}, path)
    with pytest.raises(DataError, match="which algebra"):
        cliffnet_io.load(path)
    with pytest.raises(TypeError, match="'x' is a Tensor"):
        cliffnet_io.save(path, {"x": torch.ones(2)})
    with pytest.raises(FileNotFoundError):
        cliffnet_io.load(tmp_path / "missing.safetensors")


def test_a_failed_write_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def full(descriptor):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        cliffnet_io.save(saved, PGA.randn(2))
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_a_missing_package_is_named(saved, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "safetensors.torch", None)
    with pytest.raises(MissingDependencyError, match=r"cliffnet\[io\]"):
        cliffnet_io.load(saved)
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(MissingDependencyError, match=r"cliffnet\[ga\]"):
        cliffnet_io.save_ga(saved, PGA.randn(2))
