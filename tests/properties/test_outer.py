"""Outer product."""

import torch

from cliffnet import Algebra
from cliffnet import functional as F
from helpers.identities import Catalogue, drawn, everywhere, failing

outer, false = Catalogue(), Catalogue()


def in_default_order(algebra):
    return algebra.full is Algebra(metric=algebra.metric).full


@outer
def outer_product_is_associative(g, a, b, c):
    yield (a ^ b) ^ c, a ^ (b ^ c)


@outer
def grades_commute_by_the_product_of_their_parities(g, a, b):
    ab = (g.element(a.parts.x.unsqueeze(1)) ^ g.element(b.parts.x.unsqueeze(0))).x
    ba = (g.element(b.parts.x.unsqueeze(0)) ^ g.element(a.parts.x.unsqueeze(1))).x
    grades = torch.arange(g.n + 1)
    signs = (1 - 2 * (grades[:, None] * grades % 2)).to(g.dtype)
    yield ab, ba * signs.reshape(g.n + 1, g.n + 1, *[1] * a.x.dim())


@outer
def vectors_square_to_zero(g, v, w):
    yield v ^ v, v.zero
    yield v ^ w, -(w ^ v)


@outer(where=in_default_order)
def metric_does_not_matter(g, a, b):
    for other in (Algebra(metric=[0.0] * g.n), Algebra(metric=[2.0] * g.n)):
        yield a ^ b, F.outer_product(a.x, b.x, other)
        yield a & b, F.regressive_product(a.x, b.x, other)


@outer(where=lambda algebra: not any(algebra.metric))
def geometric_product_without_a_metric_is_the_outer_product(g, a, b):
    yield a * b, a ^ b


@false
def every_element_squares_to_zero(g, a):
    yield a ^ a, a.zero


@false
def outer_product_is_half_the_difference(g, a, b):
    yield 2 * (a ^ b), (a * b) - (b * a)


test_exact_on_drawn_cases = drawn(outer)
test_what_is_no_identity_fails = failing(false, Algebra(2), Algebra(3), Algebra(1, 3), Algebra(3, 0, 1), Algebra(4, 1))
test_exact_in_every_algebra = everywhere(outer)
