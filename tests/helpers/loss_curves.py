"""Short trainings of small CGENN and GLGENN networks, described so that any implementation can run them.

Batches come from raw numbers of PCG64, whose stream is fixed for good, and targets are polynomials, so that both are
the same wherever they are made.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

GOLDEN = Path(__file__).parents[1] / "training" / "golden" / "loss_curves.npz"
STEPS = 50
BATCH = 8
BODIES = 5


class Bodies(NamedTuple):
    """Charged bodies; the first entry of an edge is the body that receives, as the references have it."""

    positions: Tensor
    velocities: Tensor
    edge_attributes: Tensor
    charges: Tensor
    targets: Tensor
    edges: Tensor


class Vectors(NamedTuple):
    """Some vectors and the number to predict from them."""

    vectors: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Case:
    """A network as the reference names it, and its batches.

    ``scale`` multiplies errors before they are squared; ``replaced`` are options of ours where the reference has a
    constant that the recording changes.
    """

    source: str
    class_name: str
    seed: int
    draw: Callable[["Uniform"], Any]
    config: Mapping[str, Any]
    replaced: Mapping[str, Any] = field(default_factory=dict)
    scale: float = 1.0

    def batches(self) -> Iterator[Any]:
        """Draw the batch of each step."""
        uniform = Uniform(self.seed)
        return (self.draw(uniform) for _ in range(STEPS))


class Uniform:
    """Numbers between -1 and 1 from the raw stream of PCG64."""

    def __init__(self, seed: int) -> None:
        self.stream = np.random.PCG64(seed)

    def __call__(self, *shape: int) -> Tensor:
        raw = self.stream.random_raw(int(np.prod(shape))) >> np.uint64(11)
        return torch.from_numpy(raw.astype(np.float64) * 2.0**-52 - 1.0).reshape(shape)


def draw_pair(uniform: Uniform) -> Vectors:
    x = 2.0 * uniform(BATCH, 2, 5)
    first, second = x.unbind(1)
    return Vectors(x, (first * second).sum(-1) - 0.25 * first.square().sum(-1))


def draw_cloud(uniform: Uniform) -> Vectors:
    x = 2.0 * uniform(BATCH, 16, 5)
    return Vectors(x, x.square().sum((-2, -1)) / 16 - x.mean(-2).square().sum(-1))


def draw_bodies(uniform: Uniform) -> Bodies:
    positions, velocities = 2.0 * uniform(2, BATCH, BODIES, 3)
    charges = uniform(BATCH, BODIES, 1).sign()
    # Each system lacks some edges, others than its neighbours, so that receivers and senders are no mirror images.
    pairs = torch.tensor([[i, j] for i in range(BODIES) for j in range(BODIES) if i != j])
    kept = uniform(BATCH, len(pairs)).argsort(-1)[:, :14]
    edges = pairs[kept].mT.contiguous()
    receivers, senders = (charges.gather(1, edges[:, side, :, None]) for side in (0, 1))
    pull = charges * (positions - positions.mean(1, keepdim=True))
    return Bodies(positions, velocities, receivers * senders, charges, positions + velocities - pull, edges)


WIDTH = {"mlp_hidden": 12}
REGRESSION = {"ymean": -5.0, "ystd": 2.0}
CASES = {
    "cgenn-regression": Case("cgenn", "O5CGMLP", 1, draw_pair, REGRESSION, WIDTH, scale=2.0),
    "cgenn-hull": Case("cgenn", "ConvexHullCGMLP", 2, draw_cloud, {"hidden_features": 4}),
    "cgenn-bodies": Case("cgenn", "NBodyCGGNN", 3, draw_bodies, {"hidden_features": 4, "n_layers": 2}),
    "glgenn-regression": Case("glgenn", "O5GLGMLP", 4, draw_pair, REGRESSION, WIDTH, scale=2.0),
    "glgenn-hull": Case("glgenn", "ConvexHullGLGMLP", 5, draw_cloud, {"n": 5, "hidden_features": 4}),
}


def train(net: nn.Module, case: Case, loss_of: Callable[[nn.Module, Any], Tensor], steps: int = STEPS) -> list[float]:
    """Train by Adam and return the loss of each batch before its step.

    Weight decay keeps parameters still that no loss depends on; their gradients would be rounding errors, which Adam
    makes steps of full length from.
    """
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-3, weight_decay=1e-4)
    losses = []
    for _, batch in zip(range(steps), case.batches(), strict=False):
        optimizer.zero_grad()
        loss = loss_of(net, batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
