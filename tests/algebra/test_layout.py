"""Layouts: selections of blades and what operations make of them."""

import copy
import pickle

import pytest

from cliffnet import Algebra, Layout, errors

PGA = Algebra(3, 0, 1)


def test_layouts_of_grades_follow_the_order_of_the_algebra():
    assert PGA.even.blade_names == ("1", "e01", "e02", "e03", "e12", "e13", "e23", "e0123")
    assert PGA.odd.grades == (1, 1, 1, 1, 3, 3, 3, 3)
    assert PGA.layout(grades=(2, 0)) is PGA.layout(grades=[0, 2])
    assert Algebra.from_name("3DPGA").bivectors.blade_names == ("e01", "e02", "e03", "e12", "e31", "e23")
    assert [layout.size for layout in (PGA.scalars, PGA.vectors, PGA.bivectors, PGA.pseudovectors)] == [1, 4, 6, 4]
    assert PGA.pseudoscalars.blade_names == ("e0123",)
    assert Algebra(0).vectors.size == Algebra(1).bivectors.size == Algebra(0).pseudovectors.size == 0


def test_named_blades_keep_their_order_and_sign():
    layout = PGA.layout("e31", "e0", "1")
    assert layout.blade_names == ("e31", "e0", "1")
    assert layout.blade_signs == (-1, 1, 1)
    assert layout.index("e13") == (0, -1)
    assert layout.index("e31") == (0, 1)
    assert "e13" in layout
    assert "e12" not in layout
    # in an algebra with signs of its own the name that is not stored is spelt out
    ganja = Algebra.from_name("3DPGA")
    assert ganja.layout("e13", "e12").blade_names == ("e13", "e12")


def test_equal_layouts_are_the_same_object():
    assert PGA.layout("e12", "e13") is PGA.layout("e12", "e13")
    assert PGA.layout("e12", "e13") is not PGA.layout("e13", "e12")
    assert PGA.layout("e31") is not PGA.layout("e13")
    for layout in (PGA.full, PGA.even, PGA.layout("e31"), Algebra(62).vectors):
        assert pickle.loads(pickle.dumps(layout)) is layout
        assert copy.deepcopy(layout) is copy.copy(layout) is layout


def test_layouts_cannot_be_changed():
    with pytest.raises(AttributeError, match="a Layout is immutable; cannot set 'size'"):
        PGA.even.size = 3
    with pytest.raises(AttributeError, match="immutable; cannot delete 'size'"):
        del PGA.even.size


def test_set_operations():
    assert PGA.scalars | PGA.bivectors is PGA.layout(grades=(0, 2))
    assert PGA.bivectors | PGA.even is PGA.even
    assert PGA.even | PGA.bivectors is PGA.even
    assert PGA.full & PGA.odd is PGA.odd
    assert PGA.full - PGA.even is PGA.odd
    assert PGA.even.holds(PGA.bivectors)
    assert not PGA.bivectors.holds(PGA.even)
    with pytest.raises(errors.AlgebraMismatchError, match="the layouts belong to"):
        PGA.even | Algebra(3).even
    with pytest.raises(errors.AlgebraMismatchError, match="expected a Layout, got str"):
        PGA.even | "e12"


@pytest.mark.parametrize(
    ("left", "right", "kind", "expected"),
    [
        ((1,), (1,), "geometric_product", (0, 2)),
        ((1,), (1,), "outer_product", (2,)),
        ((1,), (3,), "left_contraction", (2,)),
        ((3,), (1,), "right_contraction", (2,)),
        ((2,), (2,), "scalar_product", (0,)),
        ((2,), (2,), "commutator", (2,)),
        ((2,), (2,), "anticommutator", (0, 4)),
        ((3,), (3,), "regressive_product", (2,)),
        ((2,), (0,), "hestenes_inner_product", ()),
        ((0, 2, 4), (0, 2, 4), "geometric_product", (0, 2, 4)),
        ((0, 2, 4), (1, 3), "geometric_product", (1, 3)),
    ],
)
def test_products_infer_what_they_reach(left, right, kind, expected):
    algebra = Algebra(4)
    result = algebra.layout(grades=left).product(algebra.layout(grades=right), kind)
    assert result is algebra.layout(grades=expected)


def test_null_blades_do_not_reach_the_scalars():
    null = PGA.layout("e01", "e02")
    assert null.product(null).size == 0
    assert null.product(PGA.layout("e1")).blade_names == ("e0", "e012")


def test_duals_map_layouts():
    assert PGA.vectors.image("right_complement") is PGA.pseudovectors
    assert PGA.vectors.image("hodge_dual").blade_names == ("e012", "e013", "e023")
    with pytest.raises(errors.NotInvertibleError, match="has no polarity"):
        PGA.vectors.image("polarity")


def test_layouts_reach_sixty_two_generators():
    large = Algebra(62)
    assert large.vectors.product(large.vectors).size == 1 + 62 * 61 // 2
    assert large.vectors.product(large.vectors) is large.layout(grades=(0, 2))
    assert large.layout("e61_62", "e2_1").blade_signs == (1, -1)
    assert large.pseudoscalars.size == 1
    with pytest.raises(errors.LayoutError, match="65535"):
        large.layout(grades=(5,))


def test_whole_grades_keep_an_order_that_has_them_already():
    assert PGA.layout("e31", "1").whole_grades() is PGA.layout(grades=(0, 2))
    shuffled = PGA.layout("e3", "e1", "e0", "e2")
    assert shuffled.whole_grades() is shuffled
    assert PGA.full.whole_grades() is PGA.full


def test_layouts_say_what_they_hold():
    assert repr(PGA.full) == "Layout(Cl(3,0,1), full)"
    assert repr(PGA.layout(grades=(0, 2))) == "Layout(Cl(3,0,1), grades 0, 2)"
    assert repr(PGA.layout("e31")) == "Layout(Cl(3,0,1), e31)"
    assert repr(PGA.layout()) == "Layout(Cl(3,0,1), empty)"
    assert repr(Algebra(5).layout(*Algebra(5).blade_names[1:11])).endswith("e13, e14, ... (10 blades))")


def test_what_does_not_exist_is_refused():
    with pytest.raises(errors.BladeError, match="'e4' is not a blade of this algebra"):
        PGA.layout("e4")
    with pytest.raises(errors.GradeError, match="grade 5 does not exist"):
        PGA.layout(grades=(5,))
    with pytest.raises(errors.LayoutError, match="both names and grades"):
        PGA.layout("e1", grades=(1,))
    with pytest.raises(errors.BladeError, match="2 blades, but only 1 different"):
        PGA.layout("e12", "e21")
    with pytest.raises(errors.BladeError, match="does not hold the blade 'e1'; it holds 1, e01"):
        PGA.even.index("e1")
    with pytest.raises(errors.BladeError, match="has no other order of generators"):
        Layout(PGA, [0b1], [-1])
    for masks, signs in (([1 << 4], [1]), ([-1], [1]), ([1, 2], [1]), ([3], [2])):
        with pytest.raises(errors.BladeError, match=r"each below 2\^4"):
            Layout(PGA, masks, signs)
    for names in ((3,), (["e12", "e13"],), (("e12", "e13"),)):
        with pytest.raises(errors.BladeError, match="each an argument"):
            PGA.layout(*names)
    for grades in (2, "2", (1.0,), (True,), (None,)):
        with pytest.raises(errors.GradeError, match="expected"):
            PGA.layout(grades=grades)
    with pytest.raises(errors.BladeError, match="expected a name"):
        _ = 3 in PGA.even
    with pytest.raises(errors.ConfigError, match="the kind of product is 'cross', expected one of geometric_product"):
        PGA.even.product(PGA.even, "cross")
    with pytest.raises(errors.ConfigError, match="the dual is 'complement', expected one of right_complement"):
        PGA.even.image("complement")
    with pytest.raises(errors.BladeError, match=r"'e12' is not a blade .* such as 'e1_2'"):
        Algebra(10).layout("e12")


def test_names_and_first_numbers_make_other_algebras():
    named = Algebra(3, names="xyz")
    assert named.blade_names == ("1", "ex", "ey", "ez", "exy", "exz", "eyz", "exyz")
    assert named.index("ezx") == (5, -1)
    assert named is not Algebra(3)
    assert Algebra(3, names=("1", "2", "3")) is Algebra(3, start_index=1) is Algebra(3)
    assert Algebra(3, start_index=0).generator_names == ("e0", "e1", "e2")
    assert Algebra(2, names=("up", "down")).blade_names == ("1", "eup", "edown", "eup_down")
    assert repr(named) == "Algebra(3, 0, 0, names=('x', 'y', 'z'))"
    assert eval(repr(named), {"Algebra": Algebra}) is named
    for algebra in (named, Algebra(2, start_index=7), Algebra.from_name("STAP")):
        assert pickle.loads(pickle.dumps(algebra)) is algebra
    for names in ("xy", "xxy", ("a", "b", ""), ("a", "b", "c_d"), (1, 2, 3)):
        with pytest.raises(errors.BladeError, match="expected 3 different words"):
            Algebra(3, names=names)


def test_presets():
    assert Algebra.from_name("3DPGA").blade_names[8:14] == ("e12", "e31", "e23", "e032", "e013", "e021")
    assert repr(Algebra.from_name("STAP")) == "Algebra.from_name('STAP')"
    assert Algebra.from_name("CGA3D") is Algebra.cga(3)
    assert Algebra.sta("-+++").metric == (-1.0, 1.0, 1.0, 1.0)
    assert Algebra.complex() is Algebra(0, 1)
    assert Algebra.split_complex() is Algebra(1)
    assert Algebra.dual_numbers() is Algebra(0, 0, 1)
    assert Algebra.quaternions() is Algebra(0, 2)
    assert Algebra.dual_quaternions() is Algebra(0, 2, 1)
    assert Algebra.exterior(3) is Algebra(0, 0, 3)
    with pytest.raises(errors.SignatureError, match="no algebra is called '4DPGA'; known are VGA2D"):
        Algebra.from_name("4DPGA")
    with pytest.raises(errors.ConfigError, match=r"expected '\+---' or '-\+\+\+'"):
        Algebra.sta("+--+")
