"""Square roots of rotors and interpolation between them."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.errors import DomainError, DTypeError, ShapeError
from helpers.golden import golden
from helpers.rotors import ALGEBRAS, CLOSE, WIDE, bivector, bivectors, deviation, full, is_unit, rotors

PGA = Algebra(3, 0, 1)


def times(a, b, algebra):
    return F.geometric_product(a, b, algebra)


@pytest.mark.parametrize("dtype", CLOSE)
def test_roots_of_every_signature(dtype):
    for algebra in (*ALGEBRAS, *WIDE):
        rotor = rotors(algebra, 6, dtype=dtype)
        root = F.sqrt(rotor, algebra)
        assert deviation(times(root, root, algebra), rotor) < 3 * CLOSE[dtype], algebra


def test_roots_are_principal():
    for algebra in (PGA, Algebra(2, 2), Algebra(4, 1), Algebra(2, 2, 2)):
        given = full(bivectors(algebra, 5), algebra)
        root = F.sqrt(F.exp(given, algebra), algebra)
        assert deviation(root, F.exp(given / 2, algebra)) < 1e-13
    for algebra in (PGA, Algebra(2, 2), Algebra(4, 1)):
        rotor = rotors(algebra, 5)
        shifted = rotor.clone()
        shifted[..., 0] += 1
        assert deviation(F.sqrt(rotor, algebra), F.normalize(shifted, algebra)) < 1e-12


def test_recorded_roots():
    data = golden("algebra/clifford_cl_4_1_0")
    found = F.sqrt(torch.from_numpy(data["out/exp_mp"]), Algebra(4, 1))
    assert deviation(found, torch.from_numpy(data["out/rotor_sqrt"])) < 1e-14


def test_root_near_a_half_turn():
    algebra = Algebra(3)
    given = full(bivector(algebra, e12=math.pi - 1e-8), algebra)
    assert deviation(F.sqrt(F.exp(given, algebra), algebra), F.exp(given / 2, algebra)) < 1e-15


def test_slerp_runs_from_one_end_to_the_other():
    for algebra in (*ALGEBRAS[10:], Algebra(3, 3)):
        a, b = (rotors(algebra, 4, length=1.2, seed=seed) for seed in (1, 2))
        close = {"rtol": 0, "atol": 1e-11}
        torch.testing.assert_close(F.slerp(a, b, 0.0, algebra), a, **close)
        torch.testing.assert_close(F.slerp(a, b, 1.0, algebra), b, **close)
        mean = F.geometric_mean(a, b, algebra)
        torch.testing.assert_close(F.slerp(a, b, torch.tensor(0.5), algebra), mean, **close)
        torch.testing.assert_close(F.geometric_mean(b, a, algebra), mean, **close)
        if algebra.dim <= 5:
            torch.testing.assert_close(F.normalize(a + b, algebra), mean, **close)
        else:
            assert is_unit(mean, algebra)


def test_slerp_has_constant_velocity():
    a, b = (rotors(PGA, length=1.2, seed=seed) for seed in (1, 2))
    path = F.slerp(a, b, torch.linspace(-1, 2, 7).double(), PGA)
    assert path.shape == (7, 16)
    steps = times(path[1:], F.reverse(path[:-1], PGA), PGA)
    assert deviation(steps, steps[:1].expand_as(steps)) < 1e-14


def test_slerp_of_quaternions():
    # Shoemake's formula
    a, b = torch.nn.functional.normalize(torch.tensor([[1.0, 2.0, 3.0, 4.0], [2.0, -1.0, 0.5, 3.0]]).double(), dim=-1)
    angle = (a @ b).acos()
    expected = ((0.7 * angle).sin() * a + (0.3 * angle).sin() * b) / angle.sin()
    algebra = Algebra(3)
    found = F.slerp(F.rotor_from_quaternion(a, algebra), F.rotor_from_quaternion(b, algebra), 0.3, algebra)
    torch.testing.assert_close(F.rotor_to_quaternion(found, algebra), expected)


def test_equivariance():
    a, b, mover = (rotors(PGA, 3, length=1.2, seed=seed) for seed in (1, 2, 3))
    moved = F.slerp(times(mover, a, PGA), times(mover, b, PGA), 0.3, PGA)
    assert deviation(moved, times(mover, F.slerp(a, b, 0.3, PGA), PGA)) < 1e-14
    moved = F.slerp(times(a, mover, PGA), times(b, mover, PGA), 0.3, PGA)
    assert deviation(moved, times(F.slerp(a, b, 0.3, PGA), mover, PGA)) < 1e-14


def test_reflections_interpolate_too():
    algebra = Algebra(1, 3)
    for squares_to, names in ((1.0, ("e1",)), (-1.0, ("e2",))):
        vector = full(torch.ones(1).double(), algebra, algebra.layout(*names))
        end = F.sandwich(rotors(algebra, length=1.0), vector, algebra)
        assert deviation(F.slerp(vector, end, 1.0, algebra), end) < 1e-12
        middle = F.geometric_mean(vector, end, algebra)
        assert is_unit(middle, algebra, sign=squares_to)
        assert deviation(F.sandwich(middle, vector, algebra), -end) < 1e-12


def test_layouts_and_shapes():
    a, b = (rotors(PGA, 4, 1, seed=1), rotors(PGA, 3, seed=2))
    t = torch.rand(5, 1, 1)
    dense = F.slerp(a, b, t, PGA)
    assert dense.shape == (5, 4, 3, 16)
    on_even = [F.change_layout(value, PGA.full, PGA.even, project=True) for value in (a, b)]
    torch.testing.assert_close(full(F.slerp(*on_even, t, PGA, layout=PGA.even), PGA, PGA.even), dense)
    assert F.geometric_mean(*on_even, PGA, layout=PGA.even, out_layout=PGA.bivectors).shape == (4, 3, 6)
    assert F.sqrt(on_even[1], PGA, layout=PGA.even).shape == (3, 8)
    assert F.sqrt(torch.ones(1), Algebra(0)).tolist() == [1.0]
    with pytest.raises(ShapeError):
        F.slerp(a.expand(4, 2, 16), b, 0.5, PGA)


def test_derivatives():
    for algebra in (PGA, Algebra(4, 1)):
        one = F.exp(0 * bivectors(algebra), algebra, layout=algebra.bivectors)
        other = F.exp(bivectors(algebra, length=1.0), algebra, layout=algebra.bivectors)
        for a, b in ((one, one), (one, other)):
            a, b = a.clone().requires_grad_(), b.clone().requires_grad_()
            t = torch.tensor(0.3).double().requires_grad_()
            assert gradcheck(lambda a, b, t, at=algebra: F.slerp(a, b, t, at, layout=at.even), (a, b, t))
            assert gradgradcheck(lambda a, at=algebra: F.sqrt(a, at, layout=at.even), (a,))


def test_transforms_and_graphs():
    a, b = (rotors(PGA, 3, seed=seed, length=1.2) for seed in (1, 2))
    t = torch.rand(3).double()

    def run(a, b, t):
        return F.sqrt(F.slerp(a, b, t, PGA), PGA)

    expected = run(a, b, t)
    torch.testing.assert_close(torch.func.vmap(run)(a, b, t), expected)
    torch.testing.assert_close(torch.compile(run, fullgraph=True, backend="aot_eager")(a, b, t), expected)


def test_outside_the_domain():
    rotor = rotors(PGA)
    with pytest.raises(DomainError, match="slerp was given minus one"):
        F.slerp(rotor, -rotor, 0.5, PGA)
    with pytest.raises(DomainError, match="sqrt takes rotors"):
        F.sqrt(2 * rotor, PGA)
    with pytest.raises(DomainError, match="geometric_mean takes even elements"):
        F.geometric_mean(rotor, full(torch.ones(1).double(), PGA, PGA.layout("e1")), PGA)
    opposite = torch.func.vmap(lambda a: F.slerp(a, -a, 0.5, PGA))(rotor.unsqueeze(0))
    assert opposite.isnan().any()


def test_half_precision():
    a, b = (rotors(PGA, 3, seed=seed, length=1.2) for seed in (1, 2))
    found = F.slerp(a.bfloat16(), b.bfloat16(), 0.25, PGA)
    assert found.dtype is torch.bfloat16
    torch.testing.assert_close(found.double(), F.slerp(a, b, 0.25, PGA), rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("t", "error", "message"),
    [
        ("x", DTypeError, "t is a str, expected a number"),
        (torch.ones(3), ShapeError, r"t has shape \(3,\), which does not broadcast with the leading shape \(2,\)"),
    ],
)
def test_times_that_are_none_are_refused(t, error, message):
    ends = rotors(PGA, 2)
    with pytest.raises(error, match=message):
        F.slerp(ends, ends, t, PGA)


def test_autocast_changes_nothing():
    for algebra in (PGA, Algebra(3, 3)):
        rotor = rotors(algebra, 3, dtype=torch.float32)
        plane = F.grade_project(rotor, 2, algebra)
        for function in (F.log, F.sqrt, F.normalize, F.inverse):
            expected = function(rotor, algebra)
            with torch.autocast("cpu", torch.bfloat16):
                assert torch.equal(function(rotor, algebra), expected)
        expected = F.exp(plane, algebra)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(F.exp(plane, algebra), expected)
