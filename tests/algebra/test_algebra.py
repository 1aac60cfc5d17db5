"""Algebras as values: facts, names, identity, errors."""

import copy
import itertools
import pickle
import threading

import numpy as np
import pytest
import torch

from cliffnet import Algebra, errors
from cliffnet import functional as F
from cliffnet.algebra import blade_map
from helpers.multivectors import SIGNED_BASIS


def test_facts_of_projective_algebra():
    algebra = Algebra(3, 0, 1)
    assert (algebra.dim, algebra.num_blades) == (4, 16)
    assert algebra.signature == (3, 0, 1) == (algebra.p, algebra.q, algebra.r)
    assert algebra.metric == (0.0, 1.0, 1.0, 1.0)
    assert algebra.grades == (0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 4)
    names = "1 e0 e1 e2 e3 e01 e02 e03 e12 e13 e23 e012 e013 e023 e123 e0123"
    assert algebra.blade_names == tuple(names.split())
    assert all(type(square) is float for square in algebra.metric)


@pytest.mark.parametrize("dim", range(7))
def test_blades_are_ordered_by_grade_then_lexicographically(dim):
    algebra = Algebra(dim)
    subsets = [subset for grade in range(dim + 1) for subset in itertools.combinations(range(dim), grade)]
    assert algebra.blade_masks == tuple(sum(1 << index for index in subset) for subset in subsets)
    assert algebra.grades == tuple(map(len, subsets))


@pytest.mark.parametrize(
    ("algebra", "signature"),
    [
        (Algebra.vga(4), (4, 0, 0)),
        (Algebra.pga(3), (3, 0, 1)),
        (Algebra.cga(3), (4, 1, 0)),
        (Algebra.sta(), (1, 3, 0)),
        (Algebra(), (0, 0, 0)),
        (Algebra.vga(0), (0, 0, 0)),
    ],
)
def test_presets(algebra, signature):
    assert algebra is Algebra(*signature)


@pytest.mark.parametrize(
    ("signature", "metric", "first"),
    [((2,), (1, 1), "e1"), ((1, 1, 1), (0, 1, -1), "e0"), ((1, 0, 2), (0, 0, 1), "e1"), ((0, 2), (-1, -1), "e1")],
)
def test_null_generators_come_first_and_one_null_generator_is_e0(signature, metric, first):
    algebra = Algebra(*signature)
    assert algebra.metric == metric
    assert algebra.blade_names[1] == first


def test_equal_algebras_are_one_object():
    algebra = Algebra(2, 1)
    assert Algebra(metric=(1, 1, -1)) is algebra
    assert Algebra(metric=[1.0, 1.0, -1.0]) is algebra
    assert Algebra(metric=(-0.0, 1)) is Algebra(1, 0, 1)
    assert Algebra(metric=(-1, 1, 1)) is not algebra
    assert Algebra(2, 1, basis=algebra.blade_names) is algebra
    assert Algebra(2, 1, basis=("e", *algebra.blade_names[1:])) is not algebra
    assert Algebra(2, 1, names="abc") is not algebra
    assert {algebra: 1}[Algebra(2, 1)] == 1
    assert algebra != Algebra(2)


@pytest.mark.parametrize(
    "algebra", [Algebra(3, 0, 1), Algebra(metric=(2.5, -1, 0)), Algebra(3, 0, 1, basis=SIGNED_BASIS)], ids=repr
)
def test_copies_and_pickles_are_the_same_object(algebra):
    assert copy.copy(algebra) is algebra
    assert copy.deepcopy({"algebra": algebra})["algebra"] is algebra
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(algebra, protocol)) is algebra


def test_threads_build_one_object():
    metric = (1.0, 2.0, 3.0, 5.0)
    built = []
    start = threading.Barrier(8)

    def build():
        start.wait()
        built.append(Algebra(metric=metric))

    threads = [threading.Thread(target=build) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 8
    assert len(set(map(id, built))) == 1


def test_threads_never_share_the_name_of_a_layout():
    algebra, built = Algebra(7), []
    start = threading.Barrier(4)

    def build(first):
        start.wait()
        built.extend(algebra.layout(*algebra.blade_names[first : first + size]) for size in range(2, 60))

    threads = [threading.Thread(target=build, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({layout.key for layout in built}) == len(set(built)) == 4 * 58


@pytest.mark.parametrize("name", ["metric", "p", "grades", "anything"])
def test_algebras_are_immutable(name):
    algebra = Algebra(2)
    before = algebra.metric
    with pytest.raises(AttributeError, match=f"immutable; cannot set '{name}'"):
        setattr(algebra, name, (9.0,))
    with pytest.raises(AttributeError, match=f"immutable; cannot delete '{name}'"):
        delattr(algebra, name)
    assert algebra.metric == before


def test_state_holds_no_tensors():
    algebra = Algebra(3, 0, 1)
    F.geometric_product(torch.ones(16), torch.ones(16), algebra)
    assert not any(isinstance(value, torch.Tensor) for value in vars(algebra).values())


@pytest.mark.parametrize(
    ("algebra", "text"),
    [
        (Algebra(3, 0, 1), "Cl(3,0,1)"),
        (Algebra(1, 3), "Cl(1,3)"),
        (Algebra(2), "Cl(2,0)"),
        (Algebra(metric=(1, 0)), "Algebra(metric=(1.0, 0.0))"),
        (Algebra(metric=(2, -1)), "Algebra(metric=(2.0, -1.0))"),
        (Algebra(1, basis=("e", "e1")), "Algebra(1, 0, 0, basis=('e', 'e1'))"),
    ],
)
def test_str(algebra, text):
    assert str(algebra) == text


@pytest.mark.parametrize(
    "algebra",
    [Algebra(3, 0, 1), Algebra(metric=(1, 0)), Algebra(metric=(2, -1)), Algebra(3, 0, 1, basis=SIGNED_BASIS)],
    ids=str,
)
def test_repr_builds_the_same_algebra(algebra):
    assert eval(repr(algebra)) is algebra


@pytest.mark.parametrize("text", ["Cl(3,0,1)", " Cl( 3, 0 ,1 ) "])
def test_from_string(text):
    assert Algebra.from_string(text) is Algebra(3, 0, 1)


def test_from_string_without_all_counts():
    assert Algebra.from_string("Cl(1,3)") is Algebra(1, 3)
    assert Algebra.from_string("Cl(2)") is Algebra(2)


@pytest.mark.parametrize("text", ["", "Cl()", "Cl(1;2)", "Cl(1,2,3,4)", "Cl(-1,2)", "Cl(a)", "cl(3)", "3,0,1", 5, None])
def test_from_string_refuses_other_text(text):
    with pytest.raises(errors.SignatureError, match=r"names no algebra; expected 'Cl\(p,q,r\)'"):
        Algebra.from_string(text)


def test_full_multivectors_end_at_twelve_generators():
    algebra = Algebra(6, 5, 1)
    assert algebra.num_blades == 4096
    assert algebra.blade_names[-1] == "e0_1_2_3_4_5_6_7_8_9_10_11"
    large = Algebra(13)
    assert large.num_blades == 2**13
    for fact in ("full", "blade_names", "blade_masks", "blade_signs", "grades"):
        with pytest.raises(errors.LayoutError, match=r"Cl\(13,0\) has 2\^13 blades, too many to list"):
            getattr(large, fact)
        assert not hasattr(large, fact)


def test_integers_of_other_libraries_count():
    assert Algebra(np.int64(3), np.int8(0), np.uint8(1)) is Algebra(3, 0, 1)


def test_names_of_algebras_may_be_signatures():
    assert Algebra.from_name("Cl(3,0,1)") is Algebra(3, 0, 1)


def test_sixty_two_generators_are_the_limit():
    assert Algebra(60, 1, 1).dim == 62
    with pytest.raises(errors.SignatureError, match="63 generators were asked for, expected at most 62"):
        Algebra(63)
    with pytest.raises(errors.SignatureError, match="63 generators"):
        Algebra(metric=[1] * 63)
    # refused before anything of that size is built
    for build in (lambda: Algebra(10**15), lambda: Algebra(0, 10**15), lambda: Algebra.from_string(f"Cl({10**15})")):
        with pytest.raises(errors.SignatureError, match="1000000000000000 generators"):
            build()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1,), "p is -1, expected a number of generators of at least 0"),
        ((2, -3), "q is -3"),
        ((2, 0, -1), "r is -1"),
        ((1.5,), r"p is 1\.5, expected an integer; use Algebra\(metric="),
        ((2, "1"), "q is '1', expected an integer"),
        ((True,), "p is True, expected an integer"),
        ((None,), "p is None, expected an integer"),
    ],
)
def test_bad_counts_are_refused(arguments, message):
    with pytest.raises(errors.SignatureError, match=message) as caught:
        Algebra(*arguments)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, errors.CliffnetError)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ((1, float("nan")), "expected finite squares"),
        ((1, float("inf")), "expected finite squares"),
        ((1, "a"), "expected a sequence of numbers"),
        ("ab", "the metric is 'ab', expected a sequence of numbers"),
        (5, "the metric is 5, expected a sequence of numbers"),
        ((1j,), "expected a sequence of numbers"),
    ],
)
def test_bad_metrics_are_refused(metric, message):
    with pytest.raises(errors.SignatureError, match=message):
        Algebra(metric=metric)


def test_signature_and_metric_together_are_refused():
    with pytest.raises(errors.SignatureError, match="both a signature and a metric were given; give one"):
        Algebra(1, metric=(1,))


def test_grade_slices_and_indices():
    algebra = Algebra(3)
    assert [algebra.grade_slice(grade) for grade in range(4)] == [slice(0, 1), slice(1, 4), slice(4, 7), slice(7, 8)]
    assert algebra.grade_indices(2) == (4, 5, 6)
    scattered = Algebra(2, basis=("e1", "1", "e2", "e12"))
    assert scattered.grade_indices(1) == (0, 2)
    assert scattered.grade_slice(0) == slice(1, 2)
    with pytest.raises(errors.BladeError, match="blades of grade 1 do not stand together in the basis"):
        scattered.grade_slice(1)


@pytest.mark.parametrize("grade", [-1, 4, 1.0, 1.5, True, "1", None])
def test_grades_that_do_not_exist_are_refused(grade):
    for method in (Algebra(3).grade_slice, Algebra(3).grade_indices):
        with pytest.raises(errors.GradeError, match=r"grade \S+ does not exist in Cl\(3,0\); its grades are 0 to 3"):
            method(grade)


def test_products_of_custom_generators():
    algebra = Algebra(metric=(2, -3, 0.5))
    squares = [F.geometric_product(*[torch.eye(8)[index]] * 2, algebra)[0].item() for index in (1, 2, 3)]
    assert squares == [2.0, -3.0, 0.5]


@pytest.mark.parametrize("name", ["polarity", "unpolarity", "hodge_dual", "right_complement", "left_complement"])
def test_blade_maps_name_every_blade_at_most_once(name):
    algebra = Algebra(2, 1)
    entries = blade_map(name, algebra.full.key, algebra.full.key)
    assert sorted(entry[0] for entry in entries) == sorted(entry[1] for entry in entries) == list(range(8))
