"""Networks of CGENN and GLGENN, the repositories' own and ours with the same weights, and one training step of each.

The repositories are not packages: ``CGENN_REFERENCE`` and ``GLGENN_REFERENCE`` name clones of
``DavidRuhe/clifford-group-equivariant-neural-networks`` and ``katyafilimoshina/glgenn``. Their networks import metrics
that need packages which no step uses; stand-ins take their place.
"""

import importlib
import os
import sys
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benches.gatr_sides import ReferenceUnavailableError
from cliffnet.interop import load_reference

_LEARNING_RATE = 1e-3
Batch = dict[str, Tensor]


class _Metrics(nn.Module):
    """Takes the place of metrics, which hold no weights and are not called in a step."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__()


@dataclass(frozen=True)
class Family:
    """A repository: the variable that names its clone, and the package its modules lie in."""

    variable: str
    package: str
    repository: str

    def folder(self) -> Path:
        """Return the clone, or raise :class:`ReferenceUnavailableError`."""
        value = os.environ.get(self.variable, "")
        if not value:
            raise ReferenceUnavailableError(f"set {self.variable} to a clone of {self.repository}")
        folder = Path(value).expanduser().resolve()
        if not (folder / "models").is_dir():
            raise ReferenceUnavailableError(f"{self.variable} is {value!r}, which is no clone of {self.repository}")
        return folder

    def load(self, module: str) -> types.ModuleType:
        """Import one of its modules, or raise :class:`ReferenceUnavailableError`."""
        folder = self.folder()
        prefix = f"{self.package}." if self.package else ""
        if self.package:
            sys.modules.setdefault(self.package, _package(self.package, folder))
        elif str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        for name in ("engineer", "engineer.metrics", "engineer.metrics.metrics"):
            stand_in = _package(prefix + name, folder)
            vars(stand_in).update(dict.fromkeys(("Accuracy", "LorentzMetric", "Loss", "MetricCollection"), _Metrics))
            sys.modules.setdefault(prefix + name, stand_in)
        # its tables come from sparse tensors, about which newer versions of torch have something to say
        warnings.filterwarnings("ignore", message="Sparse invariant checks")
        try:
            return importlib.import_module(prefix + module)
        except ImportError as error:
            raise ReferenceUnavailableError(f"{self.repository} cannot be imported: {error}") from error


def _package(name: str, folder: Path) -> types.ModuleType:
    package = types.ModuleType(name)
    package.__path__ = [str(folder)]
    return package


CGENN = Family("CGENN_REFERENCE", "", "DavidRuhe/clifford-group-equivariant-neural-networks")
GLGENN = Family("GLGENN_REFERENCE", "glgenn", "katyafilimoshina/glgenn")


@dataclass(frozen=True)
class Task:
    """A network on a batch: how to make both, and what to call.

    Attributes
    ----------
    family, module, class_name, options
        The repository's network.
    draw : callable
        Returns the batch, of so many samples.
    size : int
        Samples of a batch.
    our_loss, their_loss : callable
        Loss of either network on a batch.
    """

    family: Family
    module: str
    class_name: str
    options: dict[str, Any]
    draw: Callable[[int], Batch]
    size: int
    our_loss: Callable[[nn.Module, Batch], Tensor]
    their_loss: Callable[[nn.Module, Batch], Tensor]

    @property
    def source(self) -> str:
        """The name of the repository for :func:`cliffnet.interop.load_reference`."""
        return "glgenn" if self.family is GLGENN else "cgenn"

    def build_reference(self) -> nn.Module:
        """Return the repository's network with seeded weights."""
        network = getattr(self.family.load(self.module), self.class_name)
        torch.manual_seed(0)
        built: nn.Module = network(**self.options)
        return built

    def build_ours(self, weights: dict[str, Tensor]) -> nn.Module:
        """Return our network with the reference's weights."""
        return load_reference(self.source, self.class_name, self.options, weights)


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _draw_points(size: int) -> Batch:
    generator = _generator()
    return {
        "points": torch.randn(size, 16, 5, generator=generator),
        "targets": torch.rand(size, generator=generator),
    }


def _our_hull_loss(net: nn.Module, batch: Batch) -> Tensor:
    return nn.functional.mse_loss(net(batch["points"]), batch["targets"])


def _their_hull_loss(net: nn.Module, batch: Batch) -> Tensor:
    loss: Tensor = net((batch["points"], batch["targets"]), 0)[0]
    return loss


def _all_pairs(nodes: int) -> Tensor:
    """Return receivers and senders, as the repositories order them, of all pairs of different nodes."""
    pairs = [(i, j) for i in range(nodes) for j in range(nodes) if i != j]
    return torch.tensor(pairs).T


def _draw_bodies(size: int) -> Batch:
    generator, edges = _generator(), _all_pairs(5)
    charges = torch.randint(0, 2, (size, 5, 1), generator=generator) * 2.0 - 1.0
    positions, velocities = torch.randn(2, size, 5, 3, generator=generator)
    return {
        "positions": positions,
        "velocities": velocities,
        "charges": charges,
        "attributes": charges[:, edges[0]] * charges[:, edges[1]],
        "edges": edges.expand(size, -1, -1),
        "targets": positions + velocities,
    }


def _our_body_loss(net: nn.Module, batch: Batch) -> Tensor:
    edges = batch["edges"].flip(-2)
    found = net(batch["positions"], batch["velocities"], batch["charges"], edges, batch["attributes"])
    return nn.functional.mse_loss(found, batch["targets"])


def _their_body_loss(net: nn.Module, batch: Batch) -> Tensor:
    names = ("positions", "velocities", "attributes", "charges", "targets", "edges")
    loss: Tensor = net([batch[name] for name in names], 0)[0]
    return loss


def _draw_jets(size: int, particles: int = 50) -> Batch:
    generator = _generator()
    momenta = torch.randn(size, particles, 3, generator=generator)
    masses = torch.rand(size, particles, 1, generator=generator)
    energies = (momenta.square().sum(-1, keepdim=True) + masses.square()).sqrt()
    offsets = particles * torch.arange(size)[:, None, None]
    return {
        "momenta": torch.cat([energies, momenta], dim=-1),
        "scalars": torch.cat([masses, torch.zeros_like(masses)], dim=-1),
        "mask": torch.ones(size, particles, dtype=torch.bool),
        "edges": (_all_pairs(particles) + offsets).transpose(0, 1).flatten(1),
        "targets": torch.randint(0, 2, (size,), generator=generator),
    }


def _our_jet_loss(net: nn.Module, batch: Batch) -> Tensor:
    logits = net(batch["momenta"], batch["scalars"], batch["mask"], batch["edges"].flip(0))
    return nn.functional.cross_entropy(logits, batch["targets"])


def _their_jet_loss(net: nn.Module, batch: Batch) -> Tensor:
    size, particles = batch["mask"].shape
    data = {
        "Pmu": batch["momenta"],
        "atom_mask": batch["mask"],
        "edge_mask": torch.ones(size * particles * particles, dtype=torch.bool),
        "nodes": batch["scalars"],
        "edges": batch["edges"],
        "is_signal": batch["targets"],
    }
    loss: Tensor = net(data, 0)[0]
    return loss


_HULL = (_draw_points, 128, _our_hull_loss, _their_hull_loss)
_BODIES = (_draw_bodies, 100, _our_body_loss, _their_body_loss)
_JETS = (_draw_jets, 32, _our_jet_loss, _their_jet_loss)
TASKS = {
    "CGENN hull": Task(CGENN, "models.hulls_cgmlp", "ConvexHullCGMLP", {}, *_HULL),
    "CGENN n-body": Task(CGENN, "models.nbody_cggnn", "NBodyCGGNN", {}, *_BODIES),
    "GLGENN hull": Task(GLGENN, "models.hull_glgmlp", "ConvexHullGLGMLP", {"n": 5}, *_HULL),
    # without dropout, so that both sides compute the same
    "Lorentz net": Task(CGENN, "models.lorentz_cggnn", "LorentzCGGNN", {"dropout": 0.0}, *_JETS),
}
"""The networks whose steps are measured."""


def training_step(net: nn.Module, loss: Callable[[nn.Module, Batch], Tensor], batch: Batch) -> Callable[[], None]:
    """Return a call that does forward, backward and Adam, as plain as torch offers them."""
    optimizer = torch.optim.Adam(net.parameters(), lr=_LEARNING_RATE)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss(net, batch).backward()
        optimizer.step()

    return step


def step_of(side: str, task: Task, net: nn.Module, size: int) -> Callable[[], None]:
    """Return the training step of a side, ``ours`` or ``reference``, on a batch of ``size`` samples."""
    return training_step(net, task.our_loss if side == "ours" else task.their_loss, task.draw(size))
