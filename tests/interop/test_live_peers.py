"""Agreement with clifford and kingdon where both are right, on objects converted there and back."""

import os
import warnings

import numpy as np
import pytest
import torch

from cliffnet import Algebra
from cliffnet.errors import AlgebraMismatchError, DTypeError, LayoutError
from cliffnet.interop import from_clifford, from_kingdon, to_clifford, to_kingdon

# compiling each of clifford's products takes longer than these tests take without
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
with warnings.catch_warnings():
    # the packages' own use of numba and IPython
    warnings.simplefilter("ignore")
    clifford = pytest.importorskip("clifford")
    kingdon = pytest.importorskip("kingdon")

CLIFFORD = [Algebra(2), Algebra(3), Algebra(1, 3), Algebra(3, 0, 1), Algebra(2, 0, 2), Algebra.from_name("3DPGA")]
CLIFFORD += [Algebra(metric=(1, 0, -1)), Algebra(2, 1, names="xyz")]
KINGDON = [Algebra(2), Algebra(3), Algebra(1, 2), Algebra(3, 0, 1), Algebra(metric=(1, 0, -1))]
KINGDON += [Algebra.from_name("2DPGA"), Algebra.from_name("3DPGA")]


def pair(algebra, *shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        algebra.multivector(torch.randint(-4, 5, (*shape, algebra.num_blades), generator=generator).double())
        for _ in range(2)
    ]


@pytest.mark.parametrize("algebra", CLIFFORD, ids=str)
def test_clifford_agrees(algebra):
    a, b = pair(algebra, 3)
    for x, y in zip(a, b, strict=True):
        theirs, other = to_clifford(x), to_clifford(y)
        results = {
            "geometric": (theirs * other, x * y),
            "outer": (theirs ^ other, x ^ y),
            "hestenes": (theirs | other, x.hestenes(y)),
            "left contraction": (theirs << other, x << y),
            "reverse": (~theirs, ~x),
            "grade involution": (theirs.gradeInvol(), x.grade_involute()),
            "conjugation": (theirs.conjugate(), x.clifford_conjugate()),
            "commutator": (theirs.commutator(other), x.commutator(y)),
            "anticommutator": (theirs.anticommutator(other), x.anticommutator(y)),
            "grade": (theirs(1), x(1)),
        }
        if algebra._custom_basis is None:
            # these follow the sign of the pseudoscalar, which a basis of its own may turn
            results["regressive"] = (theirs.vee(other), x & y)
            results["dual"] = (theirs.dual(), x.dual())
        for name, (found, expected) in results.items():
            assert from_clifford(found, algebra).isclose(expected, rtol=1e-13, atol=1e-12).all(), name
        if not algebra.r:
            # 40 keeps it away from the singular ones
            inverse = from_clifford((theirs + 40).leftLaInv(), algebra)
            assert inverse.isclose((x + 40).inverse(), rtol=1e-10, atol=1e-12)


def test_clifford_exponentials_agree():
    algebra = Algebra(1, 3)
    generator = torch.Generator().manual_seed(0)
    for x in 0.3 * algebra.randn(3, layout=algebra.bivectors, generator=generator, dtype=torch.float64):
        # 15 terms of the series are as good as this
        assert from_clifford(to_clifford(x).exp(), algebra).isclose(x.exp(), atol=1e-9)


@pytest.mark.parametrize("algebra", KINGDON, ids=str)
def test_kingdon_agrees(algebra):
    x, y = pair(algebra, 3)
    theirs, other = to_kingdon(x), to_kingdon(y)
    results = {
        "geometric": (theirs * other, x * y),
        "outer": (theirs ^ other, x ^ y),
        "fat": (theirs | other, x | y),
        "regressive": (theirs & other, x & y),
        "left contraction": (theirs.lc(other), x << y),
        "right contraction": (theirs.rc(other), x.right_contraction(y)),
        "scalar": (theirs.sp(other), x.scalar_product(y)),
        "commutator": (theirs.cp(other), x.commutator(y)),
        "anticommutator": (theirs.acp(other), x.anticommutator(y)),
        "reverse": (~theirs, ~x),
        "grade involution": (theirs.involute(), x.grade_involute()),
        "conjugation": (theirs.conjugate(), x.clifford_conjugate()),
        "dual": (theirs.dual(), x.dual()),
        "undual": (theirs.undual(), x.undual()),
        "grade": (theirs.grade(1), x(1)),
    }
    for name, (found, expected) in results.items():
        assert from_kingdon(found, algebra).isclose(expected, rtol=1e-13, atol=1e-12).all(), name
    if algebra.dim < 4:
        vector = x(1) + 0.5
        assert from_kingdon(to_kingdon(vector).inv(), algebra).isclose(vector.inverse(), rtol=1e-10).all()


def test_kingdon_rotors_agree():
    algebra = Algebra(3)
    bivector, v = algebra.bivector([0.1, -0.7, 0.4], dtype=torch.float64), algebra.vector([1.0, 2.0, 3.0]).double()
    rotor = from_kingdon(to_kingdon(bivector).exp(), algebra, dtype=torch.float64)
    assert rotor.isclose(bivector.exp(), rtol=1e-12)
    moved = to_kingdon(rotor) >> to_kingdon(v)
    assert from_kingdon(moved, algebra, dtype=torch.float64).isclose(rotor >> v, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("algebra", CLIFFORD, ids=str)
def test_clifford_round_trip(algebra):
    for shape in ((), (2,), (2, 3)):
        x = algebra.randn(*shape, dtype=torch.float64)
        objects = to_clifford(x)
        assert (from_clifford(objects, algebra) == x).all()
        assert np.shape(objects) == shape
        if algebra._custom_basis is None:
            assert from_clifford(objects).algebra is algebra
    assert to_clifford(algebra.randn(layout=algebra.even)).layout is to_clifford(algebra.I).layout
    assert from_clifford(to_clifford(algebra.randn(2).to(torch.bfloat16))).dtype == torch.float32


def test_clifford_layouts_and_types():
    layout, blades = clifford.Cl(3)
    x = from_clifford([2 * blades["e12"], layout.scalar])
    assert (x == torch.stack([2 * Algebra(3).e12, Algebra(3).ones()])).all()
    assert x.dtype == torch.get_default_dtype()
    assert from_clifford(blades["e1"] * 0.5, dtype=torch.float32).dtype == torch.float32
    assert to_clifford(Algebra(3).e12, layout).layout is layout
    # clifford counts from 1 also with one null generator; the algebra given decides the names
    blades = clifford.Cl(3, 0, 1)[1]
    assert from_clifford(blades["e12"], Algebra(3, 0, 1)).e01 == 1.0
    assert from_clifford(blades["e12"]).algebra is Algebra(3, 0, 1, start_index=1)
    # names in another order
    turned = Algebra(metric=(1, 0), names=("1", "0"))
    pga = clifford.Layout([0, 1], ids=clifford.BasisVectorIds.ordered_integers(2, first_index=0))
    assert from_clifford(pga.blades["e01"], turned).tensor.tolist() == [0.0, 0.0, 0.0, -1.0]
    assert to_clifford(turned.e10, pga) == -pga.blades["e01"]


def test_clifford_refusals():
    layout, blades = clifford.Cl(3)
    with pytest.raises(AlgebraMismatchError, match=r"e1\^2 = 1"):
        from_clifford(blades["e1"], Algebra(2, 1))
    with pytest.raises(AlgebraMismatchError):
        from_clifford(blades["e1"], Algebra(2))
    with pytest.raises(AlgebraMismatchError, match="several"):
        from_clifford([blades["e1"], clifford.Cl(2)[1]["e1"]])
    with pytest.raises(AlgebraMismatchError, match="square 1, -1 and 0"):
        to_clifford(Algebra(metric=(2, 1)).e1)
    with pytest.raises(AlgebraMismatchError):
        to_clifford(Algebra(2).e1, layout)
    for wrong in (1.0, [], "e1", [1.0], Algebra(3).e1, kingdon.Algebra(3).vector([1, 2, 3])):
        with pytest.raises(TypeError, match="objects of clifford"):
            from_clifford(wrong)
    with pytest.raises(TypeError, match="expected a Multivector"):
        to_clifford(torch.ones(8))
    with pytest.raises(LayoutError, match="stores all blades"):
        to_clifford(Algebra(62).e1)


@pytest.mark.parametrize("algebra", KINGDON, ids=str)
def test_kingdon_round_trip(algebra):
    for shape in ((), (2,), (2, 3)):
        for layout in (algebra.full, algebra.even, algebra.layout(algebra.blade_names[-1])):
            x = algebra.randn(*shape, layout=layout, dtype=torch.float64)
            back = from_kingdon(to_kingdon(x), dtype=torch.float64)
            assert back.algebra is algebra
            assert back.layout is layout
            assert (back == x).all()


def test_kingdon_types_and_values():
    theirs, ours = kingdon.Algebra.fromname("3DPGA"), Algebra.from_name("3DPGA")
    # the type keeps the 1 of e123 to itself
    point = theirs.point(e032=2.0, e013=3.0, e021=4.0)
    assert (from_kingdon(point) == ours.parse("e123 + 2 e032 + 3 e013 + 4 e021")).all()
    assert (from_kingdon(point, Algebra(3, 0, 1)) == Algebra(3, 0, 1).parse("e123 + 2 e032 + 3 e013 + 4 e021")).all()
    coefficient = torch.ones(3, requires_grad=True)
    mixed = from_kingdon(theirs.vector(e0=coefficient, e1=2))
    assert mixed.shape == (3,)
    assert mixed.requires_grad
    assert from_kingdon(theirs.multivector(keys=(), values=[])).grades() == ()
    assert to_kingdon(ours.e31, theirs).algebra is theirs
    large = kingdon.Algebra(8)
    assert (from_kingdon(large.vector(e3=2.0)) == 2 * Algebra(8).e3).all()


def test_kingdon_refusals():
    theirs = kingdon.Algebra(3)
    with pytest.raises(DTypeError, match="symbolic"):
        from_kingdon(theirs.vector(name="v"))
    with pytest.raises(AlgebraMismatchError, match="kingdon"):
        from_kingdon(theirs.vector(e1=1.0), Algebra(2, 1))
    with pytest.raises(AlgebraMismatchError, match="numbered"):
        to_kingdon(Algebra(2, names="xy").ex)
    with pytest.raises(AlgebraMismatchError, match="numbered"):
        to_kingdon(Algebra(metric=(2, 1)).e1)
    with pytest.raises(AlgebraMismatchError):
        to_kingdon(Algebra(2).e1, theirs)
    for wrong in (3, Algebra(3).e1, clifford.Cl(3)[1]["e1"]):
        with pytest.raises(TypeError, match="an object of kingdon"):
            from_kingdon(wrong)
    with pytest.raises(TypeError, match="expected a Multivector"):
        to_kingdon(torch.ones(3))
