"""Identities of the products, involutions and duals: exact on small integers, in every kind of metric."""

import itertools

import pytest
import torch

from cliffnet import Algebra
from cliffnet import functional as F
from helpers.multivectors import ALGEBRAS, REGULAR, blade, holds_for, multivectors, name, random_integers, vectors

ASSOCIATIVE = [F.geometric_product, F.outer_product, F.regressive_product]
PRODUCTS = [
    *ASSOCIATIVE,
    F.left_contraction,
    F.right_contraction,
    F.scalar_product,
    F.fat_inner_product,
    F.hestenes_inner_product,
    F.commutator,
    F.anticommutator,
    F.projective_join,
]
INVOLUTIONS = [F.reverse, F.grade_involute, F.clifford_conjugate]
one = [multivectors]
two = [multivectors] * 2
three = [multivectors] * 3


def by_name(function):
    return function.__name__


def scalar(algebra):
    return blade(algebra, "1")


def pseudoscalar(algebra):
    # the product of the generators in order, whatever sign and name the basis gives it
    result = scalar(algebra)
    for index in range(algebra.dim):
        result = F.geometric_product(result, blade(algebra, algebra.generator_names[index]), algebra)
    return result if algebra.r == 0 else F.right_complement(scalar(algebra), algebra)


def grades(x, algebra):
    return [F.grade_project(x, grade, algebra) for grade in range(algebra.dim + 1)]


# Rings


@pytest.mark.parametrize("product", ASSOCIATIVE, ids=by_name)
def test_products_are_associative(product):
    @holds_for(three)
    def check(algebra, a, b, c):
        assert torch.equal(product(product(a, b, algebra), c, algebra), product(a, product(b, c, algebra), algebra))

    check()


@pytest.mark.parametrize("product", PRODUCTS, ids=by_name)
def test_products_are_bilinear(product):
    @holds_for(three, examples=30)
    def check(algebra, a, b, c):
        assert torch.equal(product(a, 3 * b - c, algebra), 3 * product(a, b, algebra) - product(a, c, algebra))
        assert torch.equal(product(3 * b - c, a, algebra), 3 * product(b, a, algebra) - product(c, a, algebra))

    check()


@holds_for(one)
def test_units(algebra, a):
    unit = scalar(algebra)
    for product in (F.geometric_product, F.outer_product):
        assert torch.equal(product(unit, a, algebra), a)
        assert torch.equal(product(a, unit, algebra), a)
    whole = F.right_complement(unit, algebra)
    assert torch.equal(F.regressive_product(whole, a, algebra), a)
    assert torch.equal(F.regressive_product(a, whole, algebra), a)


@pytest.mark.parametrize("algebra", ALGEBRAS, ids=name)
def test_generators_anticommute_and_square_to_the_metric(algebra):
    generators = [blade(algebra, algebra.generator_names[index]) for index in range(algebra.dim)]
    for (i, a), (j, b) in itertools.product(enumerate(generators), repeat=2):
        ab, ba = F.geometric_product(a, b, algebra), F.geometric_product(b, a, algebra)
        if i == j:
            assert torch.equal(ab, algebra.metric[i] * scalar(algebra))
        else:
            assert torch.equal(ab, -ba)
            assert ab.abs().sum() == 1


@holds_for([vectors, vectors])
def test_vectors_square_to_the_quadratic_form(algebra, v, w):
    components = [v[algebra.blade_masks.index(1 << index)] for index in range(algebra.dim)]
    square = sum(square * value**2 for square, value in zip(algebra.metric, components, strict=True))
    assert torch.equal(F.geometric_product(v, v, algebra), square * scalar(algebra))
    assert torch.equal(F.outer_product(v, v, algebra), torch.zeros_like(v))
    both = F.geometric_product(v, w, algebra) + F.geometric_product(w, v, algebra)
    assert torch.equal(both, 2 * F.inner_product(v, w, algebra) * scalar(algebra))


# Involutions and traces


@pytest.mark.parametrize(
    ("involution", "signs"),
    list(zip(INVOLUTIONS, ("++--", "+-+-", "+--+"), strict=True)),
    ids=["reverse", "involute", "conjugate"],
)
def test_involutions_have_the_signs_of_the_grades(involution, signs):
    for algebra in ALGEBRAS:
        expected = torch.tensor([1.0 if signs[grade % 4] == "+" else -1.0 for grade in algebra.grades])
        assert torch.equal(involution(torch.ones(algebra.num_blades), algebra), expected)


@holds_for(two)
def test_involutions_are_automorphisms_or_anti_automorphisms(algebra, a, b):
    ab = F.geometric_product(a, b, algebra)
    for involution in (F.reverse, F.clifford_conjugate):
        assert torch.equal(
            involution(ab, algebra), F.geometric_product(involution(b, algebra), involution(a, algebra), algebra)
        )
    assert torch.equal(
        F.grade_involute(ab, algebra),
        F.geometric_product(F.grade_involute(a, algebra), F.grade_involute(b, algebra), algebra),
    )
    for involution in INVOLUTIONS:
        assert torch.equal(involution(involution(a, algebra), algebra), a)
    assert torch.equal(F.clifford_conjugate(a, algebra), F.reverse(F.grade_involute(a, algebra), algebra))


@holds_for(three)
def test_trace_is_cyclic(algebra, a, b, c):
    def trace(*factors):
        result = factors[0]
        for factor in factors[1:]:
            result = F.geometric_product(result, factor, algebra)
        return F.grade_project(result, 0, algebra)

    assert torch.equal(trace(a, b), trace(b, a))
    assert torch.equal(trace(a, b, c), trace(b, c, a))
    assert torch.equal(trace(F.reverse(a, algebra)), trace(a))
    assert torch.equal(F.scalar_product(a, b, algebra), trace(a, b))


@holds_for([multivectors, vectors])
def test_pseudoscalar_commutes_by_parity(algebra, a, v):
    whole = F.right_complement(scalar(algebra), algebra)
    if algebra.dim % 2:
        assert torch.equal(F.geometric_product(whole, a, algebra), F.geometric_product(a, whole, algebra))
    else:
        assert torch.equal(F.geometric_product(whole, v, algebra), -F.geometric_product(v, whole, algebra))


@pytest.mark.parametrize("algebra", [algebra for algebra in ALGEBRAS if set(algebra.metric) <= {-1, 0, 1}], ids=name)
def test_square_of_the_pseudoscalar(algebra):
    whole = F.right_complement(scalar(algebra), algebra)
    n, q = algebra.dim, algebra.q
    expected = 0 if algebra.r else (-1) ** (n * (n - 1) // 2 + q)
    assert torch.equal(F.geometric_product(whole, whole, algebra), expected * scalar(algebra))


# Grades


@holds_for(one)
def test_grade_projections_decompose(algebra, a):
    parts = grades(a, algebra)
    assert torch.equal(sum(parts), a)
    for k, part in enumerate(parts):
        for other, projected in enumerate(grades(part, algebra)):
            assert torch.equal(projected, part if other == k else torch.zeros_like(a))
    assert torch.equal(F.grade_project(a, range(algebra.dim + 1), algebra), a)
    assert torch.equal(F.grade_project(a, (), algebra), torch.zeros_like(a))
    assert torch.equal(F.grade_project(a, [0, algebra.dim], algebra), parts[0] + parts[-1] * (algebra.dim > 0))


@holds_for(two)
def test_products_are_graded_parts_of_the_geometric_product(algebra, a, b):
    n = algebra.dim
    rules = {
        F.outer_product: lambda r, s: r + s,
        F.left_contraction: lambda r, s: s - r,
        F.right_contraction: lambda r, s: r - s,
        F.scalar_product: lambda r, s: 0,
        F.fat_inner_product: lambda r, s: abs(r - s),
        F.hestenes_inner_product: lambda r, s: abs(r - s) if r and s else -1,
    }
    sums = {product: torch.zeros_like(a) for product in rules}
    for (r, a_r), (s, b_s) in itertools.product(enumerate(grades(a, algebra)), enumerate(grades(b, algebra))):
        parts = grades(F.geometric_product(a_r, b_s, algebra), algebra)
        reachable = range(abs(r - s), min(r + s, 2 * n - r - s) + 1, 2)
        assert all(not part.any() for t, part in enumerate(parts) if t not in reachable)
        for product, rule in rules.items():
            if 0 <= rule(r, s) <= n:
                sums[product] += parts[rule(r, s)]
    for product, expected in sums.items():
        assert torch.equal(product(a, b, algebra), expected), product.__name__


# Outer product and contractions


@holds_for(two)
def test_outer_product_is_graded_commutative_and_metric_free(algebra, a, b):
    for (r, a_r), (s, b_s) in itertools.product(enumerate(grades(a, algebra)), enumerate(grades(b, algebra))):
        ab, ba = F.outer_product(a_r, b_s, algebra), F.outer_product(b_s, a_r, algebra)
        assert torch.equal(ab, (-1) ** (r * s) * ba)
    if "e31" not in algebra.blade_names:
        assert torch.equal(F.outer_product(a, b, algebra), F.outer_product(a, b, Algebra(0, 0, algebra.dim)))
        assert torch.equal(F.regressive_product(a, b, algebra), F.regressive_product(a, b, Algebra(algebra.dim)))


@holds_for([vectors, multivectors, multivectors])
def test_vectors_split_into_contraction_and_outer_product(algebra, v, a, b):
    va = F.geometric_product(v, a, algebra)
    hat = F.geometric_product(F.grade_involute(a, algebra), v, algebra)
    contraction, outer = F.left_contraction(v, a, algebra), F.outer_product(v, a, algebra)
    assert torch.equal(contraction + outer, va)
    assert torch.equal(2 * contraction, va - hat)
    assert torch.equal(2 * outer, va + hat)
    for product in (F.geometric_product, F.outer_product):
        left = product(contraction, b, algebra)
        right = product(F.grade_involute(a, algebra), F.left_contraction(v, b, algebra), algebra)
        assert torch.equal(F.left_contraction(v, product(a, b, algebra), algebra), left + right)


@holds_for(three)
def test_contractions_are_adjoint_to_the_outer_product(algebra, a, b, c):
    def left(x, y):
        return F.left_contraction(x, y, algebra)

    def right(x, y):
        return F.right_contraction(x, y, algebra)

    outer = F.outer_product(a, b, algebra)
    assert torch.equal(left(outer, c), left(a, left(b, c)))
    assert torch.equal(right(left(a, b), c), left(a, right(b, c)))
    assert torch.equal(F.scalar_product(outer, c, algebra), F.scalar_product(a, left(b, c), algebra))
    reversed_ = F.reverse(left(F.reverse(b, algebra), F.reverse(a, algebra)), algebra)
    assert torch.equal(right(a, b), reversed_)


@holds_for(two)
def test_fat_inner_product_joins_the_contractions(algebra, a, b):
    shared = sum(
        F.scalar_product(a_k, b_k, algebra) for a_k, b_k in zip(grades(a, algebra), grades(b, algebra), strict=True)
    )
    both = F.left_contraction(a, b, algebra) + F.right_contraction(a, b, algebra)
    assert torch.equal(F.fat_inner_product(a, b, algebra), both - shared)


# Duals


@holds_for(one)
def test_complements_invert_each_other(algebra, a):
    n = algebra.dim
    assert torch.equal(F.left_complement(F.right_complement(a, algebra), algebra), a)
    assert torch.equal(F.right_complement(F.left_complement(a, algebra), algebra), a)
    twice = F.right_complement(F.right_complement(a, algebra), algebra)
    signed = sum((-1) ** (k * (n - k)) * part for k, part in enumerate(grades(a, algebra)))
    assert torch.equal(twice, signed)
    assert torch.equal(F.undual(F.dual(a, algebra), algebra), a)
    assert torch.equal(F.dual(F.undual(a, algebra), algebra), a)


@pytest.mark.parametrize("algebra", ALGEBRAS, ids=name)
def test_complements_of_blades_complete_the_pseudoscalar(algebra):
    blades = torch.eye(algebra.num_blades, dtype=torch.float64)
    whole = F.right_complement(scalar(algebra), algebra).expand(algebra.num_blades, -1)
    assert torch.equal(F.outer_product(blades, F.right_complement(blades, algebra), algebra), whole)
    assert torch.equal(F.outer_product(F.left_complement(blades, algebra), blades, algebra), whole)


@holds_for(two)
def test_duals_are_products_with_the_pseudoscalar(algebra, a, b):
    whole = F.right_complement(scalar(algebra), algebra)
    assert torch.equal(F.unpolarity(a, algebra), F.geometric_product(a, whole, algebra))
    hodge = F.geometric_product(F.reverse(a, algebra), whole, algebra)
    assert torch.equal(F.hodge_dual(a, algebra), hodge)
    # <a ~b>_0 I = sum over k of a_k ^ (~b_k I)
    pairs = zip(grades(a, algebra), grades(b, algebra), strict=True)
    wedge = sum(F.outer_product(a_k, F.hodge_dual(b_k, algebra), algebra) for a_k, b_k in pairs)
    assert torch.equal(wedge, F.inner_product(b, a, algebra) * whole)


@holds_for(two, REGULAR)
def test_polarity_exchanges_outer_product_and_contraction(algebra, a, b):
    def dual(x):
        return F.polarity(x, algebra)

    assert torch.equal(F.unpolarity(dual(a), algebra), a)
    assert torch.equal(dual(F.unpolarity(a, algebra)), a)
    assert torch.equal(F.dual(a, algebra), dual(a))
    assert torch.equal(dual(F.outer_product(a, b, algebra)), F.left_contraction(a, dual(b), algebra))
    assert torch.equal(dual(F.left_contraction(a, b, algebra)), F.outer_product(a, dual(b), algebra))
    assert torch.equal(dual(a), F.left_contraction(a, dual(scalar(algebra)), algebra))


@holds_for(one, [algebra for algebra in ALGEBRAS if algebra.r])
def test_dual_of_a_degenerate_metric_is_the_right_complement(algebra, a):
    assert torch.equal(F.dual(a, algebra), F.right_complement(a, algebra))
    assert torch.equal(F.undual(a, algebra), F.left_complement(a, algebra))


@holds_for(two)
def test_regressive_product_is_dual_to_the_outer_product(algebra, a, b):
    regressive = F.regressive_product(a, b, algebra)
    for complement, inverse in (
        (F.right_complement, F.left_complement),
        (F.left_complement, F.right_complement),
    ):
        outer = F.outer_product(complement(a, algebra), complement(b, algebra), algebra)
        assert torch.equal(complement(regressive, algebra), outer)
        assert torch.equal(inverse(outer, algebra), regressive)
    assert torch.equal(F.projective_join(a, b, algebra), F.right_complement(F.right_complement(regressive, algebra), algebra))
    n = algebra.dim
    for (r, a_r), (s, b_s) in itertools.product(enumerate(grades(a, algebra)), enumerate(grades(b, algebra))):
        product = F.regressive_product(a_r, b_s, algebra)
        parts = grades(product, algebra)
        assert all(not part.any() for t, part in enumerate(parts) if t != r + s - n)


@holds_for(two, REGULAR)
def test_regressive_product_by_polarity_swaps_its_operands(algebra, a, b):
    swapped = F.outer_product(F.dual(b, algebra), F.dual(a, algebra), algebra)
    assert torch.equal(F.undual(swapped, algebra), F.regressive_product(a, b, algebra))


# Commutators, norms, versors


@holds_for(three)
def test_commutators_form_a_lie_algebra(algebra, a, b, c):
    def bracket(x, y):
        return F.commutator(x, y, algebra)

    ab, ba = F.geometric_product(a, b, algebra), F.geometric_product(b, a, algebra)
    assert torch.equal(2 * bracket(a, b), ab - ba)
    assert torch.equal(2 * F.anticommutator(a, b, algebra), ab + ba)
    jacobi = bracket(a, bracket(b, c)) + bracket(b, bracket(c, a)) + bracket(c, bracket(a, b))
    assert not jacobi.any()
    if algebra.dim < 2:
        return
    bivector = F.grade_project(a, 2, algebra)
    for k, part in enumerate(grades(b, algebra)):
        assert torch.equal(F.grade_project(bracket(bivector, part), k, algebra), bracket(bivector, part))
    for product in (F.geometric_product, F.outer_product):
        left, right = product(bracket(bivector, b), c, algebra), product(b, bracket(bivector, c), algebra)
        assert torch.equal(bracket(bivector, product(b, c, algebra)), left + right)


@holds_for(two)
def test_inner_product_is_the_scalar_part_of_reverse_times(algebra, a, b):
    product = F.geometric_product(F.reverse(a, algebra), b, algebra)
    inner = F.inner_product(a, b, algebra)
    assert inner.shape == ()
    assert torch.equal(F.grade_project(product, 0, algebra), inner * scalar(algebra))
    assert torch.equal(inner, F.inner_product(b, a, algebra))
    assert torch.equal(F.norm_squared(a, algebra), F.inner_product(a, a, algebra))


@holds_for([vectors, vectors, multivectors])
def test_norms_of_versors_multiply(algebra, v, w, a):
    q = F.norm_squared
    versor = F.geometric_product(v, w, algebra)
    assert torch.equal(q(versor, algebra), q(v, algebra) * q(w, algebra))
    whole = F.geometric_product(versor, F.reverse(versor, algebra), algebra)
    assert torch.equal(whole, q(versor, algebra) * scalar(algebra))
    reflected = F.geometric_product(F.geometric_product(v, w, algebra), v, algebra)
    assert torch.equal(F.grade_project(reflected, 1, algebra) if algebra.dim else reflected, reflected)
    assert torch.equal(q(F.geometric_product(versor, a, algebra), algebra), q(versor, algebra) * q(a, algebra))


def test_norms_of_other_elements_do_not_multiply():
    algebra = Algebra(3)
    a = scalar(algebra) + blade(algebra, "e1")
    square = F.geometric_product(a, a, algebra)
    assert F.norm_squared(square, algebra) == 8
    assert F.norm_squared(a, algebra) ** 2 == 4


# Sandwich


@pytest.mark.parametrize("algebra", [algebra for algebra in ALGEBRAS if algebra.dim > algebra.r], ids=name)
def test_sandwich_is_an_automorphism(algebra):
    generator = torch.Generator().manual_seed(0)
    vectors_ = torch.zeros(4, algebra.num_blades, dtype=torch.float64)
    while not (F.norm_squared(vectors_, algebra).abs() > 0.5).all():
        drawn = torch.randn(4, algebra.num_blades, dtype=torch.float64, generator=generator)
        vectors_ = F.grade_project(drawn, 1, algebra)
    a, b = random_integers(algebra, 3, seed=1), random_integers(algebra, 3, seed=2)
    versor = vectors_[0]
    for count in range(1, 5):
        if count > 1:
            versor = F.geometric_product(versor, vectors_[count - 1], algebra)

        def act(x, versor=versor):
            return F.sandwich(versor, x, algebra)

        scale = float(1 + act(a).abs().max()) * float(1 + act(b).abs().max())
        close = {"rtol": 1e-8, "atol": 1e-10 * scale}
        for product in (F.geometric_product, F.outer_product, F.left_contraction):
            torch.testing.assert_close(act(product(a, b, algebra)), product(act(a), act(b), algebra), **close)
        meet = F.regressive_product(act(a), act(b), algebra)
        torch.testing.assert_close(act(F.regressive_product(a, b, algebra)), (-1) ** count * meet, **close)
        torch.testing.assert_close(F.inner_product(act(a), act(b), algebra), F.inner_product(a, b, algebra), **close)
        for k, part in enumerate(grades(a, algebra)):
            moved = act(part)
            torch.testing.assert_close(F.grade_project(moved, k, algebra), moved, **close)
        torch.testing.assert_close(F.sandwich(-2.5 * versor, a, algebra), act(a), **close)
        together = F.geometric_product(vectors_[3], versor, algebra)
        torch.testing.assert_close(F.sandwich(vectors_[3], act(a), algebra), F.sandwich(together, a, algebra), **close)


def test_sandwich_of_known_versors():
    plane = Algebra(2, 0, 1)
    e1, e2, e12 = (blade(plane, text) for text in ("e1", "e2", "e12"))
    assert torch.equal(F.sandwich(e1, e1, plane), -e1)
    assert torch.equal(F.sandwich(e1, e2, plane), e2)
    assert torch.equal(F.sandwich(e12, e1, plane), -e1)
    # a quarter turn in the plane of e1 and e2
    turn = scalar(plane) - e12
    torch.testing.assert_close(F.sandwich(turn, e1, plane), e2)
