"""Shared set-up of all tests."""

import sys
from pathlib import Path

# Helper modules of this folder, ``from helpers.equivariance import ...``.
sys.path.insert(0, str(Path(__file__).resolve().parent))
