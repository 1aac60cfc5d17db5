"""Native kernels against the pure-torch twin, on tensors of every shape and layout."""

import pytest
import torch

from cliffnet import Algebra, ops, reference
from cliffnet import functional as F
from cliffnet.algebra import inner_product_plan, plan_sizes, plan_terms
from helpers.multivectors import random_integers

KINDS = [
    "geometric_product",
    "outer_product",
    "left_contraction",
    "right_contraction",
    "scalar_product",
    "fat_inner_product",
    "hestenes_inner_product",
    "commutator",
    "anticommutator",
    "regressive_product",
    "projective_join",
]
ALGEBRAS = [Algebra(2), Algebra(3), Algebra(1, 3), Algebra(3, 0, 1), Algebra(4, 1), Algebra(0, 0, 2), Algebra(0)]
# error of a sum relative to the magnitudes of its terms, and of rounding the result on storing it
TOLERANCES = {
    torch.float32: (2e-6, 0.0),
    torch.float64: (4e-15, 0.0),
    torch.bfloat16: (2e-6, 2**-8),
    torch.float16: (2e-6, 2**-11),
}


def random(*shape, dtype=torch.float32, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def magnitudes(left, right, plan):
    """Sums of the magnitudes of the terms of a product."""
    terms = plan_terms(plan)
    products = (left[..., terms.left] * right[..., terms.right] * torch.tensor(terms.coefficient).double()).abs()
    return products.new_zeros(*products.shape[:-1], plan_sizes(plan).out).index_add(
        -1, torch.tensor(terms.out).long(), products
    )


def assert_agrees(left, right, algebra, kind="geometric_product"):
    plan = algebra.product_plan(kind)
    in_sums, in_rounding = TOLERANCES[left.dtype]
    exact = reference.bilinear(left.double(), right.double(), plan)
    bound = in_sums * magnitudes(left.double(), right.double(), plan) + in_rounding * exact.abs()
    for actual in (getattr(F, kind)(left, right, algebra), reference.bilinear(left, right, plan)):
        assert actual.dtype == left.dtype
        assert actual.shape == exact.shape
        assert ((actual.double() - exact).abs() <= bound).all()


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("algebra", ALGEBRAS, ids=str)
def test_products_agree(algebra, kind, dtype):
    blades = algebra.num_blades
    assert_agrees(random(70, blades, dtype=dtype), random(70, blades, dtype=dtype, seed=1), algebra, kind)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_products_of_integers_are_equal(kind, dtype):
    for algebra in ALGEBRAS:
        left, right = (random_integers(algebra, 37, seed=seed, dtype=dtype) for seed in (0, 1))
        expected = reference.bilinear(left, right, algebra.product_plan(kind))
        assert torch.equal(getattr(F, kind)(left, right, algebra), expected)


LAYOUTS = {
    "one axis": lambda x: x[0, 0],
    "contiguous": lambda x: x,
    "blade-major": F.to_blade_major,
    "transposed": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "narrowed": lambda x: torch.cat([x, x], dim=-1)[..., : x.shape[-1]],
    "every second lane": lambda x: x.repeat_interleave(2, dim=1)[:, ::2],
    "every second blade": lambda x: x.repeat_interleave(2, dim=-1)[..., ::2],
    "flipped memory": lambda x: x.mT.contiguous().mT,
    "offset": lambda x: torch.cat([x.new_zeros(1), x.flatten()])[1:].view_as(x),
    "one lane": lambda x: x[:1, :1],
    "expanded": lambda x: x[:1, :1].expand_as(x),
    "expanded rows": lambda x: x[:1].expand_as(x),
    "equal blades": lambda x: x[..., :1].expand_as(x),
    "six axes": lambda x: x.view(1, x.shape[0], 1, 1, x.shape[1], x.shape[2]).expand(2, -1, 2, 1, -1, -1),
}


@pytest.mark.parametrize("right", LAYOUTS)
@pytest.mark.parametrize("left", LAYOUTS)
def test_layouts_agree(left, right):
    algebra = Algebra(2, 0, 1)
    a = LAYOUTS[left](random_integers(algebra, 6, 13, seed=3, dtype=torch.float32))
    b = LAYOUTS[right](random_integers(algebra, 6, 13, seed=4, dtype=torch.float32))
    expected = reference.bilinear(a, b, algebra.product_plan("geometric_product"))
    assert torch.equal(F.geometric_product(a, b, algebra), expected)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 5), (2, 0, 3)])
def test_empty_tensors(shape):
    algebra = Algebra(3)
    x = torch.zeros(*shape, 8)
    assert F.geometric_product(x, x, algebra).shape == (*shape, 8)
    assert F.inner_product(x, x, algebra).shape == shape
    for function in (
        F.reverse,
        F.dual,
        F.right_complement,
        F.to_blade_major,
        lambda a, _: F.grade_project(a, 1, algebra),
    ):
        arguments = (x,) if function is F.to_blade_major else (x, algebra)
        assert function(*arguments).shape == x.shape


@pytest.mark.parametrize("lanes", [1, 15, 16, 17, 63, 64, 65, 129, 5000])
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_any_number_of_lanes_agrees(lanes, dtype):
    assert_agrees(random(lanes, 16, dtype=dtype), random(lanes, 16, dtype=dtype, seed=1), Algebra(3, 0, 1))


@pytest.mark.parametrize("lanes", [5000, 20001])
def test_results_do_not_depend_on_the_number_of_threads(lanes):
    algebra = Algebra(3, 0, 1)
    left, right = random(lanes, 16), random(lanes, 16, seed=1)
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(F.geometric_product(left, right, algebra))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(result, results[0]) for result in results)


@pytest.mark.parametrize("kind", ["outer_product", "left_contraction", "regressive_product"])
def test_large_sparse_algebras_agree(kind):
    assert_agrees(random(3, 64), random(3, 64, seed=1), Algebra(4, 1, 1), kind)


def test_inner_product_agrees():
    for algebra in ALGEBRAS:
        x, y = random_integers(algebra, 4, 1), random_integers(algebra, 5, seed=1)
        expected = reference.bilinear(x, y, inner_product_plan(algebra.full.key, algebra.full.key)).squeeze(-1)
        assert torch.equal(F.inner_product(x, y, algebra), expected)
        assert expected.shape == (4, 5)


@pytest.mark.parametrize("special", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_special_values_reach_only_blades_that_have_a_term(special, dtype):
    algebra = Algebra(2, 0, 1)
    eye = torch.eye(8, dtype=dtype)
    ones = torch.ones(8, dtype=dtype)
    for i in range(8):
        touched = F.geometric_product(eye[i], ones, algebra) != 0
        actual = F.geometric_product(torch.where(eye[i] > 0, special, ones), ones, algebra)
        assert torch.equal(actual.isfinite(), ~touched)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_null_parts_are_skipped_not_multiplied_by_zero(dtype):
    algebra = Algebra(3, 0, 1)
    x = torch.ones(16, dtype=dtype)
    x[1] = float("inf")
    product = F.geometric_product(x, x, algebra)
    has_e0 = torch.tensor(["0" in name for name in algebra.blade_names])
    assert product[~has_e0].isfinite().all()
    assert not product[has_e0].isfinite().all()
    assert F.inner_product(x, x, algebra).isfinite()
    assert F.norm_squared(x, algebra) == 8
    for function in (F.unpolarity, F.hodge_dual):
        assert function(x, algebra).isfinite().all()
    assert F.grade_project(x, 2, algebra).isfinite().all()


def test_native_and_reference_answer_through_one_operator():
    assert ops.active_backend() in ("rust", "reference")
    assert set(ops.build_info()) == {"version", "target", "profile", "isa"}
