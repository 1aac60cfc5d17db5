"""Strategies draw what they promise, shrink to cases a person can read, and refuse what does not exist."""

import sys

import pytest
import torch
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

import cliffnet.testing
from cliffnet import Algebra, Layout, Multivector
from cliffnet import functional as F
from cliffnet.errors import (
    AlgebraMismatchError,
    ConfigError,
    DomainError,
    GradeError,
    LayoutError,
    MissingDependencyError,
)
from cliffnet.testing import (
    algebras,
    assert_identity,
    bivectors,
    blades,
    layouts,
    list_algebras,
    multivectors,
    rotors,
    vectors,
    versors,
)

SOME = settings(max_examples=40, deadline=None, derandomize=True, database=None)
SHRINKING = settings(SOME, max_examples=2000, suppress_health_check=list(HealthCheck))
ELEMENTS = pytest.mark.parametrize("elements", ["int", "float"])


def is_integer(x):
    return torch.equal(x, x.round())


def only_grades(x, algebra, grades):
    return torch.equal(F.grade_project(x, [k for k in grades if k <= algebra.dim], algebra), x)


@SOME
@given(st.data())
def test_algebras_stay_in_their_bounds(data):
    assert data.draw(algebras(max_dim=3, min_dim=2)).dim in (2, 3)
    assert data.draw(algebras(degenerate=False)).r == 0
    assert data.draw(algebras(signatures=[(3, 0, 1), (2,)])) in (Algebra(3, 0, 1), Algebra(2))
    algebra = data.draw(algebras(max_dim=3))
    assert data.draw(layouts(algebra)).algebra is algebra


def test_every_algebra_is_drawn():
    drawn = set()

    @settings(SOME, max_examples=500)
    @given(algebras(max_dim=3))
    def collect(algebra):
        drawn.add(algebra)

    collect()
    assert drawn == set(list_algebras(3))


@ELEMENTS
@SOME
@given(data=st.data())
def test_multivectors_and_vectors(elements, data):
    algebra = data.draw(algebras(min_dim=1))
    x = data.draw(multivectors(algebra, elements=elements, batch_shape=(2, 3)))
    assert x.shape == (2, 3, algebra.num_blades)
    assert x.dtype == torch.float64
    assert x.abs().max() <= 4
    assert elements == "float" or is_integer(x)
    assert not ((x != 0) & (x.abs() < 2.0**-10)).any()
    layout = data.draw(layouts(algebra))
    assert data.draw(multivectors(algebra, layout, elements, dtype=torch.float32)).shape == (layout.size,)
    batched = data.draw(multivectors(algebra, batch_shape=st.tuples(st.integers(0, 2))))
    assert batched.dim() == 2
    v = data.draw(vectors(algebra, nonnull=False, elements=elements))
    assert only_grades(v, algebra, [1])
    if algebra.dim > algebra.r:
        v = data.draw(vectors(algebra, layout=algebra.vectors, elements=elements, batch_shape=(4,)))
        assert (F.norm_squared(v, algebra, layout=algebra.vectors) != 0).all()


@ELEMENTS
@SOME
@given(data=st.data())
def test_blades_are_blades(elements, data):
    algebra = data.draw(algebras())
    grade = data.draw(st.integers(0, algebra.dim))
    blade = data.draw(blades(algebra, grade, elements=elements))
    assert blade.any()
    assert only_grades(blade, algebra, [grade])
    assert elements == "float" or is_integer(blade)
    assert F.is_blade(blade, algebra)


@ELEMENTS
@pytest.mark.parametrize("parity", ["even", "odd", None])
@SOME
@given(data=st.data())
def test_versors_are_versors(elements, parity, data):
    algebra = data.draw(algebras(min_dim=1).filter(lambda algebra: parity != "odd" or algebra.dim > algebra.r))
    versor = data.draw(versors(algebra, parity, elements=elements))
    square = F.geometric_product(versor, F.reverse(versor, algebra), algebra)
    scalar = F.grade_project(square, 0, algebra)
    assert_identity(square, scalar, 1e-9 / 2.2e-16 * scalar.abs().max() if elements == "float" else None)
    assert scalar.any()
    even, odd = range(0, algebra.dim + 1, 2), range(1, algebra.dim + 1, 2)
    assert (parity != "odd" and only_grades(versor, algebra, even)) or (
        parity != "even" and only_grades(versor, algebra, odd)
    )
    assert elements == "float" or is_integer(versor)


@ELEMENTS
@pytest.mark.parametrize("principal", [True, False])
@SOME
@given(data=st.data())
def test_rotors_are_rotors(elements, principal, data):
    algebra = data.draw(algebras())
    rotor = data.draw(rotors(algebra, principal, elements=elements, batch_shape=(2,)))
    assert rotor.shape == (2, algebra.num_blades)
    square = F.geometric_product(rotor, F.reverse(rotor, algebra), algebra)
    one = torch.zeros_like(square)
    one[..., algebra.index("1")[0]] = 1.0
    assert only_grades(rotor, algebra, range(0, algebra.dim + 1, 2))
    assert_identity(square, one, rotor.abs().sum(-1) ** 2 if elements == "float" else None, algebra=algebra)
    assert elements == "float" or is_integer(rotor)
    if principal and algebra.dim > 1:
        assert_identity(F.exp(F.log(rotor, algebra), algebra), rotor, 1e3 * rotor.abs().sum(-1), algebra=algebra)


KINDS = {
    "simple": ([(2,), (1, 1), (0, 0, 2), (3, 0, 1), (4, 1)], [(1,), ()]),
    "isoclinic": ([(4,), (2, 2), (0, 4), (5,), (4, 1), (2, 2, 1)], [(3,), (3, 0, 1), (1, 3), (0, 0, 4), (1,)]),
    "null": ([(2, 0, 1), (0, 0, 2), (2, 1), (1, 2), (4, 1), (3, 0, 1)], [(3,), (0, 3), (1, 1), (5,), (1,)]),
}


@ELEMENTS
@pytest.mark.parametrize("kind", KINDS)
@SOME
@given(data=st.data())
def test_bivectors_are_of_their_kind(elements, kind, data):
    algebra = Algebra(*data.draw(st.sampled_from(KINDS[kind][0])))
    b = data.draw(bivectors(algebra, kind, elements=elements))
    assert only_grades(b, algebra, [2])
    assert b.any()
    assert elements == "float" or is_integer(b)
    square = F.geometric_product(b, b, algebra)
    scalar, rest = F.grade_project(square, 0, algebra), square - F.grade_project(square, 0, algebra)
    small = 1e-11 * b.abs().sum() ** 2 if elements == "float" else 0.0
    if kind == "simple":
        assert F.is_blade(b, algebra)
    elif kind == "null":
        assert square.abs().max() <= small
    else:
        # B^2 = s + w: both squares of planes are s / 2, so w^2 = s^2
        assert rest.abs().max() > small
        double = F.geometric_product(rest, rest, algebra) - F.geometric_product(scalar, scalar, algebra)
        assert double.abs().max() <= small * b.abs().sum() ** 2


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_that_do_not_exist_are_refused(kind):
    for signature in KINDS[kind][1]:
        algebra = Algebra(*signature)
        with pytest.raises(DomainError, match="has no"):
            bivectors(algebra, kind)


def test_general_metrics_have_every_kind():
    algebra = Algebra(metric=(2.0, 3.0, -1.0, -5.0, 0.0))
    for kind in ("isoclinic", "null"):
        b = find(bivectors(algebra, kind), lambda b: True, settings=SHRINKING)
        square = F.geometric_product(b, b, algebra)
        double = F.geometric_product(square, square, algebra)
        assert (square if kind == "null" else double - 2 * square[0] * square).abs().max() < 1e-12


def test_cases_shrink():
    plane, space = Algebra(2), Algebra(3)

    def text(strategy, condition, algebra):
        return str(Multivector(find(strategy, condition, settings=SHRINKING), algebra.full))

    assert find(algebras(), lambda algebra: True, settings=SHRINKING) is Algebra()
    assert find(algebras(), lambda algebra: algebra.r > 0, settings=SHRINKING) is Algebra(0, 0, 1)
    assert find(algebras(), lambda algebra: algebra.dim > 2, settings=SHRINKING) is Algebra(3)
    assert text(multivectors(space), lambda x: True, space) == "0"
    assert text(multivectors(space), lambda x: bool(x[4]), space) == "e12"
    assert text(multivectors(space), lambda x: x[4] < -2, space) == "-3 e12"
    assert text(multivectors(space, elements="float"), lambda x: x[1] > 0.5, space) == "e1"
    assert text(vectors(space), lambda x: True, space) == "e1"
    assert text(blades(space, 2), lambda x: True, space) == "e12"
    assert text(versors(space, "odd"), lambda x: True, space) == "e1"
    assert text(rotors(space), lambda x: True, space) == "1"
    assert text(bivectors(space), lambda x: True, space) == "0"
    assert text(bivectors(Algebra(4), "isoclinic"), lambda x: True, Algebra(4)) == "e12 + e34"
    assert text(bivectors(Algebra(2, 0, 1), "null"), lambda x: True, Algebra(2, 0, 1)) == "e01"

    def commute(pair):
        return torch.equal(F.geometric_product(*pair, plane), F.geometric_product(*pair[::-1], plane))

    pair = find(st.tuples(multivectors(plane), multivectors(plane)), lambda pair: not commute(pair), settings=SHRINKING)
    assert sum(int(x.ne(0).sum()) for x in pair) == 2


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: algebras(max_dim=1, min_dim=2), ConfigError, "no algebra has 2 to 1 generators"),
        (lambda: algebras(signatures=[]), ConfigError, "signatures is empty"),
        (lambda: multivectors("Cl(3)"), AlgebraMismatchError, "expected an Algebra, got str"),
        (lambda: multivectors(Algebra(3), Algebra(2).full), AlgebraMismatchError, "but the algebra is Algebra\\(3"),
        (lambda: multivectors(Algebra(3), elements="integer"), ConfigError, "expected 'int' or 'float'"),
        (lambda: vectors(Algebra(0, 0, 2)), DomainError, "pass nonnull=False"),
        (lambda: vectors(Algebra(3), layout=Algebra(3).even), LayoutError, "lacks"),
        (lambda: blades(Algebra(3), 4), GradeError, "its grades are 0 to 3"),
        (lambda: versors(Algebra(0, 0, 2), "odd"), DomainError, "no odd versors"),
        (lambda: versors(Algebra(2), "both"), ConfigError, "expected 'even', 'odd' or None"),
        (lambda: rotors(Algebra(3), layout=Algebra(3).vectors), LayoutError, "lacks"),
        (lambda: bivectors(Algebra(3), "double"), ConfigError, "expected 'simple', 'isoclinic'"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_drawn(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_wide_algebras_are_drawn_on_layouts():
    algebra = Algebra(40)
    v = find(vectors(algebra, layout=algebra.vectors), lambda v: True, settings=SHRINKING)
    assert v.shape == (40,)
    assert v.sum() == 1


@SOME
@given(st.from_type(Multivector), st.from_type(Algebra), st.from_type(Layout))
def test_types_are_known_to_hypothesis(x, algebra, layout):
    assert x.tensor.shape == (x.layout.size,)
    assert algebra.dim <= 4
    assert layout.size


def test_missing_hypothesis_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    for name in ("algebras", "rotors", "load_profile"):
        monkeypatch.delitem(vars(cliffnet.testing), name, raising=False)
        with pytest.raises(MissingDependencyError, match=r"cliffnet\[testing\]"):
            getattr(cliffnet.testing, name)
    assert cliffnet.testing.assert_identity is assert_identity
    with pytest.raises(AttributeError, match="no attribute 'quaternions'"):
        cliffnet.testing.quaternions  # noqa: B018
