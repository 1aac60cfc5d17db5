"""Matrices of multiplication and of versors are those of the operations they stand for."""

import pytest
import torch

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.errors import AlgebraMismatchError, ShapeError
from cliffnet.testing import random_versor
from helpers.multivectors import ALGEBRAS, holds_for, multivectors, name, random_integers

STAP = Algebra.from_name("STAP")
SCALED = Algebra(metric=(2.0, -0.5, 0.0, -4.0))
CASES = (*ALGEBRAS, STAP, SCALED, Algebra(6))


def times(matrix, x):
    return (matrix @ x.unsqueeze(-1)).squeeze(-1)


@holds_for((multivectors, multivectors), CASES)
def test_multiplication(algebra, a, b):
    left, right = F.left_matrix(a, algebra), F.right_matrix(a, algebra)
    assert torch.equal(times(left, b), F.geometric_product(a, b, algebra))
    assert torch.equal(times(right, b), F.geometric_product(b, a, algebra))
    other = F.right_matrix(b, algebra)
    assert torch.equal(left @ other, other @ left)


@holds_for((multivectors, multivectors), CASES, examples=30)
def test_regular_representation(algebra, a, b):
    product = F.geometric_product(a, b, algebra)
    left, right = F.left_matrix(torch.stack((a, b)), algebra), F.right_matrix(torch.stack((a, b)), algebra)
    assert torch.equal(F.left_matrix(product, algebra), left[0] @ left[1])
    assert torch.equal(F.right_matrix(product, algebra), right[1] @ right[0])


@pytest.mark.parametrize("algebra", [Algebra(4), STAP, Algebra(20, names="123456789abcdefghijk")], ids=str)
def test_multiplication_on_layouts(algebra):
    vectors, mixed = algebra.vectors, algebra.layout("1", "e31", "e24", "e2")
    for layout, in_layout, out_layout in (
        (vectors, vectors, None),
        (mixed, vectors, None),
        (mixed, mixed, algebra.layout("e2", "e1")),
        (algebra.layout(), vectors, mixed),
    ):
        a, b = (torch.arange(2.0, 2.0 + chosen.size) for chosen in (layout, in_layout))
        options = {"layout": layout, "in_layout": in_layout, "out_layout": out_layout}
        left = times(F.left_matrix(a, algebra, **options), b)
        right = times(F.right_matrix(a, algebra, **options), b)
        if layout.size == 0:
            assert torch.equal(left, torch.zeros(4))
            assert torch.equal(right, torch.zeros(4))
            continue
        expected = F.geometric_product(a, b, algebra, a_layout=layout, b_layout=in_layout, out_layout=out_layout)
        assert torch.equal(left, expected)
        expected = F.geometric_product(b, a, algebra, a_layout=in_layout, b_layout=layout, out_layout=out_layout)
        assert torch.equal(right, expected)


def test_entries_keep_what_is_not_finite_to_itself():
    algebra = Algebra(2, 0, 1)
    a = torch.zeros(8)
    a[algebra.index("e1")[0]] = torch.inf
    matrix = F.left_matrix(a, algebra)
    assert matrix.isinf().sum() == 8
    assert not matrix.isnan().any()


@pytest.mark.parametrize("algebra", [Algebra(3), Algebra(3, 0, 1), STAP, Algebra(1, 3), SCALED], ids=name)
@pytest.mark.parametrize("factors", [1, 2])
def test_versors(algebra, factors):
    generator = torch.Generator().manual_seed(factors)
    if algebra is STAP:
        first = torch.zeros(2, 32, dtype=torch.float64)
        first[:, 1:6] = torch.tensor([[0.3, 1.0, 2.0, 0.5, 1.0], [1.0, 0.5, -1.0, 2.0, 0.5]])
        versor = first[0] if factors == 1 else F.geometric_product(first[0], first[1], algebra)
    else:
        versor = random_versor(algebra, factors, generator)
    x = random_integers(algebra, 5)
    matrix = F.sandwich_matrix(3.0 * versor, algebra)
    torch.testing.assert_close(times(matrix, x), F.sandwich(versor, x, algebra))
    inverse = F.sandwich_matrix(versor, algebra, inverse=True)
    torch.testing.assert_close(inverse @ matrix, torch.eye(algebra.num_blades, dtype=torch.float64))
    parity = algebra.odd if factors == 1 else algebra.even
    narrow = F.change_layout(versor, algebra.full, parity, project=True)
    vectors = F.sandwich_matrix(narrow, algebra, versor_layout=parity, layout=algebra.vectors)
    rows = [algebra.full.index(blade)[0] for blade in algebra.vectors.blade_names]
    torch.testing.assert_close(vectors, matrix[rows][:, rows])
    squares = torch.tensor([algebra.metric[mask.bit_length() - 1] for mask in algebra.vectors.blade_masks])
    torch.testing.assert_close(vectors.mT @ torch.diag(squares).double() @ vectors, torch.diag(squares).double())


def test_unit_versors_need_no_division():
    algebra = Algebra(3)
    versor = random_versor(algebra, 2, torch.Generator().manual_seed(0))
    unit = F.sandwich_matrix(versor, algebra, unit=True)
    torch.testing.assert_close(unit, F.sandwich_matrix(versor, algebra))
    torch.testing.assert_close(F.sandwich_matrix(2.0 * versor, algebra, unit=True), 4.0 * unit)


def test_rows_of_a_layout_that_breaks_a_grade():
    algebra = Algebra(3)
    versor = random_versor(algebra, 2, torch.Generator().manual_seed(0))
    whole = F.sandwich_matrix(versor, algebra)
    part = F.sandwich_matrix(versor, algebra, layout=algebra.layout("e3"))
    torch.testing.assert_close(part, whole[1:4, 3:4])
    torch.testing.assert_close(
        F.sandwich_matrix(versor, algebra, layout=algebra.layout("e3"), out_layout=algebra.layout("e2")),
        whole[2:3, 3:4],
    )


@pytest.mark.parametrize("algebra", [Algebra(2, 0, 1), SCALED], ids=name)
def test_gradients(algebra):
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(2, algebra.num_blades, dtype=torch.float64, generator=generator, requires_grad=True)
    versor = random_versor(algebra, 2, generator).requires_grad_()
    for function, argument in ((F.left_matrix, a), (F.right_matrix, a), (F.sandwich_matrix, versor)):
        assert torch.autograd.gradcheck(lambda x, function=function: function(x, algebra), argument)
    assert torch.autograd.gradgradcheck(lambda x: F.left_matrix(x, algebra) @ F.right_matrix(x, algebra), a)


def test_transforms_and_compiled_graphs():
    algebra = Algebra(3, 0, 1)
    a = random_integers(algebra, 3)
    versor = random_versor(algebra, 2, torch.Generator().manual_seed(0))
    functions = [(F.left_matrix, a), (F.right_matrix, a), (F.sandwich_matrix, versor + torch.zeros(3, 1))]
    for function, argument in functions:
        expected = function(argument, algebra)
        assert torch.equal(torch.vmap(lambda x, function=function: function(x, algebra))(argument), expected)
        compiled = torch.compile(lambda x, function=function: function(x, algebra), fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(argument), expected)
    assert F.left_matrix(a[:0], algebra).shape == (0, 16, 16)
    assert F.sandwich_matrix(versor.expand(0, 16), algebra).shape == (0, 16, 16)
    half = F.left_matrix(a.bfloat16(), algebra)
    assert half.dtype == torch.bfloat16
    assert torch.equal(half.double(), F.left_matrix(a, algebra))


def test_wrong_arguments():
    algebra = Algebra(3)
    for function in (F.left_matrix, F.right_matrix, F.sandwich_matrix):
        with pytest.raises(ShapeError, match="8 blades"):
            function(torch.ones(4), algebra)
        with pytest.raises(AlgebraMismatchError, match="the layout belongs to"):
            function(torch.ones(8), algebra, layout=Algebra(2).even)
