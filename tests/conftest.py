"""Shared set-up of all tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

# Helper modules of this folder, ``from helpers.multivectors import ...``.
sys.path.insert(0, str(Path(__file__).resolve().parent))

# The tensors of the tests are small, and test processes share cores: more threads would only wait for one another.
torch.set_num_threads(1)


@pytest.fixture
def double_precision() -> Iterator[None]:
    """Seed the global generator and make float64 the dtype of new tensors."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a CUDA device where there is none."""
    if torch.cuda.is_available():
        return
    needing = [item for item in items if item.get_closest_marker("gpu")]
    if needing:
        config.hook.pytest_deselected(items=needing)
        items[:] = [item for item in items if not item.get_closest_marker("gpu")]
