"""Tests for blades and versors."""

import pytest
import torch

from cliffnet import Algebra, errors
from cliffnet import functional as F
from helpers.blades import random_vectors, versor, wedge
from helpers.multivectors import ALGEBRAS, blade, holds_for, multivectors, name

LARGER = [Algebra(6), Algebra(3, 2, 2), Algebra(4, 4)]
MANY_VERSORS = [algebra for algebra in [*ALGEBRAS, *LARGER] if algebra.p + algebra.q > 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("algebra", [*ALGEBRAS, *LARGER], ids=name)
def test_outer_products_of_vectors_are_blades_and_others_are_not(algebra, dtype):
    for grade in range(algebra.dim + 1):
        a = wedge(random_vectors(algebra, 4, grade, dtype=dtype), algebra)
        assert F.is_blade(a, algebra).all()
        assert F.is_blade(1e-30 * a, algebra).all()
        layout = algebra.layout(grades=(grade,))
        other = torch.randn(50, layout.size, generator=torch.Generator().manual_seed(1), dtype=dtype)
        always = grade in (0, 1, algebra.dim - 1, algebra.dim)
        assert (F.is_blade(other, algebra, layout=layout) == always).all()


def exact_blade(algebra, a):
    """Pluecker's relations, term by term, in the Euclidean metric."""
    euclidean = Algebra(algebra.dim)
    signs = torch.tensor(algebra.blade_signs, dtype=a.dtype)
    positions = torch.tensor([algebra.blade_masks.index(mask) for mask in euclidean.blade_masks])
    a = (a * signs)[positions]
    grades = {grade for grade, value in zip(euclidean.grades, a.tolist(), strict=True) if value}
    if len(grades) != 1:
        return not grades
    below = [index for index, grade in enumerate(euclidean.grades) if grade == max(grades) - 1]
    units = torch.eye(euclidean.num_blades, dtype=a.dtype)[below]
    contracted = F.left_contraction(units, a, euclidean)
    return not F.outer_product(contracted, a, euclidean).any()


@holds_for([multivectors], examples=80)
def test_blades_satisfy_the_relations(algebra, a):
    for grade in range(algebra.dim + 1):
        part = F.grade_project(a, grade, algebra)
        assert F.is_blade(part, algebra).item() == exact_blade(algebra, part)
    assert F.is_blade(a, algebra).item() == exact_blade(algebra, a)


def test_what_counts_as_a_blade():
    algebra = Algebra(3, 0, 1)
    assert F.is_blade(torch.zeros(16), algebra)
    assert F.is_blade(torch.full((1, 16), torch.nan), algebra).tolist() == [False]
    assert not F.is_blade(torch.full((16,), torch.inf), algebra)
    assert F.is_blade(torch.zeros(0, 16), algebra).shape == (0,)
    line = blade(algebra, "e01") + 1e-4 * blade(algebra, "e23")
    assert not F.is_blade(line, algebra)
    assert F.is_blade(line, algebra, rtol=1e-3)
    assert F.is_blade(line, algebra, atol=1e-3)
    mixed = blade(algebra, "e01") + 1e-4 * blade(algebra, "1")
    assert F.is_blade(mixed, algebra, atol=1e-3)
    assert not F.is_blade(mixed, algebra, atol=1e-5)
    # the coefficient of the largest deviation counts, not its square
    assert not F.is_blade(blade(algebra, "e01") + 1e-9 * blade(algebra, "e23"), algebra)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("algebra", MANY_VERSORS, ids=name)
def test_products_of_vectors_are_versors_and_others_are_not(algebra, dtype):
    for count in range(min(algebra.dim, 5) + 2):
        a = versor(random_vectors(algebra, 4, count, dtype=dtype), algebra)
        assert F.is_versor(a, algebra).all()
        noise = torch.randn(a.shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
        assert not F.is_versor(a + 0.1 * noise, algebra).any()
    layout = algebra.even if count % 2 == 0 else algebra.odd
    assert F.is_versor(F.change_layout(a, algebra.full, layout, project=True), algebra, layout=layout).all()


def test_what_counts_as_a_versor():
    pga = Algebra(3, 0, 1)
    one = blade(pga, "1")
    for element, expected in (
        (one + 1e6 * blade(pga, "e01"), True),
        (one + blade(pga, "e0"), False),
        (blade(pga, "e0"), False),
        (blade(pga, "e0") + blade(pga, "e1"), True),
        (one + blade(pga, "e0123"), False),
        (torch.zeros(16), False),
        (torch.full((16,), torch.nan), False),
    ):
        assert F.is_versor(element, pga).item() == expected
    spacetime = Algebra(1, 1)
    assert not F.is_versor(blade(spacetime, "e1") + blade(spacetime, "e2"), spacetime)
    # R reverse(R) = 1, but vectors do not stay vectors: not in the spin group of six dimensions
    six = Algebra(6)
    element = (blade(six, "1") + blade(six, "e123456")) / 2**0.5
    assert torch.equal(F.geometric_product(element, F.reverse(element, six), six).round(decimals=9), blade(six, "1"))
    assert not F.is_versor(element, six)
    nearly = one + 1e-4 * blade(pga, "e1")
    assert not F.is_versor(nearly, pga)
    assert F.is_versor(nearly, pga, rtol=1e-3)


def test_transforms():
    algebra = Algebra(4)
    a = torch.stack([wedge(random_vectors(algebra, 2), algebra), torch.ones(16, dtype=torch.float64)])
    for function in (F.is_blade, F.is_versor):
        expected = function(a, algebra)
        assert torch.equal(torch.func.vmap(lambda x, f=function: f(x, algebra))(a), expected)
        torch.compiler.reset()
        compiled = torch.compile(lambda x, f=function: f(x, algebra), fullgraph=True, backend="aot_eager")
        assert torch.equal(compiled(a), expected)


def test_bad_arguments():
    for function in (F.is_blade, F.is_versor):
        with pytest.raises(errors.ShapeError, match="its last axis is 3"):
            function(torch.ones(3), Algebra(2))
