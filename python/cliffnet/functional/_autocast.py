"""Autocast, where it would lose digits that a caller counts on."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from cliffnet._graphs import kept_constant


@kept_constant
def _is_available(device: str) -> bool:
    """Tell whether torch knows autocast for a type of device; a look-up, for torch 2.11 cannot trace the question."""
    return torch.amp.is_autocast_available(device)


def is_autocasting(device: torch.device) -> bool:
    """Tell whether autocast is on; never on devices that do not know it, such as meta."""
    return _is_available(device.type) and torch.is_autocast_enabled(device.type)


def without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Return a context in which matrix products keep the precision of their operands."""
    return torch.autocast(device.type, enabled=False) if is_autocasting(device) else nullcontext()
