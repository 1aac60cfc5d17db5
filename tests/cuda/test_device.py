"""What needs a CUDA device: the operators there against those on the CPU, and what only devices have."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import cliffnet
from cliffnet import Algebra, Partition, ops
from cliffnet import functional as F
from cliffnet.errors import DeviceError, KernelCompileError
from helpers.operator_matrix import OPERATORS

pytestmark = pytest.mark.gpu

BOUND = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 1 / 64, torch.float16: 1 / 512}
ROOT = Path(__file__).resolve().parents[2]


def as_tuple(result):
    return (result,) if isinstance(result, torch.Tensor) else tuple(result)


def product(leading, algebra, device="cuda"):
    return [torch.randn(*leading, algebra.num_blades, device=device) for _ in range(2)]


@pytest.fixture(params=OPERATORS, ids=lambda case: case.name)
def case(request):
    return request.param


@pytest.mark.parametrize("leading", [(3,), (0, 3), (7, 129)])
def test_values_are_those_of_the_cpu(case, leading):
    for dtype in case.dtypes:
        for view in (lambda x: x, F.to_blade_major):
            tensors = case.tensors(*leading, dtype=dtype)
            tensors = tuple(view(x) if case.is_batched(i) else x for i, x in enumerate(tensors))
            found = as_tuple(case.function(*(tensor.cuda() for tensor in tensors)))
            for one, other in zip(found, as_tuple(case.function(*tensors)), strict=True):
                assert one.device.type == "cuda"
                assert one.stride() == other.stride()
                bound = BOUND[dtype] * max(other.double().abs().max().item() if other.numel() else 0.0, 1.0)
                torch.testing.assert_close(one.cpu().double(), other.double(), rtol=0, atol=bound)


def test_gradients(case):
    tensors = [x.cuda().requires_grad_() for x in case.tensors(2, 3)]
    assert torch.autograd.gradcheck(case.function, tensors, nondet_tol=0)


def test_gradients_of_gradients(case):
    tensors = [x.cuda().requires_grad_() for x in case.tensors(1, 2)]
    assert torch.autograd.gradgradcheck(case.function, tensors, nondet_tol=0)


def test_results_are_the_same_in_every_run(case):
    tensors = [x.cuda() for x in case.tensors(65, 129, dtype=torch.float32)]
    for one, other in zip(as_tuple(case.function(*tensors)), as_tuple(case.function(*tensors)), strict=True):
        assert torch.equal(one, other)


def test_compiled_graphs_compute_the_same(case):
    tensors = [x.cuda() for x in case.tensors(3, 4, dtype=torch.float32)]
    torch._dynamo.reset()
    compiled = torch.compile(case.function, fullgraph=True)
    for one, other in zip(as_tuple(compiled(*tensors)), as_tuple(case.function(*tensors)), strict=True):
        torch.testing.assert_close(one, other)


def test_prepared_kernels_run_in_captured_graphs():
    algebra = Algebra(3, 0, 1)
    partition = Partition.by_grade(algebra)
    cliffnet.prepare(algebra, functions=["geometric_product"])
    cliffnet.prepare(partition, functions=["steerable_product"])
    left, right = (x.requires_grad_() for x in product((33, 5), algebra))
    weight = torch.randn(5, len(partition.paths()), device="cuda", requires_grad=True)
    made = len(ops.kernels_made())

    def step():
        out = F.steerable_product(F.geometric_product(left, right, algebra), right, weight, partition)
        return out, *torch.autograd.grad(out, (left, right, weight), torch.ones_like(out))

    # what torch itself needs: workspaces, streams of the backward pass
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = step()
    with torch.no_grad():
        left.mul_(2)
    graph.replay()
    for one, other in zip(found, step(), strict=True):
        torch.testing.assert_close(one, other)
    assert len(ops.kernels_made()) == made


def test_a_first_compilation_during_capture_is_refused():
    algebra = Algebra(2, 3)
    left, right = product((33,), algebra)
    with (
        pytest.raises(KernelCompileError, match=r"a kernel of bilinear in float32 .* run the operation once before"),
        torch.cuda.graph(torch.cuda.CUDAGraph()),
    ):
        F.geometric_product(left, right, algebra)
    # the device is as it was
    F.geometric_product(left, right, algebra)
    torch.cuda.synchronize()


def test_kernels_wait_for_the_current_stream_only():
    algebra = Algebra(3)
    left, right = product((1 << 18,), algebra)
    expected = F.geometric_product(left, right, algebra)
    streams = [torch.cuda.Stream(), torch.cuda.Stream()]
    found = []
    torch.cuda.synchronize()
    for stream in streams:
        with torch.cuda.stream(stream):
            found.append(F.geometric_product(left, right, algebra))
    torch.cuda.synchronize()
    assert all(torch.equal(one, expected) for one in found)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is one CUDA device")
def test_every_device_runs_its_own_kernels():
    algebra = Algebra(3)
    left, right = product((1000,), algebra, "cpu")
    expected = F.geometric_product(left, right, algebra)
    for index in range(torch.cuda.device_count()):
        found = F.geometric_product(left.to(index), right.to(index), algebra)
        assert found.device.index == index
        torch.testing.assert_close(found.cpu(), expected)
        assert torch.cuda.current_device() == 0
    with pytest.raises(DeviceError, match="cuda:0 and cuda:1"):
        F.geometric_product(left.to(0), right.to(1), algebra)


def test_operands_on_different_devices_are_refused():
    algebra = Algebra(3)
    left, right = product((5,), algebra)
    with pytest.raises(DeviceError, match="expected one device"):
        F.geometric_product(left, right.cpu(), algebra)


def test_more_elements_than_32_bits_count():
    algebra = Algebra(3)
    lanes = (1 << 28) + 3
    if torch.cuda.mem_get_info()[0] < 3 * 8 * 2 * lanes + (1 << 30):
        pytest.skip("needs 14 GB of device memory")
    left, right = (torch.randn(lanes, 8, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for view in (lambda x: x, F.to_blade_major):
        left, right = view(left), view(right)
        found = F.geometric_product(left, right, algebra)
        for part in (slice(0, 5), slice(lanes - 5, lanes)):
            torch.testing.assert_close(found[part], F.geometric_product(left[part], right[part], algebra))
        del found


def test_memory_that_runs_out_is_an_error_of_torch_and_leaks_nothing():
    algebra = Algebra(3)
    # one multivector, seen so often that no device holds the result
    x = torch.ones(8, device="cuda").expand(1 << 42, 8)
    weight = torch.ones(1 << 20, 20, device="cuda")
    y = torch.ones(8, device="cuda").expand(1 << 22, 1 << 20, 8)
    partition = Partition.by_grade(algebra)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        F.geometric_product(x, x, algebra)
    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        F.steerable_product(y, y, weight, partition)
    assert torch.cuda.memory_allocated() == before
    small = torch.eye(8, device="cuda")
    torch.testing.assert_close(F.geometric_product(small, small[:1], algebra), small)


def test_facts_name_driver_and_compiler():
    facts = ops.cuda_info()
    assert facts["driver"].startswith("CUDA ")
    assert facts["compiler"].startswith(f"NVRTC {torch.version.cuda.split('.')[0]}.")


PROGRAM = """
import torch
from cliffnet import Algebra, Partition, functional as F
for algebra in (Algebra(3), Algebra(3, 0, 1)):
    partition = Partition.by_grade(algebra)
    weight = torch.randn(5, len(partition.paths()), device="cuda", requires_grad=True)
    for view in (lambda x: x, F.to_blade_major):
        left, right = (view(torch.randn(33, 5, algebra.num_blades, device="cuda")).requires_grad_() for _ in range(2))
        out = F.geometric_product(left, right, algebra) + F.steerable_product(left, right, weight, partition)
        out.sum().backward()
torch.cuda.synchronize()
"""


@pytest.mark.skipif(shutil.which("compute-sanitizer") is None, reason="compute-sanitizer is not installed")
@pytest.mark.parametrize("tool", ["memcheck", "initcheck", "racecheck"])
def test_the_sanitizer_finds_nothing(tool):
    command = ["compute-sanitizer", "--tool", tool, "--error-exitcode", "1", sys.executable, "-c", PROGRAM]
    # each tensor is to have memory of its own, whose ends the sanitizer sees
    environment = os.environ | {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_parity_files_pass():
    files = sorted((ROOT / "tests" / "parity" / "golden").rglob("*.npz"))
    command = [sys.executable, str(ROOT / "tests" / "parity" / "check.py"), "--backend", "cuda", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
