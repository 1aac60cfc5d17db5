"""Functions on layouts: the same numbers as on full multivectors, on fewer blades."""

import functools

import pytest
import torch
from tests.helpers.multivectors import random_integers

from cliffnet import Algebra, errors
from cliffnet import functional as F

PGA = Algebra(3, 0, 1)
SIGNED = Algebra.from_name("3DPGA")
SCALED = Algebra(metric=(2.0, -3.0, 0.0))
PRODUCTS = [
    F.geometric_product,
    F.outer_product,
    F.left_contraction,
    F.right_contraction,
    F.scalar_product,
    F.fat_inner_product,
    F.hestenes_inner_product,
    F.commutator,
    F.anticommutator,
    F.regressive_product,
    F.projective_join,
]
INVOLUTIONS = [F.reverse, F.grade_involute, F.clifford_conjugate]
DUALS = [F.right_complement, F.left_complement, F.unpolarity, F.hodge_dual, F.dual, F.undual]
ALGEBRAS = [PGA, SIGNED, SCALED, Algebra(1, 3)]


def layouts(algebra):
    generators = algebra.generator_names
    swapped = "e" + generators[1][1:] + generators[0][1:]
    return [algebra.full, algebra.even, algebra.vectors, algebra.layout(generators[2], "1", swapped)]


def on(layout, x):
    return F.change_layout(x, layout.algebra.full, layout, project=True)


def dense(layout, x):
    return F.change_layout(x, layout, layout.algebra.full)


@pytest.mark.parametrize("algebra", ALGEBRAS, ids=str)
@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.__name__)
def test_products_on_layouts_equal_full_products(product, algebra):
    for left in layouts(algebra):
        for right in layouts(algebra):
            a, b = on(left, random_integers(algebra, 5)), on(right, random_integers(algebra, 5, seed=1))
            expected = product(dense(left, a), dense(right, b), algebra)
            reached = left.product(right, product.__name__)
            result = product(a, b, algebra, a_layout=left, b_layout=right)
            assert result.shape == (5, reached.size)
            assert torch.equal(dense(reached, result), expected)
            if left is not right and not left.is_full and (reached & algebra.even).size:
                projected = product(a, b, algebra, a_layout=left, b_layout=right, out_layout=algebra.even)
                assert torch.equal(projected, on(algebra.even, expected))


@pytest.mark.parametrize("algebra", ALGEBRAS, ids=str)
def test_maps_of_blades_on_layouts(algebra):
    for layout in layouts(algebra):
        x = on(layout, random_integers(algebra, 5))
        for involution in INVOLUTIONS:
            assert torch.equal(
                dense(layout, involution(x, algebra, layout=layout)), involution(dense(layout, x), algebra)
            )
        for dual in DUALS:
            expected = dual(dense(layout, x), algebra)
            target = algebra.odd | algebra.even
            assert torch.equal(dual(x, algebra, layout=layout, out_layout=target), expected)
        image = layout.image("right_complement")
        assert torch.equal(
            dense(image, F.right_complement(x, algebra, layout=layout)), F.right_complement(dense(layout, x), algebra)
        )
        for grades in (0, [1, 2]):
            projected = F.grade_project(x, grades, algebra, layout=layout)
            assert torch.equal(dense(layout, projected), F.grade_project(dense(layout, x), grades, algebra))
        assert torch.equal(F.norm_squared(x, algebra, layout=layout), F.norm_squared(dense(layout, x), algebra))
        other = on(algebra.even, random_integers(algebra, 5, seed=2))
        assert torch.equal(
            F.inner_product(x, other, algebra, a_layout=layout, b_layout=algebra.even),
            F.inner_product(dense(layout, x), dense(algebra.even, other), algebra),
        )


def versor(algebra, parity):
    vectors = [
        random_integers(algebra, 5, seed=seed)[..., list(algebra.grade_indices(1))] for seed in range(parity + 2)
    ]
    result = dense(algebra.vectors, vectors[0])
    for vector in vectors[1:]:
        result = F.geometric_product(result, dense(algebra.vectors, vector), algebra)
    return result


@pytest.mark.parametrize("algebra", [PGA, SIGNED, Algebra(1, 3)], ids=str)
@pytest.mark.parametrize("parity", [0, 1])
def test_sandwich_on_layouts_and_its_options(algebra, parity):
    layout = algebra.odd if parity else algebra.even
    x = random_integers(algebra, 5, seed=9)
    full = versor(algebra, parity)
    expected = F.sandwich(full, x, algebra)
    compact = on(layout, full)
    torch.testing.assert_close(F.sandwich(compact, x, algebra, versor_layout=layout), expected)
    vectors = on(algebra.vectors, x)
    moved = F.sandwich(compact, vectors, algebra, versor_layout=layout, x_layout=algebra.vectors)
    torch.testing.assert_close(moved, on(algebra.vectors, expected))
    back = F.sandwich(
        compact,
        moved,
        algebra,
        inverse=True,
        versor_layout=layout,
        x_layout=algebra.vectors,
        out_layout=algebra.vectors,
    )
    torch.testing.assert_close(back, vectors)
    norm = F.norm_squared(full, algebra)[:, None]
    torch.testing.assert_close(F.sandwich(full, x, algebra, unit=True) / norm, expected)


def test_odd_versors_act_by_the_twisted_action_on_every_grade():
    # a mirror keeps products: (V >> a)(V >> b) = V >> (a b), which the plain V a V^-1 does not for odd V
    mirror = versor(PGA, 1)
    a, b = random_integers(PGA, 5, seed=3), random_integers(PGA, 5, seed=4)
    together = F.geometric_product(F.sandwich(mirror, a, PGA), F.sandwich(mirror, b, PGA), PGA)
    torch.testing.assert_close(together, F.sandwich(mirror, F.geometric_product(a, b, PGA), PGA))


def test_large_algebras_multiply_narrow_layouts():
    algebra = Algebra(62)
    torch.manual_seed(0)
    a, b = (torch.randint(-4, 5, (3, 62), dtype=torch.float64) for _ in range(2))
    product = F.geometric_product(a, b, algebra, a_layout=algebra.vectors, b_layout=algebra.vectors)
    assert product.shape == (3, 1 + 62 * 61 // 2)
    assert torch.equal(product[:, 0], (a * b).sum(-1))
    upper = torch.triu_indices(62, 62, 1)
    wedge = a[:, :, None] * b[:, None, :] - a[:, None, :] * b[:, :, None]
    assert torch.equal(product[:, 1:], wedge[:, upper[0], upper[1]])


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_empty_layouts_are_zero(dtype):
    empty, vectors = torch.zeros(5, 0, dtype=dtype), torch.ones(4, 1, 4, dtype=dtype)
    product = F.geometric_product(empty, vectors, PGA, a_layout=PGA.layout(), b_layout=PGA.vectors, out_layout=PGA.full)
    assert torch.equal(product, torch.zeros(4, 5, 16, dtype=dtype))
    assert F.geometric_product(vectors, empty, PGA, a_layout=PGA.vectors, b_layout=PGA.layout()).shape == (4, 5, 0)
    assert torch.equal(F.norm_squared(empty, PGA, layout=PGA.layout()), torch.zeros(5, dtype=dtype))
    for leaf in (empty.clone().requires_grad_(), vectors.clone().requires_grad_()):
        a, b = (leaf, vectors) if leaf.shape[-1] == 0 else (empty, leaf)
        F.geometric_product(
            a, b, PGA, a_layout=PGA.layout(), b_layout=PGA.vectors, out_layout=PGA.full
        ).sum().backward()
        assert torch.equal(leaf.grad, torch.zeros_like(leaf))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_layouts_change_in_both_directions(dtype):
    x = random_integers(PGA, 2, 3).to(dtype)
    signed = F.change_layout(x, PGA.full, SIGNED_ORDER)
    assert torch.equal(F.change_layout(signed, SIGNED_ORDER, PGA.full), x)
    planes = F.change_layout(F.to_blade_major(x), PGA.full, SIGNED_ORDER)
    assert F.is_blade_major(planes)
    assert torch.equal(planes, signed)
    assert F.change_layout(x, PGA.full, PGA.full) is x
    assert F.change_layout(x[:0], PGA.full, PGA.even, project=True).shape == (0, 3, 8)


SIGNED_ORDER = PGA.layout(*SIGNED.blade_names)


def test_derivatives_and_transforms():
    a = on(PGA.even, random_integers(PGA, 3)).requires_grad_()
    b = on(PGA.vectors, random_integers(PGA, 3, seed=1)).requires_grad_()
    call = functools.partial(F.geometric_product, algebra=PGA, a_layout=PGA.even, b_layout=PGA.vectors)
    assert torch.autograd.gradcheck(call, (a, b))
    assert torch.autograd.gradgradcheck(call, (a, b))

    def move(versor, x):
        return F.sandwich(versor, x, PGA, versor_layout=PGA.even, x_layout=PGA.vectors)

    rotor = torch.zeros(3, 8, dtype=torch.float64).index_fill(-1, torch.tensor([0, 4]), 1.0).requires_grad_()
    assert torch.autograd.gradcheck(move, (rotor, b))
    eager = move(rotor, b)
    assert torch.equal(torch.func.vmap(move)(rotor, b), eager)
    compiled = torch.compile(move, fullgraph=True, backend="aot_eager", dynamic=True)
    assert torch.equal(compiled(rotor, b), eager)
    compiled = torch.compile(lambda x: F.change_layout(x, PGA.vectors, PGA.full), fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(b), dense(PGA.vectors, b))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_sandwich_in_half_precision_rounds_once(dtype):
    # the square of the versor, about 10^6, is beyond the range of half precision
    mirrors = torch.tensor([[6.0, 7, 3, 9], [8.0, 2, 5, 7], [9.0, 4, 1, 6]])
    versor = F.change_layout(mirrors[0], PGA.vectors, PGA.full)
    for mirror in mirrors[1:]:
        versor = F.geometric_product(versor, mirror, PGA, a_layout=PGA.full, b_layout=PGA.vectors)
    versor, x = versor.to(dtype), random_integers(PGA, 5).to(dtype)
    moved = F.sandwich(versor, x, PGA)
    assert torch.equal(moved, F.sandwich(versor.float(), x.float(), PGA).to(dtype))
    assert moved.isfinite().all()


@pytest.mark.parametrize("batch", [4, 16])
def test_exported_programs_take_any_batch(batch):
    # sizes equal to a number of vectors or blades once tied the batch to it
    class Matrix(torch.nn.Module):
        def forward(self, versor):
            return F.sandwich_matrix(versor, PGA), F.is_versor(versor, PGA)

    versor = torch.randn(batch, 16, generator=torch.Generator().manual_seed(0))
    program = torch.export.export(Matrix(), (versor,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    for result, expected in zip(program.module()(versor[:3]), Matrix()(versor[:3]), strict=True):
        torch.testing.assert_close(result, expected)


def test_what_does_not_fit_is_refused():
    x = random_integers(PGA, 3)
    with pytest.raises(errors.ShapeError, match=r"shape \(3, 16\), expected a last axis of 4 for Layout"):
        F.geometric_product(x, x, PGA, a_layout=PGA.vectors)
    with pytest.raises(errors.AlgebraMismatchError, match="the layout belongs to Algebra"):
        F.reverse(x, PGA, layout=Algebra(3).full)
    with pytest.raises(errors.AlgebraMismatchError, match="expected a Layout, got str"):
        F.outer_product(x, x, PGA, out_layout="even")
    vectors = x[..., :4]
    with pytest.raises(errors.LayoutError, match=r"lies in .*grades 2.*; .*grades 3.* was asked for"):
        F.outer_product(
            vectors,
            vectors,
            PGA,
            a_layout=PGA.vectors,
            b_layout=PGA.vectors,
            out_layout=PGA.layout(grades=(3,)),
        )
    with pytest.raises(errors.LayoutError, match="right_complement lies in"):
        F.right_complement(vectors, PGA, layout=PGA.vectors, out_layout=PGA.vectors)
    with pytest.raises(errors.LayoutError, match=r"lacks odd .*; choose a larger layout or pass project=True"):
        F.change_layout(x, PGA.full, PGA.even)
    with pytest.raises(errors.LayoutError, match="holds no blade"):
        F.sandwich(x[..., :0], x, PGA, versor_layout=PGA.layout())
    with pytest.raises(errors.NotInvertibleError, match="has no polarity"):
        F.polarity(vectors, PGA, layout=PGA.vectors)
    with pytest.raises(errors.LayoutError, match="too many to list"):
        F.reverse(x, Algebra(62))
    with pytest.raises(errors.LayoutError, match=r"lies in .*grades 1.*, but .*grades 2.* was asked for"):
        F.sandwich(x, vectors, PGA, x_layout=PGA.vectors, out_layout=PGA.bivectors)
    for source, target in (("vectors", PGA.full), (PGA.full, None), (PGA, PGA.full)):
        with pytest.raises(errors.AlgebraMismatchError, match="expected a Layout, got"):
            F.change_layout(x, source, target)
