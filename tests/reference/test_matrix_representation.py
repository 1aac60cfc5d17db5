"""The pure-torch twin against matrices built from Pauli matrices: exact, for every signature up to n = 4."""

import itertools
from functools import cache

import numpy as np
import pytest
import torch

from cliffnet import Algebra, reference
from helpers.matrix_representation import MatrixRepresentation
from helpers.multivectors import random_integers

SIGNATURES = [signature for signature in itertools.product(range(5), repeat=3) if sum(signature) <= 4]
LARGER = [(5, 0, 0), (4, 1, 0), (1, 4, 0), (2, 2, 1), (3, 0, 2), (0, 0, 5)]
METRICS = [(4, -9, 1), (-4, 0, 9), (0, 1, 0, -1), (1, -1, 0, 4)]

GRADE_RULES = {
    "geometric_product": lambda r, s, t: True,
    "outer_product": lambda r, s, t: t == r + s,
    "left_contraction": lambda r, s, t: t == s - r,
    "right_contraction": lambda r, s, t: t == r - s,
    "scalar_product": lambda r, s, t: t == 0,
    "fat_inner_product": lambda r, s, t: t == abs(r - s),
    "hestenes_inner_product": lambda r, s, t: t == abs(r - s) and r > 0 and s > 0,
}


@cache
def representation(metric):
    return MatrixRepresentation([int(square) for square in metric])


def products(algebra, kind, seed=0):
    left, right = random_integers(algebra, 5, seed=seed), random_integers(algebra, 5, seed=seed + 1)
    return left.numpy(), right.numpy(), reference.bilinear(left, right, algebra.product_plan(kind)).numpy()


@pytest.mark.parametrize("signature", SIGNATURES + LARGER, ids=str)
def test_geometric_product_is_the_matrix_product(signature):
    algebra = Algebra(*signature)
    matrices = representation(algebra.metric)
    assert matrices.rank == algebra.num_blades, "the representation is not faithful"
    left, right, out = products(algebra, "geometric_product")
    np.testing.assert_array_equal(matrices.matrix(out), matrices.matrix(left) @ matrices.matrix(right))


@pytest.mark.parametrize("metric", METRICS, ids=str)
def test_geometric_product_of_any_metric_is_the_matrix_product(metric):
    algebra = Algebra(metric=metric)
    matrices = representation(algebra.metric)
    left, right, out = products(algebra, "geometric_product")
    np.testing.assert_array_equal(matrices.matrix(out), matrices.matrix(left) @ matrices.matrix(right))


@pytest.mark.parametrize("kind", GRADE_RULES)
@pytest.mark.parametrize(
    "signature", [s for s in SIGNATURES if sum(s) <= 3] + [(3, 0, 1), (1, 3, 0), (1, 1, 2)], ids=str
)
def test_products_keep_the_grades_of_their_rule(signature, kind):
    algebra = Algebra(*signature)
    table = representation(algebra.metric).table(GRADE_RULES[kind])
    left, right, out = products(algebra, kind)
    np.testing.assert_array_equal(out, np.einsum("oab,...a,...b->...o", table, left, right))


@pytest.mark.parametrize("signature", SIGNATURES + LARGER, ids=str)
def test_commutators_are_those_of_matrices(signature):
    algebra = Algebra(*signature)
    matrices = representation(algebra.metric)
    for kind, sign in (("commutator", -1), ("anticommutator", 1)):
        left, right, out = products(algebra, kind)
        a, b = matrices.matrix(left), matrices.matrix(right)
        np.testing.assert_array_equal(2 * matrices.matrix(out), a @ b + sign * b @ a)


@pytest.mark.parametrize("dim", range(6))
def test_regressive_product_is_the_outer_product_of_complements(dim):
    algebra = Algebra(dim)
    matrices = representation(algebra.metric)
    outer = matrices.table(GRADE_RULES["outer_product"])
    # the right complement as a matrix: e_A ^ complement = I, so the row of I in the table of the outer product
    complement = outer[-1].T
    regressive = np.einsum("po,oab,ac,bd->pcd", np.linalg.inv(complement), outer, complement, complement, optimize=True)
    join = np.einsum("po,oab,ac,bd->pcd", complement, outer, complement, complement, optimize=True)
    for kind, table in (("regressive_product", regressive), ("projective_join", join)):
        for r in range(dim + 1):
            degenerate = Algebra(dim - r, 0, r)
            left, right, out = products(degenerate, kind, seed=r)
            np.testing.assert_array_equal(out, np.einsum("oab,...a,...b->...o", table, left, right))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_single(dtype):
    algebra = Algebra(3, 0, 1)
    plan = algebra.product_plan("geometric_product")
    left, right = (torch.randn(50, 16, generator=torch.Generator().manual_seed(seed)).to(dtype) for seed in (0, 1))
    expected = reference.bilinear(left.float(), right.float(), plan)
    assert torch.equal(reference.bilinear(left, right, plan), expected.to(dtype))


def test_leading_axes_broadcast():
    algebra = Algebra(2, 0, 1)
    plan = algebra.product_plan("geometric_product")
    left, right = random_integers(algebra, 3, 1, seed=2), random_integers(algebra, 4, seed=3)
    out = reference.bilinear(left, right, plan)
    assert out.shape == (3, 4, 8)
    for i, j in itertools.product(range(3), range(4)):
        assert torch.equal(out[i, j], reference.bilinear(left[i, 0], right[j], plan))
