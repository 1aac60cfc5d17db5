"""Complements, polarity and the metric dual."""

import torch

from cliffnet import Algebra
from helpers.identities import Catalogue, drawn, everywhere, failing, regular

duals, false, unlike = Catalogue(), Catalogue(), Catalogue()


@duals
def complements_complete_the_pseudoscalar(g):
    yield g.blades ^ g.blades.right, g.whole.expand(g.blades)
    yield g.blades.left ^ g.blades, g.whole.expand(g.blades)


@duals
def complements_invert_each_other(g, a):
    yield a.right.left, a
    yield a.left.right, a
    signs = torch.tensor([(-1.0) ** (k * (g.n - k)) for k in g.algebra.grades], dtype=g.dtype)
    yield a.right.right, signs * a.x
    yield a.dual.undual, a
    yield a.undual.dual, a


@duals
def polarity_and_metric_dual_are_products_with_the_pseudoscalar(g, a):
    yield a.unpolarity, a * g.whole
    yield a.hodge, ~a * g.whole


@duals
def metric_dual_is_the_complement_after_the_metric(g, a):
    signature = (g.blades * ~g.blades).x[..., g.algebra.index("1")[0]]
    yield a.hodge, g.element(signature * a.x).right


@duals
def metric_dual_measures_the_inner_product(g, a, b):
    yield (a.parts ^ b.parts.hodge).sum(), b.inner(a) * g.whole


@duals(where=regular)
def polarity_exchanges_outer_product_and_contraction(g, a, b):
    yield (a ^ b).polarity, a << b.polarity
    yield (a << b).polarity, a ^ b.polarity


@duals(where=regular)
def polarity_is_a_contraction_of_the_inverse_pseudoscalar(g, a):
    inverse = g.one.polarity
    yield inverse * g.whole, g.one
    yield a.polarity, a << inverse
    yield a.polarity, a * inverse
    yield a.polarity.unpolarity, a
    yield a.unpolarity.polarity, a
    yield a.dual, a.polarity
    yield a.undual, a.unpolarity


@duals(where=lambda algebra: algebra.r > 0)
def dual_of_a_degenerate_metric_is_the_right_complement(g, a):
    yield a.dual, a.right
    yield a.undual, a.left


@false
def right_complement_inverts_itself(g, a):
    yield a.right.right, a


@false
def right_and_left_complement_agree(g, a):
    yield a.right, a.left


@unlike
def unpolarity_is_polarity(g, a):
    yield a.unpolarity, a.polarity


test_exact_in_every_algebra = everywhere(duals)
test_exact_on_drawn_cases = drawn(duals)
# with an odd number of generators complements are their own inverses
test_what_is_no_identity_fails = failing(false, Algebra(2), Algebra(4), Algebra(1, 3, 2), Algebra(3, 0, 1))
# with a pseudoscalar that squares to one they are the same
test_polarity_and_its_inverse_differ = failing(unlike, Algebra(2), Algebra(3), Algebra(1, 3), Algebra(5, 2))
