"""Odd tensors: strides, sizes, dtypes, views, special values, threads."""

import multiprocessing
import threading

import pytest
import torch

from cliffnet import Algebra, ops, reference
from cliffnet import functional as F
from helpers.operator_cases import ALGEBRAS, CASES, FEW, HALF, Case

CLOSE = {"rtol": 1e-9, "atol": 1e-9}


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def strided_versions(x):
    """The same values in many layouts."""
    blades = x.shape[-1]
    padded = torch.full((*x.shape[:-1], blades + 3), torch.nan, dtype=x.dtype)
    padded[..., 1 : blades + 1] = x
    spread = torch.full((*x.shape[:-1], 2 * blades), torch.nan, dtype=x.dtype)
    spread[..., ::2] = x
    return {
        "contiguous": x.contiguous(),
        "blade-major": F.to_blade_major(x),
        "transposed": x.transpose(0, 1).contiguous().transpose(0, 1),
        "inner padding": padded[..., 1 : blades + 1],
        "blade stride 2": spread[..., ::2],
        "rows reversed twice": x.flip(0).flip(0),
    }


@pytest.mark.parametrize("leading", [(5, 3), (7, 11), (2, 64), (1, 1)])
def test_every_pair_of_layouts(case, leading):
    left, right = (x.detach() for x in case.operands(*leading))
    expected = case.oracle(left, right)
    for left_view in strided_versions(left).values():
        for right_view in strided_versions(right).values():
            torch.testing.assert_close(case.function(left_view, right_view), expected, **CLOSE)


@pytest.mark.parametrize(
    "shapes",
    [((), ()), ((5,), ()), ((1, 5), (4, 1)), ((3, 1, 2), (5, 1)), ((0,), (0,)), ((0, 3), (3,)), ((2, 0), (1, 1))],
)
def test_broadcast_and_empty(case, shapes):
    left = case.operands(*shapes[0])[0].detach()
    right = case.operands(*shapes[1])[1].detach()
    result = case.function(left, right)
    assert result.shape == case.oracle(left, right).shape
    torch.testing.assert_close(result, case.oracle(left, right), **CLOSE)


def test_expanded_operands(case):
    left, right = (x.detach() for x in case.operands(1, 1))
    left_wide, right_wide = left.expand(70, 5, -1), right.expand(70, 5, -1)
    torch.testing.assert_close(case.function(left_wide, right_wide), case.oracle(left_wide, right_wide), **CLOSE)


@pytest.mark.parametrize("lanes", [1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129, 1000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tails_of_any_length(case, lanes, dtype):
    left, right = (x.detach() for x in case.operands(lanes, dtype=dtype))
    # sums of up to 32 products of numbers below 5, in either order
    bound = 1e-5 if dtype == torch.float32 else 1e-13
    torch.testing.assert_close(case.function(left, right), case.oracle(left, right), rtol=bound, atol=bound)


@pytest.mark.parametrize("dtype", HALF)
def test_half_precision_storage(case, dtype):
    left, right = (x.detach() for x in case.operands(33, dtype=dtype))
    result = case.function(left, right)
    assert result.dtype == dtype
    expected = case.oracle(left.double(), right.double())
    # arithmetic is single precision and rounded once, so only the last bit of the storage is lost
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(result.double(), expected, rtol=eps, atol=1e-5)
    twin = reference.bilinear(left, right, case.algebra.product_plan("geometric_product"))
    torch.testing.assert_close(F.geometric_product(left, right, case.algebra), twin, rtol=eps, atol=1e-5)


@pytest.mark.parametrize("algebra", ALGEBRAS, ids=str)
def test_special_values_stay_where_terms_are(algebra):
    for special in (torch.nan, torch.inf):
        for blade in range(algebra.num_blades):
            left = torch.zeros(algebra.num_blades, dtype=torch.float64)
            left[blade] = special
            right = torch.ones(algebra.num_blades, dtype=torch.float64)
            got = F.geometric_product(left, right, algebra)
            twin = reference.bilinear(left, right, algebra.product_plan("geometric_product"))
            assert torch.equal(got.isnan(), twin.isnan())
            assert torch.equal(got.isfinite(), twin.isfinite())


def test_null_metric_terms_are_skipped():
    algebra = Algebra(0, 0, 1)
    infinite = torch.tensor([0.0, torch.inf])
    assert F.geometric_product(infinite, infinite, algebra)[0] == 0.0
    algebra = Algebra(3, 0, 1)
    e0 = torch.zeros(16)
    e0[1] = torch.inf
    assert F.geometric_product(e0, e0, algebra)[0] == 0.0


def test_negative_and_conjugate_views():
    algebra = Algebra(3, 0, 1)
    base = torch.randn(6, 16, dtype=torch.complex128)
    negative = base.conj().imag
    assert negative.is_neg()
    right = torch.randn(6, 16, dtype=torch.float64)
    expected = F.geometric_product(-base.imag.clone(), right, algebra)
    torch.testing.assert_close(F.geometric_product(negative, right, algebra), expected)
    torch.testing.assert_close(
        F.geometric_product(right, negative, algebra), F.geometric_product(right, negative.resolve_neg(), algebra)
    )


def test_zero_tensor_without_memory():
    algebra = Algebra(2)
    zero = torch._efficientzerotensor((3, 4), dtype=torch.float64)
    right = torch.randn(3, 4, dtype=torch.float64)
    assert torch.equal(F.geometric_product(zero, right, algebra), torch.zeros(3, 4, dtype=torch.float64))


def test_parameters_and_overlapping_operands():
    algebra = Algebra(3)
    weight = torch.nn.Parameter(torch.randn(8, dtype=torch.float64))
    square = F.geometric_product(weight, weight, algebra)
    torch.testing.assert_close(square, reference.bilinear(weight, weight, algebra.product_plan("geometric_product")))
    (gradient,) = torch.autograd.grad(square.sum(), weight)
    assert gradient.shape == (8,)


@pytest.mark.parametrize("blade_major", [False, True])
def test_results_do_not_depend_on_threads(blade_major):
    algebra = Algebra(3, 0, 1)
    left, right = torch.randn(20_011, 16), torch.randn(20_011, 16)
    if blade_major:
        left, right = F.to_blade_major(left), F.to_blade_major(right)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(F.geometric_product(left, right, algebra))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(results[0], other) for other in results[1:])


def test_python_threads_agree():
    algebra = Algebra(1, 3)
    left, right = torch.randn(3000, 16), torch.randn(3000, 16)
    expected = F.geometric_product(left, right, algebra)
    failures = []

    def work():
        results = (F.geometric_product(left, right, algebra) for _ in range(50))
        failures.extend(1 for result in results if not torch.equal(result, expected))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


def _child(queue):
    algebra = Algebra(3)
    queue.put(F.geometric_product(torch.ones(100, 8), torch.ones(100, 8), algebra).sum().item())


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_works_in_a_forked_process():
    expected = F.geometric_product(torch.ones(100, 8), torch.ones(100, 8), Algebra(3)).sum().item()
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=_child, args=(queue,))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert queue.get() == expected


@pytest.mark.parametrize("case", FEW, ids=lambda case: case.name)
def test_fake_tensors_have_the_strides_of_real_ones(case):
    from torch._subclasses.fake_tensor import FakeTensorMode

    left, right = (x.detach() for x in case.operands(5, 3))
    with FakeTensorMode() as mode:
        for left_view in strided_versions_outside(mode, left):
            for right_view in strided_versions_outside(mode, right):
                fake = case.function(mode.from_tensor(left_view), mode.from_tensor(right_view))
                with torch._subclasses.fake_tensor.unset_fake_temporarily():
                    real = case.function(left_view, right_view)
                assert fake.shape == real.shape
                assert fake.stride() == real.stride()


def strided_versions_outside(mode, x):
    with torch._subclasses.fake_tensor.unset_fake_temporarily():
        return list(strided_versions(x).values())


def test_meta_tensors():
    left = torch.empty(5, 16, device="meta")
    result = F.geometric_product(left, left, Algebra(3, 0, 1))
    assert result.device.type == "meta"
    assert result.shape == (5, 16)


def test_many_calls_do_not_leak():
    algebra = Algebra(3, 0, 1)
    left = torch.randn(64, 16)
    import resource

    for _ in range(2000):
        F.geometric_product(left, left, algebra)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(20_000):
        F.geometric_product(left, left, algebra)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 4096  # kilobytes


def test_profiler_sees_the_operator():
    algebra = Algebra(3)
    x = torch.randn(5, 8)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True) as profile:
        F.geometric_product(x, x, algebra)
    assert any("cliffnet::bilinear" in event.key for event in profile.key_averages())


def test_active_backend_is_native():
    assert ops.active_backend() == "rust"
