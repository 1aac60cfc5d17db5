"""Determinants and characteristic polynomials."""

import numpy as np
import pytest
import torch

from cliffnet import Algebra, errors
from cliffnet import functional as F
from helpers.matrix_representation import MatrixRepresentation
from helpers.multivectors import ALGEBRAS, SIGNED_BASIS, blade, holds_for, multivectors, name, random_integers

SMALL = [Algebra(p, q, n - p - q) for n in range(6) for p in range(n + 1) for q in range(n - p + 1)]
LARGE = [
    Algebra(*signature) for signature in ((6,), (3, 3), (2, 4), (0, 6), (5, 1, 1), (3, 1, 3), (4, 3), (0, 7), (7,))
]


def degree(algebra):
    return 2 ** ((algebra.dim + 1) // 2)


@pytest.mark.parametrize("algebra", SMALL + LARGE, ids=name)
def test_determinant_is_multiplicative(algebra):
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 8, algebra.num_blades, generator=generator, dtype=torch.float64)
    product = F.determinant(F.geometric_product(a, b, algebra), algebra)
    # rounding is relative to what a determinant of such coefficients can be
    bound = 1e-13 * (a.norm(dim=-1) * b.norm(dim=-1)) ** degree(algebra)
    assert ((product - F.determinant(a, algebra) * F.determinant(b, algebra)).abs() <= bound).all()


@pytest.mark.parametrize("algebra", SMALL + LARGE, ids=name)
def test_last_coefficient_is_the_determinant(algebra):
    a = random_integers(algebra, 6)
    coefficients = F.characteristic_coefficients(a, algebra)
    assert coefficients.shape == (6, degree(algebra) + 1)
    assert torch.equal(coefficients[:, 0], torch.ones(6, dtype=torch.float64))
    scalar = a[:, algebra.index("1")[0]]
    torch.testing.assert_close(coefficients[:, 1], -degree(algebra) * scalar)
    bound = 1e-13 * a.norm(dim=-1) ** degree(algebra)
    assert ((coefficients[:, -1] - F.determinant(-a, algebra)).abs() <= bound).all()


@holds_for([multivectors], examples=40)
def test_elements_satisfy_their_polynomial_exactly(algebra, a):
    coefficients = F.characteristic_coefficients(a, algebra)
    total = torch.zeros_like(a)
    for coefficient in coefficients:
        total = F.geometric_product(a, total, algebra) + coefficient * blade(algebra, "1")
    largest = (1 + a.abs().sum()) ** degree(algebra)
    assert total.abs().max() <= (0 if largest < 2**40 else 1e-15 * largest)


@pytest.mark.parametrize(
    "squares", [(1, 1), (-1, 1, 1), (1, -1, -1), (1, 1, 1, -1), (0, 1, 1, -1), (-1,) * 4, (1,) * 5]
)
def test_determinant_is_that_of_matrices(squares):
    algebra, oracle = Algebra(metric=squares), MatrixRepresentation(squares)
    a = random_integers(algebra, 5)
    matrices = oracle.matrix(a.numpy())
    # any faithful representation has the determinant to the power of its multiplicity
    power = matrices.shape[-1] / degree(algebra)
    expected = np.abs(np.linalg.det(matrices)) ** (1 / power)
    torch.testing.assert_close(F.determinant(a, algebra).abs(), torch.from_numpy(expected), rtol=1e-8, atol=1e-6)


@pytest.mark.parametrize("algebra", ALGEBRAS, ids=name)
def test_determinant_of_scalars_null_parts_and_zero(algebra):
    one = blade(algebra, "1")
    assert F.determinant(3 * one, algebra) == 3.0 ** degree(algebra)
    assert F.determinant(0 * one, algebra) == 0
    a = random_integers(algebra, 4)
    if algebra.r:
        null = sum(1 << index for index, square in enumerate(algebra.metric) if square == 0)
        kept = torch.tensor([not mask & null for mask in algebra.blade_masks])
        assert torch.equal(F.determinant(a, algebra), F.determinant(a.where(kept, 0.0), algebra))


def test_signed_basis_layouts_and_precision():
    plain, signed = Algebra(3, 0, 1), Algebra(3, 0, 1, basis=SIGNED_BASIS)
    even = F.change_layout(random_integers(plain, 5), plain.full, plain.even, project=True)
    full = F.change_layout(even, plain.even, plain.full)
    assert torch.equal(F.determinant(even, plain, layout=plain.even), F.determinant(full, plain))
    assert torch.equal(
        F.characteristic_coefficients(even, plain, layout=plain.even), F.characteristic_coefficients(full, plain)
    )
    matching = torch.tensor([plain.index(label)[0] for label in SIGNED_BASIS])
    signs = torch.tensor([float(plain.index(label)[1]) for label in SIGNED_BASIS])
    for function in (F.determinant, F.characteristic_coefficients):
        assert torch.equal(function(full[:, matching] * signs, signed), function(full, plain))
        assert torch.equal(function(full.float(), plain), function(full, plain).float())
        assert function(full.half(), plain).dtype == torch.float16
        assert function(full[:0], plain).shape[0] == 0
        assert function(full * torch.nan, plain)[..., -1].isnan().all()


@pytest.mark.parametrize("algebra", [Algebra(2), Algebra(3, 0, 1), Algebra(4, 2)], ids=name)
@pytest.mark.parametrize("function", [F.determinant, F.characteristic_coefficients], ids=lambda f: f.__name__)
def test_derivatives_and_transforms(function, algebra):
    a = (0.3 * torch.randn(2, algebra.num_blades, generator=torch.Generator().manual_seed(0)).double()).requires_grad_()
    fast = algebra.dim > 2
    torch.autograd.gradcheck(lambda x: function(x, algebra), (a,), check_forward_ad=True, fast_mode=fast)
    torch.autograd.gradgradcheck(lambda x: function(x, algebra), (a,), fast_mode=fast)
    a = a.detach()
    torch.testing.assert_close(torch.func.vmap(lambda x: function(x, algebra))(a), function(a, algebra))
    if algebra.dim > 3:
        torch.compiler.reset()
        compiled = torch.compile(lambda x: function(x, algebra), fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(a), function(a, algebra))


def test_gradient_of_a_determinant_at_a_singular_element_is_finite():
    a = torch.zeros(2, 8, requires_grad=True)
    F.determinant(a, Algebra(3)).sum().backward()
    assert torch.equal(a.grad, torch.zeros(2, 8))


def test_bad_arguments():
    with pytest.raises(errors.ShapeError, match="its last axis is 3"):
        F.determinant(torch.ones(3), Algebra(2))
    with pytest.raises(errors.LayoutError, match="too many to list"):
        F.determinant(torch.ones(13), Algebra(13), layout=Algebra(13).vectors)


def test_zeros_have_no_sign():
    coefficients = F.characteristic_coefficients(torch.zeros(8), Algebra(3))
    assert not coefficients.signbit().any()


def test_compiled_in_an_algebra_met_for_the_first_time():
    # with a null generator: the graph has to find the algebra of the others
    algebra = Algebra(metric=(0.0, 1.25, -1.0))
    compiled = torch.compile(lambda x: F.determinant(x, algebra), fullgraph=True, backend="aot_eager", dynamic=True)
    for batch in (3, 5):
        x = torch.randn(batch, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(compiled(x), F.determinant(x, algebra))
