"""Shared set-up of all tests."""

import sys
from pathlib import Path

import torch

# Helper modules of this folder, ``from helpers.multivectors import ...``.
sys.path.insert(0, str(Path(__file__).resolve().parent))

# The tensors of the tests are small, and test processes share cores: more threads would only wait for one another.
torch.set_num_threads(1)
