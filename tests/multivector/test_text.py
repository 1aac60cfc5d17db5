"""Text that a person can read, and that reads back."""

import math

import pytest
import torch
from hypothesis import strategies as st

from cliffnet import Algebra, parse
from cliffnet.errors import AlgebraMismatchError, LayoutError, ParseError
from helpers.multivectors import ALGEBRAS, holds_for, multivectors

PGA = Algebra(3, 0, 1)


@holds_for([multivectors], examples=120)
def test_integers_read_back_exactly(algebra, values):
    x = algebra.multivector(values)
    for text in (str(x), repr(x)):
        assert (parse(text, algebra, dtype=torch.float64) == x).all()


@holds_for([lambda algebra: st.lists(st.floats(-1e30, 1e30), min_size=algebra.num_blades, max_size=algebra.num_blades)])
def test_floats_read_back_to_the_printed_precision(algebra, values):
    x = algebra.multivector(values, dtype=torch.float64)
    torch.set_printoptions(precision=16)
    try:
        text = str(x)
    finally:
        torch.set_printoptions(profile="default")
    assert parse(text, algebra, dtype=torch.float64).isclose(x, rtol=1e-13, atol=0.0).all()


@pytest.mark.parametrize("algebra", ALGEBRAS[4:8], ids=str)
def test_batches_read_back(algebra):
    x = algebra.multivector(torch.arange(-3.0, 2 * 3 * algebra.num_blades - 3).reshape(2, 3, -1))
    assert (parse(repr(x), algebra) == x).all()
    assert (algebra.parse(str(x)) == x).all()


def test_text_of_one():
    x = PGA.scalar(1.0) + 0.5 * PGA.e12 - 2 * PGA.I
    assert str(x) == "1 + 0.5 e12 - 2 e0123"
    assert repr(x) == "Multivector[Cl(3,0,1) 1, e12, e0123] 1 + 0.5 e12 - 2 e0123"
    assert str(-PGA.e31) == "e13"
    assert str(PGA.zeros()) == "0"
    assert str(PGA.e1 * 1e-9 + PGA.e2 * 1e12) == "1e-09 e1 + 1e+12 e2"
    assert str(PGA.e1 * math.inf - PGA.e2 * math.inf + PGA.e3 * math.nan) == "inf e1 - inf e2 + nan e3"


def test_text_of_a_batch():
    x = Algebra(2).vector(torch.tensor([[1.0, 2.0], [0.0, -1.0]], dtype=torch.float64)).requires_grad_()
    lines = repr(x).splitlines()
    assert lines == ["Multivector[Cl(2,0) odd, batch (2,), float64, requires_grad]", "[0] e1 + 2 e2", "[1] -e2"]
    assert str(x) == repr(x)
    many = repr(Algebra(2).zeros(1000, 2)).splitlines()
    assert len(many) == 8
    assert many[4] == "..."
    assert many[-1] == "[999, 1] 0"
    assert repr(x.to("meta")).endswith("...")


def test_text_follows_the_print_options():
    x = PGA.scalar(1 / 3)
    torch.set_printoptions(precision=2)
    try:
        assert str(x) == "0.33"
        torch.set_printoptions(precision=2, sci_mode=True)
        assert str(x) == "3.33e-01"
    finally:
        torch.set_printoptions(profile="default")


def test_text_inside_transforms():
    seen = []

    def look(x):
        seen.append(repr(x))
        return x.norm_squared()

    torch.func.vmap(look)(PGA.randn(3))
    assert seen == ["Multivector[Cl(3,0,1) full] ..."]


@pytest.mark.parametrize(
    ("text", "coefficients"),
    [
        ("1 + 2 e12", {"1": 1.0, "e12": 2.0}),
        (" -e12 ", {"e12": -1.0}),
        ("e31", {"e13": -1.0}),
        ("3*e1 - 4 * e2", {"e1": 3.0, "e2": -4.0}),
        ("2e1 + 1", {"e1": 2.0, "1": 1.0}),
        ("1.5e-3 e1 + .5 + 2. e2", {"e1": 1.5e-3, "1": 0.5, "e2": 2.0}),
        ("1e+2 e3", {"e3": 100.0}),
        ("1 + -2 e1", {"1": 1.0, "e1": -2.0}),
        ("e1 + e1 - 1 - 1", {"e1": 2.0, "1": -2.0}),
        ("1e7", {"1": 1e7}),
        ("0", {"1": 0.0}),
        ("Multivector[Cl(3,0,1) e0123, float64] 2 e0123", {"e0123": 2.0}),
    ],
)
def test_forms_that_are_read(text, coefficients):
    if text.startswith("2e1"):
        with pytest.raises(ParseError, match="clear meaning"):
            parse(text, PGA)
        return
    x = PGA.parse(text, dtype=torch.float64)
    assert {blade: x[blade].item() for blade in coefficients} == coefficients
    assert x.layout.size == len(coefficients)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("  ", 2),
        ("1 +", 3),
        ("1 + e4", 4),
        ("1 2", 2),
        ("e1 e2", 3),
        ("1 ? e1", 2),
        ("2 * ", 4),
        ("2 * 3", 4),
        ("e11", 0),
        ("1 + 2e12", 4),
        ("1 + - + 2", 6),
        ("x", 0),
        ("Multivector[Cl(3,0,1) 1, batch (2,)]\n[0] 1\n", 42),
        ("Multivector[Cl(3,0,1) 1, batch (2,)]\n[1] 1\n[0] 2\n", 36),
        ("Multivector[Cl(3,0,1) 1, batch (1,)]\n[0] 1\n[1] 2", 43),
        ("Multivector[Cl(3,0,1) 1, batch (2000,)]\n[0] 1\n...", 45),
        ("Multivector[Cl(3,0,1) 1, batch (99999999999, 99999999999)]\n[0, 0] 1\n", 67),
    ],
)
def test_bad_text_is_refused_with_its_position(text, position):
    with pytest.raises(ParseError, match=f"position {position}:") as caught:
        parse(text, PGA)
    assert caught.value.position == position


def test_reading_onto_a_layout():
    x = PGA.parse("1 + e12", layout=PGA.even, dtype=torch.float64)
    assert x.layout is PGA.even
    assert x.dtype == torch.float64
    with pytest.raises(LayoutError):
        PGA.parse("1 + e1", layout=PGA.even)
    with pytest.raises(TypeError, match="text"):
        PGA.parse(3)


def test_names_of_other_algebras():
    named = Algebra(2, names="xy")
    assert str(named.parse("2 exy - eyx + 3 ex")) == "3 ex + 3 exy"
    large = Algebra(12)
    assert (large.parse("e10_11 - 2 e1_2") == large.blade("e10_11") - 2 * large.blade("e1_2")).all()
    assert str(Algebra(40).parse("e40 + 2 e3_1")) == "e40 - 2 e1_3"
    signed = Algebra.from_name("3DPGA")
    assert str(signed.parse("e13 + e123")) == "-e31 + e123"


def test_text_of_the_writer_is_read_by_its_own_algebra():
    x = PGA.randn(2, dtype=torch.float64)
    assert parse(repr(x), PGA).dtype == torch.float64
    assert parse(repr(x), PGA, dtype=torch.float32).dtype == torch.float32
    with pytest.raises(AlgebraMismatchError, match=r"expected one of Cl\(4,0\); .*mv\.embed"):
        parse(repr(Algebra(3).e12), Algebra(4))
    with pytest.raises(AlgebraMismatchError, match="expected an Algebra"):
        parse("1", "Cl(3)")


def test_errors_quote_the_place():
    with pytest.raises(ParseError, match=r"threshold") as caught:
        parse(repr(PGA.randn(1000)), PGA)
    assert len(str(caught.value)) < 500
    with pytest.raises(ParseError, match=r"'1 e3' for the blade or '1E\+3' for the number"):
        parse("1E3", PGA)


def test_text_without_values():
    assert str(PGA.zeros(device="meta")) == "Multivector[Cl(3,0,1) full, meta] ..."
    seen = []
    torch.func.vmap(lambda x: (seen.append(str(x)), x)[1])(PGA.randn(3))
    assert seen == ["Multivector[Cl(3,0,1) full] ..."]


def test_text_of_one_blade_among_too_many_to_list():
    wide = Algebra(62)
    blade = wide.e1_2_3_4_5
    assert repr(blade) == "Multivector[Cl(62,0) e1_2_3_4_5] e1_2_3_4_5"
    assert (parse(repr(blade), wide) == blade).all()
