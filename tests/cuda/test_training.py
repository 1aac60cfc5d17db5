"""Networks trained with the CUDA kernels: on a device, and through their own source on the processor."""

from contextlib import nullcontext

import pytest
import torch

from cliffnet import Algebra, Partition
from cliffnet.models import ConvexHullNet, GATr
from cliffnet.ops._offline import HostOperators
from helpers import cuda_host

HOST = pytest.param("host", 3, marks=pytest.mark.skipif(cuda_host.CXX is None, reason="there is no C++ compiler"))
DEVICE = pytest.param("cuda", 200, marks=pytest.mark.gpu)


def gatr():
    """A transformer, with points of which it tells the mean."""
    net = GATr(1, 1, 8, 1, 1, 8, num_blocks=2, algebra=Algebra(3, 0, 1))
    points, scalars = torch.randn(4, 5, 1, 16), torch.randn(4, 5, 1)
    return net, (points, scalars), points.mean(1, keepdim=True).expand_as(points)


def hull():
    """A network of CGENN, with points of which it tells the mean square."""
    net = ConvexHullNet(hidden_channels=4, num_layers=1, partition=Partition.by_grade(Algebra(3)))
    points = torch.randn(8, 16, 3)
    return net, (points,), points.square().mean((1, 2))


NETWORKS = {"GATr": gatr, "CGENN": hull}


def losses(make, device, mode, steps):
    """Return the losses of so many steps of Adam, from the same weights on the same numbers."""
    torch.manual_seed(0)
    net, inputs, target = make()
    net, target = net.double().to(device), target.double().to(device)
    inputs = [x.double().to(device) for x in inputs]
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    found = []
    with mode:
        for _ in range(steps):
            optimizer.zero_grad()
            result = net(*inputs)
            loss = torch.nn.functional.mse_loss(result[0] if isinstance(result, tuple) else result, target)
            loss.backward()
            optimizer.step()
            found.append(loss.detach())
    return torch.stack(found).cpu()


@pytest.mark.parametrize(("place", "steps"), [HOST, DEVICE])
@pytest.mark.parametrize("name", NETWORKS)
def test_losses_are_those_of_the_cpu(name, place, steps):
    if place == "host":
        cuda_host.operators()
        launches = cuda_host.variable("cliffnet_launches")
        before = launches.value
        found = losses(NETWORKS[name], "cpu", HostOperators(), steps)
        assert launches.value > before
    else:
        found = losses(NETWORKS[name], "cuda", nullcontext(), steps)
    expected = losses(NETWORKS[name], "cpu", nullcontext(), steps)
    assert expected[-1] < expected[0]
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.gpu
@pytest.mark.parametrize("name", NETWORKS)
def test_losses_are_the_same_in_every_run(name):
    one, other = (losses(NETWORKS[name], "cuda", nullcontext(), 20) for _ in range(2))
    assert torch.equal(one, other)
