"""Losses of 50 training steps equal to those of the published code, from the same weights and batches.

``record_loss_curves.py`` ran DavidRuhe/clifford-group-equivariant-neural-networks at commit 8482b06 and
katyafilimoshina/glgenn at commit e7f4c2b on the cases of ``helpers.loss_curves`` and kept initial weights and losses.
"""

import numpy as np
import pytest
import torch

from cliffnet.interop import load_reference
from helpers.loss_curves import CASES, GOLDEN, STEPS, Vectors, train


def build(name):
    """The network with the recorded initial weights, and the recorded losses."""
    case, prefix = CASES[name], f"{name}/weights/"
    with np.load(GOLDEN) as file:
        state = {key.removeprefix(prefix): file[key].astype(np.float64) for key in file.files if key.startswith(prefix)}
        losses = file[f"{name}/losses"]
    return load_reference(case.source, case.class_name, {**case.config, **case.replaced}, state), losses


def loss_of(case):
    def of(net, batch):
        if isinstance(batch, Vectors):
            return (case.scale * (net(batch.vectors) - batch.targets)).square().mean()
        # Ours has the sender of an edge first.
        edges = batch.edges.flip(-2)
        predicted = net(batch.positions, batch.velocities, batch.charges, edges, batch.edge_attributes)
        return (predicted - batch.targets).square().mean()

    return of


def differences(name, net, losses, steps=STEPS):
    case = CASES[name]
    ours = np.array(train(net, case, loss_of(case), steps))
    return np.abs(ours / losses[:steps] - 1)


@pytest.mark.parametrize("name", CASES)
def test_losses_follow_the_published_code(name):
    net, losses = build(name)
    assert losses.shape == (STEPS,)
    apart = differences(name, net, losses)
    assert apart[:5].max() < 1e-12
    assert apart.max() < 1e-10


@pytest.mark.parametrize("name", CASES)
def test_a_fault_as_small_as_an_epsilon_shows(name):
    net, losses = build(name)
    layer = next(module for module in net.modules() if getattr(module, "normalization", None) is not None)
    with torch.no_grad():
        layer.right.weight *= 1 + 1e-6
    assert differences(name, net, losses, 5).max() > 1e-9


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("cgenn")])
def test_a_missing_first_order_term_shows(name):
    net, losses = build(name)
    next(module for module in net.modules() if getattr(module, "left", None) is not None).left = None
    assert differences(name, net, losses, 1).max() > 1e-3
