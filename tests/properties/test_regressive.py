"""Regressive product: the dual of the outer product, whatever the metric."""

import torch

from cliffnet import Algebra
from helpers.identities import Catalogue, drawn, everywhere, failing, regular

regressive, false, unlike = Catalogue(), Catalogue(), Catalogue()


@regressive
def regressive_product_is_associative(g, a, b, c):
    yield (a & b) & c, a & (b & c)


@regressive
def pseudoscalar_is_its_unit(g, a):
    whole = g.one.right
    yield whole & a, a
    yield a & whole, a


@regressive
def complements_turn_it_into_the_outer_product(g, a, b):
    yield (a & b).right, a.right ^ b.right
    yield (a & b).left, a.left ^ b.left
    yield a & b, (a.right ^ b.right).left
    yield a & b, (a.left ^ b.left).right


@regressive
def grades_add_up_to_the_whole(g, a, b):
    products = (g.element(a.parts.x.unsqueeze(1)) & g.element(b.parts.x.unsqueeze(0))).x
    grades = torch.arange(g.n + 1)
    kept = (grades[:, None, None] + grades[:, None] - g.n) == g.grades
    kept = kept.reshape(g.n + 1, g.n + 1, *[1] * (a.x.dim() - 1), -1)
    yield torch.where(kept, products, 0.0), products


@regressive(where=regular)
def polarity_gives_it_with_operands_swapped(g, a, b):
    yield (b.dual ^ a.dual).undual, a & b


@regressive
def projective_join_has_three_right_complements(g, a, b):
    yield a.projective_join(b), (a.right ^ b.right).right
    yield a.projective_join(b), (a & b).right.right


@false
def pseudoscalar_is_the_unit_of_the_projective_join(g, a):
    yield g.whole.projective_join(a), a


@unlike
def polarity_gives_it_in_the_same_order(g, a, b):
    yield (a.dual ^ b.dual).undual, a & b


@unlike
def regressive_product_commutes(g, a, b):
    yield a & b, b & a


test_exact_in_every_algebra = everywhere(regressive)
test_exact_on_drawn_cases = drawn(regressive)
test_projective_join_is_another_product = failing(false, Algebra(2), Algebra(4), Algebra(1, 3), Algebra(3, 0, 1))
test_what_is_no_identity_fails = failing(unlike, Algebra(2), Algebra(3), Algebra(1, 3), Algebra(2, 2), Algebra(4, 1))
