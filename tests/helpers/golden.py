"""Numbers recorded from the reference implementations, where they are at hand."""

import os
from pathlib import Path

import numpy as np
import pytest


def golden(name: str) -> dict[str, np.ndarray]:
    """Return the arrays of a golden file, such as ``"gatr/primitives"``; skip the test without ``CLIFFNET_GOLDEN``."""
    folder = os.environ.get("CLIFFNET_GOLDEN")
    if not folder:
        pytest.skip("CLIFFNET_GOLDEN is not set")
    with np.load(Path(folder) / f"{name}.npz", allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}
