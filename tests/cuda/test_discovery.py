"""Where the CUDA kernels look for the compiler and their cache, and what the router does without a device."""

from pathlib import Path

import pytest
import torch

from cliffnet import ops
from cliffnet.errors import BackendUnavailableError, DeviceError
from cliffnet.ops import _cuda
from helpers import cuda_host

WITHOUT_DEVICE = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


def wheel(folder: Path, inside: str, name: str) -> Path:
    path = folder / inside / name
    path.parent.mkdir(parents=True)
    path.touch()
    return path


@pytest.mark.parametrize(
    ("cuda", "inside", "name"),
    [("13.2", "nvidia/cu13/lib", "libnvrtc.so.13"), ("12.8", "nvidia/cuda_nvrtc/lib", "libnvrtc.so.12")],
)
def test_the_wheel_of_the_major_version_of_torch_comes_after_what_is_loaded(tmp_path, cuda, inside, name):
    right = wheel(tmp_path / "site", inside, name)
    wheel(tmp_path / "site", "nvidia/cuda_nvrtc/lib" if "cu13" in inside else "nvidia/cu13/lib", "libnvrtc.so.11")
    places = _cuda.compiler_places(cuda, [str(tmp_path / "empty"), str(tmp_path / "site")])
    assert places == [(True, name), (False, str(right)), (False, name)]


def test_a_toolkit_in_the_usual_places_is_not_looked_for():
    assert all("/usr" not in place and "cuda/" not in place for _, place in _cuda.compiler_places("13.2", []))


def test_the_cache_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("CLIFFNET_CACHE_DIR", str(tmp_path / "chosen"))
    assert _cuda.cache_folder() == str(tmp_path / "chosen" / "cuda")
    monkeypatch.delenv("CLIFFNET_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert _cuda.cache_folder() == str(tmp_path / "cliffnet" / "cuda")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/someone"))
    assert _cuda.cache_folder() == "/home/someone/.cache/cliffnet/cuda"

    def homeless():
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", homeless)
    assert _cuda.cache_folder() is None


@pytest.mark.skipif(torch.version.cuda is None, reason="this torch has no CUDA")
@pytest.mark.skipif(cuda_host.CXX is None, reason="there is no C++ compiler")
def test_operators_with_kernels_are_registered_for_cuda_and_the_others_fall_back():
    names = ops.cuda_operators()
    assert names == cuda_host.start(None)
    for name in ("bilinear", "gate"):
        registered = torch._C._dispatch_dump(f"cliffnet::{name}")
        (line,) = [line for line in registered.splitlines() if line.startswith("CUDA:")]
        # what Python registers names its file
        assert ("_operator.py" in line) != (name in names), line


@pytest.mark.skipif(torch.version.cuda is None, reason="this torch has no CUDA")
@WITHOUT_DEVICE
def test_without_a_driver_the_facts_say_so():
    with pytest.raises((BackendUnavailableError, DeviceError), match=r"CUDA driver was found|no CUDA-capable device"):
        ops.cuda_info()
