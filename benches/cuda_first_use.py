"""What the first product on a CUDA device costs in a fresh process: with no kernel on disk, and with one."""

import os
import subprocess
import sys
import tempfile

import torch

from benches import cuda_device
from benches.report import Bar, Row
from benches.timing import Quantiles

NAME = "cuda-first-use"
_BARS = {"cold cache": Bar(at_most=500.0), "warm cache": Bar(at_most=5.0)}
_SIGNATURES = ((3, 0, 0), (3, 0, 1), (5, 0, 0))

# the context of the device, the allocator and torch's own kernels are there before
_SCRIPT = """
import sys, time, torch
import cliffnet
from cliffnet import functional as F
device, signature = sys.argv[1], tuple(map(int, sys.argv[2:5]))
wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
left, right = (torch.randn(64, 2 ** sum(signature), device=device) for _ in range(2))
algebra = cliffnet.Algebra(*signature)
algebra.product_plan("geometric_product")
torch.add(left, right)
wait()
start = time.perf_counter()
F.geometric_product(left, right, algebra)
wait()
middle = time.perf_counter()
F.geometric_product(left, right, algebra)
wait()
print(middle - start, time.perf_counter() - middle)
"""


def first_and_second(device: torch.device, signature: tuple[int, int, int], folder: str) -> tuple[float, float]:
    """Return the seconds of the first product and of the second, in a new process with this cache folder."""
    environment = os.environ | {"CLIFFNET_CACHE_DIR": folder}
    command = [sys.executable, "-P", "-c", _SCRIPT, str(device), *map(str, signature)]
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    first, second = map(float, output.split())
    return first, second


def rows(
    *,
    device: torch.device | None = None,
    signatures: tuple[tuple[int, int, int], ...] = _SIGNATURES,
    repeats: int = 5,
) -> list[Row]:
    """Measure each algebra in ``repeats`` processes with a folder of their own, and in as many that share one."""
    device = device or cuda_device.device_or_none()
    if device is None:
        return cuda_device.unmeasured(NAME, dict(_BARS), unit="ms", baseline="second product")
    measured = []
    for signature in signatures:
        with tempfile.TemporaryDirectory() as root:
            cold = [first_and_second(device, signature, f"{root}/{index}") for index in range(repeats)]
            warm = [first_and_second(device, signature, f"{root}/0") for _ in range(repeats)]
        title = f"Cl({','.join(map(str, signature if signature[2] else signature[:2]))})"
        for name, found in (("cold cache", cold), ("warm cache", warm)):
            first, second = (list(values) for values in zip(*found, strict=True))
            median = Quantiles.of(second).median * 1e3
            ours, note = Quantiles.of(first).scaled(1e3), cuda_device.describe(device)
            measured.append(Row(NAME, f"{title}, {name}", "ms", ours, "second product", median, _BARS[name], note))
    return measured
