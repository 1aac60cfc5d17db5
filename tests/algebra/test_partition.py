"""Partitions of the grades, their paths and projections."""

import itertools
import pickle

import pytest
import torch

from cliffnet import Algebra, Partition, errors
from cliffnet import functional as F
from helpers.multivectors import random_integers


def test_classes():
    algebra = Algebra(5)
    assert Partition.by_grade(algebra).classes == ((0,), (1,), (2,), (3,), (4,), (5,))
    assert Partition.by_grade_mod(algebra, 4).classes == ((0, 4), (1, 5), (2,), (3,))
    assert Partition.by_grade_mod(algebra, 1).classes == ((0, 1, 2, 3, 4, 5),)
    assert Partition.by_grade_mod(algebra, 9) == Partition.by_grade(algebra)
    assert Partition.by_parity(algebra).classes == ((0, 2, 4), (1, 3, 5))
    assert Partition.by_parity(Algebra(0)).classes == ((0,),)
    assert Partition.whole(algebra).classes == ((0, 1, 2, 3, 4, 5),)
    assert Partition(algebra, [[5, 0], (1, 2, 3, 4)]).classes == ((0, 5), (1, 2, 3, 4))


# n = 1 .. 5 by grade, as the references count their weights
@pytest.mark.parametrize(("dim", "count"), [(1, 4), (2, 10), (3, 20), (4, 35), (5, 56)])
def test_paths_by_grade_of_regular_metrics(dim, count):
    for q in range(dim + 1):
        assert len(Partition.by_grade(Algebra(dim - q, q)).paths()) == count


def test_paths_of_the_projective_algebra():
    assert len(Partition.by_grade(Algebra(3, 0, 1)).paths()) == 34


@pytest.mark.parametrize("signature", [(3,), (3, 0, 1), (1, 3), (0, 0, 3), (5,)], ids=str)
@pytest.mark.parametrize(
    "make",
    [Partition.by_grade, Partition.by_parity, Partition.whole, lambda algebra: Partition.by_grade_mod(algebra, 4)],
    ids=["by_grade", "by_parity", "whole", "by_grade_mod_4"],
)
def test_paths_are_the_reachable_triples_in_row_major_order(make, signature):
    algebra = Algebra(*signature)
    partition = make(algebra)
    owner = {grade: index for index, grades in enumerate(partition.classes) for grade in grades}
    reached = set()
    blades = torch.eye(algebra.num_blades, dtype=torch.float64)
    table = F.geometric_product(blades[:, None], blades[None], algebra)
    for left, right, out in table.nonzero().tolist():
        reached.add(tuple(owner[algebra.grades[blade]] for blade in (left, out, right)))
    assert partition.paths() == tuple(sorted(reached))


def test_paths_depend_on_the_product():
    partition = Partition.by_grade(Algebra(3))
    expected = [(r, r + s, s) for r, s in itertools.product(range(4), repeat=2) if r + s <= 3]
    assert partition.paths("outer_product") == tuple(sorted(expected))


def test_projections_add_up_to_the_identity():
    algebra = Algebra(2, 0, 1)
    x = random_integers(algebra, 4)
    for partition in (Partition.by_grade(algebra), Partition.by_parity(algebra), Partition.whole(algebra)):
        maps = partition.projections()
        matrices = maps.matrices(torch.float64)
        assert len(maps) == len(partition) == len(matrices)
        assert torch.equal(matrices.sum(0), torch.eye(8, dtype=torch.float64))
        for matrix, grades in zip(matrices, partition.classes, strict=True):
            assert torch.equal(x @ matrix.T, F.grade_project(x, grades, algebra))


def test_partitions_are_values():
    algebra = Algebra(3)
    partition = Partition.by_parity(algebra)
    partition.paths()
    assert pickle.loads(pickle.dumps(partition)) == partition
    assert partition == Partition(algebra, [[0, 2], [1, 3]])
    assert hash(partition) == hash(Partition(algebra, [[2, 0], [3, 1]]))
    assert partition != Partition.by_parity(Algebra(2, 1))
    assert partition != Partition(algebra, [[1, 3], [0, 2]])
    assert repr(partition) == "Partition(Cl(3,0), ((0, 2), (1, 3)))"
    assert partition.class_of_blades() == (0, 1, 1, 1, 0, 0, 0, 1)


@pytest.mark.parametrize(
    "classes",
    [
        [[0], [1]],
        [[0], [1, 2], []],
        [[0], [1, 2, 3]],
        [[0], [1, 2], [2]],
        [[0], [1], [-2]],
        [["a"]],
        [],
        [[0], [1.5, 2]],
    ],
    ids=str,
)
def test_classes_that_are_no_partition_are_refused(classes):
    with pytest.raises(
        errors.PartitionError, match=r"do not partition the grades of Cl\(2,0\); expected each of 0 to 2"
    ):
        Partition(Algebra(2), classes)


@pytest.mark.parametrize("classes", [[0, 1, 2], None, 5])
def test_classes_that_are_no_lists_are_refused(classes):
    with pytest.raises(errors.PartitionError, match="are not lists of grades"):
        Partition(Algebra(2), classes)


def test_wrong_algebra_and_modulus_are_refused():
    with pytest.raises(errors.AlgebraMismatchError, match="expected an Algebra, got str"):
        Partition("Cl(3,0)", [[0]])
    with pytest.raises(errors.PartitionError, match="the modulus is 0, expected at least 1"):
        Partition.by_grade_mod(Algebra(2), 0)
