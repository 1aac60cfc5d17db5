"""Involutions, trace, pseudoscalar and grades."""

import itertools

import torch

from cliffnet import Algebra
from cliffnet import functional as F
from helpers.identities import Catalogue, drawn, everywhere, failing

involutions, false = Catalogue(), Catalogue()


@involutions
def involutions_are_automorphisms_or_reverse_products(g, a, b):
    yield (a * b).hat, a.hat * b.hat
    yield ~(a * b), ~b * ~a
    yield (a * b).bar, b.bar * a.bar


@involutions
def involutions_undo_themselves(g, a):
    yield ~~a, a
    yield a.hat.hat, a
    yield a.bar.bar, a
    yield a.bar, ~(a.hat)
    yield a.bar, (~a).hat


@involutions
def signs_follow_the_grade_modulo_four(g):
    every = g.element(torch.ones(g.algebra.num_blades, dtype=g.dtype))
    for involuted, signs in ((~every, "++--"), (every.hat, "+-+-"), (every.bar, "+--+")):
        yield involuted.x, torch.tensor([1.0 if signs[k % 4] == "+" else -1.0 for k in g.algebra.grades]).to(g.dtype)


@involutions
def trace_is_cyclic(g, a, b, c):
    yield (a * b).grade(0), (b * a).grade(0)
    yield (a * b * c).grade(0), (b * c * a).grade(0)
    yield (~a).grade(0), a.grade(0)
    yield a.scalar_product(b), (a * b).grade(0)


@involutions
def inner_product_is_the_trace_of_reverse_times(g, a, b):
    yield a.inner(b) * 1.0, b.inner(a)
    yield (~a * b).grade(0), a.inner(b) * g.one
    yield a.norm_squared, a.inner(a)
    yield (a * ~a).grade(0), a.norm_squared * g.one


@involutions
def pseudoscalar_commutes_by_parity(g, a, v):
    if g.n % 2:
        yield g.whole * a, a * g.whole
    else:
        yield g.whole * v, -(v * g.whole)


@involutions(where=lambda algebra: set(algebra.metric) <= {-1, 0, 1})
def square_of_the_pseudoscalar(g):
    expected = 0 if g.algebra.r else (-1) ** (g.n * (g.n - 1) // 2 + g.algebra.q)
    yield g.whole * g.whole, expected * g.one


@involutions
def grades_add_up_and_are_disjoint(g, a):
    parts = a.parts
    yield parts.sum(), a
    for k in range(g.n + 1):
        yield parts.grade(k).x, torch.stack([parts.x[j] if j == k else a.zero.x for j in range(g.n + 1)])
    yield a.grade(*range(g.n + 1)), a
    yield a.grade(), a.zero
    if g.n:
        yield a.grade(0, g.n), a.grade(0) + a.grade(g.n)


def _products_of_parts(g, a, b):
    """Products of every grade of ``a`` with every grade of ``b``: shape ``(r, s, batch, blades)``."""
    return (g.element(a.parts.x.unsqueeze(1)) * g.element(b.parts.x.unsqueeze(0))).x


def _reachable(n, r, s):
    return range(abs(r - s), min(r + s, 2 * n - r - s) + 1, 2)


@involutions
def product_of_grades_reaches_every_second_grade_between(g, a, b):
    products = _products_of_parts(g, a, b)
    for r, s in itertools.product(range(g.n + 1), repeat=2):
        outside = torch.tensor([k not in _reachable(g.n, r, s) for k in g.algebra.grades])
        yield products[r, s][..., outside], torch.zeros_like(products[r, s][..., outside])


@involutions
def other_products_are_grades_of_the_geometric_product(g, a, b):
    products = _products_of_parts(g, a, b)
    rules = {
        F.outer_product: lambda r, s: r + s,
        F.left_contraction: lambda r, s: s - r,
        F.right_contraction: lambda r, s: r - s,
        F.scalar_product: lambda r, s: 0,
        F.fat_inner_product: lambda r, s: abs(r - s),
        F.hestenes_inner_product: lambda r, s: abs(r - s) if r and s else -1,
    }
    for function, rule in rules.items():
        kept = torch.stack([torch.stack([g.grades == rule(r, s) for s in range(g.n + 1)]) for r in range(g.n + 1)])
        expected = torch.where(kept.reshape(g.n + 1, g.n + 1, *[1] * (a.x.dim() - 1), -1), products, 0.0).sum((0, 1))
        yield a._product(function, b), expected


@involutions
def parity_is_additive(g, a, b):
    even, odd = range(0, g.n + 1, 2), range(1, g.n + 1, 2)
    for first, second, kept in ((even, even, even), (odd, odd, even), (even, odd, odd), (odd, even, odd)):
        product = a.grade(*first) * b.grade(*second)
        yield product.grade(*kept), product


@false
def reversion_keeps_the_order_of_products(g, a, b):
    yield ~(a * b), ~a * ~b


@false
def trace_of_three_factors_is_symmetric(g, a, b, c):
    yield (a * b * c).grade(0), (b * a * c).grade(0)


test_exact_in_every_algebra = everywhere(involutions)
test_exact_on_drawn_cases = drawn(involutions)
test_what_is_no_identity_fails = failing(false, Algebra(2), Algebra(3), Algebra(1, 3), Algebra(3, 0, 1), Algebra(4, 1))
