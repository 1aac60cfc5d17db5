"""The CUDA kernels compute what the CPU kernels do: their own source, compiled for the processor."""

import pytest
import torch

from cliffnet import Algebra, Partition, _rust, reference
from cliffnet import functional as F
from cliffnet.algebra import class_squares_plan, plan_from_terms
from cliffnet.nn.attention_features import comparison_plan
from cliffnet.ops._attention import attention_features, attention_features_backward, attention_values
from cliffnet.ops._bilinear import bilinear, bilinear_backward, bilinear_double_backward
from cliffnet.ops._class_gate import class_gate, class_gate_backward
from cliffnet.ops._fully_connected_gemm import pairs_of
from cliffnet.ops._gated_steerable import gated_steerable_product, gated_steerable_product_backward
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
from cliffnet.ops._pair_products import pair_products
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


def compare(operator, tensors, numbers):
    found = as_tuple(getattr(cuda_host.operators(), operator.name)(*tensors, *numbers))
    tight, least = {torch.float32: (3e-6, 3e-7), torch.float64: (1e-11, 1e-15)}[tensors[0].dtype]
    for one, other in zip(found, as_tuple(operator.dispatched(*tensors, *numbers)), strict=True):
        torch.testing.assert_close(one, other, rtol=tight, atol=least, equal_nan=True)


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


LARGE = [
    (Algebra(4, 1), "geometric_product", torch.float32),
    (Algebra(6), "geometric_product", torch.float32),
    (Algebra(7), "geometric_product", torch.float32),
    (Algebra(3, 3, 1), "left_contraction", torch.float64),
    (Algebra(metric=(1, 0.3, -1, 1, 0.7, -2, 1)), "geometric_product", torch.float64),
    (Algebra(7), "regressive_product", torch.bfloat16),
    (Algebra(6), "commutator", torch.float64),
]
"""Kernels of one stretch of code, of blocks of blades, and of single terms."""


@pytest.mark.parametrize(("algebra", "product", "dtype"), LARGE, ids=str)
@pytest.mark.parametrize("operator", [bilinear, bilinear_backward, bilinear_double_backward], ids=lambda op: op.name)
def test_large_products(algebra, product, dtype, operator):
    def shapes(*leading):
        return ((*leading, algebra.num_blades),) * operator.tensors

    case = OperatorCase(operator.name, operator, shapes, (algebra.product_plan(product),))
    for view in (F.to_blade_major, lambda x: x):
        check(case, tuple(view(x) for x in case.tensors(3, 3, dtype=dtype)))


def test_blocks_of_blades_lie_and_broadcast_anyhow():
    algebra = Algebra(7)
    case = OperatorCase(
        "bilinear", bilinear, lambda *leading: ((*leading, 128),) * 2, (algebra.product_plan("geometric_product"),)
    )
    for view in VIEWS.values():
        left, right = case.tensors(3, 43, dtype=torch.float32)
        check(case, (view(left), right))
        check(case, (left[:1], view(right)))
        check(case, (view(left), right[0]))
    for leading in ((), (0,), (2, 1, 3, 2, 2)):
        check(case, case.tensors(*leading, dtype=torch.float32))


def test_blocks_of_blades_with_gaps():
    # a vector times an odd multivector: few blades on the left, and an output with one that no term reaches
    masks = sorted(range(128), key=int.bit_count)
    even, odd = ([mask for mask in masks if mask.bit_count() % 2 == parity] for parity in (0, 1))
    terms = tuple(
        (even.index(mask ^ 1 << i), i, position, -1.0 if mask >> i & 1 else 0.5)
        for i in range(7)
        for position, mask in enumerate(odd)
    )
    plan = plan_from_terms((7, 64, 65), terms)
    assert _rust.cuda_source("bilinear", [plan], "float64", 1, 0)[0] == "leaf_products"
    case = OperatorCase("bilinear", bilinear, lambda *leading: ((*leading, 7), (*leading, 64)), (plan,))
    check(case, case.tensors(5, dtype=torch.float64))


def weighted_cases(partition, channels, products, *numbers):
    """A weighted product and its gradient; numbers follow the plan."""
    rows, weight = (channels, partition.algebra.num_blades), (channels, len(partition.paths()))
    for operator in products:
        yield OperatorCase(
            operator.name,
            operator,
            lambda *leading, count=operator.tensors - 1: (*((*leading, *rows),) * count, weight),
            (partition.product_plan(), *numbers),
        )


def around(partition, activation):
    """Numbers of a gate and a norm."""
    return list(reference.ACTIVATIONS).index(activation), 0, class_squares_plan(partition), 1e-2


STEERABLE = (steerable_product, steerable_product_backward)
GATED = (gated_steerable_product, gated_steerable_product_backward)


@pytest.mark.parametrize("algebra", [Algebra(3, 0, 1), Algebra(5), Algebra(6)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_large_weighted_products(algebra, dtype):
    partition = Partition.by_grade(algebra)
    for case in weighted_cases(partition, 2, STEERABLE):
        check(case, case.tensors(19, dtype=dtype))
    for case in weighted_cases(partition, 2, GATED, *around(partition, "gelu")):
        check(case, case.tensors(19, dtype=dtype))


@pytest.mark.parametrize("algebra", [Algebra(2), Algebra(3, 0, 1)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_what_surrounds_products(algebra, dtype):
    partition = Partition.by_grade(algebra)
    gate, scalar, squares, epsilon = around(partition, "silu")
    # gradients in one pass and in two; a class without a norm; nothing around the product
    for numbers in (
        (gate, scalar, squares, epsilon),
        (gate, scalar, -1, 0.0),
        (-1, 0, squares, epsilon),
        (-1, 0, -1, 0.0),
    ):
        for case in weighted_cases(partition, 3, GATED, *numbers):
            check(case, case.tensors(11, dtype=dtype))


def test_a_thread_adds_up_several_of_many_channels():
    partition = Partition.by_grade(Algebra(2))
    for case in weighted_cases(partition, (1 << 16) + 1, GATED, *around(partition, "sigmoid")):
        check(case, case.tensors(4, dtype=torch.float64))


@pytest.mark.parametrize("algebra", [Algebra(2), Algebra(3, 0, 1)], ids=str)
def test_what_is_no_number_stays_in_its_row(algebra):
    partition = Partition.by_grade(algebra)
    for case in weighted_cases(partition, 2, GATED, *around(partition, "gelu")):
        tensors = case.tensors(6, dtype=torch.float64)
        tensors[0][1, 0, 2], tensors[1][3, 1, 0] = torch.nan, torch.inf
        expected = as_tuple(case.operator.dispatched(*tensors, *case.numbers))
        for one, other in zip(on_device(case, tensors), expected, strict=True):
            assert torch.equal(one.isfinite(), other.isfinite())


@pytest.mark.parametrize(
    ("operator", "numbers"),
    [(STEERABLE[1], ()), (GATED[1], around(Partition.by_grade(Algebra(3)), "silu"))],
    ids=("bare", "gated"),
)
def test_sums_over_rows_are_the_same_in_every_run(operator, numbers):
    partition = Partition.by_grade(Algebra(3))
    generator = torch.Generator().manual_seed(1)
    operands = [torch.randn(300, 4, 8, generator=generator) for _ in range(3)]
    operands.append(torch.randn(4, len(partition.paths()), generator=generator))
    numbers = (partition.product_plan(), *numbers)
    backward = getattr(cuda_host.operators(), operator.name)
    first, again = backward(*operands, *numbers), backward(*operands, *numbers)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    exact = operator(*(x.double() for x in operands), *numbers)
    torch.testing.assert_close(first[2].double(), exact[2], rtol=1e-4, atol=1e-3)


def test_coefficients_of_any_size():
    plan = plan_from_terms((2, 2, 2), ((0, 0, 0, 0.1), (0, 1, 1, -2.5), (1, 1, 0, 1e-30)))
    left, right = (torch.randn(5, 2, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close(cuda_host.operators().bilinear(left, right, plan), bilinear(left, right, plan))


def test_products_of_more_pairs_than_registers():
    for partition in (Partition.by_grade(Algebra(3, 0, 1)), Partition.by_grade(Algebra(4, 1))):
        blades, plan = partition.algebra.num_blades, pairs_of(partition.product_plan()).plan
        case = OperatorCase(pair_products.name, pair_products, lambda *leading, b=blades: ((*leading, b),) * 2, (plan,))
        for dtype in (torch.float32, torch.float64):
            check(case, tuple(F.to_blade_major(x) for x in case.tensors(5, 3, dtype=dtype)))


def test_memory_that_is_not_there_is_refused_in_the_words_of_torch():
    plan = Algebra(3).product_plan("geometric_product")
    # one multivector, seen a quadrillion times
    x = torch.ones(8).expand(1 << 50, 8)
    with pytest.raises(RuntimeError, match="tried to allocate"):
        cuda_host.operators().bilinear(x, x, plan)
    error = _translated(RuntimeError("cliffnet: [OutOfMemoryError] CUDA out of memory. Tried to allocate 2.00 GiB."))
    assert type(error) is torch.OutOfMemoryError
    assert str(error) == "CUDA out of memory. Tried to allocate 2.00 GiB."
