"""Bivectors as sums of commuting simple bivectors."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.errors import DomainError
from helpers.rotors import SIGNATURES, bivector, bivectors, deviation, full, rotors

DEFINITE = [Algebra(4), Algebra(5), Algebra(0, 5), Algebra(6), Algebra(7), Algebra(metric=(2, 0.5, 1, 3, 1.5, 1))]
# no two positive and two negative generators, at most two null ones
REAL = [Algebra(*s) for s in SIGNATURES if sum(s) > 1 and min(s[0], s[1]) < 2 and s[2] < 3]


def parts_of(given, algebra, tolerance=1e-11):
    """Decompose, and check the sum, the commutators and that squares are scalars."""
    parts = F.invariant_decomposition(given, algebra, layout=algebra.bivectors, out_layout=algebra.full)
    assert parts.shape == (*given.shape[:-1], algebra.dim // 2, algebra.num_blades)
    whole = full(given, algebra)
    size = whole.abs().amax(-1).clamp(min=1e-30)
    assert ((parts.sum(-2) - whole).abs().amax(-1) <= 1e-13 * size).all()
    product = F.geometric_product(parts.unsqueeze(-2), parts.unsqueeze(-3), algebra)
    limit = tolerance * size[..., None, None] ** 2
    assert ((product - product.transpose(-2, -3)).abs().amax(-1) <= limit).all()
    squares = product.diagonal(dim1=-3, dim2=-2).movedim(-1, -2)
    position = algebra.index("1")[0]
    assert (squares.abs().amax(-1) - squares[..., position].abs() <= limit.squeeze(-1)).all()
    magnitudes = squares[..., position].abs()
    assert (magnitudes[..., 1:] <= magnitudes[..., :-1] + 1e-9 * size.unsqueeze(-1) ** 2).all()
    return parts


@pytest.mark.parametrize("algebra", [*REAL, *DEFINITE], ids=str)
def test_random_bivectors(algebra):
    parts_of(bivectors(algebra, 8), algebra)


@pytest.mark.parametrize(
    "algebra", [*DEFINITE, Algebra(3, 0, 1), Algebra(4, 1), Algebra(1, 3), Algebra(6, 0, 1)], ids=str
)
def test_simple_and_zero_bivectors(algebra):
    simple = torch.eye(algebra.bivectors.size, dtype=torch.float64)
    parts = parts_of(torch.cat((simple, torch.zeros_like(simple[:1]))), algebra)
    occupied = (parts.abs().amax(-1) > 0).sum(-1)
    assert occupied.tolist() == [1] * len(simple) + [0]


@pytest.mark.parametrize("algebra", [*DEFINITE, Algebra(4, 1), Algebra(4, 0, 1), Algebra(2, 2), Algebra(3, 3)], ids=str)
@pytest.mark.parametrize("ratio", [1.0, -1.0, 1 + 1e-12, 1 + 1e-7, 1 + 1e-3])
def test_isoclinic_and_nearly_isoclinic_bivectors(algebra, ratio):
    names = algebra.generator_names
    planes = [f"{names[i]}{names[i + 1][1:]}" for i in range(1 if algebra.r else 0, algebra.dim - 1, 2)][:2]
    given = bivector(algebra, **{planes[0]: 1.0, planes[1]: ratio})
    mover = rotors(algebra, 4, length=1.0)
    turned = F.sandwich(mover, given, algebra, x_layout=algebra.bivectors)
    parts_of(turned, algebra)


def test_close_squares_beside_another():
    algebra = Algebra(7)
    given = bivector(algebra, e12=1.0, e34=1 + 1e-7, e56=0.5)
    turned = F.sandwich(rotors(algebra, 4, length=1.0), given, algebra, x_layout=algebra.bivectors)
    # rounding tilts the planes of squares 2e-7 apart by eps / 2e-7
    parts_of(turned, algebra, tolerance=1e-9)


def test_values():
    algebra = Algebra(5)
    given = bivector(algebra, e12=1.0, e34=3.0)
    parts = F.invariant_decomposition(given, algebra, layout=algebra.bivectors)
    expected = torch.stack((bivector(algebra, e34=3.0), bivector(algebra, e12=1.0)))
    torch.testing.assert_close(parts, expected)
    screw = Algebra(3, 0, 1)
    parts = F.invariant_decomposition(bivector(screw, e12=0.7, e03=2.0), screw, layout=screw.bivectors)
    torch.testing.assert_close(parts, torch.stack((bivector(screw, e12=0.7), bivector(screw, e03=2.0))))
    assert F.invariant_decomposition(torch.zeros(2, 2), Algebra(0, 1)).shape == (2, 0, 2)


def test_a_large_algebra():
    algebra = Algebra(20)
    given = bivectors(algebra)
    parts = F.invariant_decomposition(given, algebra, layout=algebra.bivectors)
    assert parts.shape == (10, 190)
    torch.testing.assert_close(parts.sum(0), given)
    few = algebra.layout("e1_2", "e7_8")
    parts = F.invariant_decomposition(torch.tensor([1.0, 2.0]), algebra, layout=few, out_layout=few)
    assert parts.tolist() == [[0.0, 2.0], [1.0, 0.0]]


def test_exponentials_of_the_parts_multiply_to_the_whole():
    for algebra in (Algebra(4, 1), Algebra(6), Algebra(3, 0, 1)):
        given = bivectors(algebra, 3)
        product = None
        for part in parts_of(given, algebra).unbind(-2):
            factor = F.exp(part, algebra)
            product = factor if product is None else F.geometric_product(product, factor, algebra)
        assert deviation(product, F.exp(full(given, algebra), algebra)) < 1e-11


def test_equivariance():
    for algebra in (Algebra(4), Algebra(1, 3), Algebra(6)):
        given, mover = bivectors(algebra, 3), rotors(algebra, 3, length=1.0, seed=4)
        moved = F.sandwich(mover, given, algebra, x_layout=algebra.bivectors)
        expected = F.sandwich(mover.unsqueeze(-2), parts_of(given, algebra), algebra)
        assert deviation(parts_of(moved, algebra), expected) < 1e-10


@pytest.mark.parametrize(
    "algebra", [Algebra(3), Algebra(4), Algebra(5), Algebra(3, 0, 1), Algebra(3, 1), Algebra(6)], ids=str
)
def test_derivatives(algebra):
    def run(values):
        return F.invariant_decomposition(values, algebra, layout=algebra.bivectors)

    given = bivectors(algebra, seed=1).requires_grad_()
    assert gradcheck(run, (given,))
    assert gradgradcheck(run, (given,))
    for special in (torch.zeros_like(given), torch.eye(len(given), dtype=torch.float64)[0]):
        special = special.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(run(special).square().sum(), special)
        assert gradient.isfinite().all()


def test_derivative_at_an_isoclinic_bivector_is_finite():
    algebra = Algebra(4)
    given = bivector(algebra, e12=1.0, e34=1.0).requires_grad_()
    parts = F.invariant_decomposition(given, algebra, layout=algebra.bivectors)
    (gradient,) = torch.autograd.grad(parts.sum(), given)
    torch.testing.assert_close(gradient, torch.ones_like(given))
    (gradient,) = torch.autograd.grad(
        F.invariant_decomposition(given, algebra, layout=algebra.bivectors).square().sum(), given
    )
    assert gradient.isfinite().all()


def test_transforms_and_graphs():
    algebra = Algebra(5)
    given = bivectors(algebra, 3)

    def run(values):
        return F.invariant_decomposition(values, algebra, layout=algebra.bivectors)

    torch.testing.assert_close(torch.func.vmap(run)(given), run(given))
    torch.testing.assert_close(torch.compile(run, fullgraph=True, backend="aot_eager")(given), run(given))
    assert run(given[:0]).shape == (0, 2, 10)
    single = run(given.float())
    torch.testing.assert_close(single.double(), run(given), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("algebra", "coefficients", "message"),
    [
        (Algebra(2, 2), {"e12": 0.5, "e34": 0.3, "e13": 0.4, "e24": -0.7}, "complex pair"),
        (Algebra(0, 0, 4), {"e12": 0.5, "e34": 0.3}, "without planes of their own"),
        (Algebra(1, 1, 3), {"e14": 0.5, "e25": 0.5}, "without planes of their own"),
    ],
)
def test_outside_the_domain(algebra, coefficients, message):
    given = bivector(algebra, **coefficients)
    with pytest.raises(DomainError, match=message):
        F.invariant_decomposition(given, algebra, layout=algebra.bivectors)

    def run(values):
        return F.invariant_decomposition(values, algebra, layout=algebra.bivectors)

    assert torch.func.vmap(run)(given.unsqueeze(0)).isnan().all()


def test_other_grades_are_refused():
    with pytest.raises(DomainError, match="takes bivectors, but the argument has coefficients of grade 0, 1, 3, 4"):
        F.invariant_decomposition(torch.ones(16), Algebra(4))
