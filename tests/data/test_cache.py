"""Files on disk: complete, checked, or made again with a warning."""

import errno
from pathlib import Path

import pytest
import torch

from cliffnet.data import cache_dir, cached_tensors, load_tensors, save_tensors, write_atomically
from cliffnet.data.nbody import load_gravity
from cliffnet.data.storage import require
from cliffnet.errors import CliffnetWarning, DataError, MissingDependencyError


def only_file(folder):
    (path,) = folder.iterdir()
    return path


def test_second_load_comes_from_the_cache(tmp_path):
    calls = []
    first = load_gravity("val", 50, folder=tmp_path, progress=calls.append)
    assert sum(calls) == 50
    second = load_gravity("val", 50, folder=tmp_path, progress=calls.append)
    assert sum(calls) == 50
    assert all(torch.equal(first[key], second[key]) for key in first)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def empty(path):
    path.write_bytes(b"")


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))


def replace_by_text(path):
    path.write_text("not a tensor file at all, but long enough to look at")


def replace_by_foreign_tensors(path):
    save_tensors(path, {"inputs": torch.zeros(3)}, {"format": "cliffnet-data", "parameters": "{}"})


def replace_by_unsigned_file(path):
    require("safetensors.torch").save_file({"inputs": torch.zeros(3)}, path)


@pytest.mark.parametrize(
    "damage",
    [truncate, empty, flip_a_bit, replace_by_text, replace_by_foreign_tensors, replace_by_unsigned_file],
    ids=lambda damage: damage.__name__,
)
def test_damaged_cache_is_made_again_with_a_warning(tmp_path, damage):
    first = load_gravity("val", 20, folder=tmp_path)
    path = only_file(tmp_path)
    sound = path.read_bytes()
    damage(path)
    with pytest.warns(CliffnetWarning, match="generating it again"):
        again = load_gravity("val", 20, folder=tmp_path)
    assert torch.equal(first["inputs"], again["inputs"])
    assert path.read_bytes() == sound


def test_cache_that_cannot_be_written_is_no_obstacle(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.warns(CliffnetWarning, match="could not be cached"):
        made = cached_tensors("x", {"a": 1}, lambda: {"t": torch.ones(2)}, blocked / "inside")
    assert torch.equal(made["t"], torch.ones(2))


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("CLIFFNET_CACHE_DIR", str(tmp_path / "a"))
    assert cache_dir() == tmp_path / "a"
    monkeypatch.delenv("CLIFFNET_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "cliffnet"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path.home() / ".cache" / "cliffnet"


def test_saved_tensors_come_back_and_equal_content_gives_equal_files(tmp_path):
    tensors = {"a": torch.randn(3, 4).T, "b": torch.tensor(7), "c": torch.zeros(0, 2, dtype=torch.uint8)}
    for name in ("first", "second"):
        save_tensors(tmp_path / name, tensors, {"format": "x", "other": "y"})
    loaded, metadata = load_tensors(tmp_path / "first")
    assert all(torch.equal(tensors[key], loaded[key]) for key in tensors)
    assert metadata["other"] == "y"
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_reading_nonsense_is_a_data_error(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"\xff" * 64)
    with pytest.raises(DataError, match="not a complete safetensors file"):
        load_tensors(path)


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "x"
    write_atomically(path, b"old")

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert only_file(tmp_path) == path


def test_missing_package_says_what_to_install():
    with pytest.raises(MissingDependencyError, match=r'pip install "cliffnet\[train\]"'):
        require("a_package_that_is_not_there")
