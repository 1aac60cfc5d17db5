"""Multivectors as matrices: faithful, multiplicative, differentiable."""

import itertools

import pytest
import torch

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.errors import AlgebraMismatchError, DTypeError, LayoutError, ShapeError
from helpers.multivectors import SIGNED_BASIS

SMALL = [Algebra(*signature) for signature in itertools.product(range(6), repeat=3) if sum(signature) <= 5]
LARGE = [
    Algebra(*signature)
    for signature in [
        (6,),
        (3, 3),
        (0, 6),
        (5, 2),
        (0, 7),
        (7,),
        (4, 0, 2),
        (3, 3, 1),
        (8,),
        (2, 6),
        (3, 4, 1),
        (0, 0, 6),
    ]
]
SCALED = [
    Algebra(metric=(4.0, -0.25, 1.0)),
    Algebra(metric=(-4.0, 0.0, 16.0)),
    Algebra(metric=(0.0, 1.0, 0.0, -1.0)),
    Algebra(3, 0, 1, basis=SIGNED_BASIS),
    Algebra.from_name("2DPGA"),
]
FEW = [Algebra(2, 1), Algebra(1, 3), Algebra(3, 0, 1), Algebra(5), Algebra(3), Algebra(metric=(2.0, 0.0, -3.0))]


def integers(algebra, *shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-4, 5, (*shape, algebra.num_blades), generator=generator).double()


@pytest.mark.parametrize("algebra", SMALL + LARGE + SCALED, ids=repr)
def test_products_are_products_of_matrices(algebra):
    a, b = integers(algebra, 3), integers(algebra, 3, seed=1)
    product = F.geometric_product(a, b, algebra)
    left, right = F.to_matrix(a, algebra), F.to_matrix(b, algebra)
    assert left.shape[-1] == left.shape[-2]
    assert torch.equal(F.to_matrix(product, algebra), left @ right)
    assert torch.equal(F.from_matrix(left @ right, algebra), product)
    assert torch.equal(F.from_matrix(left, algebra), a)


@pytest.mark.parametrize("dim", [9, 10, 11, 12])
def test_large_algebras_have_matrices(dim):
    algebra = Algebra(dim - 2, 1, 1)
    a, b = integers(algebra, 2), integers(algebra, 2, seed=1)
    product = F.from_matrix(F.to_matrix(a, algebra) @ F.to_matrix(b, algebra), algebra)
    assert torch.equal(product, F.geometric_product(a, b, algebra))
    halves = F.commutator(a, b, algebra), F.anticommutator(a, b, algebra)
    assert torch.equal(sum(halves), product)
    assert torch.equal(halves[0], -F.commutator(b, a, algebra))


@pytest.mark.parametrize(
    ("signature", "name", "size", "dtype"),
    [
        ((0,), "M1(R)", 1, torch.float32),
        ((3,), "M2(C)", 2, torch.complex64),
        ((1, 3), "M2(H)", 4, torch.complex64),
        ((3, 1), "M4(R)", 4, torch.float32),
        ((4, 1), "M4(C)", 4, torch.complex64),
        ((5,), "2M2(H)", 8, torch.complex64),
        ((2, 1), "2M2(R)", 4, torch.float32),
        ((3, 0, 1), "M2(C) x Lambda(1)", 8, torch.float32),
        ((8,), "M16(R)", 16, torch.float32),
    ],
    ids=str,
)
def test_sizes_are_those_of_the_classification(signature, name, size, dtype):
    algebra = Algebra(*signature)
    assert algebra.matrix_type == name
    matrix = F.to_matrix(torch.ones(2, algebra.num_blades), algebra)
    assert matrix.shape == (2, size, size)
    assert matrix.dtype == dtype


@pytest.mark.parametrize("algebra", FEW, ids=repr)
def test_layouts_hold_part_of_the_multivector(algebra):
    even, full = algebra.even, algebra.full
    a = integers(algebra, 4)[..., : even.size]
    matrix = F.to_matrix(a, algebra, layout=even)
    whole = F.change_layout(a, even, full)
    torch.testing.assert_close(matrix, F.to_matrix(whole, algebra))
    torch.testing.assert_close(F.from_matrix(matrix, algebra, out_layout=even), a)
    torch.testing.assert_close(F.from_matrix(matrix, algebra), whole)
    nothing = algebra.layout()
    assert F.to_matrix(torch.zeros(4, 0).double(), algebra, layout=nothing).abs().sum() == 0
    assert F.from_matrix(matrix, algebra, out_layout=nothing).shape == (4, 0)


@pytest.mark.parametrize("algebra", FEW, ids=repr)
def test_gradients(algebra):
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(2, algebra.num_blades, dtype=torch.float64, generator=generator, requires_grad=True)
    matrix = F.to_matrix(a, algebra).detach().requires_grad_()
    for function, argument in ((F.to_matrix, a), (F.from_matrix, matrix)):
        assert torch.autograd.gradcheck(lambda x, function=function: function(x, algebra), argument)
        assert torch.autograd.gradgradcheck(lambda x, function=function: function(x, algebra), argument)


@pytest.mark.parametrize("algebra", FEW, ids=repr)
def test_compiled_and_transformed(algebra):
    def product(a, b):
        return F.from_matrix(F.to_matrix(a, algebra) @ F.to_matrix(b, algebra), algebra)

    a, b = integers(algebra, 3), integers(algebra, 3, seed=1)
    expected = product(a, b)
    # the default backend warns that it leaves complex numbers to eager code
    compiled = torch.compile(product, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(a, b), expected)
    torch.testing.assert_close(torch.func.vmap(product)(a, b), expected)
    _, tangent = torch.func.jvp(lambda a: product(a, b), (a,), (2 * a,))
    torch.testing.assert_close(tangent, 2 * expected)


def test_shapes_and_strides():
    algebra = Algebra(1, 3)
    for shape in [(), (0,), (2, 0, 3), (2, 3)]:
        a = integers(algebra, *shape)
        matrix = F.to_matrix(a, algebra)
        assert matrix.shape == (*shape, 4, 4)
        assert torch.equal(F.from_matrix(matrix, algebra), a)
    a = integers(algebra, 2, 3)
    expected = F.to_matrix(a, algebra)
    assert torch.equal(F.to_matrix(F.to_blade_major(a), algebra), expected)
    assert torch.equal(F.from_matrix(expected.mT.contiguous().mT, algebra), a)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_has_matrices_in_single(dtype):
    a = integers(Algebra(2), 3).to(dtype)
    assert torch.equal(F.to_matrix(a, Algebra(2)), F.to_matrix(a.float(), Algebra(2)))


def test_special_values_propagate():
    a = torch.ones(2, 8)
    a[0, 3] = float("nan")
    matrix = F.to_matrix(a, Algebra(3))
    assert matrix[0].isnan().any()
    assert not matrix[1].isnan().any()


def test_what_is_no_matrix_is_refused():
    algebra = Algebra(3)
    with pytest.raises(ShapeError, match="2 rows"):
        F.from_matrix(torch.zeros(3, 3, dtype=torch.complex64), algebra)
    with pytest.raises(DTypeError, match="complex64"):
        F.from_matrix(torch.zeros(2, 2), algebra)
    with pytest.raises(DTypeError):
        F.from_matrix([[1.0]], algebra)
    with pytest.raises(AlgebraMismatchError):
        F.to_matrix(torch.zeros(4), Algebra(2), layout=algebra.full)
    with pytest.raises(ShapeError):
        F.to_matrix(torch.zeros(4), algebra)
    with pytest.raises(LayoutError, match="up to 2147483648 rows, but 1024 at most"):
        F.to_matrix(torch.zeros(62), Algebra(62), layout=Algebra(62).vectors)


def test_compiled_for_any_batch():
    algebra = Algebra(2, 0, 1)
    compiled = torch.compile(lambda x: F.to_matrix(x, algebra), fullgraph=True, backend="aot_eager", dynamic=True)
    returned = torch.compile(lambda x: F.from_matrix(x, algebra), fullgraph=True, backend="aot_eager", dynamic=True)
    for batch in (3, 5):
        a = integers(algebra, batch, 2)
        assert torch.equal(compiled(a), F.to_matrix(a, algebra))
        assert torch.equal(returned(compiled(a)), a)


@pytest.mark.parametrize("algebra", [Algebra(2), Algebra(1, 3), Algebra(3, 0, 1)], ids=str)
def test_autocast_keeps_every_digit(algebra):
    a = torch.randn(3, algebra.num_blades, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        matrix = F.to_matrix(a, algebra)
        back = F.from_matrix(matrix, algebra)
    assert torch.equal(matrix, F.to_matrix(a, algebra))
    torch.testing.assert_close(back, a)
