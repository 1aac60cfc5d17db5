"""What needs a CUDA device: the operators there against those on the CPU."""

import pytest
import torch

from cliffnet import Algebra, ops
from cliffnet import functional as F
from cliffnet.errors import KernelCompileError
from helpers.operator_matrix import OPERATORS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.filterwarnings("ignore:cliffnet has no cuda kernel"),
]

BOUND = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 1 / 64, torch.float16: 1 / 512}


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


def test_gradients_of_all_orders(case):
    tensors = [x.cuda().requires_grad_() for x in case.tensors(2, 3)]
    assert torch.autograd.gradcheck(case.function, tensors, nondet_tol=0)


def test_results_are_the_same_in_every_run(case):
    tensors = [x.cuda() for x in case.tensors(65, 129, dtype=torch.float32)]
    for one, other in zip(as_tuple(case.function(*tensors)), as_tuple(case.function(*tensors)), strict=True):
        assert torch.equal(one, other)


def test_kernels_run_in_captured_graphs():
    algebra = Algebra(3, 0, 1)
    left, right = product((33,), algebra)
    expected = F.geometric_product(left, right, algebra)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = F.geometric_product(left, right, algebra)
    left.mul_(2)
    graph.replay()
    torch.testing.assert_close(found, 2 * expected)


def test_a_first_compilation_during_capture_is_refused():
    algebra = Algebra(2, 3)
    left, right = product((33,), algebra)
    with (
        pytest.raises(KernelCompileError, match="run the operation once before"),
        torch.cuda.graph(torch.cuda.CUDAGraph()),
    ):
        F.geometric_product(left, right, algebra)


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


def test_more_elements_than_32_bits_count():
    algebra = Algebra(3)
    lanes = (1 << 28) + 3
    if torch.cuda.mem_get_info()[0] < 3 * 8 * 2 * lanes + (1 << 30):
        pytest.skip("needs 14 GB of device memory")
    left, right = (torch.randn(lanes, 8, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    found = F.geometric_product(left, right, algebra)
    for part in (slice(0, 5), slice(lanes - 5, lanes)):
        torch.testing.assert_close(found[part], F.geometric_product(left[part], right[part], algebra))


def test_facts_name_driver_and_compiler():
    facts = ops.cuda_info()
    assert facts["driver"].startswith("CUDA ")
    assert facts["compiler"].startswith(f"NVRTC {torch.version.cuda.split('.')[0]}.")
