"""The principal logarithm of rotors and motors."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.errors import DomainError
from helpers.golden import golden
from helpers.rotors import ALGEBRAS, CLOSE, SPECIAL, WIDE, bivector, bivectors, deviation, full, rotors

PGA = Algebra(3, 0, 1)


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("length", [1e-4, 0.5, 3.1])
def test_every_signature(dtype, length):
    for algebra in ALGEBRAS:
        given = bivectors(algebra, 12, length=length, dtype=dtype)
        found = F.log(F.exp(given, algebra, layout=algebra.bivectors, out_layout=algebra.full), algebra)
        error = (found - full(given, algebra)).abs().max()
        # relative to the bivectors for double precision; single precision has lost small ones to the one in the rotor
        assert error <= CLOSE[dtype] * length, algebra


def test_wide_algebras():
    for algebra in WIDE:
        given = full(bivectors(algebra, 3, length=2.5), algebra)
        assert deviation(F.log(F.exp(given, algebra), algebra), given) < 1e-12, algebra


def test_a_wide_boost():
    algebra = Algebra(5, 1)
    given = full(bivector(algebra, e16=4.0, e23=1.0), algebra)
    assert deviation(F.log(F.exp(given, algebra), algebra), given) < 1e-12


@pytest.mark.parametrize("name", SPECIAL)
def test_special_bivectors(name):
    algebra, coefficients = SPECIAL[name]
    given = full(bivector(algebra, **coefficients), algebra)
    found = F.log(F.exp(given, algebra), algebra)
    assert (found - given).abs().max() <= 2e-15 * given.abs().max()


@pytest.mark.parametrize("name", ["clifford_cl_2_2_0", "clifford_cl_3_0_2", "clifford_cl_2_2_2", "clifford_cl_6_0_0"])
def test_recorded_values(name):
    data = golden(f"algebra/{name}")
    algebra = Algebra(*(int(count) for count in name.split("_")[-3:]))
    found = F.log(torch.from_numpy(data["out/exp_mp"]), algebra)
    assert deviation(found, torch.from_numpy(data["out/rotor_log"])) < 1e-13


@pytest.mark.parametrize("short_of_pi", [1e-2, 1e-5, 1e-8])
def test_angles_near_pi(short_of_pi):
    for algebra in (Algebra(2), Algebra(3), PGA, Algebra(1, 3), Algebra(4, 1), Algebra(5)):
        plane = "e23" if algebra.p < 2 else "e12"
        given = full(bivector(algebra, **{plane: math.pi - short_of_pi}), algebra)
        other = full(bivectors(algebra, 5, length=1.0), algebra)
        turned = F.grade_project(F.sandwich(F.exp(other, algebra), given, algebra), 2, algebra)
        assert deviation(F.log(F.exp(turned, algebra), algebra), turned) < 1e-14, algebra


@pytest.mark.parametrize("short_of_pi", [1e-2, 1e-5])
def test_sums_of_angles_near_pi(short_of_pi):
    # eigenspaces turn by the sum and the difference; near pi the direction is known only as well as the sine is
    for first in (math.pi / 2, 1.0, 0.1):
        for algebra in (Algebra(4), Algebra(5), Algebra(4, 1), Algebra(0, 5)):
            given = full(bivector(algebra, e12=first, e34=math.pi - short_of_pi - first), algebra)
            assert deviation(F.log(F.exp(given, algebra), algebra), given) < 1e-14 / short_of_pi, algebra


def test_rotors_are_found_again():
    for algebra in (PGA, Algebra(2, 2), Algebra(3, 2), Algebra(3, 3)):
        rotor = rotors(algebra, 5)
        assert deviation(F.exp(F.log(rotor, algebra), algebra), rotor) < 1e-12
        assert deviation(F.log(F.reverse(rotor, algebra), algebra), -F.log(rotor, algebra)) < 1e-12


def test_equivariance():
    for algebra in (PGA, Algebra(2, 2), Algebra(4, 1), Algebra(6)):
        rotor, mover = (rotors(algebra, 4, length=1.5, seed=seed) for seed in (1, 2))
        moved = F.sandwich(mover, rotor, algebra, unit=True)
        expected = F.sandwich(mover, F.log(rotor, algebra), algebra, unit=True)
        assert deviation(F.log(moved, algebra), expected) < 1e-12


def test_layouts():
    rotor = rotors(PGA, 4)
    dense = F.log(rotor, PGA)
    even = F.change_layout(rotor, PGA.full, PGA.even, project=True)
    found = F.log(even, PGA, layout=PGA.even)
    torch.testing.assert_close(full(found, PGA), dense, rtol=0, atol=0)
    plane = Algebra(40).layout("1", "e7_31")
    torch.testing.assert_close(
        F.log(torch.tensor([0.0, 1.0]), plane.algebra, layout=plane), torch.tensor([math.pi / 2])
    )
    line = Algebra(1)
    assert F.log(torch.tensor([1.0, 0.0]), line).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", SPECIAL)
def test_derivatives(name):
    algebra, coefficients = SPECIAL[name]
    rotor = F.exp(bivector(algebra, **coefficients), algebra, layout=algebra.bivectors).requires_grad_()

    def run(values):
        return F.log(values, algebra, layout=algebra.even)

    assert gradcheck(run, (rotor,))
    assert gradgradcheck(run, (rotor,))


def test_derivatives_of_a_wide_algebra():
    algebra = Algebra(6)
    given = bivectors(algebra, length=1.0).requires_grad_()

    def there_and_back(values):
        return F.log(F.exp(values, algebra, layout=algebra.bivectors), algebra, layout=algebra.even)

    assert gradcheck(there_and_back, (given,))


def test_transforms_and_graphs():
    for algebra in (PGA, Algebra(4, 1), Algebra(6)):
        rotor = rotors(algebra, 3)

        def run(values, algebra=algebra):
            return F.log(values, algebra)

        expected = run(rotor)
        torch.testing.assert_close(torch.func.vmap(run)(rotor), expected)
        torch.testing.assert_close(torch.compile(run, fullgraph=True, backend="aot_eager")(rotor), expected)
        given = bivectors(algebra, 3)
        _, tangent = torch.func.jvp(
            lambda values, algebra=algebra: F.log(
                F.exp(values, algebra, layout=algebra.bivectors), algebra, layout=algebra.even
            ),
            (given,),
            (torch.ones_like(given),),
        )
        torch.testing.assert_close(tangent, torch.ones_like(given))
    assert F.log(torch.zeros(0, 16), PGA).shape == (0, 16)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    given = full(bivectors(PGA, 5, length=1.0), PGA)
    found = F.log(F.exp(given, PGA).to(dtype), PGA)
    assert found.dtype is dtype
    torch.testing.assert_close(found.double(), given, rtol=0, atol=4 * torch.finfo(dtype).eps)


def _minus_one(algebra):
    return -full(torch.ones(1, dtype=torch.float64), algebra, algebra.scalars)


@pytest.mark.parametrize(
    ("algebra", "make", "message"),
    [
        (Algebra(3), _minus_one, "infinitely many logarithms"),
        (Algebra(1), _minus_one, "infinitely many logarithms"),
        (Algebra(4, 1), _minus_one, "infinitely many logarithms"),
        (Algebra(6), _minus_one, "infinitely many logarithms"),
        (Algebra(1, 1), lambda algebra: -rotors(algebra), "eigenvalue of -1 or below"),
        (Algebra(1, 3), lambda algebra: -F.exp(full(bivector(algebra, e12=0.5), algebra), algebra), "-1 or below"),
        (PGA, lambda algebra: -F.exp(full(bivector(algebra, e01=0.5), algebra), algebra), "-1 or below"),
        (PGA, lambda algebra: 2 * rotors(algebra), r"<R reverse\(R\)>_0 = 4"),
        (PGA, lambda algebra: torch.zeros(16), r"<R reverse\(R\)>_0 = 0"),
        (PGA, lambda algebra: torch.ones(16).double(), "takes even elements, but the argument has .* grade 1, 3"),
        (Algebra(6), lambda algebra: full(torch.eye(32).double()[-1], algebra, algebra.even), "no rotor"),
        (Algebra(5, 1), lambda algebra: -F.exp(full(bivector(algebra, e16=0.5), algebra), algebra), "not real"),
    ],
)
def test_outside_the_domain(algebra, make, message):
    rotor = make(algebra)
    with pytest.raises(DomainError, match=message):
        F.log(rotor, algebra)
    assert torch.func.vmap(lambda values: F.log(values, algebra))(rotor.reshape(1, -1)).isnan().any()


def test_odd_parts_give_nan_in_graphs():
    rotor = rotors(PGA, 2)
    rotor[1, PGA.index("e1")[0]] = 0.5
    with pytest.raises(DomainError, match="coefficients of grade 1"):
        F.log(rotor, PGA)
    assert torch.func.vmap(lambda values: F.log(values, PGA))(rotor).isnan().any(-1).tolist() == [False, True]


def test_nan_propagates():
    rotor = rotors(PGA, 2)
    rotor[0, 6] = torch.nan
    assert F.log(rotor, PGA).isnan().any(-1).tolist() == [True, False]
