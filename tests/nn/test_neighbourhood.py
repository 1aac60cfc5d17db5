"""Sums over neighbourhoods: against a loop, with isolated nodes, in graphs, twice differentiable, any format."""

import pytest
import torch

from cliffnet import functional as F
from cliffnet.errors import DomainError, DTypeError, ShapeError
from cliffnet.nn._neighbourhood import check_edge_values, gather, segment_mean, segment_sum, split_edges
from helpers.precise import assert_close

EDGES = torch.tensor([[0, 1, 4, 4, 2, 0], [1, 0, 0, 1, 4, 1]])
NODES = 5


def _loop(values, index, mean):
    result = torch.zeros(NODES, *values.shape[1:], dtype=values.dtype)
    for node in range(NODES):
        arrived = [value for value, target in zip(values, index.tolist(), strict=True) if target == node]
        if arrived:
            result[node] = torch.stack(arrived).sum(0) / (len(arrived) if mean else 1)
    return result


@pytest.mark.parametrize("blade_major", [False, True])
@pytest.mark.parametrize("shape", [(), (3,), (2, 8), (2, 3, 4)], ids=str)
def test_sums_and_means_against_a_loop(shape, blade_major):
    if blade_major and not shape:
        shape = (1,)
    values = torch.randn(EDGES.shape[1], *shape, dtype=torch.float64)
    if blade_major:
        values = F.to_blade_major(values)
    index = EDGES[1]
    for function, mean in ((segment_sum, False), (segment_mean, True)):
        result = function(values, index, NODES)
        assert_close(result, _loop(values, index, mean))
        assert result[3].abs().sum() == 0
        if blade_major:
            assert F.is_blade_major(result)


@pytest.mark.parametrize("blade_major", [False, True])
def test_gather_keeps_the_memory_format(blade_major):
    values = torch.randn(NODES, 3, 8)
    values = F.to_blade_major(values) if blade_major else values
    result = gather(values, EDGES[0])
    assert torch.equal(result, values[EDGES[0]])
    assert F.is_blade_major(result) is blade_major


def test_no_edges():
    none = torch.zeros(2, 0, dtype=torch.long)
    sources, targets = split_edges(none, torch.ones(NODES, 2))
    assert sources.shape == targets.shape == (0,)
    for function in (segment_sum, segment_mean):
        assert torch.equal(function(torch.zeros(0, 2, 8), targets, NODES), torch.zeros(NODES, 2, 8))


@pytest.mark.parametrize("function", [segment_sum, segment_mean])
def test_twice_differentiable(function):
    values = torch.randn(EDGES.shape[1], 2, dtype=torch.float64, requires_grad=True)
    for given in (values, F.to_blade_major(values.detach()).requires_grad_()):
        assert torch.autograd.gradcheck(lambda x: function(gather(x, EDGES[0]).exp(), EDGES[1], NODES), given)
        assert torch.autograd.gradgradcheck(lambda x: function(gather(x, EDGES[0]).exp(), EDGES[1], NODES), given)


def test_compiled_with_any_number_of_edges():
    def mean_of_neighbours(x, edge_index):
        sources, targets = split_edges(edge_index, x)
        return segment_mean(gather(x, sources), targets, x.shape[0])

    compiled = torch.compile(mean_of_neighbours, fullgraph=True, dynamic=True, backend="aot_eager")
    for nodes, edges in ((5, 7), (9, 30), (4, 11)):
        x = torch.randn(nodes, 3, 8, dtype=torch.float64)
        edge_index = torch.randint(nodes, (2, edges))
        assert_close(compiled(x, edge_index), mean_of_neighbours(x, edge_index))


@pytest.mark.parametrize(
    ("edge_index", "error", "message"),
    [
        (EDGES.float(), DTypeError, r"dtype torch\.float32, expected int64"),
        (EDGES.bool(), DTypeError, r"dtype torch\.bool"),
        (EDGES.T, ShapeError, r"shape \(6, 2\), expected \(2, edges\).*transpose it"),
        (EDGES[0], ShapeError, r"shape \(6,\)"),
        (EDGES[:1], ShapeError, r"shape \(1, 6\)"),
        ([[0], [1]], DTypeError, "is a list"),
        (torch.tensor([[0, 1], [1, 5]]), DomainError, "edge 1 goes from node 1 to node 5, but there are 5 nodes"),
        (torch.tensor([[-1, 1], [1, 0]]), DomainError, "edge 0 goes from node -1 to node 1"),
    ],
)
def test_bad_edges_are_named(edge_index, error, message):
    with pytest.raises(error, match=message):
        split_edges(edge_index, torch.ones(NODES, 2))


def test_values_of_edges_come_one_an_edge():
    check_edge_values(torch.ones(6, 2), EDGES[0], "edge_attr")
    with pytest.raises(ShapeError, match=r"edge_attr has shape \(5, 2\), expected 6 on the first axis"):
        check_edge_values(torch.ones(5, 2), EDGES[0], "edge_attr")
