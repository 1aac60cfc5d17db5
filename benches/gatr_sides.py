"""Both sides of the training step: our GATr and the one of the GATr repository, on one batch and one loss.

The repository is looked up in ``GATR_REFERENCE``, the path of a clone. It imports xformers whether or not it is used;
where that is not installed, an empty stand-in with the two imported names is registered, and attention goes through
torch as it does on a CPU in any case.
"""

import importlib
import importlib.util
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

from cliffnet.data.nbody import draw_systems, embed_bodies, extract_positions, prediction_loss
from cliffnet.interop import load_reference
from cliffnet.models import GATr

VARIABLE = "GATR_REFERENCE"
_LEARNING_RATE = 3e-4


class ReferenceUnavailableError(Exception):
    """The reference cannot be run here; the message says what to do about it."""


@dataclass(frozen=True)
class Size:
    """The published n-body network and batch; smaller ones are for tests."""

    batch: int = 64
    planets: int = 3
    mv_channels: int = 16
    scalar_channels: int = 128
    blocks: int = 10

    def __str__(self) -> str:
        return f"batch {self.batch} x {self.planets + 1} tokens, {self.blocks} blocks"

    def reference_options(self) -> dict[str, Any]:
        """Return the network's constructor arguments by the names they have in the GATr repository."""
        return {
            "in_mv_channels": 1,
            "out_mv_channels": 1,
            "hidden_mv_channels": self.mv_channels,
            "in_s_channels": 1,
            "out_s_channels": 1,
            "hidden_s_channels": self.scalar_channels,
            "num_blocks": self.blocks,
        }


def reference_folder() -> Path:
    """Return the clone of the GATr repository, or raise :class:`ReferenceUnavailableError`."""
    value = os.environ.get(VARIABLE, "")
    if not value:
        raise ReferenceUnavailableError(f"set {VARIABLE} to a clone of the GATr repository")
    folder = Path(value).expanduser().resolve()
    if not (folder / "gatr" / "__init__.py").is_file():
        raise ReferenceUnavailableError(f"{VARIABLE} is {value!r}, which is not a clone of the GATr repository")
    return folder


def _stand_in_for_xformers() -> None:
    if "xformers" in sys.modules or importlib.util.find_spec("xformers") is not None:
        return
    package, ops = types.ModuleType("xformers"), types.ModuleType("xformers.ops")
    ops.AttentionBias = type("AttentionBias", (), {})
    ops.memory_efficient_attention = None
    package.ops = ops
    sys.modules |= {"xformers": package, "xformers.ops": ops}


def import_reference() -> types.ModuleType:
    """Import the GATr repository's package, or raise :class:`ReferenceUnavailableError`."""
    folder = str(reference_folder())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    _stand_in_for_xformers()
    # its tables are stored as sparse tensors, about which newer versions of torch have something to say
    warnings.filterwarnings("ignore", message="Validating sparse tensor invariants")
    try:
        return importlib.import_module("gatr")
    except ImportError as error:
        raise ReferenceUnavailableError(f"the GATr repository cannot be imported: {error}") from error


def build_reference(size: Size) -> nn.Module:
    """Return the GATr repository's network with seeded weights."""
    package = import_reference()
    torch.manual_seed(0)
    options = size.reference_options()
    return package.GATr(**options, attention=package.SelfAttentionConfig(), mlp=package.MLPConfig())


def build_ours(size: Size, weights: dict[str, Tensor] | None = None) -> nn.Module:
    """Return our network: with the reference's weights, or with its own where only memory counts."""
    if weights is not None:
        return load_reference("gatr", "gatr.nets.GATr", size.reference_options(), weights)
    torch.manual_seed(0)
    return GATr(1, 1, size.mv_channels, 1, 1, size.scalar_channels, num_blocks=size.blocks, compatibility="gatr-1.4.3")


def make_batch(size: Size) -> tuple[Tensor, Tensor]:
    """Return bodies ``(batch, bodies, 7)`` and positions to predict ``(batch, bodies, 3)``."""
    generator = torch.Generator().manual_seed(0)
    masses, positions, velocities = draw_systems(size.batch, size.planets, False, generator)
    inputs = torch.cat([masses.unsqueeze(-1), positions, velocities], dim=-1)
    return inputs.float(), (positions + 0.1 * velocities).float()


def loss_of(net: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Embed, run the network, extract positions and compare: the same code around either network."""
    inputs, target = batch
    outputs = net(embed_bodies(inputs), scalars=inputs.new_zeros(*inputs.shape[:-1], 1))
    positions, regulariser = extract_positions(*outputs)
    return prediction_loss(positions, target, regulariser)


def training_step(net: nn.Module, batch: tuple[Tensor, Tensor]) -> Callable[[], None]:
    """Return a call that does forward, backward and Adam, as plain as torch offers them."""
    optimizer = torch.optim.Adam(net.parameters(), lr=_LEARNING_RATE)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss_of(net, batch).backward()
        optimizer.step()

    return step
