"""Commutators, and bivectors as a Lie algebra."""

from cliffnet import Algebra
from helpers.identities import Catalogue, drawn, everywhere, failing

lie, false = Catalogue(), Catalogue()


@lie
def commutators_satisfy_the_jacobi_identity(g, a, b, c):
    terms = [a.commutator(b.commutator(c)), b.commutator(c.commutator(a)), c.commutator(a.commutator(b))]
    yield terms[0] + terms[1] + terms[2], a.zero
    yield a.commutator(b), -b.commutator(a)


@lie
def commutator_with_a_bivector_keeps_grades(g, B, a):
    moved = B.commutator(a.parts)
    for k in range(g.n + 1):
        yield moved.x[k], moved.grade(k).x[k]


@lie
def commutator_with_a_bivector_is_a_derivation(g, B, a, b):
    yield B.commutator(a * b), (B.commutator(a) * b) + (a * B.commutator(b))
    yield B.commutator(a ^ b), (B.commutator(a) ^ b) + (a ^ B.commutator(b))
    yield B.commutator(a << b), (B.commutator(a) << b) + (a << B.commutator(b))


@lie
def bivectors_are_closed(g, B, C):
    bracket = B.commutator(C)
    yield bracket, bracket.grade(2)
    yield 2 * bracket, (B * C) - (C * B)


@lie
def commutator_with_a_bivector_is_antisymmetric(g, B, a, b):
    yield B.commutator(a).inner(b), -a.inner(B.commutator(b))


@false
def commutator_is_associative(g, a, b, c):
    yield a.commutator(b).commutator(c), a.commutator(b.commutator(c))


@false
def commutator_with_any_element_keeps_grades(g, a, b):
    moved = a.commutator(b.grade(1))
    yield moved, moved.grade(1)


@false
def commutator_with_any_element_is_a_derivation_of_the_outer_product(g, a, b, c):
    yield a.commutator(b ^ c), (a.commutator(b) ^ c) + (b ^ a.commutator(c))


test_exact_in_every_algebra = everywhere(lie)
test_exact_on_drawn_cases = drawn(lie)
test_what_is_no_identity_fails = failing(false, Algebra(2), Algebra(3), Algebra(1, 3), Algebra(3, 0, 1), Algebra(4, 1))
