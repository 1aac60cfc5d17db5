"""Ring: products are bilinear and associative, generators anticommute, vectors square to the quadratic form."""

import torch

from cliffnet import Algebra
from cliffnet import functional as F
from helpers.identities import Catalogue, drawn, everywhere, failing, pairs

PRODUCTS = [
    F.geometric_product,
    F.outer_product,
    F.regressive_product,
    F.left_contraction,
    F.right_contraction,
    F.scalar_product,
    F.fat_inner_product,
    F.hestenes_inner_product,
    F.commutator,
    F.anticommutator,
    F.projective_join,
]

ring, false = Catalogue(), Catalogue()


@ring
def product_is_associative(g, a, b, c):
    yield (a * b) * c, a * (b * c)


@ring
def products_distribute(g, a, b, c):
    for product in PRODUCTS:
        yield a._product(product, b + c), a._product(product, b) + a._product(product, c)
        yield (b + c)._product(product, a), b._product(product, a) + c._product(product, a)


@ring
def numbers_commute_with_products(g, a, b):
    for product in PRODUCTS:
        yield (-3 * a)._product(product, b), -3 * a._product(product, b)
        yield a._product(product, -3 * b), -3 * a._product(product, b)


@ring
def one_is_the_unit(g, a):
    yield g.one * a, a
    yield a * g.one, a
    yield g.one ^ a, a
    yield a ^ g.one, a


@ring(where=lambda algebra: algebra.dim > 0)
def generators_anticommute_and_square_to_the_metric(g):
    for i, j in pairs(g.n):
        e, f = g.generators[i], g.generators[j]
        yield (e * f) + (f * e), (2 * g.algebra.metric[i] if i == j else 0) * g.one
        if i != j:
            yield (e * f).x.abs().sum(), torch.ones((), dtype=g.dtype)


@ring
def vectors_square_to_the_quadratic_form(g, v, w):
    x, y = g.coordinates(v), g.coordinates(w)
    yield v * v, (g.metric * x * x).sum(-1) * g.one
    yield (v * w) + (w * v), (2 * (g.metric * x * y).sum(-1)) * g.one
    yield v.norm_squared, (g.metric * x * x).sum(-1)


@ring
def commutators_are_half_the_difference(g, a, b):
    yield 2 * a.commutator(b), (a * b) - (b * a)
    yield 2 * a.anticommutator(b), (a * b) + (b * a)


@false
def product_is_commutative(g, a, b):
    yield a * b, b * a


@false
def contraction_is_associative(g, a, b, c):
    yield (a << b) << c, a << (b << c)


test_exact_in_every_algebra = everywhere(ring)
test_exact_on_drawn_cases = drawn(ring)
test_what_is_no_identity_fails = failing(false, Algebra(2), Algebra(3), Algebra(1, 3), Algebra(3, 0, 1), Algebra(4, 1))
