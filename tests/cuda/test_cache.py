"""Compiled kernels are kept on disk, and whatever is wrong there costs time only."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cliffnet import Algebra
from cliffnet.errors import CliffnetWarning, DeviceError, KernelCompileError
from cliffnet.ops._bilinear import bilinear
from cliffnet.ops._operator import _translated
from helpers import cuda_host

pytestmark = pytest.mark.skipif(cuda_host.CXX is None, reason="there is no C++ compiler")

PLAN = Algebra(2).product_plan("geometric_product")


@pytest.fixture(autouse=True)
def _fresh_engine():
    yield
    cuda_host.variable("cliffnet_refuses").value = 0
    cuda_host.variable("cliffnet_is_capturing").value = 0
    cuda_host.operators.cache_clear()


def run(cache):
    """Compute a product as a new process would; return how often that compiled a kernel."""
    cuda_host.start(cache)
    count = cuda_host.variable("cliffnet_compilations")
    before = count.value
    left, right = torch.randn(3, 4), torch.randn(3, 4)
    found = torch.ops.cliffnet_host.bilinear(left, right, PLAN)
    torch.testing.assert_close(found, bilinear(left, right, PLAN))
    torch.ops.cliffnet_host.bilinear(left, right, PLAN)
    return count.value - before


def entry_of(cache):
    (entry,) = cache.glob("*.cubin")
    return entry


def test_a_kernel_is_compiled_once_for_all_processes(tmp_path):
    cache = tmp_path / "not yet there"
    assert run(cache) == 1
    assert run(cache) == 0
    assert [file.suffix for file in cache.iterdir()] == [".cubin"]


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:-40] + bytes([b[-40] ^ 1]) + b[-39:]],
    ids=["half", "empty", "one bit"],
)
def test_a_damaged_entry_is_made_again(tmp_path, damage):
    assert run(tmp_path) == 1
    entry = entry_of(tmp_path)
    sound = entry.read_bytes()
    entry.write_bytes(damage(sound))
    assert run(tmp_path) == 1
    assert entry.read_bytes()[:100] == sound[:100]
    assert run(tmp_path) == 0


def test_without_a_folder_every_process_compiles():
    assert run(None) == 1
    assert run(None) == 1


def test_a_folder_that_cannot_be_written_is_named_once_and_nothing_else_fails(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.warns(CliffnetWarning, match="set CLIFFNET_CACHE_DIR to a folder that can be written"):
        assert run(blocked / "cuda") == 1
    assert run(blocked / "cuda") == 1


def test_what_the_compiler_refuses_is_kept_and_named(tmp_path):
    cuda_host.start(tmp_path)
    cuda_host.variable("cliffnet_refuses").value = 1
    with pytest.raises(RuntimeError) as caught:
        torch.ops.cliffnet_host.bilinear(torch.randn(3, 4), torch.randn(3, 4), PLAN)
    error = _translated(caught.value)
    assert type(error) is KernelCompileError
    (kept,) = tmp_path.glob("refused-*.cu")
    assert str(error) == f"the compilation of {kept} failed: refused on request"
    assert "KERNEL(products" in kept.read_text()
    cuda_host.variable("cliffnet_refuses").value = 0
    assert run(tmp_path) == 1


def test_nothing_is_compiled_or_loaded_while_a_graph_is_captured(tmp_path):
    cuda_host.start(tmp_path)
    left, right = torch.randn(3, 4), torch.randn(3, 4)
    capturing = cuda_host.variable("cliffnet_is_capturing")
    capturing.value = 1
    with pytest.raises(RuntimeError) as caught:
        torch.ops.cliffnet_host.bilinear(left, right, PLAN)
    error = _translated(caught.value)
    assert type(error) is KernelCompileError
    assert "run the operation once before the capture" in str(error)
    capturing.value = 0
    torch.ops.cliffnet_host.bilinear(left, right, PLAN)
    capturing.value = 1
    launches = cuda_host.variable("cliffnet_launches")
    before = launches.value
    torch.ops.cliffnet_host.bilinear(left, right, PLAN)
    assert launches.value == before + 1


def test_errors_of_the_driver_are_named():
    # a device that is lost answers every call with an error
    lost = cuda_host.variable("cliffnet_is_lost")
    cuda_host.start(None)
    left, right = torch.randn(3, 4), torch.randn(3, 4)
    torch.ops.cliffnet_host.bilinear(left, right, PLAN)
    lost.value = 1
    try:
        with pytest.raises(RuntimeError) as caught:
            torch.ops.cliffnet_host.bilinear(left, right, PLAN)
    finally:
        lost.value = 0
    error = _translated(caught.value)
    assert type(error) is DeviceError
    assert str(error) == "cuLaunchKernel failed: CUDA_ERROR_DEVICE_LOST (said by the driver on the processor)"


PROCESS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from helpers import cuda_host
from cliffnet import Algebra
cuda_host.start(Path(sys.argv[2]))
plan = Algebra(3).product_plan("geometric_product")
x = torch.eye(8)
print(torch.ops.cliffnet_host.bilinear(x, x, plan)[:, 0].tolist())
"""


def test_processes_that_start_at_once_share_a_folder(tmp_path):
    tests = str(Path(cuda_host.FOLDER).parents[1])
    command = [sys.executable, "-c", PROCESS, tests, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = {process.communicate(timeout=300)[0].strip() for process in processes}
    assert outputs == {str([1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0])}
    assert len(list(tmp_path.glob("*.cubin"))) == 1
    assert not list(tmp_path.glob("*.unfinished"))
