"""Versors: products of vectors."""

from cliffnet import Algebra
from helpers.identities import Catalogue, drawn, everywhere, failing

versors, false = Catalogue(), Catalogue()


@versors(degree=4)
def reflected_vectors_are_vectors(g, v, w):
    reflected = v * w * v
    yield reflected, reflected.grade(1)
    yield reflected.norm_squared, v.norm_squared**2 * w.norm_squared


@versors(degree=6)
def norms_of_versors_are_products(g, u, v, w):
    versor = u * v * w
    norm = u.norm_squared * v.norm_squared * w.norm_squared
    yield versor * ~versor, norm * g.one
    yield ~versor * versor, norm * g.one
    yield versor.norm_squared, norm


@versors(degree=6)
def norm_is_multiplicative_when_one_factor_is_a_versor(g, v, w, a):
    versor = v * w
    yield (versor * a).norm_squared, versor.norm_squared * a.norm_squared
    yield (a * versor).norm_squared, versor.norm_squared * a.norm_squared


@versors(degree=6)
def versors_have_a_parity_and_map_vectors_to_vectors(g, u, v, w):
    versor = u * v
    yield versor, versor.grade(0, 2)
    moved = versor * w * ~versor
    yield moved, moved.grade(1)


@versors(degree=6)
def squared_outer_product_of_vectors_is_the_gram_determinant(g, v, w):
    yield (v ^ w).norm_squared, v.norm_squared * w.norm_squared - v.inner(w) ** 2


@false
def norm_is_multiplicative(g, a, b):
    yield (a * b).norm_squared, a.norm_squared * b.norm_squared


@false
def norm_times_reverse_is_a_scalar(g, a):
    yield a * ~a, a.norm_squared * g.one


@false
def any_element_maps_vectors_to_vectors(g, a, v):
    moved = a * v * ~a
    yield moved, moved.grade(1)


test_exact_in_every_algebra = everywhere(versors)
test_exact_on_drawn_cases = drawn(versors)
test_what_is_no_identity_fails = failing(false, Algebra(2), Algebra(4), Algebra(1, 3), Algebra(3, 0, 1), Algebra(4, 1))
