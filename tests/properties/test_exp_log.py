"""Exponentials, logarithms and roots of rotors."""

import functools
import math

import pytest
import torch

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.errors import DomainError
from cliffnet.testing import assert_identity, bivectors, magnitude, rotors, tolerance
from helpers.identities import EVERY, SMALL, Setting, check_cases, floats

# relative to the l1 norms of the operands
ALLOWED = {torch.float64: 1e-12, torch.float32: 5e-6}
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
TURNING = tuple(algebra for algebra in EVERY if algebra.dim > 1)


def assert_close(left, right, scale, algebra):
    factor = ALLOWED[left.dtype] / tolerance(left.dtype, algebra.dim)
    assert_identity(left, right, factor * scale, algebra=algebra, context=f"{algebra!r}")


def random_bivectors(algebra, count, *, limit=0.95 * math.pi, seed=0, dtype=torch.float64):
    """Bivectors whose coefficients add up to ``limit`` at most, from nearly zero on."""
    x = F.grade_project(floats(algebra, count, seed=seed), 2, algebra)
    sizes = torch.linspace(1e-4, limit, count, dtype=torch.float64)
    return (x * (sizes / x.abs().sum(-1)).unsqueeze(-1)).to(dtype)


def product(algebra, *factors):
    return functools.reduce(lambda a, b: F.geometric_product(a, b, algebra), factors)


@DTYPES
def test_exponentials_are_rotors(dtype):
    for algebra in TURNING:
        b = random_bivectors(algebra, 8, dtype=dtype)
        rotor = F.exp(b, algebra)
        one = Setting(algebra, dtype).one.x.expand_as(rotor)
        assert_close(product(algebra, rotor, F.reverse(rotor, algebra)), one, magnitude(rotor, rotor), algebra)
        assert_close(F.exp(-b, algebra), F.reverse(rotor, algebra), magnitude(rotor), algebra)
        assert torch.equal(rotor, F.grade_project(rotor, range(0, algebra.dim + 1, 2), algebra))


@DTYPES
def test_exponentials_of_multiples_add_up(dtype):
    for algebra in TURNING:
        b = random_bivectors(algebra, 8, dtype=dtype)
        parts = F.exp(0.75 * b, algebra), F.exp(0.25 * b, algebra)
        assert_close(product(algebra, *parts), F.exp(b, algebra), magnitude(*parts), algebra)


def commuting_planes(algebra):
    """Two basis planes without a common generator."""
    blades = torch.eye(algebra.num_blades, dtype=torch.float64)
    return blades[algebra.blade_masks.index(0b0011)], blades[algebra.blade_masks.index(0b1100)]


def test_exponentials_of_sums_are_products_if_and_only_if_the_terms_commute():
    for algebra in TURNING:
        if algebra.dim >= 4:
            first, second = commuting_planes(algebra)
            parts = F.exp(0.7 * first, algebra), F.exp(-0.4 * second, algebra)
            whole = F.exp(0.7 * first - 0.4 * second, algebra)
            assert_close(product(algebra, *parts), whole, magnitude(*parts), algebra)
        b, c = random_bivectors(algebra, 2)[1:], random_bivectors(algebra, 2, seed=1)[1:]
        bracket = F.commutator(b, c, algebra)
        difference = F.exp(b + c, algebra) - product(algebra, F.exp(b, algebra), F.exp(c, algebra))
        assert (difference.abs().max() > 1e-3) == (bracket.abs().max() > 1e-3), algebra


def test_derivative_along_a_multiple():
    for algebra in SMALL:
        if algebra.dim < 2:
            continue
        b = random_bivectors(algebra, 4)
        t = torch.tensor(0.8, dtype=torch.float64)
        rotor, derivative = torch.func.jvp(lambda t, b=b, g=algebra: F.exp(t * b, g), (t,), (torch.ones_like(t),))
        assert_close(derivative, product(algebra, b, rotor), magnitude(b, rotor), algebra)


@DTYPES
def test_logarithm_undoes_the_exponential(dtype):
    for algebra in TURNING:
        b = random_bivectors(algebra, 16, dtype=dtype)
        rotor = F.exp(b, algebra)
        assert_close(F.log(rotor, algebra), b, 1.0, algebra)
        assert_close(F.exp(F.log(rotor, algebra), algebra), rotor, rotor.abs().amax(-1), algebra)


@DTYPES
def test_square_roots(dtype):
    for algebra in TURNING:
        rotor = F.exp(random_bivectors(algebra, 8, limit=0.9 * math.pi, dtype=dtype), algebra)
        root = F.sqrt(rotor, algebra)
        assert_close(product(algebra, root, root), rotor, magnitude(root, root), algebra)


def test_exponentials_transform_with_their_bivectors():
    for algebra in TURNING:
        b, turn = random_bivectors(algebra, 4), F.exp(random_bivectors(algebra, 4, limit=1.0, seed=1), algebra)
        rotor = F.exp(b, algebra)
        moved = F.exp(F.sandwich(turn, b, algebra), algebra)
        scale = magnitude(turn, turn, rotor) * magnitude(turn, turn, b).exp()
        assert_close(F.sandwich(turn, rotor, algebra), moved, scale, algebra)


def test_invariant_decomposition_splits_into_commuting_planes():
    checked = 0
    for algebra in TURNING:
        if (algebra.p and algebra.q) or algebra.r > 1:
            continue  # squares may be a complex pair, or several of them zero without planes of their own
        checked += 1
        b = random_bivectors(algebra, 4, limit=2.0)
        parts = F.invariant_decomposition(b, algebra).unbind(-2)
        assert len(parts) == algebra.dim // 2
        assert_close(sum(parts), b, magnitude(b), algebra)
        # planes mix by the rounding over the difference of their squares
        scale = 1e3 * sum(magnitude(part) for part in parts) ** 2
        for i, part in enumerate(parts):
            square = product(algebra, part, part)
            assert_close(square, F.grade_project(square, 0, algebra), scale, algebra)
            for other in parts[:i]:
                assert_close(product(algebra, part, other), product(algebra, other, part), scale, algebra)
        rotors_of_parts = [F.exp(part, algebra) for part in parts]
        scale = 1e3 * magnitude(*rotors_of_parts)
        assert_close(product(algebra, *rotors_of_parts), F.exp(b, algebra), scale, algebra)
    assert checked > 15


def test_rotors_turn_vectors_like_the_matrix_exponential():
    for algebra in TURNING:
        b = random_bivectors(algebra, 4)
        vectors = F.change_layout(torch.eye(algebra.dim, dtype=torch.float64), algebra.vectors, algebra.full)
        generator = F.commutator(b.unsqueeze(-2), vectors, algebra)  # (B x - x B) / 2
        matrix = F.change_layout(generator, algebra.full, algebra.vectors, project=True)
        turned = torch.linalg.matrix_exp(matrix) @ vectors
        rotor = F.exp(0.5 * b, algebra).unsqueeze(-2)
        assert_close(F.sandwich(rotor, vectors, algebra), turned, magnitude(rotor, rotor), algebra)


SPECIAL = [
    (Algebra(3), {"e12": 1.0}),
    (Algebra(1, 3), {"e12": 1.0, "e34": 1.0}),
    (Algebra(1, 3), {"e12": 1.0, "e13": 0.5}),
    (Algebra(4), {"e12": 1.0, "e34": 1.0}),
    (Algebra(4), {"e12": 1.0, "e34": -1.0}),
    (Algebra(2, 2), {"e12": 1.0, "e34": 1.0}),
    (Algebra(3, 0, 1), {"e01": 1.0}),
    (Algebra(3, 0, 1), {"e12": 1.0, "e03": 0.3}),
    (Algebra(4, 1), {"e12": 1.0, "e25": 1.0}),
    (Algebra(2, 2, 1), {"e01": 1.0, "e02": 1.0}),
    (Algebra(0, 0, 3), {"e12": 1.0, "e13": 1.0}),
    *((algebra, {}) for algebra in (Algebra(2), Algebra(3), Algebra(1, 3), Algebra(3, 0, 1), Algebra(4, 1))),
]


@pytest.mark.parametrize(("algebra", "components"), SPECIAL, ids=str)
def test_gradients_at_zero_simple_isoclinic_and_null_bivectors(algebra, components):
    b = torch.zeros(algebra.bivectors.size, dtype=torch.float64)
    for name, value in components.items():
        index, sign = algebra.bivectors.index(name)
        b[index] = 0.4 * sign * value
    b.requires_grad_()

    def exp(b):
        return F.exp(b, algebra, layout=algebra.bivectors, out_layout=algebra.even)

    def there_and_back(b):
        return F.log(exp(b), algebra, layout=algebra.even, out_layout=algebra.bivectors)

    assert torch.autograd.gradcheck(exp, b)
    assert torch.autograd.gradgradcheck(exp, b)
    jacobian = torch.autograd.functional.jacobian(there_and_back, b)
    assert (jacobian - torch.eye(b.numel(), dtype=torch.float64)).abs().max() < 1e-8


def drawn(kind):
    def draw(algebra):
        return bivectors(algebra, kind, elements="float").map(lambda b: b / max(1.0, b.abs().sum().item() / 3.0))

    return draw


def check_round_trip(algebra, b):
    rotor = F.exp(b, algebra)
    assert_close(F.log(rotor, algebra), b, 1.0, algebra)


def has(kind):
    def has_some(algebra):
        try:
            bivectors(algebra, kind)
        except DomainError:
            return False
        return True

    return has_some


test_drawn_simple_bivectors_return = check_cases(drawn("simple"), where=has("simple"))(check_round_trip)
test_drawn_isoclinic_bivectors_return = check_cases(drawn("isoclinic"), where=has("isoclinic"))(check_round_trip)
test_drawn_null_bivectors_return = check_cases(drawn("null"), where=has("null"))(check_round_trip)
test_drawn_general_bivectors_return = check_cases(drawn("general"), where=has("general"))(check_round_trip)


@check_cases(functools.partial(bivectors, kind="null"), where=has("null"))
def test_null_bivectors_exponentiate_exactly(algebra, b):
    assert_identity(F.exp(b, algebra), Setting(algebra).one.x + b, algebra=algebra)


@check_cases(rotors)
def test_drawn_principal_rotors_return(algebra, rotor):
    back = F.exp(F.log(rotor, algebra), algebra)
    assert_close(back, rotor, rotor.abs().amax(-1), algebra)


def test_logarithm_outside_of_its_domain_is_refused():
    for algebra in (Algebra(2), Algebra(3), Algebra(3, 0, 1), Algebra(4, 1)):
        with pytest.raises(DomainError, match="minus one"):
            F.log(-Setting(algebra).one.x, algebra)
    algebra = Algebra(1, 1)
    boost = F.exp(0.5 * Setting(algebra).blades.x[-1], algebra)
    with pytest.raises(DomainError):
        F.log(-boost, algebra)


def test_logarithm_of_a_product_is_not_the_sum():
    algebra = Algebra(3)
    b, c = random_bivectors(algebra, 2)[1], random_bivectors(algebra, 2, seed=1)[1] / 2
    both = F.log(product(algebra, F.exp(b / 2, algebra), F.exp(c, algebra)), algebra)
    with pytest.raises(AssertionError, match="the sides differ"):
        assert_close(both, b / 2 + c, magnitude(b, c), algebra)


def test_a_full_turn_is_lost():
    algebra = Algebra(2)
    b = 1.5 * math.pi * Setting(algebra).blades.x[-1]
    back = F.log(F.exp(b, algebra), algebra)
    assert back.abs().sum() < math.pi < b.abs().sum()
