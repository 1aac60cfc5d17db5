"""Operators are the products of cliffnet.functional on the smallest layouts that hold the results."""

import operator

import numpy as np
import pytest
import torch

from cliffnet import Algebra, Multivector
from cliffnet import functional as F
from cliffnet.errors import AlgebraMismatchError, BladeError, DTypeError, ShapeError
from helpers.multivectors import ALGEBRAS, name, random_integers

PGA = Algebra(3, 0, 1)
BINARY = {
    operator.mul: F.geometric_product,
    operator.xor: F.outer_product,
    operator.or_: F.fat_inner_product,
    operator.and_: F.regressive_product,
    operator.lshift: F.left_contraction,
}
METHODS = {
    "outer": F.outer_product,
    "regressive": F.regressive_product,
    "left_contraction": F.left_contraction,
    "right_contraction": F.right_contraction,
    "fat": F.fat_inner_product,
    "hestenes": F.hestenes_inner_product,
    "scalar_product": F.scalar_product,
    "commutator": F.commutator,
    "anticommutator": F.anticommutator,
}


def parts(algebra):
    """Multivectors of integers on every kind of layout."""
    dense = algebra.multivector(random_integers(algebra, 3, seed=1))
    layouts = [algebra.full, algebra.even, algebra.odd, algebra.vectors, algebra.scalars, algebra.pseudoscalars]
    return [dense.change_layout(layout, project=True) for layout in layouts if layout.size]


@pytest.mark.parametrize("algebra", ALGEBRAS, ids=name)
def test_products_are_those_of_functional(algebra):
    for a in parts(algebra):
        for b in parts(algebra):
            dense = a.dense().tensor, b.dense().tensor
            for operation, function in BINARY.items():
                assert torch.equal(operation(a, b).dense().tensor, function(*dense, algebra)), operation
            for method, function in METHODS.items():
                assert torch.equal(getattr(a, method)(b).dense().tensor, function(*dense, algebra)), method
            assert torch.equal((a + b).dense().tensor, dense[0] + dense[1])
            assert torch.equal((a - b).dense().tensor, dense[0] - dense[1])
            assert torch.equal(a.inner_product(b), F.inner_product(*dense, algebra))


@pytest.mark.parametrize("algebra", ALGEBRAS, ids=name)
def test_maps_are_those_of_functional(algebra):
    for a in parts(algebra):
        dense = a.dense().tensor
        assert torch.equal((~a).dense().tensor, F.reverse(dense, algebra))
        assert torch.equal(a.reverse().dense().tensor, F.reverse(dense, algebra))
        assert torch.equal(a.grade_involute().dense().tensor, F.grade_involute(dense, algebra))
        assert torch.equal(a.clifford_conjugate().dense().tensor, F.clifford_conjugate(dense, algebra))
        assert torch.equal(a.dual().dense().tensor, F.dual(dense, algebra))
        assert torch.equal(a.dual("right").dense().tensor, F.right_complement(dense, algebra))
        assert torch.equal(a.dual("left").dense().tensor, F.left_complement(dense, algebra))
        assert torch.equal(a.dual("hodge").dense().tensor, F.hodge_dual(dense, algebra))
        assert torch.equal(a.norm_squared(), F.norm_squared(dense, algebra))
        for kind in ("auto", "right", "left", *(() if algebra.r else ("polarity", "hodge"))):
            # squares other than 1 make this inexact
            assert a.dual(kind).undual(kind).isclose(a, rtol=1e-14).all(), kind
        for grade in range(algebra.dim + 1):
            assert torch.equal(a(grade).dense().tensor, F.grade_project(dense, grade, algebra))


def test_results_stand_on_small_layouts():
    v, motor = PGA.randn(2, layout=PGA.vectors), PGA.randn(2, layout=PGA.even)
    assert (v ^ v).layout is PGA.bivectors
    assert (v | v).layout is PGA.scalars
    assert (motor * motor).layout is PGA.even
    assert (motor >> v).layout is PGA.vectors
    assert (PGA.e1 + PGA.e23).layout.blade_names == ("e1", "e23")
    assert v.dual().layout is PGA.pseudovectors
    assert motor(2).layout is PGA.bivectors
    assert (v * 2).layout is PGA.vectors
    assert (v + 1).layout.grades == (0, 1, 1, 1, 1)


def test_inverses_stand_on_small_layouts():
    algebra = Algebra(4)
    for layout in (algebra.scalars, algebra.vectors, algebra.pseudovectors, algebra.pseudoscalars, algebra.even):
        x = algebra.randn(3, layout=layout, dtype=torch.float64)
        assert x.inverse().layout is layout
        assert (x * x.inverse()).isclose(1.0, atol=1e-10).all()
    assert algebra.randn(layout=algebra.odd).inverse().layout is algebra.odd
    assert algebra.randn(layout=algebra.vectors | algebra.scalars).inverse().layout is algebra.full
    # the subalgebra of the generators in use is closed
    assert (1 + algebra.e12).inverse().layout.blade_names == ("1", "e12")
    assert (0.5 * algebra.e12).exp().layout.blade_names == ("1", "e12")
    assert (0.5 * algebra.e12).exp().log().layout.blade_names == ("e12",)
    assert Algebra(40).blade("e1_2").exp().layout.blade_names == ("1", "e1_2")


@pytest.mark.parametrize("other", [2, 2.5, np.float32(2.0), np.int64(3), torch.tensor(2.0), torch.tensor([1, 2])])
def test_numbers_and_tensors_stand_for_scalars_on_either_side(other):
    x = PGA.multivector(random_integers(PGA, 2, seed=3, dtype=torch.float32))
    scalar = PGA.scalar(torch.as_tensor(other, dtype=torch.float32))
    for operation in (*BINARY, operator.add, operator.sub, operator.truediv):
        assert operation(x, other).isclose(operation(x, scalar)).all(), operation
    for operation in (*BINARY, operator.add, operator.sub):
        assert (operation(other, x) == operation(scalar, x)).all(), operation
    unit = 1 + 0 * x(0) + 3 * PGA.e12
    assert (other / unit).isclose(scalar / unit).all()
    assert (scalar >> x).isclose(x).all()
    assert (x.grade(0) == x["1"]).all()
    assert (x["1"] == x.grade(0)).all()
    assert not (other != scalar).any()


def test_tensors_broadcast_over_the_batch():
    x = PGA.randn(3, 1, layout=PGA.vectors)
    t = torch.randn(2, 3, 4)
    assert (t * x).shape == (x + t).shape == (t - x).shape == (t ^ x).shape == (2, 3, 4)
    assert torch.equal((t * x).e2, t * x.e2)
    assert torch.equal((t - x)["1"], t.expand(2, 3, 4))


def test_powers():
    x = PGA.multivector(random_integers(PGA, 2, seed=4))
    assert (x**2 == x * x).all()
    assert (x**5 == x * x * x * x * x).all()
    assert (x**0 == 1).all()
    y = 1 + x(1) * 0.125
    assert (y**-2 * y * y).isclose(1.0).all()
    rotor = (PGA.e12 * torch.tensor([0.3, 2.0], dtype=torch.float64)).exp()
    assert (rotor**0.5 * rotor**0.5).isclose(rotor).all()
    for exponent in (1.5, np.float32(0.5), True):
        with pytest.raises(TypeError):
            rotor**exponent
    assert (PGA.e1 ** np.int64(2)).isclose(1.0)


def test_sandwich_reflects_and_rotates():
    v = PGA.vector([0.0, 1.0, 2.0, 3.0])
    assert (PGA.e1 >> v).tensor.tolist() == [0.0, -1.0, 2.0, 3.0]
    rotor = 1 - PGA.e12
    assert (rotor >> v).isclose(PGA.vector([0.0, -2.0, 1.0, 3.0])).all()
    assert rotor.sandwich(rotor >> v, inverse=True).isclose(v).all()
    unit = rotor.normalized()
    assert unit.sandwich(v, unit=True).isclose(rotor >> v).all()
    assert (PGA.e1 / PGA.e2).isclose(PGA.e12).all()


def test_functions_of_versors():
    algebra = Algebra(3)
    rotor = algebra.random_rotor(5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert rotor.log().exp().isclose(rotor).all()
    assert (rotor.sqrt() ** 2).isclose(rotor).all()
    assert (2 * rotor).normalized().isclose(rotor).all()
    assert torch.allclose(rotor.coefficient_norm(), torch.ones(5, dtype=torch.float64))
    assert rotor.is_versor().all()
    assert algebra.bivector(torch.randn(4, 3)).is_blade().all()
    one = algebra.ones(5, dtype=torch.float64)
    assert one.slerp(rotor, 0.5).isclose(rotor.sqrt()).all()
    assert torch.allclose(rotor.determinant(), torch.ones(5, dtype=torch.float64))
    assert torch.allclose((rotor * rotor).to_matrix(), rotor.to_matrix() @ rotor.to_matrix())


def test_functions_of_blades():
    algebra = Algebra(3)
    v = algebra.vector([1.0, 2.0, 3.0])
    assert v.project(algebra.e12).isclose(algebra.vector([1.0, 2.0, 0.0]))
    assert v.reject(algebra.e12).isclose(3 * algebra.e3)
    assert v.reflect(algebra.e12).isclose(algebra.vector([1.0, 2.0, -3.0]))
    assert algebra.e12.meet(algebra.e23, grade=1).is_blade()
    assert algebra.e12.meet(algebra.e23).layout is algebra.e12.meet(algebra.e23, grade=1).layout is algebra.vectors
    assert algebra.e1.join(algebra.e2).isclose(algebra.e12)
    assert algebra.e1.join(algebra.e12, 2).layout is algebra.e1.join(algebra.e12).layout is algebra.bivectors
    assert Algebra(20).e1_2.meet(Algebra(20).e2_3).layout is Algebra(20).vectors


def test_factors_and_maps():
    algebra = Algebra(3)
    magnitude, vectors = (algebra.e12 * 3).factor_blade()
    assert magnitude == 3.0
    assert (magnitude * vectors[0] ^ vectors[1]).isclose(3 * algebra.e12)
    versor = algebra.e1 * (algebra.e2 + algebra.e3)
    magnitude, vectors = versor.factor_versor()
    assert (magnitude * vectors[0] * vectors[1]).isclose(versor)
    screw = PGA.e12 + 3 * PGA.e03
    parts = screw.invariant_decomposition()
    assert parts.shape == (2,)
    assert parts.sum(0).isclose(screw)
    assert (parts[0] * parts[1]).isclose(parts[1] * parts[0])
    assert algebra.e12.outermorphism(torch.diag(torch.tensor([1.0, 2.0, 3.0]))).isclose(2 * algebra.e12)
    inverse, info = torch.stack([1 + algebra.e1, 2 + algebra.e1]).inverse_ex()
    assert info.tolist() == [1, 0]
    assert (inverse[1] * (2 + algebra.e1)).isclose(1.0)
    rotor = (0.3 * algebra.e12).exp()
    assert rotor.geometric_mean(algebra.scalar(1.0)).isclose(rotor.slerp(algebra.scalar(1.0), 0.5))


def test_embedding():
    x = Algebra(3).randn(2)
    assert x.embed(PGA).algebra is PGA
    assert torch.equal(x.embed(PGA).e12, x.e12)
    assert str((1 + Algebra(3).e12).embed(PGA, {"e1": "e2", "e2": "-e3", "e3": "e1"})) == "1 - e23"
    assert Algebra(20).e1_2.embed(Algebra(30)).layout is Algebra(30).layout("e1_2")
    with pytest.raises(BladeError, match="e0"):
        PGA.e12.embed(Algebra(3))
    with pytest.raises(AlgebraMismatchError, match="expected an Algebra"):
        x.embed("Cl(4)")


def test_equality_compares_elements():
    x = PGA.vector([[0.0, 1.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]])
    assert (x == PGA.e1).tolist() == [True, False]
    assert (x != PGA.e1).tolist() == [False, True]
    assert (x.dense() == x).all()
    assert (PGA.scalar(2.0) == 2).all()
    assert x != "e1"
    assert not (PGA.scalar(float("nan")) == PGA.scalar(float("nan"))).any()
    assert len({x, x.clone()}) == 2
    with pytest.raises(TypeError, match="no truth value"):
        bool(x)


def test_closeness_and_grades():
    x = PGA.scalar(1.0) + 1e-7 * PGA.e12
    assert x.isclose(1.0, atol=1e-6)
    assert not x.isclose(1.0, rtol=0.0, atol=1e-8)
    assert x.grades() == (0, 2)
    assert x.grades(1e-6) == (0,)
    assert PGA.scalar(float("nan")).grades(1.0) == (0,)
    assert PGA.zeros(2).grades() == ()
    # the regressive product reaches no blade
    assert (PGA.e12 & 2.0).grades() == (PGA.e12[None] & 2.0).grades() == ()


def test_single_elements_follow_the_dtype_of_a_batch():
    batch = PGA.randn(2, layout=PGA.vectors, dtype=torch.float64)
    for operation in (*BINARY, operator.add, operator.sub, operator.truediv):
        for result in (operation(batch, PGA.e12 + 1), operation(PGA.e12 + 1, 1 + 0 * batch)):
            assert result.dtype == torch.float64, operation
    assert (PGA.e1 >> batch).dtype == torch.float64
    assert (batch.float() * PGA.e1.double()).dtype == torch.float32
    assert (PGA.e1 * PGA.e2.double()).dtype == torch.float64
    assert (batch == PGA.e1).shape == (2,)
    assert batch.inner_product(PGA.e1).dtype == torch.float64


def test_refusals():
    x = PGA.randn(2)
    with pytest.raises(AlgebraMismatchError, match="expected one algebra"):
        x * Algebra(4).randn(2)
    with pytest.raises(AlgebraMismatchError):
        x == Algebra(4).randn(2)  # noqa: B015
    with pytest.raises(ShapeError, match="broadcast"):
        x + PGA.randn(3)
    with pytest.raises(ShapeError, match="broadcast"):
        x * torch.ones(3)
    for operation in (operator.add, operator.mul, operator.rshift):
        with pytest.raises(DTypeError, match="dtypes"):
            operation(x, PGA.randn(2, dtype=torch.float64))
    with pytest.raises(DTypeError, match="real numbers"):
        x * torch.ones(2, dtype=torch.complex64)
    for operation in (operator.matmul, operator.mul, operator.add, operator.rshift, operator.pow):
        with pytest.raises(TypeError, match="unsupported operand"):
            operation(x, object())
    with pytest.raises(TypeError, match="unsupported operand"):
        x @ x
    with pytest.raises(TypeError, match="expected a multivector"):
        x.commutator("e1")
    with pytest.raises(TypeError, match="backward"):
        x.backward()
    for array in (np.ones(2), np.array(2.0)):
        for operation in (operator.add, operator.sub, operator.mul, operator.truediv, operator.xor, operator.rshift):
            for operands in ((array, x), (x, array)):
                with pytest.raises(TypeError, match=r"torch\.as_tensor\(array\)"):
                    operation(*operands)
        with pytest.raises(TypeError, match=r"torch\.as_tensor\(array\)"):
            x == array  # noqa: B015
    for convert in (np.asarray, lambda x: np.array([x, x])):
        with pytest.raises(TypeError, match=r"mv\.numpy\(\)"):
            convert(x)
    with pytest.raises(ValueError, match="kind of dual"):
        x.dual("metric")
    with pytest.raises(ArithmeticError):
        x.dual("polarity")
    with pytest.raises(ArithmeticError, match="no inverse"):
        x.undual("hodge")
    assert isinstance(x, Multivector)
