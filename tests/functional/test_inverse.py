"""Inverses: of any element, in every kind of algebra, on layouts, where there is none."""

import itertools
import json

import pytest
import torch

from cliffnet import Algebra, errors
from cliffnet import functional as F
from helpers.blades import random_vectors, versor
from helpers.golden import golden
from helpers.multivectors import SIGNED_BASIS, blade, name

SMALL = [Algebra(p, q, n - p - q) for n in range(6) for p in range(n + 1) for q in range(n - p + 1)]
LARGE = [
    Algebra(*signature) for signature in ((6,), (3, 3), (0, 6), (2, 4), (5, 1, 1), (3, 1, 3), (4, 3), (0, 7), (4, 4))
]
ODD_ONES = [Algebra(metric=(2, -3, 0)), Algebra(metric=(1, 0, -1, 1)), Algebra(3, 0, 1, basis=SIGNED_BASIS)]
ALL = SMALL + LARGE + ODD_ONES
FEW = [Algebra(2), Algebra(3, 0, 1), Algebra(4, 1), Algebra(4, 2), Algebra(3, 0, 3), Algebra(metric=(2, -3, 0))]
GOLDEN = [
    "clifford_cl_0_0_1",
    "clifford_cl_0_0_3",
    "clifford_cl_0_1_0",
    "clifford_cl_0_2_0",
    "clifford_cl_0_3_0",
    "clifford_cl_1_0_0",
    "clifford_cl_1_1_0",
    "clifford_cl_1_1_2",
    "clifford_cl_1_2_1",
    "clifford_cl_1_3_0",
    "clifford_cl_2_0_0",
    "clifford_cl_2_0_1",
    "clifford_cl_2_2_0",
    "clifford_cl_2_2_2",
    "clifford_cl_2_3_0",
    "clifford_cl_3_0_0",
    "clifford_cl_3_0_1",
    "clifford_cl_3_0_2",
    "clifford_cl_3_1_0",
    "clifford_cl_3_3_0",
    "clifford_cl_4_1_0",
    "clifford_cl_5_0_0",
    "clifford_cl_6_0_0",
    "kingdon_2DPGA",
    "kingdon_3DPGA",
    "kingdon_STAP",
    "kingdon_cl_1_3_0",
    "kingdon_cl_2_0_0",
    "kingdon_cl_2_1_2",
    "kingdon_cl_3_0_0",
    "kingdon_cl_3_1_0",
    "kingdon_cl_4_1_0",
]


def normal(algebra, *leading, dtype=torch.float64, seed=0, layout=None):
    size = (layout or algebra.full).size
    return torch.randn(*leading, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def tame(algebra, *leading, seed=0):
    """Elements far from singular ones."""
    return 0.3 * normal(algebra, *leading, seed=seed) + 2 * blade(algebra, "1")


def residual(a, x, algebra):
    products = (F.geometric_product(a, x, algebra), F.geometric_product(x, a, algebra))
    return torch.stack([(product - blade(algebra, "1")).abs().amax(-1) for product in products]).amax(0)


@pytest.mark.parametrize("algebra", ALL, ids=name)
def test_inverse_is_two_sided(algebra):
    a = normal(algebra, 30)
    x = F.inverse(a, algebra)
    condition = a.abs().sum(-1) * x.abs().sum(-1)
    # closed forms of degree 8 lose more than a matrix factorisation, but never more than half of the digits here
    assert (residual(a, x, algebra) <= 1e-12 + 1e-15 * condition**1.5).all()


@pytest.mark.parametrize("algebra", ALL, ids=name)
def test_inverse_in_single_precision(algebra):
    a = normal(algebra, 200 if algebra.dim < 6 else 40, dtype=torch.float32)
    x = F.inverse(a, algebra)
    assert x.dtype == torch.float32
    tested = a.abs().amax(-1) * x.abs().amax(-1) <= 1e3
    errors_found = residual(a.double(), x.double(), algebra)[tested]
    assert tested.sum() >= 20
    assert errors_found.quantile(0.99) <= 1e-4


@pytest.mark.parametrize("file", GOLDEN)
def test_inverse_agrees_with_other_libraries(file):
    arrays = golden(f"algebra/{file}")
    meta = json.loads(str(arrays["meta"]))
    algebra = Algebra(
        metric=meta["metric"], names=[label[1:] for label in meta["generator_names"]], basis=meta["blade_names"]
    )
    a, expected = (torch.from_numpy(arrays[key]) for key in ("in/a", "out/inverse"))
    x = F.inverse(a, algebra)
    assert residual(a, x, algebra).max() <= 100 * meta["inverse_residual"] + 1e-12
    torch.testing.assert_close(x, expected, rtol=1e-8, atol=1e-8 * expected.abs().max().item())
    single = F.inverse(a.float(), algebra).double()
    moderate = expected.abs().amax(-1) <= 1e3
    assert residual(a, single, algebra)[moderate].max() <= 1e-3


def test_inverse_of_simple_elements_is_exact():
    algebra = Algebra(3, 0, 1)
    for element, expected in (
        (4 * blade(algebra, "e1"), 0.25 * blade(algebra, "e1")),
        (2 * blade(algebra, "e12"), -0.5 * blade(algebra, "e12")),
        (blade(algebra, "1") + 3 * blade(algebra, "e01"), blade(algebra, "1") - 3 * blade(algebra, "e01")),
        (blade(algebra, "1") + 5 * blade(algebra, "e0123"), blade(algebra, "1") - 5 * blade(algebra, "e0123")),
        (3 * blade(algebra, "1") + blade(algebra, "e1"), 0.375 * blade(algebra, "1") - 0.125 * blade(algebra, "e1")),
    ):
        assert torch.equal(F.inverse(element, algebra), expected)
        assert torch.equal(F.inverse(element.float(), algebra), expected.float())


def test_huge_null_parts_and_scales_do_no_harm():
    algebra = Algebra(3, 0, 1)
    motor = blade(algebra, "1") + 1e9 * blade(algebra, "e01")
    assert torch.equal(F.inverse(motor.float(), algebra), (2 * blade(algebra, "1") - motor).float())
    for algebra, scale in itertools.product((Algebra(5), Algebra(4, 2)), (2.0**-100, 2.0**100)):
        a = normal(algebra, 3, dtype=torch.float32)
        assert torch.equal(F.inverse(a * scale, algebra), F.inverse(a, algebra) / scale)


@pytest.mark.parametrize("algebra", FEW, ids=name)
def test_inverse_reverses_products(algebra):
    a, b = tame(algebra, 4), tame(algebra, 4, seed=1)
    product = F.inverse(F.geometric_product(a, b, algebra), algebra)
    expected = F.geometric_product(F.inverse(b, algebra), F.inverse(a, algebra), algebra)
    torch.testing.assert_close(product, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(
        F.inverse(F.reverse(a, algebra), algebra), F.reverse(F.inverse(a, algebra), algebra), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("algebra", [Algebra(2), Algebra(3, 0, 1), Algebra(4, 2)], ids=name)
def test_inverse_is_equivariant(algebra):
    a = tame(algebra, 4)
    for count in (1, 2):
        actor = versor(random_vectors(algebra, 4, count), algebra)
        moved = F.inverse(F.sandwich(actor, a, algebra), algebra)
        torch.testing.assert_close(moved, F.sandwich(actor, F.inverse(a, algebra), algebra), rtol=1e-8, atol=1e-8)


def test_inverse_does_not_depend_on_the_basis():
    plain, signed = Algebra(3, 0, 1), Algebra(3, 0, 1, basis=SIGNED_BASIS)
    a = tame(plain, 5)
    matching = torch.tensor([plain.index(label)[0] for label in SIGNED_BASIS])
    signs = torch.tensor([float(plain.index(label)[1]) for label in SIGNED_BASIS])
    torch.testing.assert_close(F.inverse(a[:, matching] * signs, signed), F.inverse(a, plain)[:, matching] * signs)


# Layouts


@pytest.mark.parametrize(
    "algebra", [Algebra(3), Algebra(1, 3), Algebra(3, 0, 1), Algebra(4, 1), Algebra(4, 2)], ids=name
)
def test_inverse_on_layouts_is_that_of_full_multivectors(algebra):
    bivectors = algebra.layout(grades=(0, 2))
    layouts = [algebra.even, algebra.odd, algebra.vectors, bivectors, algebra.scalars, algebra.pseudoscalars]
    layouts.append(algebra.layout("1", "e1", "e12", "e123"))
    for layout in layouts:
        a = normal(algebra, 6, layout=layout)
        full = F.change_layout(a, layout, algebra.full)
        expected, expected_info = F.inverse_ex(full, algebra)
        x, info = F.inverse_ex(a, algebra, layout=layout, out_layout=algebra.full)
        assert torch.equal(info, expected_info)
        torch.testing.assert_close(x[info == 0], expected[info == 0], rtol=1e-8, atol=1e-10)
        assert x[info == 1].isnan().any(-1).all()


def test_inverse_keeps_layouts_where_it_can():
    algebra = Algebra(4, 1)
    for layout in (algebra.vectors, algebra.even, algebra.odd, algebra.scalars, algebra.pseudoscalars, algebra.full):
        assert F.inverse(normal(algebra, 2, layout=layout), algebra, layout=layout).shape == (2, layout.size)
    many = Algebra(40, 2)
    v = normal(many, 3, layout=many.vectors)
    x = F.inverse(v, many, layout=many.vectors)
    product = F.geometric_product(
        v, x, many, a_layout=many.vectors, b_layout=many.vectors, out_layout=many.layout(grades=(0, 2))
    )
    torch.testing.assert_close(product[:, 0], torch.ones(3, dtype=torch.float64))
    assert product[:, 1:].abs().max() < 1e-12
    with pytest.raises(errors.LayoutError, match=r"no inverse in closed form.*too many blades"):
        F.inverse(normal(many, layout=many.bivectors), many, layout=many.bivectors)


# Singular elements


WITNESSES = [
    (Algebra(1), {"1": 1, "e1": 1}),
    (Algebra(3), {"1": 1, "e1": 1}),
    (Algebra(1, 1), {"e1": 1, "e2": 1}),
    (Algebra(5), {"1": 1, "e1234": 1}),
    (Algebra(4, 4), {"1": 1, "e1": -1}),
    (Algebra(3, 0, 1), {"e0": 1, "e01": 2}),
    (Algebra(0, 0, 2), {"e1": 1}),
    (Algebra(4, 0, 4), {"1": 1, "e5": 1, "e1": 3}),
    (Algebra(6, 0, 1), {"e0": 1}),
    (Algebra(metric=(4, 1)), {"2": 1, "e1": 1}),
    (Algebra(2), {}),
    (Algebra(7), {}),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("algebra", "parts"), WITNESSES)
def test_singular_elements_are_refused(algebra, parts, dtype):
    element = torch.zeros(algebra.num_blades, dtype=torch.float64)
    for label, value in parts.items():
        element = element + value * (2 * blade(algebra, "1") if label == "2" else blade(algebra, label))
    one = blade(algebra, "1").to(dtype)
    for scale in (1.0, 0.3, 0.7e-20, 1e18):
        singular = (scale * element).to(dtype)
        with pytest.raises(errors.NotInvertibleError, match=r"no inverse \(singular to working precision\)"):
            F.inverse(singular, algebra)
        x, info = F.inverse_ex(torch.stack([one, singular]), algebra)
        assert info.dtype == torch.int32
        assert info.tolist() == [0, 1]
        assert torch.equal(x[0], one)
        assert x[1].isnan().all()


@pytest.mark.parametrize("algebra", [Algebra(3), Algebra(2, 2), Algebra(4, 1), Algebra(3, 3)], ids=name)
def test_zero_divisors_with_rounded_coefficients_are_refused(algebra):
    zero_divisor = 0.3 * (blade(algebra, "1") + blade(algebra, "e1"))
    a, b = normal(algebra, 50), normal(algebra, 50, seed=1)
    product = F.geometric_product(F.geometric_product(a, zero_divisor, algebra), b, algebra)
    # rounding moves a few of them far enough away to count as invertible
    assert F.inverse_ex(product, algebra)[1].sum() >= 45


def test_error_names_the_first_singular_entry():
    batch = torch.ones(2, 3, 4)
    batch[:, :, 1:] = 0
    batch[1, 0, 1] = 1
    with pytest.raises(errors.NotInvertibleError, match=r"1 of 6 elements of Cl\(2,0\) .* first at index \(1, 0\)"):
        F.inverse(batch, Algebra(2))
    with pytest.raises(torch.linalg.LinAlgError, match="the element of"):
        F.inverse(torch.zeros(4), Algebra(2))


@pytest.mark.parametrize("algebra", [Algebra(1), Algebra(3, 0, 1), Algebra(5), Algebra(4, 4)], ids=name)
def test_ill_conditioned_elements_are_not_refused(algebra):
    count = 2000 if algebra.dim == 8 else 20000
    assert not F.inverse_ex(normal(algebra, count, dtype=torch.float32), algebra)[1].any()


def test_boosts_are_inverted_until_nothing_is_left_of_the_digits():
    algebra = Algebra(1, 1)
    for rapidity, invertible in ((7.0, True), (12.0, False)):
        angle = torch.tensor(rapidity)
        boost = angle.cosh() * blade(algebra, "1").float() + angle.sinh() * blade(algebra, "e12").float()
        assert F.inverse_ex(boost, algebra)[1].item() == (not invertible)


@pytest.mark.parametrize("algebra", [Algebra(2), Algebra(4, 1), Algebra(3, 3), Algebra(4, 0, 2)], ids=name)
def test_nan_and_infinity_give_nan_and_no_error(algebra):
    a = tame(algebra, 3)
    a[1, -1], a[2, 0] = torch.nan, torch.inf
    x = F.inverse(a, algebra)
    assert x[0].isfinite().all()
    assert x[1].isnan().any()
    assert x[2].isnan().any()
    assert F.inverse_ex(a, algebra)[1].tolist() == [0, 0, 0]


# Derivatives, transforms, shapes


@pytest.mark.parametrize("algebra", FEW, ids=name)
def test_derivatives(algebra):
    a = tame(algebra, 2).requires_grad_()
    fast = algebra.dim > 2
    torch.autograd.gradcheck(lambda x: F.inverse(x, algebra), (a,), check_forward_ad=True, fast_mode=fast)
    torch.autograd.gradgradcheck(lambda x: F.inverse(x, algebra), (a,), fast_mode=fast)
    a, change = a.detach(), normal(algebra, 2, seed=3)
    x, tangent = torch.func.jvp(lambda x: F.inverse(x, algebra), (a,), (change,))
    expected = -F.geometric_product(F.geometric_product(x, change, algebra), x, algebra)
    torch.testing.assert_close(tangent, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("algebra", FEW, ids=name)
def test_transforms(algebra):
    a = tame(algebra, 2, 3)
    x = F.inverse(a, algebra)
    mapped = torch.func.vmap(torch.func.vmap(lambda x: F.inverse(x, algebra)), in_dims=1, out_dims=1)(a)
    torch.testing.assert_close(mapped, x)
    assert torch.func.vmap(lambda x: F.inverse(x, algebra))(torch.zeros_like(a)).isnan().all()
    torch.testing.assert_close(F.inverse(a.mT.contiguous().mT, algebra), x)
    assert F.inverse(a[:, :0], algebra).shape == (2, 0, algebra.num_blades)
    half = F.inverse(a.bfloat16(), algebra)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half, F.inverse(a.bfloat16().float(), algebra).bfloat16())


@pytest.mark.parametrize("algebra", [Algebra(3, 0, 1), Algebra(4, 0, 2)], ids=name)
def test_compiled(algebra):
    torch.compiler.reset()
    compiled = torch.compile(lambda x: F.inverse_ex(x, algebra), fullgraph=True, backend="aot_eager")
    a = tame(algebra, 3)
    a[2] = 0
    for found, expected in zip(compiled(a), F.inverse_ex(a, algebra), strict=True):
        torch.testing.assert_close(found, expected, equal_nan=True)
    even = torch.compile(lambda x: F.inverse(x, algebra, layout=algebra.even), fullgraph=True, backend="aot_eager")
    motor = F.change_layout(tame(algebra, 3), algebra.full, algebra.even, project=True)
    torch.testing.assert_close(even(motor), F.inverse(motor, algebra, layout=algebra.even))


def test_bad_arguments():
    with pytest.raises(errors.ShapeError, match="its last axis is 3"):
        F.inverse(torch.ones(3), Algebra(2))
    with pytest.raises(errors.DTypeError, match="convert it with"):
        F.inverse(torch.ones(4, dtype=torch.int64), Algebra(2))
    with pytest.raises(errors.LayoutError, match="was asked for, which holds none of it"):
        F.inverse(torch.ones(2), Algebra(2), layout=Algebra(2).vectors, out_layout=Algebra(2).scalars)
