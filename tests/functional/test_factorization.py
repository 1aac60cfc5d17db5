"""Blades and versors as products of vectors."""

import pytest
import torch

from cliffnet import Algebra, errors
from cliffnet import functional as F
from helpers.blades import random_vectors, versor, wedge
from helpers.multivectors import ALGEBRAS, SIGNED_BASIS, blade, name

LARGER = [Algebra(6), Algebra(3, 2, 2), Algebra(4, 4)]
EVERY = [*ALGEBRAS, *LARGER]
# in the others not every product of vectors is one of invertible vectors
NEARLY_REGULAR = [algebra for algebra in EVERY if algebra.r <= 1 and algebra.p + algebra.q]


def on_vectors(algebra):
    """The columns of vectors, in the order of the generators."""
    return [algebra.vectors.blade_masks.index(1 << index) for index in range(algebra.dim)]


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
@pytest.mark.parametrize("algebra", EVERY, ids=name)
def test_factors_of_blades(algebra, dtype, rtol):
    for grade in range(algebra.dim + 1):
        a = wedge(random_vectors(algebra, 5, grade, dtype=torch.float64), algebra).to(dtype)
        magnitude, vectors = F.factor_blade(a, algebra)
        assert magnitude.shape == (5,)
        assert vectors.shape == (5, grade, algebra.dim)
        assert magnitude.dtype == vectors.dtype == dtype
        norm = a.norm(dim=-1)
        assert ((magnitude.unsqueeze(-1) * wedge(vectors, algebra) - a).norm(dim=-1) <= rtol * norm).all()
        unit = torch.eye(grade, dtype=dtype).expand(5, grade, grade)
        torch.testing.assert_close(vectors @ vectors.mT, unit, rtol=0, atol=10 * rtol)
        if grade:
            torch.testing.assert_close(magnitude, norm)
        else:
            assert torch.equal(magnitude, a[:, algebra.index("1")[0]])
        layout = algebra.layout(grades=(grade,))
        again = F.factor_blade(F.change_layout(a, algebra.full, layout, project=True), algebra, layout=layout)
        assert torch.equal(again[0], magnitude)
        assert torch.equal(again[1], vectors)


def test_factors_of_basis_blades_are_exact():
    for algebra in (Algebra(3, 0, 1), Algebra(3, 0, 1, basis=SIGNED_BASIS), Algebra(1, 1)):
        for label in algebra.blade_names:
            for sign in (1, -1):
                a = sign * blade(algebra, label)
                magnitude, vectors = F.factor_blade(a, algebra)
                assert torch.equal(magnitude * wedge(vectors, algebra), a)


def test_null_blades_factor():
    algebra = Algebra(2, 2)
    null = torch.zeros(2, 4, dtype=torch.float64)
    null[0, [0, 2]] = 1
    null[1, [1, 3]] = 1
    a = wedge(null, algebra)
    assert F.norm_squared(a, algebra) == 0
    magnitude, vectors = F.factor_blade(a, algebra)
    torch.testing.assert_close(magnitude * wedge(vectors, algebra), a)
    assert F.inner_product(wedge(vectors[:1], algebra), wedge(vectors[:1], algebra), algebra).abs() < 1e-15


def test_zero_blades_nan_and_empty_batches():
    algebra = Algebra(4)
    a = torch.zeros(3, 6, requires_grad=True)
    magnitude, vectors = F.factor_blade(a, algebra, layout=algebra.bivectors)
    assert torch.equal(magnitude, torch.zeros(3))
    torch.testing.assert_close(vectors @ vectors.mT, torch.eye(2).expand(3, 2, 2))
    vectors.sum().backward()
    assert a.grad.isfinite().all()
    assert F.factor_blade(torch.zeros(16), algebra)[1].shape == (0, 4)
    assert F.factor_blade(torch.zeros(2, 0, 16), algebra, grade=3)[1].shape == (2, 0, 3, 4)
    magnitude, vectors = F.factor_blade(torch.full((6,), torch.nan), algebra, layout=algebra.bivectors)
    assert magnitude.isnan()
    assert vectors.isnan().any()
    assert F.factor_versor(torch.full((16,), torch.nan), algebra)[0].isnan()


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 2e-4), (torch.float64, 1e-9)])
@pytest.mark.parametrize("algebra", NEARLY_REGULAR, ids=name)
def test_factors_of_versors(algebra, dtype, rtol):
    squares = torch.tensor(algebra.metric, dtype=dtype)
    for count in range(algebra.dim + 3):
        a = versor(random_vectors(algebra, 5, count), algebra).to(dtype)
        magnitude, vectors = F.factor_versor(a, algebra)
        assert vectors.shape[-2] <= algebra.dim
        assert vectors.shape[-2] % 2 == count % 2
        product = magnitude.unsqueeze(-1) * versor(vectors, algebra)
        assert ((product - a).norm(dim=-1) <= rtol * a.norm(dim=-1)).all()
        lengths = (vectors[..., on_vectors(algebra)] ** 2 * squares).sum(-1).abs()
        torch.testing.assert_close(lengths, torch.ones_like(lengths), rtol=0, atol=100 * rtol)


def test_versors_of_a_batch_may_need_fewer_factors():
    algebra = Algebra(3, 0, 1)
    one = blade(algebra, "1")
    batch = torch.stack([-2 * one, one + 3 * blade(algebra, "e01"), blade(algebra, "e12"), one + blade(algebra, "e12")])
    magnitude, vectors = F.factor_versor(batch, algebra)
    assert vectors.shape == (4, 2, 4)
    torch.testing.assert_close(magnitude.unsqueeze(-1) * versor(vectors, algebra), batch)
    magnitude, vectors = F.factor_versor(batch, algebra, grade=4)
    assert vectors.shape == (4, 4, 4)
    torch.testing.assert_close(magnitude.unsqueeze(-1) * versor(vectors, algebra), batch)
    even = F.change_layout(batch, algebra.full, algebra.even, project=True)
    assert torch.equal(F.factor_versor(even, algebra, layout=algebra.even, grade=4)[1], vectors)


def test_derivatives_of_factors():
    algebra = Algebra(3, 1)
    inputs = [random_vectors(algebra, 2, seed=seed).requires_grad_() for seed in (1, 2)]

    def of_blade(u, v):
        return F.factor_blade(wedge(torch.stack((u, v), -2), algebra), algebra, grade=2)

    def of_versor(u, v):
        magnitude, vectors = F.factor_versor(versor(torch.stack((u, v), -2), algebra), algebra, grade=2)
        # any smooth choice of factors is right; their product is what is determined
        return magnitude.unsqueeze(-1) * versor(vectors, algebra)

    torch.autograd.gradcheck(of_blade, inputs, check_forward_ad=True, fast_mode=True)
    torch.autograd.gradgradcheck(of_blade, inputs, fast_mode=True)
    torch.autograd.gradcheck(of_versor, inputs, check_forward_ad=True, fast_mode=True)
    torch.autograd.gradgradcheck(of_versor, inputs, fast_mode=True)


@pytest.mark.parametrize("function", [F.factor_blade, F.factor_versor], ids=lambda f: f.__name__)
def test_transforms(function):
    algebra = Algebra(3, 0, 1)
    make = wedge if function is F.factor_blade else versor
    a = make(random_vectors(algebra, 3, 2), algebra)
    expected = function(a, algebra, grade=2)
    torch.compiler.reset()
    compiled = torch.compile(lambda x: function(x, algebra, grade=2), fullgraph=True, backend="aot_eager")
    for run in (torch.func.vmap(lambda x: function(x, algebra, grade=2)), compiled):
        for found, wanted in zip(run(a), expected, strict=True):
            torch.testing.assert_close(found, wanted)
    # where values cannot be looked at, what is no product says so by NaN
    assert compiled(torch.ones(3, 16, dtype=torch.float64))[0].isnan().all()
    with pytest.raises(errors.GradeError, match="inside a compiled graph or a transform; pass grade="):
        torch.func.vmap(lambda x: function(x, algebra))(a)


def test_bad_arguments():
    algebra = Algebra(4)
    one, e1, e12 = (blade(algebra, label) for label in ("1", "e1", "e12"))
    both = e12 + blade(algebra, "e34")
    with pytest.raises(errors.DomainError, match="the tensor is no blade of grade 2; is_blade tells where"):
        F.factor_blade(both, algebra)
    with pytest.raises(errors.DomainError, match=r"1 of 2 elements of the tensor are no blades .* index \(1,\)"):
        F.factor_blade(torch.stack([e12, both]), algebra)
    with pytest.raises(errors.DomainError, match="no blade of grade 1"):
        F.factor_blade(e12, algebra, grade=1)
    with pytest.raises(errors.DomainError, match=r"element 0 .* it has grades 0 and 2"):
        F.factor_blade(one + e12, algebra)
    with pytest.raises(errors.GradeError, match=r"grades 1 \(element 1\), 2 \(element 0\).* split the batch"):
        F.factor_blade(torch.stack([e12, e1]), algebra)
    with pytest.raises(errors.GradeError, match="grade 5 does not exist"):
        F.factor_blade(e12, algebra, grade=5)
    with pytest.raises(errors.GradeError, match=r"odd ones in element 1\).* split the batch"):
        F.factor_versor(torch.stack([e12, e1]), algebra)
    with pytest.raises(errors.DomainError, match="not a product of 2 invertible vectors; is_versor"):
        F.factor_versor(both, algebra)
    # both vectors of its plane are null, so four vectors would be needed
    neutral = Algebra(2, 2)
    null = torch.zeros(2, 4, dtype=torch.float64)
    null[0, [0, 2]] = 1
    null[1, [1, 3]] = 1
    element = blade(neutral, "1") + wedge(null, neutral)
    assert F.is_versor(element, neutral)
    with pytest.raises(errors.DomainError, match="not a product of 2 invertible vectors"):
        F.factor_versor(element, neutral)
    for function in (F.factor_blade, F.factor_versor):
        with pytest.raises(errors.ShapeError, match="its last axis is 3"):
            function(torch.ones(3), Algebra(2))


def test_zeros_of_factors_have_no_sign():
    algebra = Algebra(3)
    _, vectors = F.factor_blade(-torch.eye(3), algebra, layout=algebra.bivectors)
    assert not (vectors.signbit() & (vectors == 0)).any()


def test_factors_in_graphs_and_element_by_element():
    # a metric of its own, so that its layouts are made while the graph is
    algebra = Algebra(metric=(1.0, -1.5, 2.0))
    vectors = torch.tensor([[1.0, 0.5, 3.0], [2.0, 1.0, -4.0], [0.0, 1.0, 5.0]], dtype=torch.float64)
    element = F.geometric_product(
        vectors,
        vectors.roll(1, 0),
        algebra,
        a_layout=algebra.vectors,
        b_layout=algebra.vectors,
        out_layout=algebra.full,
    )
    # a variable, which graphs of any size may make symbolic
    grade = 2
    for function in (F.factor_versor, F.factor_blade):
        x = element if function is F.factor_versor else F.grade_project(element, 2, algebra)

        def magnitude(x, function=function):
            return function(x, algebra, grade=grade)[0]

        compiled = torch.compile(magnitude, fullgraph=True, backend="aot_eager", dynamic=True)
        torch.testing.assert_close(compiled(x), magnitude(x))
        one_by_one = torch.stack([torch.func.grad(magnitude)(row) for row in x])
        torch.testing.assert_close(torch.func.vmap(torch.func.grad(magnitude))(x), one_by_one)
