"""Products with one weight for each channel and path against dense einsums of a table made blade by blade."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from cliffnet import Algebra, Partition
from cliffnet import functional as F


def _product_of_blades(left: tuple[int, ...], right: tuple[int, ...], metric: tuple[float, ...]) -> tuple[int, float]:
    """Return the mask of the product of two basis blades and its coefficient."""
    sign = (-1) ** sum(a > b for a in left for b in right)
    mask = sum(1 << a for a in set(left) ^ set(right))
    return mask, sign * math.prod(metric[a] for a in set(left) & set(right))


def _table(partition: Partition) -> tuple[Tensor, list[tuple[int, int, int]]]:
    """Return the table ``(path, left, right, out)`` and the paths, from the metric and the classes alone."""
    metric = partition.algebra.metric
    grades = range(len(metric) + 1)
    blades = [blade for grade in grades for blade in itertools.combinations(range(len(metric)), grade)]
    index = {sum(1 << a for a in blade): number for number, blade in enumerate(blades)}
    owner = {grade: number for number, members in enumerate(partition.classes) for grade in members}
    terms = []
    for i, left in enumerate(blades):
        for j, right in enumerate(blades):
            mask, coefficient = _product_of_blades(left, right, metric)
            if coefficient:
                out = index[mask]
                path = (owner[len(left)], owner[len(blades[out])], owner[len(right)])
                terms.append((path, i, j, out, coefficient))
    paths = sorted({term[0] for term in terms})
    table = torch.zeros(len(paths), *(len(blades),) * 3, dtype=torch.float64)
    for path, i, j, out, coefficient in terms:
        table[paths.index(path), i, j, out] = coefficient
    return table, paths


def _dense(x: Tensor, y: Tensor, weight: Tensor, table: Tensor) -> Tensor:
    return torch.einsum("...ci,...cj,pijk,cp->...ck", x, y, table, weight)


PARTITIONS = [
    Partition.by_grade(Algebra(3)),
    Partition.by_grade(Algebra(metric=(0, 1, 1, 1))),
    Partition.by_grade_mod(Algebra(5), 4),
    Partition.by_parity(Algebra(metric=(2.0, -0.5, 0.25))),
    Partition.whole(Algebra(metric=(0, 0, 1))),
    Partition(Algebra(1, 3), [[4, 0], [2], [1, 3]]),
    Partition.by_grade(Algebra(metric=(0,))),
]


@pytest.mark.parametrize("partition", PARTITIONS, ids=repr)
def test_paths_are_the_reachable_triples_in_row_major_order(partition: Partition) -> None:
    assert list(partition.paths()) == _table(partition)[1]


@pytest.mark.parametrize(
    ("left", "right"), [((), ()), ((5,), (5,)), ((2, 3), (3,)), ((3,), (2, 1)), ((0,), ()), ((), (2, 2))]
)
@pytest.mark.parametrize("channels", [1, 3, 17])
@pytest.mark.parametrize("partition", PARTITIONS, ids=repr)
def test_product_and_gradients(
    partition: Partition, channels: int, left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    table, paths = _table(partition)
    blades = partition.algebra.num_blades
    shapes = ((*left, channels, blades), (*right, channels, blades), (channels, len(paths)))
    operands = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    found, expected = F.steerable_product(*operands, partition), _dense(*operands, table)
    torch.testing.assert_close(found, expected)
    cotangent = torch.randn_like(expected)
    gradients = torch.autograd.grad(found, operands, cotangent)
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, operands, cotangent))


def _gated(x: Tensor, y: Tensor, weight: Tensor, partition: Partition) -> Tensor:
    """Return the gated and normalised product from its formula, where no class is null."""
    gated = [operand * 0.5 * (1 + torch.erf(operand[..., :1] / math.sqrt(2))) for operand in (x, y)]
    product = _dense(*gated, weight, _table(partition)[0])
    owner = torch.tensor(partition.class_of_blades())
    metric = partition.algebra.metric
    grades = range(len(metric) + 1)
    blades = [blade for grade in grades for blade in itertools.combinations(range(len(metric)), grade)]
    signs = torch.tensor([math.prod(metric[a] for a in blade) for blade in blades], dtype=torch.float64)
    squares = [(signs * product**2)[..., owner == number].sum(-1) for number in range(len(partition))]
    means = torch.stack(squares, -1).abs().mean(-2, keepdim=True)
    return product / (means + 1e-6).sqrt()[..., owner]


@pytest.mark.parametrize("partition", [PARTITIONS[0], PARTITIONS[3], PARTITIONS[4], PARTITIONS[5]], ids=repr)
@pytest.mark.parametrize("channels", [1, 3, 17])
def test_gated_product_and_gradients(partition: Partition, channels: int) -> None:
    blades, paths = partition.algebra.num_blades, len(partition.paths())
    shapes = ((2, 3, channels, blades), (3, channels, blades), (channels, paths))
    operands = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    found, expected = F.gated_steerable_product(*operands, partition), _gated(*operands, partition)
    torch.testing.assert_close(found, expected)
    cotangent = torch.randn_like(expected)
    gradients = torch.autograd.grad(found, operands, cotangent)
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, operands, cotangent), rtol=1e-6, atol=1e-7)


def test_gated_product_sees_operands_that_were_changed_in_place() -> None:
    partition = PARTITIONS[0]
    x, weight = torch.randn(2, 3, 8, dtype=torch.float64), torch.randn(3, 20, dtype=torch.float64)
    before = F.gated_steerable_product(x, x, weight, partition)
    x.mul_(2.0).add_(1.0)
    after = F.gated_steerable_product(x, x, weight, partition)
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, _gated(x, x, weight, partition))


def test_gated_product_in_a_compiled_graph_follows_its_operands() -> None:
    partition = PARTITIONS[0]

    @torch.compile(fullgraph=True)
    def compiled(x: Tensor, weight: Tensor) -> Tensor:
        return F.gated_steerable_product(x, x, weight, partition, epsilon=1e-6)

    weight = torch.randn(3, 20, dtype=torch.float64)
    for batch in (2, 5):
        x = torch.randn(batch, 3, 8, dtype=torch.float64)
        torch.testing.assert_close(compiled(x, weight), _gated(x, x, weight, partition))


def test_operands_of_one_shape_take_the_cheap_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> int:
        raise AssertionError(f"checked in full: {arguments}")

    monkeypatch.setattr("cliffnet.functional._steerable._checked_plan", refuse)
    partition = PARTITIONS[0]
    x, weight = torch.randn(2, 3, 8), torch.randn(3, 20)
    assert F.steerable_product(x, x, weight, partition).shape == x.shape


def test_a_compiled_graph_makes_the_projections_of_any_partition() -> None:
    @torch.compile(fullgraph=True, dynamic=True, backend="aot_eager")
    def compiled(x: Tensor, weight: Tensor, partition: Partition) -> Tensor:
        return F.equivariant_linear(x, weight, partition.projections())

    for partition in (PARTITIONS[0], Partition.by_parity(Algebra(3))):
        x, weight = torch.randn(4, 3, 8), torch.randn(2, 3, len(partition))
        expected = torch.einsum("...ck,ock->...ok", x, weight[..., list(partition.class_of_blades())])
        torch.testing.assert_close(compiled(x, weight, partition), expected)
