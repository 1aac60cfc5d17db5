"""Names of blades, and bases in the order and with the signs of other libraries."""

import itertools

import pytest
import torch

from cliffnet import Algebra, errors
from cliffnet import functional as F
from helpers.multivectors import SIGNED_BASIS, random_integers


@pytest.mark.parametrize(
    "algebra", [Algebra(0), Algebra(3), Algebra(3, 0, 1), Algebra(2, 0, 2), Algebra(9, 0, 1)], ids=str
)
def test_every_name_names_its_own_blade(algebra):
    assert [algebra.index(name) for name in algebra.blade_names] == [(i, 1) for i in range(algebra.num_blades)]


def test_permuted_names_have_the_sign_of_the_permutation():
    algebra = Algebra(4)
    for permutation in itertools.permutations((1, 2, 4)):
        inversions = sum(a > b for a, b in itertools.combinations(permutation, 2))
        name = "e" + "".join(map(str, permutation))
        assert algebra.index(name) == (algebra.blade_names.index("e124"), (-1) ** inversions)


def test_scalar_has_two_names():
    assert Algebra(2).index("1") == Algebra(2).index("e") == (0, 1)


def test_indices_of_two_digits_are_separated():
    algebra = Algebra(11)
    assert algebra.blade_names[11] == "e11"
    assert "e1_11" in algebra.blade_names
    assert algebra.index("e10_2") == (algebra.blade_names.index("e2_10"), -1)
    assert Algebra(9).blade_names[-1] == "e123456789"
    assert Algebra(9, 0, 1).blade_names[-1] == "e0123456789"


@pytest.mark.parametrize("name", ["", "x", "e1-", "E1", "e_1", "e1_", "12", "e-1", "e1 2"])
def test_other_text_is_no_blade_name(name):
    with pytest.raises(errors.BladeError, match="is no blade name; expected '1' or 'e' followed by generator indices"):
        Algebra(3).index(name)


@pytest.mark.parametrize(
    ("algebra", "name"),
    [(Algebra(3), "e4"), (Algebra(3), "e0"), (Algebra(3), "e11"), (Algebra(3), "e1a"), (Algebra(3, 0, 1), "e4")],
)
def test_blades_that_do_not_exist_are_refused(algebra, name):
    with pytest.raises(errors.BladeError, match=f"'{name}' is not a blade of this algebra; its generators are e"):
        algebra.index(name)


def test_signed_basis_keeps_names_order_and_signs():
    algebra = Algebra(3, 0, 1, basis=SIGNED_BASIS)
    assert algebra.blade_names == tuple(SIGNED_BASIS)
    negative = [name for name, sign in zip(algebra.blade_names, algebra.blade_signs, strict=True) if sign < 0]
    assert negative == ["e31", "e032", "e021"]
    assert algebra.index("e31") == (9, 1)
    assert algebra.index("e13") == (9, -1)
    assert algebra.metric == Algebra(3, 0, 1).metric


def test_named_scalar_of_other_libraries_is_accepted():
    algebra = Algebra(3, 0, 1, basis=["e", *SIGNED_BASIS[1:]])
    assert algebra.blade_names[0] == "e"
    assert algebra.index("1") == (0, 1)


def to_signed(x):
    """Components in the signed basis of a multivector in the default one."""
    default = Algebra(3, 0, 1)
    places = [default.index(name) for name in SIGNED_BASIS]
    return x[..., [place for place, _ in places]] * torch.tensor([sign for _, sign in places], dtype=x.dtype)


PRODUCTS = [F.geometric_product, F.outer_product, F.left_contraction, F.right_contraction, F.scalar_product]
PRODUCTS += [F.fat_inner_product, F.hestenes_inner_product, F.commutator, F.anticommutator]
PRODUCTS += [F.regressive_product, F.projective_join, F.sandwich]
MAPS = [F.reverse, F.grade_involute, F.clifford_conjugate, F.right_complement, F.left_complement]
MAPS += [F.unpolarity, F.hodge_dual, F.dual, F.undual, lambda x, algebra: F.grade_project(x, (1, 3), algebra)]


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.__name__)
def test_products_do_not_depend_on_the_basis(product):
    default, signed = Algebra(3, 0, 1), Algebra(3, 0, 1, basis=SIGNED_BASIS)
    left, right = random_integers(default, 6, seed=1), random_integers(default, 6, seed=2)
    expected = to_signed(product(left, right, default))
    actual = product(to_signed(left), to_signed(right), signed)
    if product is F.sandwich:
        torch.testing.assert_close(actual, expected, rtol=1e-13, atol=1e-13, equal_nan=True)
    else:
        assert torch.equal(actual, expected)


@pytest.mark.parametrize("function", MAPS, ids=lambda function: function.__name__)
def test_maps_do_not_depend_on_the_basis(function):
    default, signed = Algebra(3, 0, 1), Algebra(3, 0, 1, basis=SIGNED_BASIS)
    x = random_integers(default, 6, seed=3)
    assert torch.equal(function(to_signed(x), signed), to_signed(function(x, default)))


def test_invariants_do_not_depend_on_the_basis():
    default, signed = Algebra(3, 0, 1), Algebra(3, 0, 1, basis=SIGNED_BASIS)
    x, y = random_integers(default, 6, seed=4), random_integers(default, 6, seed=5)
    assert torch.equal(F.inner_product(to_signed(x), to_signed(y), signed), F.inner_product(x, y, default))


@pytest.mark.parametrize(
    ("basis", "message"),
    [
        (["1", "e1", "e2"], "the basis names 3 of 4 blades; expected each exactly once"),
        (["1", "e1", "e2", "e2"], "the basis names 3 of 4 blades"),
        (["1", "e1", "e12", "e21"], "the basis names 3 of 4 blades"),
        (["1", "e1", "e2", "e13"], "'e13' is not a blade of this algebra; its generators are e1 to e2"),
        (["1", "e1", "e2", "I"], "'I' is no blade name"),
    ],
)
def test_bad_bases_are_refused(basis, message):
    with pytest.raises(errors.BladeError, match=message):
        Algebra(2, basis=basis)
