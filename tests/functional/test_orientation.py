"""Duals and the regressive product refer to the pseudoscalar that the basis names, whatever its sign."""

import pytest
import torch

from cliffnet import Algebra, Partition
from cliffnet import functional as F
from cliffnet.algebra import plan_terms
from helpers.multivectors import SIGNED_BASIS, random_integers

NEGATIVE = {
    "Cl(3,0)": Algebra(3, basis=("1", "e1", "e2", "e3", "e12", "e31", "e23", "e321")),
    "Cl(3,0,1)": Algebra(
        metric=(1, 1, 1, 0),
        names="1230",
        basis=SIGNED_BASIS,
    ),
    "Cl(2,2)": Algebra(2, 2, basis=(*Algebra(2, 2).blade_names[:-1], "e2134")),
    "Cl(1,1)": Algebra(1, 1, basis=("e21", "1", "e2", "e1")),
}


@pytest.mark.parametrize("algebra", NEGATIVE.values(), ids=NEGATIVE)
def test_duals_refer_to_the_pseudoscalar_of_the_basis(algebra):
    whole = 2**algebra.dim - 1
    assert algebra.blade_signs[algebra.blade_masks.index(whole)] == -1
    pseudoscalar = torch.zeros(algebra.num_blades, dtype=torch.float64)
    pseudoscalar[algebra.blade_masks.index(whole)] = 1.0
    basis = torch.eye(algebra.num_blades, dtype=torch.float64)
    right, left = F.right_complement(basis, algebra), F.left_complement(basis, algebra)
    assert torch.equal(F.outer_product(basis, right, algebra), pseudoscalar.expand_as(basis))
    assert torch.equal(F.outer_product(left, basis, algebra), pseudoscalar.expand_as(basis))
    x, y = random_integers(algebra, 5), random_integers(algebra, 5, seed=1)
    assert torch.equal(F.unpolarity(x, algebra), F.geometric_product(x, pseudoscalar, algebra))
    hodge = F.geometric_product(F.reverse(x, algebra), pseudoscalar, algebra)
    assert torch.equal(F.hodge_dual(x, algebra), hodge)
    if not algebra.r:
        assert torch.equal(F.geometric_product(F.polarity(x, algebra), pseudoscalar, algebra), x)
    assert torch.equal(F.regressive_product(pseudoscalar, x, algebra), x)
    duals = F.outer_product(F.right_complement(x, algebra), F.right_complement(y, algebra), algebra)
    assert torch.equal(F.regressive_product(x, y, algebra), F.left_complement(duals, algebra))
    assert torch.equal(F.projective_join(x, y, algebra), F.right_complement(duals, algebra))


@pytest.mark.parametrize("algebra", NEGATIVE.values(), ids=NEGATIVE)
def test_layouts_and_partitions_have_the_same_orientation(algebra):
    x, y = random_integers(algebra, 5), random_integers(algebra, 5, seed=1)
    for layout in (algebra.even, algebra.odd, algebra.vectors):
        values = F.change_layout(x, algebra.full, layout, project=True)
        full = F.change_layout(values, layout, algebra.full)
        for dual in (F.right_complement, F.left_complement, F.hodge_dual, F.unpolarity):
            narrow, out = dual(values, algebra, layout=layout), layout.image(dual.__name__)
            assert torch.equal(F.change_layout(narrow, out, algebra.full), dual(full, algebra))
        narrow = F.regressive_product(values, y, algebra, a_layout=layout, out_layout=algebra.full)
        assert torch.equal(narrow, F.regressive_product(full, y, algebra))
    for kind in ("regressive_product", "projective_join", "geometric_product"):
        weighted = plan_terms(Partition.whole(algebra).product_plan(kind))
        plain = plan_terms(algebra.product_plan(kind))
        terms = [sorted(zip(t.out, t.left, t.right, t.coefficient, strict=True)) for t in (weighted, plain)]
        assert terms[0] == terms[1]
