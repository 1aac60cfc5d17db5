"""The exponential of bivectors, in every signature with at most five generators and in some with more."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.errors import DomainError, LayoutError
from helpers.golden import golden
from helpers.rotors import (
    ALGEBRAS,
    CLOSE,
    LARGE,
    SPECIAL,
    WIDE,
    bivector,
    bivectors,
    deviation,
    exponential,
    full,
    is_unit,
)

PGA = Algebra(3, 0, 1)


@pytest.mark.parametrize("dtype", CLOSE)
def test_every_signature(dtype):
    for algebra in ALGEBRAS:
        given = full(bivectors(algebra, 12, dtype=dtype), algebra)
        assert deviation(F.exp(given, algebra), exponential(given, algebra)) < CLOSE[dtype], algebra


def test_wide_algebras():
    for algebra in WIDE:
        given = full(bivectors(algebra, 3), algebra)
        assert deviation(F.exp(given, algebra), exponential(given, algebra)) < 1e-13, algebra


@pytest.mark.parametrize(("algebra", "coefficients"), [*SPECIAL.values(), *LARGE.values()], ids=[*SPECIAL, *LARGE])
def test_special_bivectors(algebra, coefficients):
    given = full(bivector(algebra, **coefficients), algebra)
    rotor = F.exp(given, algebra)
    assert deviation(rotor, exponential(given, algebra)) < 1e-13
    assert is_unit(rotor, algebra)


@pytest.mark.parametrize("size", [3.0, 30.0, 300.0])
def test_large_angles_keep_their_accuracy(size):
    # against the addition theorem, for the matrix exponential loses what the angle has of digits
    algebra = Algebra(4)
    rotor = F.exp(bivector(algebra, e12=size, e34=0.5 * size), algebra, layout=algebra.bivectors)
    expected = F.geometric_product(
        *(
            full(
                torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64),
                algebra,
                algebra.layout("1", name),
            )
            for angle, name in ((size, "e12"), (0.5 * size, "e34"))
        ),
        algebra,
    )
    assert deviation(full(rotor, algebra, algebra.even), expected) < 1e-15 * size


@pytest.mark.parametrize("name", ["clifford_cl_2_2_0", "clifford_cl_3_0_2", "clifford_cl_2_2_2", "clifford_cl_6_0_0"])
def test_recorded_values(name):
    data = golden(f"algebra/{name}")
    algebra = Algebra(*(int(count) for count in name.split("_")[-3:]))
    found = F.exp(torch.from_numpy(data["in/B"]), algebra)
    assert deviation(found, torch.from_numpy(data["out/exp_mp"])) < 1e-14


def test_a_scalar_part_is_a_factor():
    given = full(bivectors(PGA, 5), PGA)
    shifted = given.clone()
    shifted[..., 0] += 0.5
    torch.testing.assert_close(F.exp(shifted, PGA), math.exp(0.5) * F.exp(given, PGA))


def test_sums_of_multiples_add_up():
    for algebra in (Algebra(4, 1), Algebra(2, 2, 1), Algebra(3, 3)):
        given = full(bivectors(algebra, 4), algebra)
        product = F.geometric_product(F.exp(0.3 * given, algebra), F.exp(0.7 * given, algebra), algebra)
        assert deviation(product, F.exp(given, algebra)) < 1e-13
        assert deviation(F.exp(-given, algebra), F.reverse(F.exp(given, algebra), algebra)) < 1e-14


def test_equivariance():
    for algebra in (PGA, Algebra(2, 2), Algebra(4, 1), Algebra(5, 1)):
        rotor, given = (F.exp(full(bivectors(algebra, 4, seed=seed), algebra), algebra) for seed in (1, 2))
        given = full(bivectors(algebra, 4, seed=2), algebra)
        moved = F.sandwich(rotor, given, algebra, unit=True)
        assert deviation(F.exp(moved, algebra), F.sandwich(rotor, F.exp(given, algebra), algebra, unit=True)) < 1e-11


def test_layouts():
    given = bivectors(PGA, 4)
    dense = F.exp(full(given, PGA), PGA)
    on_even = F.exp(given, PGA, layout=PGA.bivectors)
    torch.testing.assert_close(full(on_even, PGA, PGA.even), dense, rtol=0, atol=0)
    scalar = F.exp(given, PGA, layout=PGA.bivectors, out_layout=PGA.scalars)
    torch.testing.assert_close(scalar, dense[..., :1], rtol=0, atol=0)
    signed = PGA.layout("e31", "e23", "e12")
    values = torch.tensor([0.2, 0.3, -0.4])
    assert F.exp(values, PGA, layout=signed).shape == (4,)
    expected = F.exp(F.change_layout(values, signed, PGA.full), PGA)
    torch.testing.assert_close(F.exp(values, PGA, layout=signed, out_layout=PGA.full), expected)
    # few generators of an algebra too large to list
    huge = Algebra(40)
    plane = huge.layout("e7_31")
    torch.testing.assert_close(
        F.exp(torch.tensor([math.pi / 2]), huge, layout=plane), torch.tensor([0.0, 1.0]), rtol=0, atol=1e-7
    )
    with pytest.raises(LayoutError):
        F.exp(given, PGA, layout=PGA.bivectors, out_layout=PGA.vectors)


@pytest.mark.parametrize("name", SPECIAL)
def test_derivatives(name):
    algebra, coefficients = SPECIAL[name]
    given = bivector(algebra, **coefficients).requires_grad_()

    def run(values):
        return F.exp(values, algebra, layout=algebra.bivectors)

    assert gradcheck(run, (given,))
    assert gradgradcheck(run, (given,))


def test_derivatives_of_wide_algebras():
    algebra = Algebra(3, 3)
    for scale in (0.0, 1.0):
        given = (scale * bivectors(algebra)).requires_grad_()
        assert gradcheck(lambda values: F.exp(values, algebra, layout=algebra.bivectors)[..., :8], (given,))


def test_velocity():
    algebra = Algebra(4, 1)
    given = full(bivectors(algebra, 3), algebra)
    rotor, velocity = torch.func.jvp(
        lambda t: F.exp(t * given, algebra), (torch.ones(()).double(),), (torch.ones(()).double(),)
    )
    assert deviation(velocity, F.geometric_product(given, rotor, algebra)) < 1e-13


def test_transforms_and_graphs():
    for algebra in (PGA, Algebra(4, 1), Algebra(3, 3)):
        given = full(bivectors(algebra, 2, 3), algebra)

        def run(values, algebra=algebra):
            return F.exp(values, algebra)

        expected = run(given)
        torch.testing.assert_close(torch.func.vmap(torch.func.vmap(run))(given), expected)
        torch.testing.assert_close(torch.compile(run, fullgraph=True, backend="aot_eager")(given), expected)
        strided = given.transpose(0, 1).contiguous().transpose(0, 1)
        torch.testing.assert_close(run(strided), expected)
    assert F.exp(torch.zeros(0, 16), PGA).shape == (0, 16)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    given = full(bivectors(PGA, 5), PGA).to(dtype)
    found = F.exp(given, PGA)
    assert found.dtype is dtype
    torch.testing.assert_close(found, F.exp(given.float(), PGA).to(dtype), rtol=0, atol=0)


def test_other_grades_are_refused():
    given = torch.zeros(3, 16)
    given[1, PGA.index("e1")[0]] = 0.5
    given[2, PGA.index("e0123")[0]] = 2.0
    with pytest.raises(DomainError, match="coefficients of grade 1, 4; project it"):
        F.exp(given, PGA)
    for found in (
        torch.func.vmap(lambda values: F.exp(values, PGA))(given),
        torch.compile(lambda values: F.exp(values, PGA), fullgraph=True, backend="aot_eager")(given),
    ):
        assert found.isnan().any(-1).tolist() == [False, True, True]
    with pytest.raises(DomainError, match="grade 1;"):
        F.exp(torch.ones(4), PGA, layout=PGA.vectors)


def test_nan_propagates():
    given = full(bivectors(PGA, 2), PGA)
    given[0, 6] = torch.nan
    found = F.exp(given, PGA)
    assert found.isnan().any(-1).tolist() == [True, False]
