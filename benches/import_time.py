"""What ``import cliffnet`` costs beyond ``import torch``, in fresh processes."""

import os
import subprocess
import sys

from benches.report import Bar, Row
from benches.timing import Quantiles

NAME = "import"

_SCRIPT = """
import time
start = time.perf_counter()
import torch
middle = time.perf_counter()
import cliffnet
print(middle - start, time.perf_counter() - middle)
"""


def import_seconds() -> tuple[float, float]:
    """Return the seconds that torch, and then cliffnet, take to import in a new process."""
    # compiled files are part of an installed package, so let them be written and found
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-P", "-c", _SCRIPT]
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    torch_seconds, cliffnet_seconds = map(float, output.split())
    return torch_seconds, cliffnet_seconds


def rows(*, repeats: int = 5, warm_up: int = 1) -> list[Row]:
    """Measure in ``repeats`` processes, after ``warm_up`` others that bring the files into memory."""
    for _ in range(warm_up):
        import_seconds()
    torch_seconds, cliffnet_seconds = zip(*(import_seconds() for _ in range(repeats)), strict=True)
    return [
        Row(
            NAME,
            "import cliffnet, after import torch",
            "s",
            Quantiles.of(list(cliffnet_seconds)),
            "import torch",
            Quantiles.of(list(torch_seconds)).median,
            Bar(at_most=0.1),
        )
    ]
