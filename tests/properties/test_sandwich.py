"""Sandwich: versors act by automorphisms of the whole algebra."""

import pytest
import torch

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.testing import assert_identity, group_elements, magnitude, versors
from helpers.identities import EVERY, Element, Setting, check_cases, floats

ACTED_ON = tuple(algebra for algebra in EVERY if algebra.dim > algebra.r)

PRODUCTS = (
    F.geometric_product,
    F.outer_product,
    F.left_contraction,
    F.right_contraction,
    F.fat_inner_product,
    F.hestenes_inner_product,
    F.commutator,
    F.regressive_product,
)


class Action:
    """The action of a versor, and what bounds its rounding: ``|V x V^-1| <= |V|_1^2 |x|_1 / |V reverse(V)|``."""

    def __init__(self, versor, algebra):
        self.versor, self.algebra = versor, algebra
        self.is_odd = algebra.grades[int(versor.abs().argmax())] % 2 == 1
        self.stretch = magnitude(versor, versor) / F.norm_squared(versor, algebra).abs()

    def __call__(self, x):
        return F.sandwich(self.versor, x, self.algebra)

    def check(self, left, right, *operands):
        scale = self.stretch ** max(len(operands), 1) * magnitude(*operands)
        assert_identity(left, right, scale, algebra=self.algebra, context=f"odd={self.is_odd} in {self.algebra!r}")


def actions(algebra):
    elements = group_elements(algebra)
    # an odd and an even one and a translation, if there is one, of the many of a large algebra
    chosen = elements if algebra.dim <= 5 else [elements[1], elements[2], elements[-1]]
    return [Action(element.versor, algebra) for element in chosen]


def products_commute(act, a, b):
    for product in PRODUCTS:
        # a reflection turns the pseudoscalar around
        sign = -1 if product is F.regressive_product and act.is_odd else 1
        act.check(act(product(a, b, act.algebra)), sign * product(act(a), act(b), act.algebra), a, b)


def forms_are_invariant(act, a, b):
    before, after = F.inner_product(a, b, act.algebra), F.inner_product(act(a), act(b), act.algebra)
    act.check(before.unsqueeze(-1), after.unsqueeze(-1), a, b)


def grades_are_kept(act, a, b):
    for k in range(act.algebra.dim + 1):
        part = F.grade_project(a, k, act.algebra)
        moved = act(part)
        act.check(moved, F.grade_project(moved, k, act.algebra), a)


def null_generators_are_fixed(act, a, b):
    null = [1 << i for i, square in enumerate(act.algebra.metric) if square == 0.0]
    blades = torch.eye(act.algebra.num_blades, dtype=torch.float64)
    for mask in null:
        generator = blades[act.algebra.blade_masks.index(mask)]
        act.check(act(generator), generator, generator)
    ideal = torch.tensor([any(mask & one for one in null) for mask in act.algebra.blade_masks])
    moved = act(torch.where(ideal, a, 0.0))
    act.check(moved, torch.where(ideal, moved, 0.0), a)


def size_and_sign_do_not_matter(act, a, b):
    for factor in (-1.0, 3.5):
        act.check(F.sandwich(factor * act.versor, a, act.algebra), act(a), a)


def inverse_undoes(act, a, b):
    back = F.sandwich(act.versor, act(a), act.algebra, inverse=True)
    assert_identity(back, a, act.stretch**2 * magnitude(a), algebra=act.algebra)


def unit_versors_need_no_division(act, a, b):
    norm = F.norm_squared(act.versor, act.algebra)
    act.check(F.sandwich(act.versor, a, act.algebra, unit=True) / norm, act(a), a)


LAWS = [
    products_commute,
    forms_are_invariant,
    grades_are_kept,
    null_generators_are_fixed,
    size_and_sign_do_not_matter,
    inverse_undoes,
    unit_versors_need_no_division,
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_within_the_bound_in_every_algebra(law):
    for algebra in ACTED_ON:
        a, b = floats(algebra, 2, seed=1), floats(algebra, 2, seed=2)
        for act in actions(algebra):
            law(act, a, b)


def test_actions_compose():
    for algebra in ACTED_ON:
        a = floats(algebra, 2)
        acts = actions(algebra)
        for first, second in zip(acts, [*acts[1:], acts[0]], strict=True):
            both = Action(F.geometric_product(first.versor, second.versor, algebra), algebra)
            scale = first.stretch * second.stretch * both.stretch * magnitude(a)
            assert_identity(first(second(a)), both(a), scale, algebra=algebra)


@check_cases(versors)
def test_drawn_integer_versors_reflect_vectors_exactly(algebra, versor):
    # the product without the division stays an integer: V hat(x) reverse(V) = (V reverse(V)) (V >> x)
    g = Setting(algebra)
    v = g.element(versor)
    norm = (v * ~v).x[..., algebra.index("1")[0]]
    for x in g.generators:
        twisted = v * (x.hat if v.hat.x.ne(v.x).any() else x) * ~v
        assert_identity(twisted.x, twisted.grade(1).x, algebra=algebra)
        assert_identity(twisted.norm_squared, norm**2 * x.norm_squared)
        assert_identity(F.sandwich(versor, x.x, algebra), twisted.x / norm, algebra=algebra)


@pytest.mark.parametrize("signature", [(3,), (1, 3), (3, 0, 1)], ids=str)
def test_other_elements_are_no_automorphisms(signature):
    algebra = Algebra(*signature)
    a, b = floats(algebra, seed=1), floats(algebra, seed=2)
    act = Action(floats(algebra, seed=3), algebra)
    for law in (products_commute, grades_are_kept, forms_are_invariant):
        with pytest.raises(AssertionError, match="the sides differ"):
            law(act, a, b)


def test_odd_versors_without_the_twist_are_no_automorphisms_of_the_outer_product():
    algebra = Algebra(3)
    g = Setting(algebra)
    e1, e2, _ = g.generators

    def untwisted(x: Element) -> Element:
        return e1 * x * e1

    assert torch.equal(untwisted(e1 ^ e2).x, (untwisted(e1) ^ untwisted(e2)).x)
    # but the twist is what makes a vector its own mirror: -v x v^-1 turns v around
    assert torch.equal(untwisted(e1).x, e1.x)
    assert torch.equal(F.sandwich(e1.x, e1.x, algebra), -e1.x)
    assert torch.equal(F.sandwich(e1.x, e2.x, algebra), e2.x)


def test_known_versors():
    plane = Algebra(2, 0, 1)
    g = Setting(plane)
    e1, e2 = g.generators[1:]
    assert torch.equal(F.sandwich(e1.x, e1.x, plane), -e1.x)
    assert torch.equal(F.sandwich(e1.x, e2.x, plane), e2.x)
    assert torch.equal(F.sandwich((e1 * e2).x, e1.x, plane), -e1.x)
    turn = g.one - (e1 * e2)
    assert torch.equal(F.sandwich(turn.x, e1.x, plane), e2.x)
