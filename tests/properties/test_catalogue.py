"""The catalogue notices wrong operations, in the sweep and on drawn cases."""

import pytest
import torch

from cliffnet import Algebra
from cliffnet import functional as F
from helpers.identities import EVERY, LARGE, SMALL, Catalogue, drawn, everywhere


def test_the_algebras_are_those_asked_for():
    assert len(SMALL) == 56  # the 55 of one to five generators, and the real numbers
    assert len(LARGE) == 30
    assert {algebra.dim for algebra in LARGE} == {6, 7, 8}
    assert len(set(EVERY)) == len(EVERY)
    shuffled = [algebra for algebra in LARGE if algebra is not Algebra(*algebra.signature)]
    assert len(shuffled) > 20


rules = Catalogue()


@rules
def product_is_associative(g, a, b, c):
    yield (a * b) * c, a * (b * c)


@rules
def reversion_reverses_products(g, a, b):
    yield ~(a * b), ~b * ~a


@rules
def contraction_splits_off_vectors(g, v, a):
    yield v * a, (v << a) + (v ^ a)


@rules
def complements_invert_each_other(g, a):
    yield a.right.left, a


@rules
def regressive_product_is_dual(g, a, b):
    yield a & b, (a.right ^ b.right).left


PRODUCT, REVERSE, CONTRACTION, COMPLEMENT, REGRESSIVE = rules


def one_sign_wrong(function):
    def changed(a, b, algebra):
        extra = torch.zeros_like(function(a, b, algebra))
        extra[..., -1] = 2 * a[..., 0] * b[..., -1]
        return function(a, b, algebra) - extra

    return changed


def only_in_degenerate_metrics(function, other):
    return lambda a, b, algebra: (other if algebra.r else function)(a, b, algebra)


def only_for_large_coefficients(function):
    return lambda x, algebra: function(x, algebra) + (x[..., :1] > 3).to(x.dtype) * (x[..., -1:] > 3)


BROKEN = [
    ("geometric_product", one_sign_wrong(F.geometric_product), (PRODUCT, REVERSE)),
    ("geometric_product", only_in_degenerate_metrics(F.geometric_product, F.anticommutator), (PRODUCT, CONTRACTION)),
    ("reverse", F.grade_involute, (REVERSE,)),
    ("reverse", only_for_large_coefficients(F.reverse), (REVERSE,)),
    ("left_contraction", F.right_contraction, (CONTRACTION,)),
    ("left_contraction", F.fat_inner_product, (CONTRACTION,)),
    ("left_complement", F.right_complement, (COMPLEMENT, REGRESSIVE)),
    ("regressive_product", F.projective_join, (REGRESSIVE,)),
    ("regressive_product", lambda a, b, algebra: F.outer_product(b, a, algebra), (REGRESSIVE,)),
]


@pytest.mark.parametrize(
    ("name", "function", "noticed"), BROKEN, ids=[f"{case[0]}-{i}" for i, case in enumerate(BROKEN)]
)
def test_wrong_operations_are_noticed(name, function, noticed, monkeypatch):
    monkeypatch.setattr(F, name, function)
    for identity in noticed:
        for check in (everywhere(rules), drawn(rules)):
            with pytest.raises(AssertionError, match=f"{identity} in Algebra"):
                check(identity)


def test_identities_that_compare_nothing_are_refused():
    empty = Catalogue()

    @empty
    def nothing(g, a):
        yield from ()

    with pytest.raises(AssertionError, match="compares nothing"):
        everywhere(empty)(empty[0])

    nowhere = Catalogue()

    @nowhere(where=lambda algebra: False)
    def anything(g, a):
        yield a, a

    with pytest.raises(AssertionError, match="in 0 algebras only"):
        everywhere(nowhere)(nowhere[0])
