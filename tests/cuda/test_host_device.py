"""The CUDA kernels compute what the CPU kernels do: their own source, compiled for the processor."""

import pytest
import torch

from cliffnet import Algebra, Partition, reference
from cliffnet import functional as F
from cliffnet.algebra import class_squares_plan
from cliffnet.nn.attention_features import comparison_plan
from cliffnet.ops._attention import attention_features, attention_features_backward, attention_values
from cliffnet.ops._bilinear import bilinear
from cliffnet.ops._class_gate import class_gate, class_gate_backward
from cliffnet.ops._layers import (
    channel_norm,
    channel_norm_backward,
    class_invariants,
    class_invariants_backward,
    gate,
    gate_backward,
    self_gate,
    self_gate_backward,
)
from cliffnet.ops._operator import _translated
from helpers import cuda_host
from helpers.cuda_checks import VIEWS, as_tuple, check, compare, on_device
from helpers.operator_matrix import OPERATORS, OperatorCase

pytestmark = pytest.mark.skipif(cuda_host.CXX is None, reason="there is no C++ compiler")

NAMES = (
    "bilinear",
    "bilinear_backward",
    "bilinear_double_backward",
    "steerable_product",
    "steerable_product_backward",
    "pair_products",
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
    "attention_features",
    "attention_features_backward",
    "attention_values",
)


@pytest.fixture(params=[case for case in OPERATORS if case.name.split("-")[0] in NAMES], ids=lambda case: case.name)
def case(request):
    return request.param


def test_every_cuda_kernel_is_checked_here():
    elsewhere = {"segment_sum"}
    assert {*NAMES, *elsewhere} == cuda_host.start(None)


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


REFUSES_BROADCASTING = {
    "channel_norm_backward": "of one shape",
    "attention_features": "do not belong",
    "attention_features_backward": "leading axes",
}
"""Words of the refusal, on the CPU as on devices."""


def test_broadcasting(case):
    tensors = list(case.tensors(4, 3, dtype=torch.float32))
    words = REFUSES_BROADCASTING.get(case.name.split("-")[0])
    if words:
        for run in (on_device, lambda case, tensors: case.operator.dispatched(*tensors, *case.numbers)):
            with pytest.raises(RuntimeError, match=words):
                run(case, (tensors[0][:1], *tensors[1:]))
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


EXTREMES = (0.0, -0.0, 1e-30, -3e-9, 0.7, -0.7, 9.0, -9.0, 38.0, -38.0, 800.0, -800.0, torch.inf, -torch.inf, torch.nan)


@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_activation_at_any_number(activation, dtype):
    gates = torch.tensor(EXTREMES, dtype=dtype)[:, None]
    x, cotangent = (torch.randn(len(EXTREMES), 3, dtype=dtype) for _ in range(2))
    numbers = (-1, list(reference.ACTIVATIONS).index(activation))
    # the gradients hold both the values and their derivatives
    compare(gate_backward, (cotangent, x, gates), numbers)


def by_classes(partition, channels, invariant, epsilon, responses=(reference.SIGMOID, reference.RECIPROCAL)):
    """Operators on classes: what follows leading axes in tensors with them, shapes of the others, numbers."""
    squares, rows = class_squares_plan(partition), (channels, partition.algebra.num_blades)
    parameters = ((channels, len(partition)),) * 2
    scalar = 0 if len(partition.classes[0]) == 1 else -1
    for response in responses:
        numbers = (squares, scalar, invariant, epsilon, response)
        yield class_gate, (rows,), parameters, numbers
        yield class_gate_backward, (rows, rows), parameters, numbers
    for scaling in (reference.INVERSE_ROOT, reference.INVERSE):
        numbers = (squares, invariant, epsilon, scaling, 0.5, 1.5)
        yield channel_norm, (rows,), (), numbers
        yield channel_norm_backward, (rows, rows), (), numbers
    yield class_invariants, (rows,), (), (squares, invariant, epsilon)
    yield class_invariants_backward, ((channels, len(partition)), rows), (), (squares, invariant, epsilon)


INVARIANTS = ((reference.SQUARE, 0.0), (reference.MAGNITUDE, 0.0), (reference.NORM, 0.0), (reference.NORM, 1e-3))


@pytest.mark.parametrize("invariant", INVARIANTS, ids=str)
def test_every_invariant_in_a_degenerate_metric(invariant):
    partition = Partition.by_grade(Algebra(1, 1, 1))
    for operator, rows, parameters, numbers in by_classes(partition, 3, *invariant):
        tensors = [torch.randn(5, *shape, dtype=torch.float64) for shape in rows]
        tensors[-1][0], tensors[-1][1, 0, 3], tensors[-1][2, :, 4] = 0, torch.nan, torch.inf
        weights = [torch.randn(shape, dtype=torch.float64) for shape in parameters]
        compare(operator, (*tensors, *weights), numbers)


@pytest.mark.parametrize("large", [(Algebra(6), torch.float64), (Algebra(5, 1, 1), torch.float32)], ids=str)
def test_classes_of_many_blades(large):
    algebra, dtype = large
    options = (reference.NORM, 1e-3, (reference.SIGMOID,))
    for operator, rows, parameters, numbers in by_classes(Partition.by_grade(algebra), 3, *options):
        case = OperatorCase(
            operator.name,
            operator,
            lambda *leading, rows=rows, parameters=parameters: (*((*leading, *shape) for shape in rows), *parameters),
            numbers,
        )
        check(case, case.tensors(9, dtype=dtype))
    squares = class_squares_plan(Partition.by_grade(algebra))
    silu = list(reference.ACTIVATIONS).index("silu")
    x, cotangent = (torch.randn(7, algebra.num_blades, dtype=dtype) for _ in range(2))
    for plan, count in ((squares, algebra.dim + 1), (-1, 1)):
        gates = torch.randn(7, count, dtype=dtype)
        compare(gate, (x, gates), (plan, silu))
        compare(gate_backward, (cotangent, x, gates), (plan, silu))
    compare(self_gate, (x,), (5, silu))
    compare(self_gate_backward, (cotangent, x), (5, silu))


ATTENTION = [
    (Algebra(3, 0, 1), (2, 1, 1), 3, 2, True),
    (Algebra(3, 0, 1), (1, 3, 0), 4, 0, False),
    (Algebra(1, 0, 1), (3, 1, 2), 1, 3, True),
    (Algebra(4, 0, 1), (1, 0, 2), 2, 1, True),
    (Algebra(3), (2, 2, 2), 3, 0, False),
    (Algebra(1, 3), (0, 0, 2), 4, 3, False),
    (Algebra(0, 0, 2), (1, 1, 1), 2, 1, True),
    (Algebra(7), (1, 1, 1), 2, 0, True),
]
"""Algebras with and without points; heads, channels, scalars of a head, and whether distances have weights."""


@pytest.mark.parametrize(("algebra", "heads", "channels", "scalars", "has_weights"), ATTENTION, ids=str)
def test_attention_of_any_comparison(algebra, heads, channels, scalars, has_weights):
    plan, every = comparison_plan(algebra), sum(heads)
    numbers = (plan, *heads, 0, 1e-3)

    def shapes(*leading):
        # tensors of one axis are none
        tails = ((*leading, scalars * every) if scalars else (0,), (heads[0], channels) if has_weights else (0,))
        return ((*leading, channels * every, algebra.num_blades), *tails)

    case = OperatorCase("attention_features", attention_features, shapes, numbers)
    tensors = case.tensors(3, 7, dtype=torch.float64)
    tensors[0][0, 1, :, :5], tensors[0][1, 2, :, -1], tensors[0][2, 3] = torch.nan, torch.inf, 0
    for look in (lambda x: x, F.to_blade_major):
        compare(attention_features, (look(tensors[0]), *tensors[1:]), numbers)
    features = attention_features(*tensors, *numbers)
    cotangents = [torch.randn_like(part) for part in features]
    compare(attention_features_backward, (*cotangents, *tensors), numbers)
    compare(attention_values, (features[2],), (plan, channels, scalars))


def test_sums_of_parameters_are_the_same_in_every_run():
    partition = Partition.by_grade(Algebra(3))
    x, cotangent = (torch.randn(300, 4, 8) for _ in range(2))
    scale, shift = (torch.randn(4, 4) for _ in range(2))
    numbers = (class_squares_plan(partition), 0, reference.NORM, 1e-3, reference.SIGMOID)
    first, again = (cuda_host.operators().class_gate_backward(cotangent, x, scale, shift, *numbers) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    (case,) = (case for case in OPERATORS if case.name == "attention_features_backward")
    tensors = case.tensors(30, 20, dtype=torch.float32)
    first, again = (on_device(case, tensors) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_memory_that_is_not_there_is_refused_in_the_words_of_torch():
    plan = Algebra(3).product_plan("geometric_product")
    # one multivector, seen a quadrillion times
    x = torch.ones(8).expand(1 << 50, 8)
    with pytest.raises(RuntimeError, match="tried to allocate"):
        cuda_host.operators().bilinear(x, x, plan)
    error = _translated(RuntimeError("cliffnet: [OutOfMemoryError] CUDA out of memory. Tried to allocate 2.00 GiB."))
    assert type(error) is torch.OutOfMemoryError
    assert str(error) == "CUDA out of memory. Tried to allocate 2.00 GiB."
