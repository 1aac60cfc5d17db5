"""Meet and join of blades."""

import itertools

import pytest
import torch

from cliffnet import Algebra, errors
from cliffnet import functional as F
from helpers.blades import random_vectors, wedge
from helpers.multivectors import SIGNED_BASIS, blade, name

ALGEBRAS = [
    Algebra(2),
    Algebra(3, 0, 1),
    Algebra(1, 3),
    Algebra(2, 2, 1),
    Algebra(metric=(2, 0, -3)),
    Algebra(3, 0, 1, basis=SIGNED_BASIS),
    Algebra(3, 3),
]


def combinations(dim):
    """Grades of two blades and how many vectors they share."""
    for r, s in itertools.product(range(dim + 1), repeat=2):
        for shared in range(max(0, r + s - dim), min(r, s) + 1):
            yield r, s, shared


def pair(algebra, r, s, shared, count=3, seed=0):
    """Blades of grades r and s, and vectors that span what they span together, the shared ones in the middle."""
    vectors = random_vectors(algebra, count, r + s - shared, seed=seed)
    # orthonormal vectors mixed by well-conditioned matrices
    if vectors.shape[-2]:
        vectors = torch.linalg.qr(vectors.mT)[0].mT
    mix = [torch.eye(k) + 0.3 * torch.ones(k, k) for k in (r, s)]
    mixed_a = mix[0].to(vectors) @ vectors[:, :r]
    mixed_b = mix[1].to(vectors) @ vectors[:, r - shared :]
    return wedge(mixed_a, algebra), wedge(mixed_b, algebra), vectors


def same_up_to_sign(x, y):
    unit = [value / value.norm(dim=-1, keepdim=True) for value in (x, y)]
    differences = torch.stack([(unit[0] - unit[1]).norm(dim=-1), (unit[0] + unit[1]).norm(dim=-1)])
    return differences.amin(0).max()


def ascending(x, algebra):
    """The coefficients of ascending products in the Euclidean algebra."""
    euclidean = Algebra(algebra.dim)
    values = x * torch.tensor(algebra.blade_signs, dtype=x.dtype)
    return values[..., [algebra.blade_masks.index(mask) for mask in euclidean.blade_masks]], euclidean


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("algebra", ALGEBRAS, ids=name)
def test_meet_and_join_span_what_they_should(algebra, dtype, tolerance):
    for r, s, shared in combinations(algebra.dim):
        a, b, vectors = pair(algebra, r, s, shared)
        join, meet = (function(a.to(dtype), b.to(dtype), algebra) for function in (F.join, F.meet))
        assert join.dtype == meet.dtype == dtype
        assert same_up_to_sign(join.double(), wedge(vectors, algebra)) < tolerance
        assert same_up_to_sign(meet.double(), wedge(vectors[:, r - shared : r], algebra)) < tolerance
        torch.testing.assert_close(join.norm(dim=-1), torch.ones(3, dtype=dtype))


@pytest.mark.parametrize("algebra", [algebra for algebra in ALGEBRAS if algebra.dim < 5], ids=name)
def test_scales_and_signs(algebra):
    for r, s, shared in combinations(algebra.dim):
        a, b, _ = pair(algebra, r, s, shared)
        join, meet = F.join(a, b, algebra), F.meet(a, b, algebra)
        (first, euclidean), (second, _), (whole, _), (common, _) = (ascending(x, algebra) for x in (a, b, join, meet))
        # J = a ^ (M^-1 _| b)
        inverse = F.inverse(common, euclidean)
        product = F.outer_product(first, F.left_contraction(inverse, second, euclidean), euclidean)
        torch.testing.assert_close(product, whole, rtol=1e-9, atol=1e-9)
        scaled = F.meet(2 * a, 3 * b, algebra)
        torch.testing.assert_close(scaled, 6 * meet, rtol=1e-9, atol=1e-9)
        if not shared:
            outer = F.outer_product(a, b, algebra)
            torch.testing.assert_close(join, outer / outer.norm(dim=-1, keepdim=True), rtol=1e-9, atol=1e-9)
            torch.testing.assert_close(meet[:, algebra.index("1")[0]], outer.norm(dim=-1), rtol=1e-9, atol=1e-9)
            torch.testing.assert_close(F.join(-a, b, algebra), -join)
        else:
            assert (whole.gather(-1, whole.abs().argmax(-1, keepdim=True)) > 0).all()
            torch.testing.assert_close(F.join(-a, 5 * b, algebra), join)
            torch.testing.assert_close(F.join(b, a, algebra), join, rtol=1e-9, atol=1e-9)
            if r + s - shared == algebra.dim:
                regressive = F.regressive_product(first, second, euclidean)
                torch.testing.assert_close(common, regressive, rtol=1e-9, atol=1e-9)


def test_exact_cases():
    algebra = Algebra(3)
    e12, e13, e1, e2 = (blade(algebra, label) for label in ("e12", "e13", "e1", "e2"))
    assert torch.equal(F.join(2 * e12, 3 * e13, algebra).abs().round(decimals=12), blade(algebra, "e123"))
    torch.testing.assert_close(F.meet(2 * e12, 3 * e13, algebra), 6 * e1)
    torch.testing.assert_close(F.join(e2, e1, algebra), -e12)
    torch.testing.assert_close(F.meet(3 * e2, e1, algebra), 3 * blade(algebra, "1"))
    torch.testing.assert_close(F.join(-2 * e1, e1, algebra), e1)
    torch.testing.assert_close(F.join(e1, e12, algebra), e12)
    # two light rays: all is null, which does not matter
    spacetime = Algebra(1, 3)
    rays = [blade(spacetime, "e1") + sign * blade(spacetime, "e2") for sign in (1, -1)]
    torch.testing.assert_close(F.join(*rays, spacetime), -blade(spacetime, "e12"))


def test_layouts_broadcasting_and_empty_batches():
    algebra = Algebra(4)
    a, b, _ = pair(algebra, 2, 2, 1)
    compact = [F.change_layout(x, algebra.full, algebra.bivectors, project=True) for x in (a, b)]
    layouts = {"a_layout": algebra.bivectors, "b_layout": algebra.bivectors}
    for function, grade in ((F.join, 3), (F.meet, 1)):
        expected = function(a, b, algebra)
        result = function(*compact, algebra, **layouts)
        own = algebra.layout(grades=(grade,))
        assert result.shape == (3, own.size)
        assert torch.equal(F.change_layout(result, own, algebra.full), expected)
        assert torch.equal(function(*compact, algebra, **layouts, out_layout=algebra.full), expected)
        assert torch.equal(function(a, b, algebra, out_layout=own), result)
        torch.testing.assert_close(function(a[0], b[:1], algebra), expected[:1])
        assert function(a[:0], b[:0], algebra).shape == (0, 16)
        assert function(a * torch.nan, b, algebra).isnan().any(-1).all()
        assert function(a.bfloat16(), a.bfloat16(), algebra).dtype == torch.bfloat16


@pytest.mark.parametrize("function", [F.join, F.meet], ids=lambda function: function.__name__)
def test_derivatives_and_transforms(function):
    algebra = Algebra(3, 0, 1)
    inputs = [random_vectors(algebra, seed=seed).requires_grad_() for seed in (1, 2, 3)]

    def of_lines(u, v, w):
        lines = [wedge(torch.stack(line, -2), algebra) for line in ((u, v), (v, w))]
        return function(*lines, algebra, grade=3 if function is F.join else 1)

    torch.autograd.gradcheck(of_lines, inputs, check_forward_ad=True, fast_mode=True)
    torch.autograd.gradgradcheck(of_lines, inputs, fast_mode=True)
    a, b, _ = pair(algebra, 2, 2, 1)
    grade = 3 if function is F.join else 1
    layouts = {"a_layout": algebra.bivectors, "b_layout": algebra.bivectors}
    a, b = (F.change_layout(x, algebra.full, algebra.bivectors, project=True) for x in (a, b))
    mapped = torch.func.vmap(lambda x, y: function(x, y, algebra, grade=grade, **layouts))
    torch.testing.assert_close(mapped(a, b), function(a, b, algebra, **layouts))
    # the wrong grade and what is no blade say so by NaN where values cannot be looked at
    assert mapped(a, a).isnan().all()
    assert mapped(a, torch.ones_like(b)).isnan().all()
    with pytest.raises(errors.GradeError, match=r"grade of the join cannot be read .*; pass grade="):
        torch.func.vmap(lambda x, y: function(x, y, algebra, **layouts))(a, b)


def test_compiled():
    algebra = Algebra(3, 0, 1)
    lines = [F.change_layout(x, algebra.full, algebra.bivectors, project=True) for x in pair(algebra, 2, 2, 1)[:2]]
    layouts = {"a_layout": algebra.bivectors, "b_layout": algebra.bivectors}
    torch.compiler.reset()
    compiled = torch.compile(
        lambda x, y: F.meet(x, y, algebra, grade=1, **layouts), fullgraph=True, backend="aot_eager"
    )
    torch.testing.assert_close(compiled(*lines), F.meet(*lines, algebra, **layouts))


@pytest.mark.parametrize("function", [F.join, F.meet], ids=lambda function: function.__name__)
def test_compiled_in_an_algebra_met_for_the_first_time(function):
    algebra = Algebra(metric=(1.0, 1.0, 1.0, 2.75))
    layouts = {"a_layout": algebra.layout(grades=(2,)), "b_layout": algebra.layout(grades=(2,))}
    torch.compiler.reset()
    grade = 3 if function is F.join else 1
    compiled = torch.compile(
        lambda x, y: function(x, y, algebra, grade=grade, **layouts), fullgraph=True, backend="aot_eager", dynamic=True
    )
    x, y = torch.tensor([[1.0, 0, 0, 0, 0, 0]]), torch.tensor([[0, 2.0, 0, 0, 0, 0]])
    torch.testing.assert_close(compiled(x, y), function(x, y, algebra, **layouts))
    with pytest.raises(errors.GradeError, match=r"grade of the left operand cannot be read .*; pass its layout"):
        torch.func.vmap(lambda x, y: function(x, y, algebra, grade=2))(torch.ones(2, 16), torch.ones(2, 16))


def test_empty_batches_of_full_multivectors():
    algebra, empty = Algebra(3, 0, 1), torch.ones(0, 16)
    line = blade(algebra, "e12").float()
    for function in (F.join, F.meet):
        assert function(empty, empty, algebra, grade=2).shape == (0, 16)
        assert function(empty, line, algebra, grade=2).shape == (0, 16)
    with pytest.raises(errors.GradeError, match="grade 5 does not exist"):
        F.join(empty, empty, algebra, grade=5)


def test_element_by_element_gradients():
    algebra = Algebra(3, 0, 1)
    a, b = (torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))

    def size(x, y):
        return F.join(x, y, algebra, grade=2, a_layout=algebra.vectors, b_layout=algebra.vectors).sin().sum()

    one_by_one = torch.stack([torch.func.grad(size)(x, y) for x, y in zip(a, b, strict=True)])
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(size))(a, b), one_by_one)


@pytest.mark.parametrize("function", [F.join, F.meet], ids=lambda function: function.__name__)
def test_bad_arguments(function):
    algebra = Algebra(4)
    e1, e2, e12, e34 = (blade(algebra, label) for label in ("e1", "e2", "e12", "e34"))
    with pytest.raises(errors.GradeError, match=r"joins of the batch have grades 1 \(element 0\), 2 \(element 1\)"):
        function(torch.stack([e1, e2]), e1, algebra)
    with pytest.raises(errors.GradeError, match=r"the left operand mixes blades of grades 1 .* split the batch"):
        function(torch.stack([e1, e12]), e1, algebra)
    with pytest.raises(errors.DomainError, match="the right operand is no blade of grade 2"):
        function(e1, e12 + e34, algebra)
    with pytest.raises(errors.DomainError, match="the left operand is zero; zero stands for no subspace"):
        function(0 * e1, e12, algebra)
    with pytest.raises(errors.DomainError, match="but that of the blades has grade 2; leave out grade="):
        function(e1, e2, algebra, grade=1)
    with pytest.raises(errors.GradeError, match=r"of grades 1 and 1 cannot have grade 4; it has [01] to [12]"):
        function(e1, e2, algebra, grade=4)
    with pytest.raises(errors.LayoutError, match="was asked for, which holds none of it"):
        function(e1, e2, algebra, out_layout=algebra.pseudoscalars)
    with pytest.raises(errors.ShapeError, match="do not broadcast"):
        function(torch.stack([e1, e2]), torch.stack([e1, e2, e2]), algebra)
    with pytest.raises(errors.GradeError, match="grade '2' does not exist"):
        function(e1, e2, algebra, grade="2")
