"""Normalised versors: rotors, motors, vectors, blades and what rounding made of them."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.errors import DomainError, ShapeError
from helpers.blades import random_vectors, versor
from helpers.rotors import ALGEBRAS, CLOSE, WIDE, bivector, deviation, full, is_unit, rotors

PGA = Algebra(3, 0, 1)


@pytest.mark.parametrize("dtype", CLOSE)
def test_scaled_rotors_of_every_signature(dtype):
    for algebra in (*ALGEBRAS, *WIDE):
        rotor = rotors(algebra, 6, length=2.0, dtype=dtype)
        scales = torch.tensor([0.01, 0.3, 1.0, 2.0, 7.0, 500.0], dtype=dtype).unsqueeze(-1)
        # the norm is a difference of squares, so rounding counts as often as they are larger
        limit = CLOSE[dtype] * float(rotor.abs().max().clamp(min=1.0))
        assert deviation(F.normalize(scales * rotor, algebra), rotor) < limit, algebra


@pytest.mark.parametrize("algebra", [PGA, Algebra(4), Algebra(1, 3), Algebra(3, 2), Algebra(4, 0, 1), Algebra(0, 5)])
@pytest.mark.parametrize("parity", ["even", "odd"])
def test_elements_near_versors_become_versors(algebra, parity):
    rotor = rotors(algebra, 8, length=1.0)
    if parity == "odd":
        vector = full(torch.eye(algebra.dim, dtype=torch.float64)[-1], algebra, algebra.vectors)
        rotor = F.geometric_product(rotor, vector, algebra)
    layout = getattr(algebra, parity)
    noise = torch.randn(8, layout.size, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    noisy = rotor + full(0.03 * noise, algebra, layout)
    found = F.normalize(noisy, algebra)
    sign = 1.0 if parity == "even" else float(algebra.metric[-1] or 1.0)
    assert is_unit(found, algebra, sign=sign)
    assert F.is_versor(found, algebra).all()
    assert deviation(found, rotor) < 1.0
    assert deviation(F.normalize(found, algebra), found) < 1e-14
    # what multiplies from the right stays outside
    other = rotors(algebra, 8, length=1.0, seed=5)
    product = F.normalize(F.geometric_product(noisy, other, algebra), algebra)
    assert deviation(product, F.geometric_product(found, other, algebra)) < 1e-12


def test_wide_elements_near_versors_become_versors():
    for algebra in (*WIDE, Algebra(8)):
        for parity in ("even", "odd"):
            layout = getattr(algebra, parity)
            rotor = rotors(algebra, 2, length=1.0)
            if parity == "odd":
                vector = full(torch.eye(algebra.dim, dtype=torch.float64)[-1], algebra, algebra.vectors)
                rotor = F.normalize(F.geometric_product(rotor, vector, algebra), algebra)
            noise = torch.randn(2, layout.size, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
            found = F.normalize(rotor + full(1e-3 * noise, algebra, layout), algebra)
            assert F.is_versor(found, algebra).all(), algebra
            assert deviation(found, rotor) < 0.05, algebra


def test_a_wide_motor_that_moves_far():
    # the largest coefficient is on a null blade, which is no versor to start from
    algebra = Algebra(5, 0, 1)
    motor = F.exp(full(bivector(algebra, e01=50.0, e12=0.3, e03=-70.0), algebra), algebra)
    noise = torch.randn(32, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = F.normalize(motor + full(1e-3 * noise, algebra, algebra.even), algebra)
    assert F.is_versor(found, algebra)
    assert deviation(found, motor) < 0.05


def test_products_of_vectors():
    for algebra in (Algebra(3), Algebra(1, 3), Algebra(4, 1), PGA, Algebra(3, 3), Algebra(metric=(2, -3, 0.5))):
        for count in (1, 2, 3, 4):
            product = versor(random_vectors(algebra, 5, count, seed=count), algebra)
            sign = F.norm_squared(product, algebra).sign()
            found = F.normalize(product, algebra)
            torch.testing.assert_close(F.norm_squared(found, algebra), sign, rtol=0, atol=1e-10)
            # a positive multiple
            ratio = (found * product).sum(-1) / (product * product).sum(-1)
            assert (ratio > 0).all()
            assert deviation(found, ratio.unsqueeze(-1) * product) < 1e-12


def test_negative_squares():
    algebra = Algebra(1, 3)
    spacelike = torch.tensor([0.0, 3.0, 4.0, 0.0])
    torch.testing.assert_close(
        F.normalize(spacelike, algebra, layout=algebra.vectors, out_layout=algebra.vectors), spacelike / 5
    )
    boost_plane = full(bivector(algebra, e12=-2.0), algebra)
    torch.testing.assert_close(F.normalize(boost_plane, algebra), boost_plane / 2)
    assert is_unit(F.normalize(boost_plane, algebra), algebra, sign=-1.0)


def test_motor_by_hand():
    # a translator with a pseudoscalar that does not belong: 1 + e01 + 0.5 e0123
    motor = full(torch.tensor([1.0, 1.0, 0.5]), PGA, PGA.layout("1", "e01", "e0123"))
    expected = full(torch.tensor([1.0, 1.0]), PGA, PGA.layout("1", "e01"))
    torch.testing.assert_close(F.normalize(motor, PGA), expected)


def test_layouts():
    rotor = rotors(PGA, 4)
    even = F.change_layout(3 * rotor, PGA.full, PGA.even, project=True)
    torch.testing.assert_close(full(F.normalize(even, PGA, layout=PGA.even), PGA, PGA.even), rotor)
    assert F.normalize(even, PGA, layout=PGA.even, out_layout=PGA.bivectors).shape == (4, 6)
    assert F.normalize(torch.tensor([0.0, 3.0]), Algebra(40), layout=Algebra(40).layout("e3", "e7")).tolist() == [
        0.0,
        1.0,
    ]
    assert F.normalize(torch.zeros(0, 16), PGA).shape == (0, 16)


@pytest.mark.parametrize("algebra", [Algebra(2), PGA, Algebra(4), Algebra(2, 2), Algebra(4, 1)])
def test_derivatives(algebra):
    element = (2 * rotors(algebra, length=1.0))[..., torch.tensor([grade % 2 == 0 for grade in algebra.grades])]
    element = element.requires_grad_()

    def run(values):
        return F.normalize(values, algebra, layout=algebra.even)

    assert gradcheck(run, (element,))
    assert gradgradcheck(run, (element,))


def test_derivatives_of_a_wide_algebra():
    algebra = Algebra(6)
    rotor = F.change_layout(rotors(algebra, length=1.0), algebra.full, algebra.even, project=True)
    noise = torch.randn(32, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for element in (2 * rotor, rotor + 0.01 * noise):
        element = element.requires_grad_()
        assert gradcheck(lambda values: F.normalize(values, algebra, layout=algebra.even), (element,))


def test_transforms_and_graphs():
    for algebra in (PGA, Algebra(6)):
        element = 2 * rotors(algebra, 3)

        def run(values, algebra=algebra):
            return F.normalize(values, algebra)

        expected = run(element)
        torch.testing.assert_close(torch.func.vmap(run)(element), expected)
        torch.testing.assert_close(torch.compile(run, fullgraph=True, backend="aot_eager")(element), expected)
        _, tangent = torch.func.jvp(run, (element,), (element,))
        torch.testing.assert_close(tangent, torch.zeros_like(element))


@pytest.mark.parametrize(
    ("algebra", "coefficients", "message"),
    [
        (PGA, {"1": 1.0, "e1": 1.0}, "takes even or odd elements"),
        (PGA, {}, "without a norm"),
        (PGA, {"e0": 1.0}, "without a norm"),
        (PGA, {"e01": 1.0}, "Null vectors, ideal points and lines cannot be normalised"),
        (Algebra(1, 1), {"e1": 1.0, "e2": 1.0}, "without a norm"),
        (Algebra(4), {"1": 1.0, "e1234": 1.0}, "zero divisor"),
        (Algebra(3, 3), {"e1": 1.0, "e4": 1.0}, "without a norm"),
    ],
)
def test_what_has_no_norm(algebra, coefficients, message):
    element = torch.zeros(algebra.num_blades)
    for name, coefficient in coefficients.items():
        element[algebra.index(name)[0]] = coefficient
    with pytest.raises(DomainError, match=message):
        F.normalize(element, algebra)
    assert torch.func.vmap(lambda values: F.normalize(values, algebra))(element.unsqueeze(0)).isnan().any()


def test_nan_propagates():
    rotor = rotors(PGA, 2)
    rotor[0, 6] = torch.nan
    assert F.normalize(rotor, PGA).isnan().any(-1).tolist() == [True, False]


def test_coefficient_norm():
    values = torch.tensor([[3.0, 0.0, 4.0, 0.0], [0.0, 0.0, 0.0, 0.0]], requires_grad=True)
    norm = F.coefficient_norm(values, Algebra(0, 0, 2))
    assert norm.tolist() == [5.0, 0.0]
    (gradient,) = torch.autograd.grad(norm.sum(), values)
    assert gradient.tolist() == [[pytest.approx(0.6), 0.0, pytest.approx(0.8), 0.0], [0.0] * 4]
    assert F.coefficient_norm(torch.ones(2, 6), PGA, layout=PGA.bivectors).shape == (2,)
    with pytest.raises(ShapeError):
        F.coefficient_norm(values, PGA)
