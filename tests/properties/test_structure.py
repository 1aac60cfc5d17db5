"""What must not matter: order and names of blades, layouts, dtypes, batches, strides, and the route of computation."""

import itertools
import math
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.errors import AlgebraMismatchError
from cliffnet.testing import algebras, assert_identity, layouts, magnitude, multivectors, tolerance
from helpers.identities import EVERY, OTHERS, SMALL, Setting, floats

PRODUCTS = (
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
)
INVOLUTIONS = (F.reverse, F.grade_involute, F.clifford_conjugate)
COMPLEMENTS = (F.right_complement, F.left_complement)
METRIC_DUALS = (F.unpolarity, F.hodge_dual)
DEGENERATE = [Algebra(1, 0, 1), Algebra(2, 0, 1), Algebra(0, 1, 2), Algebra(3, 0, 1)]

by_name = pytest.mark.parametrize("function", PRODUCTS, ids=lambda function: function.__name__)


def integers(algebra, *leading, seed=0):
    return torch.randint(-4, 5, (*leading, algebra.num_blades), generator=torch.Generator().manual_seed(seed)).double()


def other_basis(algebra, seed):
    """The same algebra with blades in random order and two generators of each name swapped, and the matrix into it."""
    draw = random.Random(seed)
    order = draw.sample(range(algebra.num_blades), algebra.num_blades)
    names = []
    for index in order:
        letters = list(algebra.blade_names[index].removeprefix("e"))
        if len(letters) > 1 and index != algebra.num_blades - 1:
            draw.shuffle(letters)
        names.append("e" + "".join(letters) if index else "1")
    other = Algebra(metric=algebra.metric, basis=names)
    change = torch.zeros(algebra.num_blades, algebra.num_blades, dtype=torch.float64)
    for row, name in enumerate(names):
        column, sign = algebra.index(name)
        change[column, row] = sign
    return other, change


def test_order_and_signs_of_blades_do_not_matter():
    for seed, algebra in enumerate(SMALL):
        other, change = other_basis(algebra, seed)
        a, b = integers(algebra, 4, seed=1), integers(algebra, 4, seed=2)
        for product in PRODUCTS:
            expected = product(a, b, algebra) @ change
            assert_identity(product(a @ change, b @ change, other), expected, algebra=other, context=product.__name__)
        for function in (*INVOLUTIONS, *COMPLEMENTS, *METRIC_DUALS, F.dual, F.undual):
            expected = function(a, algebra) @ change
            assert_identity(function(a @ change, other), expected, algebra=other, context=function.__name__)
        assert torch.equal(F.inner_product(a @ change, b @ change, other), F.inner_product(a, b, algebra))


def test_renaming_generators_commutes_with_everything():
    for seed, algebra in enumerate((*SMALL, *OTHERS)):
        order = random.Random(seed).sample(range(algebra.dim), algebra.dim)
        other = Algebra(metric=[algebra.metric[i] for i in order])
        images = [Setting(other).generators[order.index(i)].x for i in range(algebra.dim)]
        rows = []
        for mask, sign in zip(algebra.blade_masks, algebra.blade_signs, strict=True):
            blade = sign * Setting(other).one.x
            for i in range(algebra.dim):
                if mask >> i & 1:
                    blade = F.outer_product(blade, images[i], other)
            rows.append(blade)
        change = torch.stack(rows)
        orientation = change[algebra.blade_masks.index(2**algebra.dim - 1)].sum()
        a, b = integers(algebra, 4, seed=1), integers(algebra, 4, seed=2)
        for product in PRODUCTS:
            # a dual takes the orientation along: the regressive product once, the join of three duals three times
            sign = orientation if product in (F.regressive_product, F.projective_join) else 1.0
            expected = sign * product(a, b, algebra) @ change
            assert_identity(product(a @ change, b @ change, other), expected, algebra=other, context=product.__name__)
        for involution in INVOLUTIONS:
            assert_identity(involution(a @ change, other), involution(a, algebra) @ change, algebra=other)
        for dual in (*COMPLEMENTS, *METRIC_DUALS):
            assert_identity(dual(a @ change, other), orientation * dual(a, algebra) @ change, algebra=other)


@by_name
@given(data=st.data())
def test_layouts_compute_what_full_multivectors_do(function, data):
    algebra = data.draw(algebras(min_dim=1), label="algebra")
    left, right = data.draw(layouts(algebra), label="left"), data.draw(layouts(algebra), label="right")
    out = data.draw(layouts(algebra), label="out")
    a, b = data.draw(multivectors(algebra, left), label="a"), data.draw(multivectors(algebra, right), label="b")
    whole = [F.change_layout(x, layout, algebra.full) for x, layout in ((a, left), (b, right))]
    full = function(*whole, algebra)
    reached = left.product(right, function.__name__)
    # the inferred layout lacks nothing
    narrow = function(a, b, algebra, a_layout=left, b_layout=right)
    assert_identity(F.change_layout(narrow, reached, algebra.full), full, algebra=algebra)
    if (reached & out).size:
        projected = function(a, b, algebra, a_layout=left, b_layout=right, out_layout=out)
        assert_identity(projected, F.change_layout(full, algebra.full, out, project=True), layout=out)


@given(data=st.data())
def test_maps_on_layouts_compute_what_full_multivectors_do(data):
    algebra = data.draw(algebras(min_dim=1), label="algebra")
    layout = data.draw(layouts(algebra), label="layout")
    a = data.draw(multivectors(algebra, layout), label="a")
    full = F.change_layout(a, layout, algebra.full)
    for function in INVOLUTIONS:
        narrow = function(a, algebra, layout=layout)
        assert_identity(F.change_layout(narrow, layout, algebra.full), function(full, algebra), algebra=algebra)
    for function in (*COMPLEMENTS, *METRIC_DUALS):
        image = layout.image(function.__name__)
        narrow = function(a, algebra, layout=layout)
        assert_identity(F.change_layout(narrow, image, algebra.full), function(full, algebra), algebra=algebra)


@by_name
def test_single_precision_is_double_precision_rounded(function):
    for algebra in EVERY:
        a, b = floats(algebra, 2, seed=1).float(), floats(algebra, 2, seed=2).float()
        single, double = function(a, b, algebra), function(a.double(), b.double(), algebra)
        assert_identity(single, double.float(), magnitude(a, b), algebra=algebra)


@by_name
def test_batches_are_loops(function):
    for algebra in SMALL:
        a, b = floats(algebra, 3, 1, seed=1), floats(algebra, 1, 2, seed=2)
        both = function(a, b, algebra)
        assert both.shape == (3, 2, algebra.num_blades)
        for i, j in itertools.product(range(3), range(2)):
            assert_identity(both[i, j], function(a[i, 0], b[0, j], algebra), magnitude(a[i, 0], b[0, j]))
        strided = torch.randn(3, 1, 2 * algebra.num_blades, dtype=torch.float64)[..., ::2].copy_(a)
        planes = b.movedim(-1, 0).contiguous().movedim(0, -1)
        assert_identity(function(strided, planes, algebra), both, magnitude(a, b))
        assert function(a[:0], b, algebra).shape == (0, 2, algebra.num_blades)


@by_name
def test_operands_stay_as_they_are(function):
    for algebra in DEGENERATE:
        a, b = integers(algebra, 2, seed=1), integers(algebra, 2, seed=2)
        copies = a.clone(), b.clone()
        result = function(a, b, algebra)
        square = function(a, a, algebra)
        result.fill_(torch.nan)
        assert torch.equal(a, copies[0])
        assert torch.equal(b, copies[1])
        assert torch.equal(square, function(a, a.clone(), algebra))


@by_name
def test_derivatives_in_degenerate_metrics(function):
    for algebra in DEGENERATE:
        a, b = floats(algebra, seed=1).requires_grad_(), floats(algebra, seed=2).requires_grad_()
        assert torch.autograd.gradcheck(lambda a, b, g=algebra: function(a, b, g), (a, b))
        if algebra.dim < 4:
            assert torch.autograd.gradgradcheck(lambda a, b, g=algebra: function(a, b, g), (a, b))


@by_name
def test_forward_derivatives_and_vmap(function):
    for algebra in SMALL:
        a, b, c, d = (floats(algebra, 3, seed=seed) for seed in range(4))
        value, tangent = torch.func.jvp(lambda x, y, g=algebra: function(x, y, g), (a, b), (c, d))
        scale = magnitude(a, b) + magnitude(c, b) + magnitude(a, d)
        assert_identity(value, function(a, b, algebra), scale, algebra=algebra)
        assert_identity(tangent, function(c, b, algebra) + function(a, d, algebra), scale, algebra=algebra)
        mapped = torch.func.vmap(lambda x, y, g=algebra: function(x, y, g))(a, b)
        assert_identity(mapped, function(a, b, algebra), scale, algebra=algebra)


def test_products_of_any_metric_are_associative_within_the_bound():
    for seed, dim in enumerate((2, 4, 6, 7, 8)):
        metric = random.Random(seed).choices((2.0, -3.0, 0.7, -0.1, 0.0), k=dim)
        algebra = Algebra(metric=metric)
        a, b, c = (floats(algebra, 4, seed=seed) for seed in range(3))
        left = F.geometric_product(F.geometric_product(a, b, algebra), c, algebra)
        right = F.geometric_product(a, F.geometric_product(b, c, algebra), algebra)
        # components of products grow with the squares of the generators
        growth = math.prod(max(1.0, abs(square)) for square in metric)
        assert_identity(left, right, growth * magnitude(a, b, c), algebra=algebra)


def test_product_of_matrices_is_the_product():
    for algebra in EVERY:
        a, b = floats(algebra, 4, seed=1), floats(algebra, 4, seed=2)
        matrix = F.to_matrix(a, algebra) @ F.to_matrix(b, algebra)
        product = F.geometric_product(a, b, algebra)
        # half of the usual bound
        assert_identity(F.from_matrix(matrix, algebra), product, 0.5 * magnitude(a, b), algebra=algebra)
        assert_identity(F.from_matrix(F.to_matrix(a, algebra), algebra), a, magnitude(a), algebra=algebra)


def test_nan_and_infinity_stay_in_their_element():
    algebra = Algebra(3, 0, 1)
    a = floats(algebra, 3)
    a[1, 0] = torch.nan
    bivector = F.grade_project(a, 2, algebra)
    bivector[1, 5] = torch.nan
    results = [F.geometric_product(a, a, algebra), F.inverse(a, algebra), F.exp(bivector, algebra)]
    versor = F.exp(bivector, algebra)
    results += [F.sandwich(versor, floats(algebra, 3, seed=1), algebra), F.log(versor, algebra)]
    for result in results:
        assert result[1].isnan().any()
        assert result[[0, 2]].isfinite().all()
    a[1, 0] = torch.inf
    assert not F.geometric_product(a, a, algebra)[1, 0].isfinite()


def test_layouts_of_another_algebra_are_refused():
    algebra, other = Algebra(3), Algebra(2, 1)
    with pytest.raises(AlgebraMismatchError, match="Algebra"):
        F.geometric_product(torch.ones(3), torch.ones(3), algebra, a_layout=other.vectors, b_layout=algebra.vectors)
    with pytest.raises(AlgebraMismatchError, match="one"):
        algebra.vectors.product(other.vectors)


def test_bounds_are_exceeded_by_a_wrong_digit():
    algebra = Algebra(3)
    a, b = floats(algebra, seed=1), floats(algebra, seed=2)
    product = F.geometric_product(a, b, algebra)
    wrong = product + 2 * tolerance(torch.float64, 3, magnitude(a, b))
    with pytest.raises(AssertionError, match="is allowed"):
        assert_identity(wrong, product, magnitude(a, b), algebra=algebra)
