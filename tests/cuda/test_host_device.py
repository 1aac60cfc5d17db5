"""The CUDA kernels compute what the CPU kernels do: their own source, compiled for the processor."""

import pytest
import torch

from cliffnet import Algebra, Partition
from cliffnet import functional as F
from cliffnet.algebra import plan_from_terms
from cliffnet.ops._bilinear import bilinear, bilinear_backward, bilinear_double_backward
from cliffnet.ops._steerable import steerable_product, steerable_product_backward
from helpers import cuda_host
from helpers.operator_matrix import OPERATORS, OperatorCase

pytestmark = pytest.mark.skipif(cuda_host.CXX is None, reason="there is no C++ compiler")

BOUND = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 1 / 64, torch.float16: 1 / 512}
NAMES = (
    "bilinear",
    "bilinear_backward",
    "bilinear_double_backward",
    "steerable_product",
    "steerable_product_backward",
    "product_and_join",
    "product_and_join_backward",
    "gated_steerable_product",
    "gated_steerable_product_backward",
    "class_invariants",
    "class_invariants_backward",
    "gate",
    "gate_backward",
    "self_gate",
    "self_gate_backward",
    "channel_norm",
    "channel_norm_backward",
    "class_gate",
    "class_gate_backward",
)


def as_tuple(result):
    return (result,) if isinstance(result, torch.Tensor) else tuple(result)


def on_device(case, tensors):
    return as_tuple(getattr(cuda_host.operators(), case.name.split("-")[0])(*tensors, *case.numbers))


def check(case, tensors):
    before = [tensor.clone() for tensor in tensors]
    found, expected = on_device(case, tensors), as_tuple(case.operator.dispatched(*tensors, *case.numbers))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert one.stride() == other.stride()
        assert one.dtype == other.dtype
        scale = other.double().abs().max().item() if other.numel() else 0.0
        bound = BOUND[one.dtype] * max(scale, 1.0)
        torch.testing.assert_close(one.double(), other.double(), rtol=0, atol=bound, equal_nan=True)
    for tensor, copy in zip(tensors, before, strict=True):
        torch.testing.assert_close(tensor, copy, rtol=0, atol=0, equal_nan=True)


def spread(x):
    wide = torch.full((*x.shape[:-1], 2 * x.shape[-1]), torch.nan, dtype=x.dtype)
    wide[..., ::2] = x
    return wide[..., ::2]


def misaligned(x):
    wide = torch.full((*x.shape[:-1], x.shape[-1] + 3), torch.nan, dtype=x.dtype)
    wide[..., 1:-2] = x
    return wide[..., 1:-2]


VIEWS = {
    "as it stands": lambda x: x,
    "blade-major": F.to_blade_major,
    "misaligned": misaligned,
    "every other blade": spread,
    "rows swapped": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "first of all": lambda x: x[:1].expand_as(x),
}


@pytest.fixture(params=[case for case in OPERATORS if case.name.split("-")[0] in NAMES], ids=lambda case: case.name)
def case(request):
    return request.param


def test_every_cuda_kernel_is_checked_here():
    assert set(NAMES) == cuda_host.start(None)


def test_every_dtype(case):
    for dtype in case.dtypes:
        check(case, case.tensors(7, 5, dtype=dtype))


@pytest.mark.parametrize("view", VIEWS)
def test_any_strides(case, view):
    tensors = case.tensors(3, 5, dtype=torch.float32)
    look = VIEWS[view]
    check(case, tuple(look(x) if case.is_batched(index) else x for index, x in enumerate(tensors)))


@pytest.mark.parametrize("leading", [(), (0,), (1,), (2, 129), (3, 0, 2), (2, 1, 3, 2, 2)])
def test_any_leading_shape(case, leading):
    if leading == () and case.name.startswith("steerable"):
        leading = (1,)
    check(case, case.tensors(*leading, dtype=torch.float32))


def test_broadcasting(case):
    tensors = list(case.tensors(4, 3, dtype=torch.float32))
    if case.name.startswith("channel_norm_backward"):
        with pytest.raises(RuntimeError, match="of one shape"):
            on_device(case, (tensors[0][:1], tensors[1]))
        return
    for index in range(len(tensors)):
        if case.is_batched(index):
            for small in (tensors[index][:1], tensors[index][:, :1], tensors[index][0]):
                check(case, (*tensors[:index], small, *tensors[index + 1 :]))


def test_infinities_and_nan_pass_as_on_the_cpu():
    algebra = Algebra(3, 0, 1)
    plan = algebra.product_plan("geometric_product")
    left, right = (torch.randn(9, 16) for _ in range(2))
    left[2, 3], left[4, 0], right[5, 15] = torch.inf, torch.nan, -torch.inf
    (found,) = as_tuple(cuda_host.operators().bilinear(left, right, plan))
    expected = bilinear(left, right, plan)
    assert torch.equal(found.isfinite(), expected.isfinite())


@pytest.mark.parametrize("algebra", [Algebra(4, 1), Algebra(6), Algebra(7)], ids=str)
@pytest.mark.parametrize("operator", [bilinear, bilinear_backward, bilinear_double_backward], ids=lambda op: op.name)
def test_large_products(algebra, operator):
    def shapes(*leading):
        return ((*leading, algebra.num_blades),) * operator.tensors

    numbers = (algebra.product_plan("geometric_product"),)
    case = OperatorCase(operator.name, operator, shapes, numbers)
    for view in (F.to_blade_major, lambda x: x):
        check(case, tuple(view(x) for x in case.tensors(3, 3, dtype=torch.float32)))


@pytest.mark.parametrize("algebra", [Algebra(3, 0, 1), Algebra(5), Algebra(6)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_large_weighted_products(algebra, dtype):
    partition = Partition.by_grade(algebra)
    rows = (2, algebra.num_blades)
    weight = (2, len(partition.paths()))
    for operator, tensors in ((steerable_product, (rows, rows, weight)), (steerable_product_backward, (rows,) * 3)):
        shapes = tensors if operator is steerable_product else (*tensors, weight)
        case = OperatorCase(
            operator.name,
            operator,
            lambda *leading, shapes=shapes: (*((*leading, *shape) for shape in shapes[:-1]), shapes[-1]),
            (partition.product_plan(),),
        )
        check(case, case.tensors(19, dtype=dtype))


def test_sums_over_rows_are_the_same_in_every_run():
    partition = Partition.by_grade(Algebra(3))
    generator = torch.Generator().manual_seed(1)
    operands = [torch.randn(300, 4, 8, generator=generator) for _ in range(3)]
    weight = torch.randn(4, len(partition.paths()), generator=generator)
    backward = cuda_host.operators().steerable_product_backward
    first = backward(*operands, weight, partition.product_plan())
    again = backward(*operands, weight, partition.product_plan())
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    exact = steerable_product_backward(*(x.double() for x in operands), weight.double(), partition.product_plan())
    torch.testing.assert_close(first[2].double(), exact[2], rtol=1e-4, atol=1e-3)


def test_coefficients_of_any_size():
    plan = plan_from_terms((2, 2, 2), ((0, 0, 0, 0.1), (0, 1, 1, -2.5), (1, 1, 0, 1e-30)))
    left, right = (torch.randn(5, 2, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close(cuda_host.operators().bilinear(left, right, plan), bilinear(left, right, plan))
