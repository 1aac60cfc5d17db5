"""Contractions, and the inner products between them."""

from cliffnet import Algebra
from helpers.identities import Catalogue, drawn, everywhere, failing

contractions, false = Catalogue(), Catalogue()


@contractions
def vector_times_element_splits(g, v, a):
    yield v * a, (v << a) + (v ^ a)
    yield 2 * (v << a), (v * a) - (a.hat * v)
    yield 2 * (v ^ a), (v * a) + (a.hat * v)


@contractions
def vector_times_element_splits_with_the_hestenes_product(g, v, a):
    without_scalars = a - a.grade(0)
    yield v * without_scalars, v.hestenes(without_scalars) + (v ^ without_scalars)
    yield v * a, v.hestenes(a) + (v ^ a)


@contractions
def contraction_by_an_outer_product_contracts_twice(g, a, b, c):
    yield (a ^ b) << c, a << (b << c)


@contractions
def contraction_is_adjoint_to_the_outer_product(g, a, b, c):
    yield ((a ^ b) * c).grade(0), (a * (b << c)).grade(0)


@contractions
def right_contraction_is_the_reverse_of_the_left(g, a, b):
    yield a.right_contraction(b), ~(~b << ~a)


@contractions
def contractions_from_both_sides_commute(g, a, b, c):
    yield (a << b).right_contraction(c), a << b.right_contraction(c)


@contractions
def contraction_by_a_vector_is_an_antiderivation(g, v, a, b):
    yield v << (a * b), ((v << a) * b) + (a.hat * (v << b))
    yield v << (a ^ b), ((v << a) ^ b) + (a.hat ^ (v << b))


@contractions
def fat_product_joins_the_contractions(g, a, b):
    shared = a.parts.scalar_product(b.parts).sum()
    yield a | b, (a << b) + a.right_contraction(b) - shared


@contractions
def hestenes_product_is_the_fat_product_without_scalars(g, a, b):
    yield a.hestenes(b), (a - a.grade(0)) | (b - b.grade(0))


@false
def vector_times_element_splits_with_the_fat_product(g, v, a):
    # on the scalar part of a, v|a and v^a are both v a
    yield v * a, (v | a) + (v ^ a)


@false
def left_and_right_contraction_agree(g, a, b):
    yield a << b, a.right_contraction(b)


@false
def fat_product_is_the_sum_of_the_contractions(g, a, b):
    yield a | b, (a << b) + a.right_contraction(b)


test_exact_in_every_algebra = everywhere(contractions)
test_exact_on_drawn_cases = drawn(contractions)
test_what_is_no_identity_fails = failing(false, Algebra(2), Algebra(3), Algebra(1, 3), Algebra(3, 0, 1), Algebra(4, 1))
