"""Products of large algebras: by matrices as they run, against the same terms as a plan of their own."""

import functools

import pytest
import torch

from cliffnet import Algebra, _rust, ops, reference
from cliffnet import functional as F
from cliffnet.algebra import has_matrices, plan_gradients, plan_terms

ALGEBRAS = [
    Algebra(*signature)
    for signature in [(3, 3), (6,), (5, 0, 1), (4, 1, 1), (4, 0, 2), (3, 2, 1), (3, 0, 3), (0, 7), (4, 3), (8,)]
]
OTHERS = [Algebra(metric=(4.0, 1.0, -1.0, 0.25, 0.0, 1.0)), Algebra(6, names=[f"e{i}" for i in range(6)])]


@functools.cache
def direct(algebra):
    size = algebra.num_blades
    terms = plan_terms(algebra.product_plan("geometric_product"))
    return _rust.plan_from_terms((size, size, size), 0, tuple(terms))


def integers(algebra, *shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-3, 4, (*shape, algebra.num_blades), generator=generator).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("algebra", ALGEBRAS + OTHERS, ids=repr)
def test_both_routes_agree_forward_and_backward(algebra, dtype):
    plan = algebra.product_plan("geometric_product")
    assert has_matrices(plan)
    assert not has_matrices(direct(algebra))
    g = integers(algebra, 7, seed=2, dtype=dtype)
    results = []
    for chosen in (plan, direct(algebra)):
        left, right = (integers(algebra, 7, seed=seed, dtype=dtype).requires_grad_() for seed in (0, 1))
        out = ops.bilinear(left, right, chosen)
        gradients = torch.autograd.grad(out, (left, right), g, create_graph=True)
        second = torch.autograd.grad(gradients, (left, right), (g, g))
        results.append((out, *gradients, *second))
    for by_matrices, by_terms in zip(*results, strict=True):
        assert torch.equal(by_matrices, by_terms)


@pytest.mark.parametrize("algebra", [Algebra(3, 3), Algebra(6), Algebra(4, 1, 1)], ids=repr)
@pytest.mark.parametrize(
    "shapes", [((), ()), ((1,), (1,)), ((33,), (33,)), ((3, 1), (5,)), ((2, 0), (2, 1)), ((70,), ())]
)
def test_any_shape_and_format(algebra, shapes):
    left, right = (integers(algebra, *shape, seed=seed) for seed, shape in enumerate(shapes))
    expected = ops.bilinear(left, right, direct(algebra))
    plan = algebra.product_plan("geometric_product")
    for a in (left, F.to_blade_major(left), left.repeat_interleave(2, dim=-1)[..., ::2]):
        for b in (right, F.to_blade_major(right)):
            out = ops.bilinear(a, b, plan)
            assert torch.equal(out, expected)
            if F.is_blade_major(a) and F.is_blade_major(b) and a.shape == b.shape:
                assert F.is_blade_major(out)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_computed_in_single(dtype):
    algebra = Algebra(6)
    left, right = (integers(algebra, 5, seed=seed, dtype=dtype) for seed in (0, 1))
    expected = ops.bilinear(left.float(), right.float(), direct(algebra)).to(dtype)
    assert torch.equal(F.geometric_product(left, right, algebra), expected)


@pytest.mark.parametrize("signature", [(9,), (5, 4), (7, 2, 1), (2, 2, 5), (10,), (6, 6)], ids=str)
def test_the_twin_of_large_algebras_lists_no_terms(signature):
    algebra = Algebra(*signature)
    left, right = integers(algebra, 2), integers(algebra, 1, seed=1)
    plan = algebra.product_plan("geometric_product")
    for chosen in (plan, *plan_gradients(plan)):
        assert torch.equal(reference.bilinear(left, right, chosen), ops.bilinear(left, right, chosen))


@pytest.mark.parametrize("signature", [(3, 3), (6,), (4, 1, 1), (3, 1, 2)], ids=str)
def test_the_twin_by_matrices_agrees_with_the_twin_by_terms(signature):
    algebra = Algebra(*signature)
    left, right = integers(algebra, 2), integers(algebra, 2, seed=1)
    plan = algebra.product_plan("geometric_product")
    for chosen in (plan, *plan_gradients(plan)):
        expected = reference.bilinear(left, right, chosen)
        assert torch.equal(reference._matrix.multiply(left, right, chosen), expected)


def test_compiled_and_transformed():
    algebra = Algebra(9)
    left, right = integers(algebra, 2), integers(algebra, 2, seed=1)

    def function(a, b):
        return F.geometric_product(a, b, algebra)

    expected = function(left, right)
    assert torch.equal(torch.compile(function, fullgraph=True, backend="aot_eager")(left, right), expected)
    assert torch.equal(torch.func.vmap(function)(left, right), expected)
    assert torch.equal(torch.func.jvp(function, (left, right), (left, torch.zeros_like(right)))[1], expected)


def test_gradients_to_second_order():
    algebra = Algebra(5, 0, 1)
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(1, 64, dtype=torch.float64, generator=generator, requires_grad=True) for _ in range(2))

    def function(a, b):
        return F.geometric_product(a, b, algebra)[..., ::13]

    assert torch.autograd.gradcheck(function, (left, right))
    assert torch.autograd.gradgradcheck(function, (left, right))


def test_metrics_of_wide_range_go_term_by_term():
    algebra = Algebra(metric=(1.0, 1e4, 1.0, 1e-4, 1.0, 1.0))
    assert not has_matrices(algebra.product_plan("geometric_product"))
