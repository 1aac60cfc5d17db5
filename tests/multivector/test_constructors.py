"""Multivectors made from an algebra."""

import numpy as np
import pytest
import torch

from cliffnet import Algebra
from cliffnet.errors import BladeError, ConfigError, DTypeError, LayoutError, NotInvertibleError, ShapeError
from helpers.multivectors import ALGEBRAS, SIGNED_BASIS, name

PGA = Algebra(3, 0, 1)
SIGNED = Algebra(3, 0, 1, basis=SIGNED_BASIS)


def test_values_become_coefficients():
    assert PGA.vector([1, 2, 3, 4]).tensor.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert PGA.vector([1, 2, 3, 4]).dtype == torch.float32
    assert PGA.vector(np.ones((5, 4))).dtype == torch.float64
    assert PGA.vector(torch.ones(5, 4, dtype=torch.int32)).dtype == torch.float32
    assert PGA.vector([1.0, 2.0, 3.0, 4.0], dtype=torch.float64).dtype == torch.float64
    assert PGA.vector(torch.ones(4), device="meta").device.type == "meta"
    assert PGA.bivector(torch.ones(2, 6)).layout is PGA.bivectors
    assert PGA.multivector(torch.ones(16)).layout is PGA.full
    assert PGA.multivector([1.0, 2.0], PGA.layout("e31", "e12")).e13 == -1.0
    assert PGA.scalar(torch.ones(3, 2)).shape == (3, 2)
    assert PGA.scalar(2).tensor.tolist() == [2.0]
    values = torch.ones(4, requires_grad=True)
    assert PGA.vector(values).tensor is values


@pytest.mark.parametrize("algebra", ALGEBRAS, ids=name)
def test_blades(algebra):
    for index, blade in enumerate(algebra.blade_names):
        dense = algebra.blade(blade).dense().tensor
        assert dense.tolist() == [float(i == index) for i in range(algebra.num_blades)]
    assert algebra.I.dense().tensor[-1] == 1.0
    assert algebra.zeros(2).tensor.shape == (2, algebra.num_blades)
    assert (algebra.ones(2) == 1).all()
    assert algebra.ones(2, layout=algebra.even).layout is algebra.even


def test_blades_as_attributes():
    assert PGA.e31.tensor.tolist() == [-1.0]
    assert (PGA.e1 * PGA.e3 == PGA.e13).all()
    assert SIGNED.e31.tensor.tolist() == [1.0]
    assert (SIGNED.e13 == -SIGNED.e31).all()
    assert (Algebra(40).blade("e40") ** 2 == 1).all()
    with pytest.raises(AttributeError, match="e4"):
        _ = PGA.e4
    with pytest.raises(AttributeError):
        _ = PGA.unknown
    with pytest.raises(BladeError):
        PGA.blade("e4")


def test_the_pseudoscalar_is_that_of_the_complements():
    for algebra in (PGA, SIGNED, Algebra(2, basis=["1", "e1", "e2", "e21"])):
        x = algebra.blade("e1")
        assert (x ^ x.dual("right") == algebra.I).all()
        assert (x & algebra.I == x).all()


def test_random_numbers_follow_the_generator():
    first, second = (PGA.randn(3, 2, layout=PGA.even, generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert (first == second).all()
    assert first.shape == (3, 2)
    assert PGA.randn().shape == ()
    assert PGA.randn(2, dtype=torch.float64).dtype == torch.float64


@pytest.mark.parametrize("signature", [(2,), (3,), (3, 0, 1), (1, 3), (4, 1), (0, 3), (2, 0, 2), (0, 0, 3)], ids=str)
def test_random_rotors_are_rotors(signature):
    algebra = Algebra(*signature)
    rotor = algebra.random_rotor(20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert rotor.layout is algebra.even
    assert (rotor * ~rotor).isclose(1.0, atol=1e-9).all()
    v = algebra.randn(20, layout=algebra.vectors, dtype=torch.float64)
    moved = rotor * v * ~rotor
    assert moved.isclose(moved(1), atol=1e-8).all()


@pytest.mark.parametrize("parity", ["even", "odd"])
@pytest.mark.parametrize("signature", [(1,), (2,), (3,), (3, 0, 1), (1, 3), (4, 1), (0, 3)], ids=str)
def test_random_versors_are_versors(signature, parity):
    algebra = Algebra(*signature)
    versor = algebra.random_versor(50, parity=parity, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert versor.layout is (algebra.even if parity == "even" else algebra.odd)
    assert torch.allclose(versor.norm_squared().abs(), torch.ones(50, dtype=torch.float64))
    assert versor.is_versor().all()
    if algebra.r:
        # null parts move points
        assert ((versor >> algebra.e123).e023.abs() > 1e-3).all()
    if algebra.p and algebra.q:
        assert len(versor.norm_squared().sign().unique()) == 2


def test_rotors_from_other_descriptions():
    algebra = Algebra(3)
    rotor = algebra.random_rotor(5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    assert algebra.from_quaternion(rotor.to_quaternion()).isclose(rotor).all()
    assert algebra.from_quaternion(rotor.to_quaternion("xyzw"), order="xyzw").isclose(rotor).all()
    again = algebra.from_rotation_matrix(rotor.to_rotation_matrix())
    assert (again.isclose(rotor) | again.isclose(-rotor)).all()
    quarter = algebra.rotor_from_vectors(algebra.e1, algebra.e2)
    assert (quarter >> algebra.e1).isclose(algebra.e2, atol=1e-6)
    assert algebra.from_quaternion([1, 0, 0, 0]).isclose(1.0)


def test_batch_shapes_are_numbers_or_a_tuple():
    for make in (PGA.zeros, PGA.ones, PGA.randn, PGA.random_rotor, PGA.random_versor):
        assert make(2, 3).shape == make((2, 3)).shape == make([2, 3]).shape == (2, 3)
        assert make(()).shape == make().shape == ()


def test_refusals():
    with pytest.raises(ShapeError):
        PGA.vector([1.0, 2.0])
    with pytest.raises(DTypeError):
        PGA.vector(torch.ones(4, dtype=torch.complex64))
    with pytest.raises(LayoutError, match="no layout of"):
        PGA.multivector(torch.ones(4), Algebra(4).vectors)
    with pytest.raises(LayoutError):
        Algebra(20).zeros()
    with pytest.raises(DTypeError, match=r"mv\.change_layout"):
        PGA.multivector(PGA.randn(2))
    with pytest.raises(DTypeError, match=r"algebra\.vector"):
        PGA.rotor_from_vectors(torch.ones(4), PGA.e1)
    with pytest.raises(ConfigError, match="parity"):
        PGA.random_versor(parity="both")
    with pytest.raises(NotInvertibleError, match="null"):
        Algebra(0, 0, 2).random_versor()
