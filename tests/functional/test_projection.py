"""Projection, rejection and reflection."""

import pytest
import torch

from cliffnet import Algebra, errors
from cliffnet import functional as F
from helpers.blades import random_vectors, versor, wedge
from helpers.multivectors import ALGEBRAS, SIGNED_BASIS, blade, name

EVERY = [algebra for algebra in (*ALGEBRAS, Algebra(6), Algebra(3, 2, 2)) if algebra.dim]
FUNCTIONS = [F.project, F.reject, F.reflect]
by_name = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)


def normal(algebra, *leading, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*leading, algebra.num_blades, generator=generator, dtype=torch.float64)


def full_vectors(algebra, count, seed=0):
    return F.change_layout(random_vectors(algebra, count, seed=seed), algebra.vectors, algebra.full)


def blades(algebra, count=6, seed=5):
    """Blades of every grade but 0, none of them nearly null."""
    for grade in range(1, algebra.dim + 1):
        candidates = wedge(random_vectors(algebra, 20 * count, grade, seed=seed), algebra)
        size = F.norm_squared(candidates, algebra).abs() / candidates.norm(dim=-1) ** 2
        yield candidates[size > 0.05 * size.max()][:count]


def close(x, y):
    torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("algebra", EVERY, ids=name)
def test_projection_properties(algebra):
    for onto in blades(algebra):
        count = onto.shape[0]
        a, b = normal(algebra, count), normal(algebra, count, seed=1)
        v = full_vectors(algebra, count)
        projected = F.project(a, onto, algebra)
        close(F.project(projected, onto, algebra), projected)
        close(F.project(onto, onto, algebra), onto)
        close(F.project(a, -3 * onto, algebra), projected)
        close(F.reject(a, onto, algebra), a - projected)
        inside = F.project(v, onto, algebra)
        close(F.outer_product(inside, onto, algebra), torch.zeros_like(v))
        product = F.outer_product(a, b, algebra)
        expected = F.outer_product(projected, F.project(b, onto, algebra), algebra)
        close(F.project(product, onto, algebra), expected)
        if not algebra.r:
            outside = F.reject(v, onto, algebra)
            close(F.left_contraction(outside, onto, algebra), torch.zeros_like(v))
            by_wedge = F.geometric_product(F.outer_product(v, onto, algebra), F.inverse(onto, algebra), algebra)
            close(outside, by_wedge)


@pytest.mark.parametrize("algebra", EVERY, ids=name)
def test_reflection_properties(algebra):
    for mirror in blades(algebra):
        count = mirror.shape[0]
        a, b, v = normal(algebra, count), normal(algebra, count, seed=1), full_vectors(algebra, count)
        reflected = F.reflect(a, mirror, algebra)
        close(F.reflect(v, mirror, algebra), 2 * F.project(v, mirror, algebra) - v)
        close(F.reflect(reflected, mirror, algebra), a)
        close(F.reflect(mirror, mirror, algebra), mirror)
        expected = F.outer_product(reflected, F.reflect(b, mirror, algebra), algebra)
        close(F.reflect(F.outer_product(a, b, algebra), mirror, algebra), expected)
        if not algebra.r:
            expected = F.geometric_product(reflected, F.reflect(b, mirror, algebra), algebra)
            close(F.reflect(F.geometric_product(a, b, algebra), mirror, algebra), expected)
            # the hyperplane orthogonal to a vector is the dual mirror, up to sign of the vectors
            dual = F.dual(mirror, algebra)
            close(F.reflect(v, dual, algebra), -F.reflect(v, mirror, algebra))


def test_exact_cases():
    algebra = Algebra(3)
    v = torch.tensor([0.0, 1, 2, 3, 0, 0, 0, 0])
    plane = 7 * blade(algebra, "e12").float()
    assert F.project(v, plane, algebra).tolist() == [0, 1, 2, 0, 0, 0, 0, 0]
    assert F.reject(v, plane, algebra).tolist() == [0, 0, 0, 3, 0, 0, 0, 0]
    assert F.reflect(v, plane, algebra).tolist() == [0, 1, 2, -3, 0, 0, 0, 0]
    assert torch.equal(F.sandwich(blade(algebra, "e3").float(), v, algebra), F.reflect(v, plane, algebra))
    one = blade(algebra, "1").float()
    assert torch.equal(F.project(one, plane, algebra), one)
    assert torch.equal(F.project(v, 2 * one, algebra), torch.zeros(8))
    assert torch.equal(F.reflect(v, 2 * one, algebra), -v)


def test_null_blades_use_the_euclidean_metric():
    spacetime = Algebra(1, 1)
    e1, e2 = blade(spacetime, "e1"), blade(spacetime, "e2")
    light = 3 * (e1 + e2)
    assert torch.equal(F.project(e1, light, spacetime), 0.5 * (e1 + e2))
    assert torch.equal(F.reject(e1, light, spacetime), 0.5 * (e1 - e2))
    assert torch.equal(F.reflect(e1, light, spacetime), e2)
    pga = Algebra(3, 0, 1)
    ideal = blade(pga, "e01")
    v = torch.arange(16.0, dtype=torch.float64)
    close(F.project(v, ideal, pga), torch.where((torch.tensor(pga.blade_masks) | 3) == 3, v, 0.0))
    # both kinds in one batch, each by its own metric
    batch = torch.stack([light, e1 + 0.5 * e2])
    together = F.project(e1, batch, spacetime)
    assert torch.equal(together[0], F.project(e1, light, spacetime))
    close(together[1], (e1 + 0.5 * e2) / 0.75)
    # rounding does not make a null vector invertible, in either precision
    for dtype in (torch.float32, torch.float64):
        rounded = (0.1 * (e1 + e2)).to(dtype)
        close(F.project(e1.to(dtype), rounded, spacetime), (0.5 * (e1 + e2)).to(dtype))


@by_name
def test_signed_basis_and_layouts(function):
    plain, signed = Algebra(3, 0, 1), Algebra(3, 0, 1, basis=SIGNED_BASIS)
    matching = torch.tensor([plain.index(label)[0] for label in SIGNED_BASIS])
    signs = torch.tensor([float(plain.index(label)[1]) for label in SIGNED_BASIS])
    a = normal(plain, 4)
    lines = [wedge(random_vectors(plain, 2, 2), plain), wedge(random_vectors(plain, 2, 1), plain), plain]
    for onto in (torch.cat(lines[:2]), blade(plain, "e01").expand(4, 16)):
        expected = function(a, onto, plain)
        close(function(a[:, matching] * signs, onto[:, matching] * signs, signed), expected[:, matching] * signs)
    mirror = lines[0]
    second = "mirror_layout" if function is F.reflect else "onto_layout"
    layouts = {"a_layout": plain.vectors, second: plain.bivectors}
    v = random_vectors(plain, 2, seed=3)
    full = F.change_layout(v, plain.vectors, plain.full)
    compact = function(v, F.change_layout(mirror, plain.full, plain.bivectors, project=True), plain, **layouts)
    assert compact.shape == (2, 4)
    close(F.change_layout(compact, plain.vectors, plain.full), function(full, mirror, plain))
    single = function(v.float(), mirror.float(), plain, a_layout=plain.vectors, out_layout=plain.vectors)
    torch.testing.assert_close(single.double(), compact, rtol=1e-4, atol=1e-5)


@by_name
@pytest.mark.parametrize("algebra", [Algebra(3), Algebra(1, 3), Algebra(3, 0, 1), Algebra(4, 1)], ids=name)
def test_equivariance(function, algebra):
    a = normal(algebra, 6)
    for count in (1, 2):
        actor = versor(random_vectors(algebra, 6, count, seed=9), algebra)
        for onto in blades(algebra):
            k = onto.shape[0]
            moved = [F.sandwich(actor[:k], x, algebra) for x in (a[:k], onto)]
            expected = F.sandwich(actor[:k], function(a[:k], onto, algebra), algebra)
            torch.testing.assert_close(function(*moved, algebra), expected, rtol=1e-7, atol=1e-7)


@by_name
@pytest.mark.parametrize("algebra", [Algebra(3), Algebra(1, 3), Algebra(3, 0, 1)], ids=name)
def test_derivatives_and_transforms(function, algebra):
    a = normal(algebra, 2).requires_grad_()
    onto = wedge(random_vectors(algebra, 2, 2), algebra).requires_grad_()
    torch.autograd.gradcheck(lambda x, y: function(x, y, algebra), (a, onto), check_forward_ad=True, fast_mode=True)
    torch.autograd.gradgradcheck(lambda x, y: function(x, y, algebra), (a, onto), fast_mode=True)
    a, onto = a.detach(), onto.detach()
    expected = function(a, onto, algebra)
    close(torch.func.vmap(lambda x, y: function(x, y, algebra))(a, onto), expected)
    close(function(a[:, None], onto, algebra)[1, 0], function(a[1], onto[0], algebra))
    assert function(a[:0], onto[:0], algebra).shape == (0, algebra.num_blades)
    assert function(a, onto * torch.nan, algebra).isnan().any(-1).all()
    if algebra.r:
        torch.compiler.reset()
        compiled = torch.compile(lambda x, y: function(x, y, algebra), fullgraph=True, backend="aot_eager")
        close(compiled(a, onto), expected)
        assert compiled(a, 0 * onto).isnan().all()


@by_name
def test_bad_arguments(function):
    algebra = Algebra(2)
    with pytest.raises(errors.DomainError, match="is zero; leave out blades without a direction"):
        function(torch.ones(4), torch.zeros(4), algebra)
    with pytest.raises(errors.DomainError, match=r"1 of 2 blades to .* are zero, the first at index \(1,\)"):
        function(torch.ones(4), torch.eye(2, 4) * torch.tensor([[1.0], [0.0]]), algebra)
    with pytest.raises(errors.LayoutError, match="was asked for, which holds none of it"):
        function(torch.ones(2), torch.ones(4), algebra, a_layout=algebra.vectors, out_layout=algebra.scalars)
    with pytest.raises(errors.ShapeError, match="do not broadcast"):
        function(torch.ones(2, 4), torch.ones(3, 4), algebra)
    with pytest.raises(errors.DTypeError, match="dtypes"):
        function(torch.ones(4), torch.ones(4).double(), algebra)
