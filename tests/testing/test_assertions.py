"""The assertions fail where they should, say why, and refuse checks that prove nothing."""

import pytest
import torch
from torch import nn

from cliffnet import Algebra, Multivector
from cliffnet import functional as F
from cliffnet.errors import AlgebraMismatchError, ConfigError, DomainError, LayoutError, NotInvertibleError, ShapeError
from cliffnet.nn import EquivariantLinear
from cliffnet.testing import (
    assert_equivariant,
    assert_identity,
    equivariance_tolerance,
    group_elements,
    magnitude,
    random_versor,
    tolerance,
)

SPACE, PGA, STA = Algebra(3), Algebra(3, 0, 1), Algebra(1, 3)


def ones(size=8):
    return torch.ones(size, dtype=torch.float64)


# Identities


def test_exact_identities():
    assert_identity(ones(), ones())
    assert_identity(ones(), ones(), algebra=SPACE)
    assert_identity(torch.tensor([0.0]), torch.tensor([-0.0]))
    assert_identity(torch.tensor([torch.inf]), torch.tensor([torch.inf]))
    assert_identity(torch.zeros(0, 8), torch.zeros(0, 8), 1.0)
    with pytest.raises(AssertionError, match="component 3: "):
        assert_identity(ones(), ones() + 1e-15 * torch.eye(8)[3].double())


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        (ones(), ones(4), r"shapes \(8,\) and \(4,\)"),
        (ones(), ones().float(), "dtypes"),
        (ones() * torch.nan, ones(), "NaN"),
        (ones() * torch.nan, ones() * torch.nan, "NaN"),
        (ones() * torch.inf, ones(), "inf and 1.0"),
        (ones() * torch.inf, -ones() * torch.inf, "inf and -inf"),
    ],
)
def test_sides_that_cannot_be_equal(left, right, message):
    for scale in (None, 1e9, torch.tensor(1e9)):
        with pytest.raises(AssertionError, match=message):
            assert_identity(left, right, scale)


def test_sides_may_be_multivectors():
    assert_identity(SPACE.e1 * SPACE.e2, -SPACE.e2 * SPACE.e1)
    assert_identity(SPACE.e1.dense(), SPACE.e1)
    with pytest.raises(AssertionError, match=r"component e12: 1\.0 and -1\.0"):
        assert_identity(SPACE.e1 * SPACE.e2, SPACE.e2 * SPACE.e1)
    with pytest.raises(AlgebraMismatchError):
        assert_identity(SPACE.e1, PGA.e1)
    with pytest.raises(ConfigError, match="two of a kind"):
        assert_identity(SPACE.e1, ones())


def test_tolerance_scales_per_element():
    left, right = torch.ones(2, 8).double(), torch.ones(2, 8).double()
    bound = tolerance(torch.float64, 3, 10.0)
    right[0] += 0.9 * bound
    assert_identity(left, right, torch.tensor([10.0, 0.0]), algebra=SPACE)
    with pytest.raises(AssertionError, match=r"component 1 at \(0,\)"):
        assert_identity(left, right, torch.tensor([0.0, 10.0]), algebra=SPACE)
    with pytest.raises(AssertionError, match="is allowed"):
        assert_identity(left, right, 8.0, algebra=SPACE)
    with pytest.raises(AssertionError, match="is allowed"):
        assert_identity(left, right, torch.nan, algebra=SPACE)


def test_messages_of_identities_are_readable():
    x = torch.tensor([1.0, 0.0, -2.5])
    with pytest.raises(AssertionError) as failure:
        assert_identity(x, torch.zeros(3), layout=SPACE.vectors, context="sides of a triangle")
    assert str(failure.value) == (
        "sides of a triangle: the sides differ in component e3: -2.5 and 0.0\n  left  = e1 - 2.5 e3\n  right = 0"
    )
    with pytest.raises(ConfigError, match="pass one of them"):
        assert_identity(x, x, algebra=PGA, layout=SPACE.vectors)


def test_tolerances():
    assert tolerance(torch.float32, 4) == 32 * torch.finfo(torch.float32).eps
    assert tolerance(torch.float64, 0, 2.0) == 16 * torch.finfo(torch.float64).eps
    assert equivariance_tolerance(torch.float64) == pytest.approx(3.7e-11, rel=0.01)
    a, b = torch.randn(5, 8), torch.randn(8)
    assert torch.equal(magnitude(a, b), a.abs().sum(-1) * b.abs().sum(-1))
    assert magnitude() == 1
    product = F.geometric_product(a, b, SPACE)
    assert (product.abs().amax(-1) <= magnitude(a, b)).all()


# Groups


@pytest.mark.parametrize(
    "algebra", [SPACE, PGA, STA, Algebra(4, 1), Algebra(1, 1, 2), Algebra(metric=(2, -3, 0))], ids=str
)
@pytest.mark.parametrize("group", ["pin", "spin", "isometries"])
def test_group_elements_are_isometries_and_automorphisms(algebra, group):
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, algebra.num_blades, generator=generator, dtype=torch.float64)
    moved = []
    for element in group_elements(algebra, group):
        left, right = element.apply(a), element.apply(b)
        scale = 1e4 * (1 + magnitude(left, right))
        product = F.geometric_product(a, b, algebra)
        assert_identity(element.apply(product), F.geometric_product(left, right, algebra), scale, algebra=algebra)
        assert_identity(F.inner_product(left, right, algebra)[None], F.inner_product(a, b, algebra)[None], scale)
        moved.append((left - a).abs().max())
        if group == "spin":
            assert F.norm_squared(element.versor, algebra) > 0
    assert min(moved) > 0.1


def test_degenerate_metrics_have_translations_and_isometries_that_are_no_versors():
    assert any(element.description == "translation" for element in group_elements(PGA))
    assert any(element.description == "translation" for element in group_elements(Algebra(4, 1), "spin"))
    e0 = torch.eye(16, dtype=torch.float64)[1]
    assert all((element.apply(e0) - e0).abs().max() < 1e-12 for element in group_elements(PGA, "pin"))
    assert any((element.apply(e0) - e0).abs().max() > 0.1 for element in group_elements(PGA, "isometries"))


@pytest.mark.parametrize("algebra", [Algebra(6), Algebra(3, 3), Algebra(4, 1, 1), Algebra(1, 3)], ids=str)
def test_the_generalised_lipschitz_group_keeps_grades_modulo_4_and_mixes_grades_from_six_generators_on(algebra):
    x = torch.randn(algebra.num_blades, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    grades = range(algebra.dim + 1)
    mixed = []
    for element in group_elements(algebra, "generalized_lipschitz"):
        for residue in range(4):
            members = [grade for grade in grades if grade % 4 == residue]
            moved = element.apply(F.grade_project(x, members, algebra))
            assert_identity(moved, F.grade_project(moved, members, algebra), 1e4 * magnitude(moved))
        moved = element.apply(F.grade_project(x, 1, algebra))
        mixed.append(F.grade_project(moved, range(5, algebra.dim + 1), algebra).abs().max() > 0.1)
    assert any(mixed) == (algebra.dim >= 6)
    assert not all(mixed)


def test_elements_of_your_own_act_by_their_inverse():
    space = Algebra(4)
    blade = torch.eye(16, dtype=torch.float64)
    (element,) = group_elements(space, (0.8 * blade[0] + 0.6 * blade[15])[None])
    turned = torch.stack([element.apply(blade[1]), element.apply(blade[5])])
    # x (a - b I) / (a + b I) for odd x, and even elements commute with I
    assert_identity(turned[0, 1], torch.tensor(1.0 / 0.28, dtype=torch.float64), 1e2)
    assert F.grade_project(turned[0], 3, space).abs().max() > 1.0
    assert_identity(turned[1], blade[5], 1e2)
    with pytest.raises(NotInvertibleError):
        group_elements(Algebra(1), torch.ones(1, 2))


def test_null_elements_act_trivially():
    null = torch.eye(16, dtype=torch.float64)[0] + 0.7 * torch.eye(16, dtype=torch.float64)[1]
    with pytest.raises(ConfigError, match="acts trivially"):
        group_elements(PGA, null[None])


def test_groups_that_act_trivially_are_refused():
    for algebra, group in ((Algebra(0, 0, 2), "pin"), (Algebra(1), "spin"), (Algebra(), "isometries")):
        with pytest.raises(ConfigError, match="acts trivially"):
            group_elements(algebra, group)
    with pytest.raises(ConfigError, match="expected 'pin', 'spin', 'isometries'"):
        group_elements(SPACE, "O")
    with pytest.raises(ShapeError, match=r"expected \(count, 8\)"):
        group_elements(SPACE, torch.ones(8))
    with pytest.raises(DomainError, match="squares to zero"):
        random_versor(Algebra(0, 0, 2), 2)


def test_layouts_that_the_group_does_not_preserve_are_refused():
    element = group_elements(SPACE, "pin")[1]
    x = torch.ones(2, dtype=torch.float64)
    with pytest.raises(LayoutError, match="lacks"):
        element.apply(x, SPACE.layout("e1", "e2"))
    assert element.apply(torch.ones(3, dtype=torch.float64), SPACE.vectors).shape == (3,)
    mixing = group_elements(Algebra(6), "generalized_lipschitz")[-1]
    with pytest.raises(LayoutError, match="lacks"):
        mixing.apply(torch.ones(6, dtype=torch.float64), Algebra(6).vectors)


# Equivariance


def test_products_are_equivariant_under_every_isometry():
    for algebra in (SPACE, PGA, Algebra(0, 0, 3), Algebra(1, 1, 1)):
        for product in (F.geometric_product, F.outer_product, F.left_contraction):
            assert_equivariant(
                lambda a, b, g=algebra, f=product: f(a, b, g), algebra, "isometries", inputs=[(4,), (4,)]
            )


def test_maps_of_gatr_break_under_isometries_that_are_no_versors():
    layer = EquivariantLinear(3, 3, algebra=PGA).double()
    assert_equivariant(layer, PGA, inputs=[(4, 3)])
    with pytest.raises(AssertionError, match="linear map of the vectors"):
        assert_equivariant(layer, PGA, "isometries", inputs=[(4, 3)])


BROKEN = {
    "component": (lambda x: x + 1e-7 * x[..., :1] * torch.eye(16)[2].double(), "g is a reflection\n  versor V = e1\n"),
    "coefficient nonlinearity": (lambda x: x.relu(), "g is a reflection"),
    "dual": (lambda x: F.hodge_dual(x, PGA), "g is a reflection"),
    "swap": (lambda x: x[..., [0, 2, 1, *range(3, 16)]], "relative error"),
    "leaked invariant": (lambda x: (x, x[..., 3]), "output 1: relative error"),
    "not finite": (lambda x: x / 0, "NaN or infinity"),
    "not finite when moved": (lambda x: x / (x[..., :1] == x[..., :1].abs().amax()).double(), "NaN or infinity"),
    "shape": (lambda x: x[x[:, 2] > 0], "shape"),
}


@pytest.mark.parametrize(("function", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_functions_are_found(function, message):
    with pytest.raises(AssertionError, match=message):
        assert_equivariant(function, PGA)


def test_only_translations_find_what_is_broken_away_from_the_origin():
    # keeps the coefficient of e0: commutes with rotations about the origin, not with translations
    def without_distance(x):
        return torch.cat([x[..., :1], 2 * x[..., 1:2], x[..., 2:]], -1)

    with pytest.raises(AssertionError, match="g is a translation"):
        assert_equivariant(without_distance, PGA, "spin")


def test_constant_functions_are_refused():
    for constant in (lambda x: torch.zeros_like(x), lambda x: torch.eye(8)[0].double().expand_as(x)):
        with pytest.raises(AssertionError, match="the output does not vary"):
            assert_equivariant(constant, SPACE)
    with pytest.raises(AssertionError, match="output 1 does not vary"):
        assert_equivariant(lambda x: (x, torch.ones(3)), SPACE)
    with pytest.raises(AssertionError, match="is empty"):
        assert_equivariant(lambda x: x, SPACE, inputs=[(0,)])


def test_inputs_that_nothing_moves_are_refused():
    with pytest.raises(AssertionError, match="no element of the group moves the inputs"):
        assert_equivariant(lambda x: x**2, SPACE, layouts=[SPACE.scalars], outputs=[SPACE.scalars])


def test_several_inputs_outputs_and_layouts():
    def split(a, b, weight):
        product = F.geometric_product(a, b, SPACE, a_layout=SPACE.even, b_layout=SPACE.vectors)
        return {"odd": weight * product, "nothing": None, "norm": F.norm_squared(a, SPACE, layout=SPACE.even)}

    options = {
        "inputs": [(5, 2), (1, 2)],
        "layouts": [SPACE.even, SPACE.vectors],
        "invariants": [torch.ones(2, 1)],
        "outputs": [SPACE.odd, "invariant", "invariant"],
    }
    assert_equivariant(split, SPACE, **options)
    with pytest.raises(AssertionError, match="output 'odd'"):
        assert_equivariant(
            lambda a, b, weight: {**split(a, b, weight), "odd": b.sum() * b[..., [0] * 4]}, SPACE, **options
        )


def test_multivectors_come_and_go():
    v = SPACE.vector(torch.randn(4, 3, dtype=torch.float64))
    assert_equivariant(lambda v: v * v + v, SPACE, inputs=[v])
    with pytest.raises(AssertionError, match="relative error"):
        assert_equivariant(lambda v: Multivector(v.tensor.abs(), v.layout), SPACE, inputs=[v])


def test_drawn_inputs_stay_in_the_domain():
    def rotor(generator):
        return F.exp(
            torch.randn(4, 3, generator=generator).double(), SPACE, layout=SPACE.bivectors, out_layout=SPACE.even
        )

    assert_equivariant(
        lambda r: F.sqrt(r, SPACE, layout=SPACE.even, out_layout=SPACE.even),
        SPACE,
        inputs=[rotor],
        layouts=[SPACE.even],
        outputs=[SPACE.even],
    )


def test_random_numbers_are_the_same_in_every_call():
    assert_equivariant(nn.Dropout1d(0.5), SPACE, inputs=[(16, 4)])
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert_equivariant(nn.Dropout1d(0.5), SPACE, inputs=[(16, 4)])
    assert torch.equal(torch.get_rng_state(), before)


def test_modules_are_called_in_their_precision():
    seen = []
    layer = EquivariantLinear(3, 3, algebra=SPACE)
    layer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].dtype))
    assert_equivariant(layer, SPACE, inputs=[(4, 3)])
    assert set(seen) == {torch.float32}
    with pytest.raises(AssertionError, match=r"exceeds 1\.0e-10"):
        assert_equivariant(layer, SPACE, inputs=[(4, 3)], tolerance=1e-10)


def test_your_own_versors_make_a_group():
    turn = torch.eye(8, dtype=torch.float64)[[0]] - torch.eye(8, dtype=torch.float64)[[4]]

    def rotated_about_e3(x):
        return x + x[..., [3]] * torch.eye(8)[3].double()

    assert_equivariant(rotated_about_e3, SPACE, turn)
    with pytest.raises(AssertionError, match="relative error"):
        assert_equivariant(rotated_about_e3, SPACE)


@pytest.mark.parametrize(
    ("function", "options", "error", "message"),
    [
        (lambda x: x, {"inputs": ["x"]}, ConfigError, "expected a leading shape, a tensor or a function"),
        (lambda x: x, {"inputs": [torch.ones(4)]}, ShapeError, r"expected \(..., 8\)"),
        (lambda x: x, {"layouts": [None, None]}, ConfigError, "one layout each"),
        (lambda x: x, {"layouts": [PGA.full]}, AlgebraMismatchError, "expected Algebra"),
        (lambda x: x, {"outputs": []}, ConfigError, "1 outputs, but 0 kinds"),
        (lambda x: x, {"outputs": ["vector"]}, ConfigError, "'multivector', 'invariant' or a Layout"),
        (lambda x: x[..., 0], {}, ShapeError, r"say outputs=\['invariant'"),
        (lambda x: None, {}, ConfigError, "returned a NoneType"),
        (lambda x: (None,), {}, ConfigError, "returned no tensor"),
        (lambda x: (x, "text"), {}, ConfigError, "output 1 is a str"),
        (lambda x: x.long(), {}, ConfigError, "dtype torch.int64, expected floating"),
        (lambda x: x, {"inputs": 16}, ConfigError, "one entry per argument"),
    ],
)
def test_bad_arguments_are_named(function, options, error, message):
    with pytest.raises(error, match=message):
        assert_equivariant(function, SPACE, **options)


def test_algebras_that_do_not_fit_are_named():
    with pytest.raises(AlgebraMismatchError, match="expected an Algebra"):
        assert_equivariant(lambda x: x, "Cl(3)")
    with pytest.raises(LayoutError, match="too many to list"):
        assert_equivariant(lambda x: x, Algebra(62))
