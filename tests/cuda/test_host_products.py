"""CUDA kernels of products compute what the CPU kernels do: large algebras, weights, and what surrounds a product."""

import pytest
import torch

from cliffnet import Algebra, Partition, _rust, reference
from cliffnet import functional as F
from cliffnet.algebra import class_squares_plan, plan_from_terms
from cliffnet.ops._bilinear import bilinear, bilinear_backward, bilinear_double_backward
from cliffnet.ops._fully_connected_gemm import pairs_of
from cliffnet.ops._gated_steerable import gated_steerable_product, gated_steerable_product_backward
from cliffnet.ops._pair_products import pair_products
from cliffnet.ops._steerable import steerable_product, steerable_product_backward
from helpers import cuda_host
from helpers.cuda_checks import VIEWS, as_tuple, check, on_device
from helpers.operator_matrix import OperatorCase

pytestmark = pytest.mark.skipif(cuda_host.CXX is None, reason="there is no C++ compiler")

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
