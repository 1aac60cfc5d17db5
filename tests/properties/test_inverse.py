"""Inverses, determinants and characteristic polynomials."""

import pytest
import torch

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.errors import NotInvertibleError
from cliffnet.testing import assert_identity, magnitude, multivectors
from helpers.identities import EVERY, SMALL, Setting, check_cases, floats

# of |a| |1/a|, above which elements are as good as singular for a test
CONDITION = {torch.float64: 1e8, torch.float32: 1e3}


def invertible(algebra, *shape, seed=0, dtype=torch.float64):
    """Normal multivectors with their inverses; badly conditioned ones are replaced by 1 plus a small part."""
    a = floats(algebra, *shape, seed=seed, dtype=dtype)
    inverse, info = F.inverse_ex(a, algebra)
    bad = (info != 0) | ~(inverse.abs().amax(-1) * a.abs().amax(-1) <= CONDITION[dtype])
    one = Setting(algebra, dtype).one.x
    a = torch.where(bad.unsqueeze(-1), one + 0.1 * a / a.abs().sum(-1, keepdim=True), a)
    return a, F.inverse(a, algebra)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_inverse_from_both_sides(dtype):
    for algebra in EVERY:
        a, inverse = invertible(algebra, 16, dtype=dtype)
        one = Setting(algebra, dtype).one.x.expand_as(a)
        scale = magnitude(a, inverse)
        assert_identity(F.geometric_product(a, inverse, algebra), one, scale, algebra=algebra)
        assert_identity(F.geometric_product(inverse, a, algebra), one, scale, algebra=algebra)


def test_inverse_of_products_and_involutions():
    compared = 0
    for algebra in EVERY:
        (a, a_inverse), (b, b_inverse) = invertible(algebra, 4, seed=1), invertible(algebra, 4, seed=2)
        product, info = F.inverse_ex(F.geometric_product(a, b, algebra), algebra)
        kept = info == 0
        compared += int(kept.sum())
        scale = magnitude(a, a_inverse, b, b_inverse, a_inverse, b_inverse)[kept]
        expected = F.geometric_product(b_inverse, a_inverse, algebra)
        assert_identity(product[kept], expected[kept], scale, algebra=algebra)
        scale = magnitude(a, a_inverse, a_inverse)
        for involution in (F.reverse, F.grade_involute, F.clifford_conjugate):
            there, back = F.inverse(involution(a, algebra), algebra), involution(a_inverse, algebra)
            assert_identity(there, back, scale, algebra=algebra)
        assert_identity(F.inverse(a_inverse, algebra), a, magnitude(a, a, a_inverse), algebra=algebra)
    assert compared > 3 * len(EVERY)


def test_residual_in_single_precision():
    for algebra in EVERY:
        if algebra.r and algebra.dim > 5:
            continue  # of badly conditioned elements even the inverse rounded once is further off
        a = floats(algebra, 256, dtype=torch.float32)
        inverse, info = F.inverse_ex(a, algebra)
        kept = info == 0
        if algebra.r:
            kept &= inverse.abs().amax(-1) * a.abs().amax(-1) <= CONDITION[torch.float32]
        residual = F.geometric_product(a, inverse, algebra) - Setting(algebra, torch.float32).one.x
        assert kept.sum() > 128
        assert residual.abs().amax(-1)[kept].quantile(0.99) <= 1e-4, algebra


def witnesses():
    for p, q, r in ((1, 0, 0), (3, 0, 0), (1, 1, 0), (1, 3, 0), (3, 0, 1), (4, 1, 0), (5, 1, 0), (6, 0, 1)):
        algebra = Algebra(p, q, r)
        g = Setting(algebra)
        positive = g.generators[algebra.metric.index(1.0)]
        yield f"1 + e, e^2 = 1, in {algebra}", algebra, g.one + positive
        if q:
            yield f"null vector in {algebra}", algebra, positive + g.generators[algebra.metric.index(-1.0)]
    for signature in ((0, 0, 1), (0, 0, 3), (3, 0, 1), (2, 1, 2), (5, 0, 2)):
        algebra = Algebra(*signature)
        g = Setting(algebra)
        null = g.generators[algebra.metric.index(0.0)]
        yield f"null generator in {algebra}", algebra, null
        yield f"multiples of a null generator in {algebra}", algebra, g.element(floats(algebra)) * null
    yield "zero", Algebra(2), 0 * Setting(Algebra(2)).one


WITNESSES = [pytest.param(algebra, a.x, id=text) for text, algebra, a in witnesses()]


@pytest.mark.parametrize(("algebra", "a"), WITNESSES)
def test_singular_elements_are_refused(algebra, a):
    for dtype in (torch.float64, torch.float32):
        with pytest.raises(NotInvertibleError):
            F.inverse(a.to(dtype), algebra)
        values, info = F.inverse_ex(a.to(dtype), algebra)
        assert info == 1
        assert values.isnan().all()
    assert F.determinant(a, algebra).abs() <= 1e-12 * max(magnitude(a).item(), 1.0) ** 16


def matrix_size(algebra):
    return 2 ** ((algebra.dim + 1) // 2)


def test_determinant_is_multiplicative():
    for algebra in EVERY:
        (a, a_inverse), (b, b_inverse) = invertible(algebra, 8, seed=1), invertible(algebra, 8, seed=2)
        product = F.determinant(F.geometric_product(a, b, algebra), algebra)
        factors = F.determinant(a, algebra) * F.determinant(b, algebra)
        # to first order Det(a + da) = Det(a) (1 + size <da / a>_0), once for the product and once for the determinants
        loss = 2 * matrix_size(algebra) * (magnitude(a, a_inverse) + magnitude(b, b_inverse))
        assert_identity(product[:, None], factors[:, None], loss * factors.abs())
        for involution in (F.reverse, F.grade_involute, F.clifford_conjugate):
            value, plain = F.determinant(involution(a, algebra), algebra), F.determinant(a, algebra)
            assert_identity(value[:, None], plain[:, None], loss * plain.abs())


def test_determinant_of_scalars_and_of_one():
    for algebra in EVERY:
        one, size = Setting(algebra).one.x, matrix_size(algebra)
        assert_identity(F.determinant(one, algebra), torch.ones((), dtype=torch.float64), float(size))
        assert_identity(
            F.determinant(-3 * one, algebra), torch.tensor((-3.0) ** size, dtype=torch.float64), size * 3.0**size
        )


def test_elements_satisfy_their_characteristic_polynomial():
    for algebra in SMALL:
        a = floats(algebra, 4)
        coefficients = F.characteristic_coefficients(a, algebra)
        assert coefficients.shape == (4, matrix_size(algebra) + 1)
        value, scale = torch.zeros_like(a), torch.zeros(4, dtype=torch.float64)
        one, size = Setting(algebra).one.x, magnitude(a)
        for k in range(coefficients.shape[-1]):
            c = coefficients[..., k]
            value = F.geometric_product(a, value, algebra) + c.unsqueeze(-1) * one
            scale = size * scale + size**k * matrix_size(algebra) ** k
        assert_identity(value, torch.zeros_like(value), scale, algebra=algebra)
        sign = (-1) ** matrix_size(algebra)
        last = sign * F.determinant(a, algebra)
        assert_identity(coefficients[..., -1:], last.unsqueeze(-1), scale)


@check_cases(multivectors)
def test_drawn_integers_have_an_inverse_or_a_determinant_of_zero(algebra, a):
    inverse, info = F.inverse_ex(a, algebra)
    determinant = F.determinant(a, algebra)
    if info:
        # the determinant of integers is one: a smaller value is zero
        assert determinant.abs() < 0.5
    else:
        product = F.geometric_product(a, inverse, algebra)
        assert_identity(product, Setting(algebra).one.x, magnitude(a, inverse), algebra=algebra)


def test_inverse_of_a_product_reverses_the_order():
    algebra = Algebra(3)
    a, b = invertible(algebra, seed=1)[0], invertible(algebra, seed=2)[0]
    inverse_of_product = F.inverse(F.geometric_product(a, b, algebra), algebra)
    same_order = F.geometric_product(F.inverse(a, algebra), F.inverse(b, algebra), algebra)
    with pytest.raises(AssertionError, match="the sides differ"):
        assert_identity(inverse_of_product, same_order, magnitude(inverse_of_product, same_order), algebra=algebra)
