"""Outermorphisms: exact on integers, for every basis and metric, on layouts, and differentiable."""

import pytest
import torch

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.errors import AlgebraMismatchError, DTypeError, NotInvertibleError, ShapeError
from helpers.multivectors import ALGEBRAS, REGULAR, holds_for, multivectors, name, random_integers

STAP = Algebra.from_name("STAP")
SCALED = Algebra(metric=(2.0, -0.5, 3.0, -4.0))
CASES = (*ALGEBRAS, STAP, SCALED, Algebra(6), Algebra(2, 2, 2))


def matrices(algebra, *leading, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-3, 4, (*leading, algebra.dim, algebra.dim), generator=generator).to(dtype)


def vector(algebra, coefficients):
    result = torch.zeros(*coefficients.shape[:-1], algebra.num_blades, dtype=coefficients.dtype)
    for i in range(algebra.dim):
        result[..., algebra.blade_masks.index(1 << i)] = coefficients[..., i]
    return result


@holds_for((multivectors, multivectors), CASES)
def test_maps_outer_products_to_outer_products(algebra, a, b):
    matrix = matrices(algebra)
    expected = F.outer_product(F.outermorphism(matrix, a, algebra), F.outermorphism(matrix, b, algebra), algebra)
    assert torch.equal(F.outermorphism(matrix, F.outer_product(a, b, algebra), algebra), expected)


@holds_for((multivectors,), CASES)
def test_maps_compose(algebra, a):
    first, second = matrices(algebra, seed=1), matrices(algebra, seed=2)
    expected = F.outermorphism(second, F.outermorphism(first, a, algebra), algebra)
    assert torch.equal(F.outermorphism(second @ first, a, algebra), expected)
    assert torch.equal(F.outermorphism(torch.eye(algebra.dim, dtype=a.dtype), a, algebra), a)


@pytest.mark.parametrize("algebra", CASES, ids=name)
def test_vectors_map_by_columns_and_the_pseudoscalar_by_the_determinant(algebra):
    matrix = matrices(algebra)
    images = F.outermorphism(matrix, vector(algebra, torch.eye(algebra.dim, dtype=torch.float64)), algebra)
    assert torch.equal(images, vector(algebra, matrix.mT))
    last = algebra.blade_masks.index(algebra.num_blades - 1)
    pseudoscalar = torch.eye(algebra.num_blades, dtype=torch.float64)[last]
    determinant = torch.linalg.det(matrix).round()
    assert torch.equal(F.outermorphism(matrix, pseudoscalar, algebra), determinant * pseudoscalar)


@pytest.mark.parametrize("algebra", [Algebra(4), Algebra(3, 0, 1), STAP], ids=name)
def test_entries_are_minors(algebra):
    matrix = matrices(algebra)
    whole = F.outermorphism_matrix(matrix, algebra)
    for column, source in enumerate(algebra.blade_masks):
        for row, target in enumerate(algebra.blade_masks):
            chosen = [[i for i in range(algebra.dim) if mask >> i & 1] for mask in (target, source)]
            sign = algebra.blade_signs[row] * algebra.blade_signs[column]
            same_grade = len(chosen[0]) == len(chosen[1])
            minor = torch.linalg.det(matrix[chosen[0]][:, chosen[1]]).round() if same_grade else 0.0
            assert whole[row, column] == sign * minor


@pytest.mark.parametrize("algebra", [*REGULAR, SCALED], ids=name)
def test_adjoint_moves_across_the_inner_product(algebra):
    matrix = matrices(algebra)
    a, b = random_integers(algebra, 7), random_integers(algebra, 7, seed=1)
    left = F.inner_product(F.outermorphism(matrix, a, algebra), b, algebra)
    right = F.inner_product(a, F.outermorphism_adjoint(matrix, b, algebra), algebra)
    # quotients of the metric are exact where its entries are 1 and -1
    tolerance = 0.0 if set(algebra.metric) <= {1.0, -1.0} else 1e-12
    torch.testing.assert_close(left, right, rtol=tolerance, atol=0.0)


@pytest.mark.parametrize("algebra", [Algebra(3), Algebra(3, 0, 1), STAP, Algebra(1, 3)], ids=name)
def test_versors_act_by_the_outermorphism_of_their_matrix(algebra):
    unit = F.geometric_product(
        vector(algebra, torch.arange(1.0, algebra.dim + 1, dtype=torch.float64)),
        vector(algebra, torch.eye(algebra.dim, dtype=torch.float64)[1] * 2.0),
        algebra,
    )
    for versor in (unit, vector(algebra, torch.arange(2.0, algebra.dim + 2, dtype=torch.float64))):
        images = F.sandwich(versor, vector(algebra, torch.eye(algebra.dim, dtype=torch.float64)), algebra)
        positions = [algebra.blade_masks.index(1 << i) for i in range(algebra.dim)]
        matrix = images[:, positions].mT
        x = random_integers(algebra, 4)
        torch.testing.assert_close(F.outermorphism(matrix, x, algebra), F.sandwich(versor, x, algebra))
        torch.testing.assert_close(F.outermorphism_matrix(matrix, algebra), F.sandwich_matrix(versor, algebra))


@pytest.mark.parametrize("algebra", [Algebra(5), Algebra(3, 0, 1), STAP], ids=name)
def test_layouts_give_the_dense_result(algebra):
    matrix, x = matrices(algebra, 3), random_integers(algebra, 3)
    dense = F.outermorphism(matrix, x, algebra)
    odd_ones = algebra.layout("1", "e321", "e12", "e31")
    for layout in (algebra.even, algebra.vectors, algebra.bivectors, algebra.layout(grades=(0, 3)), odd_ones):
        values = F.change_layout(x, algebra.full, layout, project=True)
        full = F.change_layout(values, layout, algebra.full)
        result = F.outermorphism(matrix, values, algebra, layout=layout)
        wanted = algebra.layout(grades=(0, 2, 3)) if layout is odd_ones else layout
        assert torch.equal(F.change_layout(result, wanted, algebra.full), F.outermorphism(matrix, full, algebra))
        blocks = F.outermorphism_matrix(matrix, algebra, layout=layout)
        assert blocks.shape == (3, wanted.size, layout.size)
        assert torch.equal((blocks @ values.unsqueeze(-1)).squeeze(-1), result)
        narrow = F.outermorphism(matrix, values, algebra, layout=layout, out_layout=layout)
        assert torch.equal(narrow, F.change_layout(result, wanted, layout, project=True))
    projected = F.outermorphism(matrix, x, algebra, out_layout=odd_ones)
    assert torch.equal(projected, F.change_layout(dense, algebra.full, odd_ones, project=True))


def test_many_generators_on_layouts():
    algebra = Algebra(40)
    matrix = matrices(algebra)
    a, b = (torch.arange(40.0, dtype=torch.float64) % 5 - shift for shift in (2, 3))
    vectors, bivectors = algebra.vectors, algebra.bivectors
    plane = F.outer_product(a, b, algebra, a_layout=vectors, b_layout=vectors)
    expected = F.outer_product(matrix @ a, matrix @ b, algebra, a_layout=vectors, b_layout=vectors)
    assert torch.equal(F.outermorphism(matrix, plane, algebra, layout=bivectors), expected)


def test_leading_axes_broadcast():
    algebra = Algebra(3, 0, 1)
    for matrix_shape, shape in (((), ()), ((), (5,)), ((5,), ()), ((2, 1), (3,)), ((4, 1), (1, 0)), ((0,), (1,))):
        matrix, x = matrices(algebra, *matrix_shape), random_integers(algebra, *shape)
        result = F.outermorphism(matrix, x, algebra)
        leading = torch.broadcast_shapes(matrix_shape, shape)
        assert result.shape == (*leading, 16)
        pairs = zip(
            matrix.expand(*leading, 4, 4).reshape(-1, 4, 4), x.expand(*leading, 16).reshape(-1, 16), strict=True
        )
        singles = [F.outermorphism(one, value, algebra) for one, value in pairs]
        assert torch.equal(result.reshape(-1, 16), torch.stack(singles) if singles else result.reshape(-1, 16))
        strided = F.outermorphism(matrix.mT.contiguous().mT, torch.stack((x, x), -1)[..., 1], algebra)
        assert torch.equal(strided, result)


@pytest.mark.parametrize("algebra", [Algebra(3), Algebra(2, 0, 1), SCALED], ids=name)
def test_gradients(algebra):
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(2, algebra.dim, algebra.dim, dtype=torch.float64, generator=generator, requires_grad=True)
    x = torch.randn(2, algebra.num_blades, dtype=torch.float64, generator=generator, requires_grad=True)
    for function in (F.outermorphism, *(() if algebra.r else (F.outermorphism_adjoint,))):
        assert torch.autograd.gradcheck(lambda m, a, function=function: function(m, a, algebra), (matrix, x))
        assert torch.autograd.gradgradcheck(
            lambda m, a, function=function: function(m, a, algebra), (matrix[:1], x[:1])
        )


def test_transforms_and_compiled_graphs():
    algebra = Algebra(3, 0, 1)
    matrix, x = matrices(algebra, 3), random_integers(algebra, 3)
    function = torch.vmap(lambda m, a: F.outermorphism(m, a, algebra))
    assert torch.equal(function(matrix, x), F.outermorphism(matrix, x, algebra))
    value, tangent = torch.func.jvp(lambda a: F.outermorphism(matrix, a, algebra), (x,), (x.flip(0),))
    assert torch.equal(tangent, F.outermorphism(matrix, x.flip(0), algebra))
    assert torch.equal(value, F.outermorphism(matrix, x, algebra))

    def whole(matrix, x):
        even = F.outermorphism(matrix, x[..., :8], algebra, layout=algebra.even)
        return F.outermorphism(matrix, x, algebra), even, F.outermorphism_matrix(matrix, algebra)

    compiled = torch.compile(whole, fullgraph=True, backend="aot_eager")
    for ours, theirs in zip(compiled(matrix, x), whole(matrix, x), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_other_dtypes(dtype):
    algebra = Algebra(4)
    matrix, x = matrices(algebra, dtype=dtype).clamp(-1, 1), random_integers(algebra, 3, dtype=dtype)
    result = F.outermorphism(matrix, x, algebra)
    assert result.dtype == F.outermorphism_matrix(matrix, algebra).dtype == dtype
    assert torch.equal(result, F.outermorphism(matrix.double(), x.double(), algebra).to(dtype))


def test_autocast_keeps_the_precision_of_the_argument():
    algebra = Algebra(3)
    matrix, x = torch.randn(2, 3, 3), torch.randn(2, 8)
    basis = torch.eye(8)[1:4]
    with torch.autocast("cpu", torch.bfloat16):
        ours, moved = F.outermorphism(matrix, x, algebra), F.homomorphism(basis, x, algebra, algebra)
    assert torch.equal(ours, F.outermorphism(matrix, x, algebra))
    assert torch.equal(moved, x)


@pytest.mark.parametrize("function", [F.outermorphism, F.outermorphism_adjoint], ids=lambda f: f.__name__)
def test_compiled_where_the_basis_is_not_that_of_the_generators(function):
    # a metric of its own, so that its layouts are made while the graph is
    algebra = Algebra(metric=(1.0, 1.75, -1.0), basis=["e", "e3", "e1", "e2", "e21", "e13", "e32", "e123"])
    compiled = torch.compile(lambda m, x: function(m, x, algebra), fullgraph=True, backend="aot_eager", dynamic=True)
    for batch in (3, 5):
        matrix, x = matrices(algebra, batch), random_integers(algebra, batch).double()
        torch.testing.assert_close(compiled(matrix, x), function(matrix, x, algebra))


def test_meta_tensors():
    algebra = Algebra(3)
    moved = F.outermorphism(torch.eye(3, device="meta"), torch.ones(2, 8, device="meta"), algebra)
    assert moved.is_meta
    assert moved.shape == (2, 8)


def test_wrong_arguments():
    algebra = Algebra(3, 0, 1)
    matrix, x = torch.eye(4), torch.ones(16)
    for arguments, error, message in (
        ((torch.eye(3), x, algebra), ShapeError, r"expected \(\.\.\., 4, 4\): column j is the image of generator j"),
        ((matrix.expand(2, 4, 4), x.expand(3, 16), algebra), ShapeError, "do not broadcast"),
        ((matrix, torch.ones(8), algebra), ShapeError, "16 blades"),
        ((matrix.double(), x, algebra), DTypeError, "float64 and torch.float32"),
        ((matrix.long(), x, algebra), DTypeError, "expected a floating one"),
        (([[1.0]], x, algebra), DTypeError, "list, expected a torch.Tensor"),
        ((matrix, x, "Cl(3,0,1)"), AlgebraMismatchError, "expected an Algebra"),
    ):
        with pytest.raises(error, match=message):
            F.outermorphism(*arguments)
    with pytest.raises(NotInvertibleError, match="degenerate, so outermorphisms have no adjoint"):
        F.outermorphism_adjoint(matrix, x, algebra)
    with pytest.raises(AlgebraMismatchError, match="the layout belongs to"):
        F.outermorphism(matrix, x, algebra, layout=Algebra(3).even)
