"""Training through torch.compile: one graph for all batches of networks whose variants are not compiled elsewhere."""

import pytest
import torch

from cliffnet import Algebra, Partition
from cliffnet.models import EGNN, ChargedNBodyNet, ConvexHullNet, VelocityEGNN
from helpers.precise import assert_close

pytestmark = pytest.mark.usefixtures("double_precision")

NODES = 5
PAIRS = torch.tensor([[i, j] for i in range(NODES) for j in range(NODES) if i != j]).T


def pairs_of(graphs):
    return (PAIRS[:, None] + NODES * torch.arange(graphs)[:, None]).flatten(1)


def clouds(size):
    return (torch.randn(size, 4, 3),)


def bodies(size):
    return (*torch.randn(2, size, NODES, 3), torch.randn(size, NODES), PAIRS[:, : size + 3])


def graph(size):
    edges = pairs_of(size)
    return torch.randn(NODES * size, 2), torch.randn(NODES * size, 3), edges, torch.randn(edges.shape[1], 2)


def moving_graph(size):
    features, points, edges, attributes = graph(size)
    return features, points, torch.randn_like(points), edges, attributes


GRADES = Partition.by_grade(Algebra(3))
CASES = {
    "CGENN hull of two stages": (lambda: ConvexHullNet(4, 3, num_layers=1, num_stages=2, partition=GRADES), clouds),
    "GLGENN bodies": (lambda: ChargedNBodyNet.glgenn(hidden_channels=3, num_layers=1), bodies),
    "EGNN": (lambda: EGNN(2, 4, 2, 1, edge_channels=2), graph),
    "EGNN with velocities": (lambda: VelocityEGNN(2, 4, 1, edge_channels=2), moving_graph),
}


def loss_of(results):
    results = (results,) if isinstance(results, torch.Tensor) else results
    return sum(result.square().sum() for result in results)


@pytest.mark.parametrize("name", CASES)
def test_one_graph_trains_on_every_batch(name):
    build, inputs = CASES[name]
    net = build()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, dynamic=True, backend="aot_eager")
    with torch._dynamo.config.patch(error_on_recompile=True):
        for size in (9, 7, 12):
            arguments, results = inputs(size), []
            for function in (net, compiled):
                optimizer.zero_grad()
                loss = loss_of(function(*arguments))
                loss.backward()
                gradients = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
                results.append([loss, *(gradient.clone() for gradient in gradients)])
            assert_close(results[0], results[1])
            optimizer.step()
