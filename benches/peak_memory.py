"""Peak memory of training steps, each side in a process of its own.

Peak memory is the largest resident set of the process during three training steps (the first creates the state of
Adam), minus its resident set before the network is made. Weights, gradients, optimiser state and batch count; code does
not. Pages of code become resident when they first run, and torch imports a good part of itself only when the first
optimiser is made, so both sides take a step of a small network of the same kind before the subtrahend is read.
``python -m benches.peak_memory SIDE`` prints the difference in bytes.
"""

import argparse
import dataclasses
import gc
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from benches import gatr_sides
from benches.report import ROOT

STEPS = 3
SIDES = ("ours", "reference")

# Two allocators, each the same on both sides. The default keeps freed memory for later, as users meet it; the tight
# one returns every freed tensor of 64 KiB and more to the system, so that the peak follows the tensors alive.
ALLOCATORS: dict[str, dict[str, str]] = {
    "default allocator": {},
    "freed memory returned": {
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_MMAP_THRESHOLD_": "65536",
        "MALLOC_TRIM_THRESHOLD_": "131072",
    },
}


def resident_bytes() -> int:
    """Return the resident set of this process."""
    return _status("VmRSS")


def reset_peak() -> bool:
    """Set the recorded peak to the present resident set; say whether the system allows that."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_bytes() -> int:
    """Return the largest resident set since the start or the last reset."""
    try:
        return _status("VmHWM")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _status(entry: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{entry}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no entry {entry}")


def measure_here(side: str, size: gatr_sides.Size) -> int:
    """Return the bytes that the training steps of one side add to this process."""
    if side == "reference":
        gatr_sides.import_reference()
    _step(side, dataclasses.replace(size, batch=1, mv_channels=8, scalar_channels=8, blocks=1))()
    gc.collect()
    before = resident_bytes()
    return peak_of(_step(side, size)) - before


def _step(side: str, size: gatr_sides.Size) -> Callable[[], None]:
    net = gatr_sides.build_ours(size) if side == "ours" else gatr_sides.build_reference(size)
    return gatr_sides.training_step(net, gatr_sides.make_batch(size))


def peak_of(step: Callable[[], None]) -> int:
    """Return the largest resident set during some training steps."""
    reset_peak()
    for _ in range(STEPS):
        step()
    return peak_bytes()


def measure(side: str, size: gatr_sides.Size, allocator: str) -> int:
    """Return the same from a fresh process with this one's number of threads and one of ``ALLOCATORS``."""
    arguments = ["benches.peak_memory", side]
    for name, value in vars(size).items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    return measure_module(arguments, allocator)


def measure_module(arguments: list[str], allocator: str) -> int:
    """Return the bytes that a module prints, run in a fresh process with this one's number of threads."""
    threads = str(torch.get_num_threads())
    command = [sys.executable, "-m", *arguments, "--threads", threads]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    environment = inherited | ALLOCATORS[allocator] | {"OMP_NUM_THREADS": threads}
    output = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return int(output.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.peak_memory", description=__doc__)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("--threads", type=int, default=1)
    for name, value in vars(gatr_sides.Size()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    options = vars(parser.parse_args())
    torch.set_num_threads(options.pop("threads"))
    print(measure_here(options.pop("side"), gatr_sides.Size(**options)))


if __name__ == "__main__":
    main()
