"""Fully connected products against the formula of the CGENN repository: training steps and their peak memory.

CGENN expands the weights ``(C_out, C_in, paths)`` to blades, ``(C_out, C_in, B, B, B)``, multiplies them by the dense
table of the algebra and contracts all with one einsum; opt_einsum chooses the path. ``python -m benches.fully_connected
SIDE`` prints the peak memory of one side in bytes.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benches.peak_memory import ALLOCATORS, peak_bytes, reset_peak, resident_bytes
from benches.product import dense_table
from benches.report import ROOT, Bar, Row
from benches.timing import Quantiles, interleaved
from cliffnet import Algebra, Partition
from cliffnet import functional as F

NAME = "fully-connected"
SIDES = ("ours", "CGENN")
_RIVAL = "formula as in CGENN"
_STEP, _MEMORY = Bar(at_least_ratio=6), Bar(at_least_ratio=8)

Layer = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Size:
    """An algebra, the channels and the batch."""

    algebra: str
    inputs: int
    outputs: int
    batch: int

    def __str__(self) -> str:
        return f"{self.algebra}, {self.inputs} -> {self.outputs} channels, batch {self.batch}"

    def partition(self) -> Partition:
        """Return the partition by grade, as in CGENN."""
        return Partition.by_grade(Algebra.from_string(self.algebra))

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return two operands and the weights, which require gradients, and a gradient of the result."""
        partition = self.partition()
        generator = torch.Generator().manual_seed(0)
        blades, paths = partition.algebra.num_blades, len(partition.paths())
        inputs, outputs = (self.batch, self.inputs, blades), (self.batch, self.outputs, blades)
        shapes = (inputs, inputs, (self.outputs, self.inputs, paths), outputs)
        x, y, weight, gradient = (torch.randn(shape, generator=generator) for shape in shapes)
        return x.requires_grad_(), y.requires_grad_(), weight.requires_grad_(), gradient


SIZES = tuple(
    Size(algebra, inputs, outputs, batch)
    for algebra, inputs, outputs in (("Cl(3,0)", 32, 32), ("Cl(1,3)", 27, 8), ("Cl(5,0)", 32, 32))
    for batch in (128, 1024)
)


def ours(size: Size) -> Layer:
    """Return our product."""
    partition = size.partition()
    return lambda x, y, weight: F.fully_connected_product(x, y, weight, partition)


def cgenn(size: Size) -> Layer:
    """Return the formula of the CGENN repository."""
    partition = size.partition()
    algebra = partition.algebra
    grades = torch.tensor(algebra.grades)
    sizes = torch.bincount(grades)
    # CGENN's table has the output in the middle
    table = dense_table(algebra).permute(1, 0, 2).contiguous()
    mask = torch.zeros(3 * (len(sizes),), dtype=torch.bool)
    mask[tuple(torch.tensor(partition.paths()).T)] = True

    def layer(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        expanded = weight.new_zeros(*weight.shape[:2], *mask.shape)
        expanded[:, :, mask] = weight
        for axis in (-3, -2, -1):
            expanded = expanded.repeat_interleave(sizes, dim=axis)
        return torch.einsum("bni, mnijk, bnk -> bmj", x, table * expanded, y)

    return layer


def training_step(layer: Layer, tensors: tuple[Tensor, Tensor, Tensor, Tensor]) -> Callable[[], object]:
    """Return a call that multiplies and differentiates with respect to both operands and the weights."""
    *inputs, gradient = tensors
    return lambda: torch.autograd.grad(layer(*inputs), inputs, gradient)


def rows(*, sizes: tuple[Size, ...] = SIZES, rounds: int = 5, sample_seconds: float = 0.02) -> list[Row]:
    """Measure training steps and their peak memory."""
    measured: list[Row] = []
    for size in sizes:
        tensors = size.tensors()
        layers = {"ours": ours(size), _RIVAL: cgenn(size)}
        with torch.no_grad():
            result, expected = (layer(*tensors[:3]) for layer in layers.values())
        torch.testing.assert_close(result, expected, rtol=1e-3, atol=1e-3)
        del result, expected
        steps = {name: training_step(layer, tensors) for name, layer in layers.items()}
        times = interleaved(steps, rounds=rounds, sample_seconds=sample_seconds, warm_up=1)
        case = f"{size}, float32, forward + backward"
        theirs = times[_RIVAL].median * 1e3
        measured.append(Row(NAME, case, "ms", times["ours"].scaled(1e3), _RIVAL, theirs, _STEP))
        memory = {side: measure_memory(side, size) / 1e6 for side in SIDES}
        amount = Quantiles.of([memory["ours"]])
        measured.append(Row(NAME, f"{size}, peak memory", "MB", amount, _RIVAL, memory["CGENN"], _MEMORY))
    return measured


def memory_here(side: str, size: Size) -> int:
    """Return the bytes that a training step of one side adds to this process, operands and their gradients aside.

    A step on two rows comes first: what libraries set up once is not counted.
    """
    layer = {"ours": ours, "CGENN": cgenn}[side](size)
    training_step(layer, Size(size.algebra, 1, 1, 2).tensors())()
    tensors = size.tensors()
    step = training_step(layer, tensors)
    before = resident_bytes()
    reset_peak()
    step()
    return peak_bytes() - before


def measure_memory(side: str, size: Size) -> int:
    """Return the same from a fresh process, whose allocator returns freed memory at once."""
    threads = str(torch.get_num_threads())
    command = [sys.executable, "-m", "benches.fully_connected", side, "--threads", threads]
    for name, value in vars(size).items():
        command += [f"--{name}", str(value)]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    environment = inherited | ALLOCATORS["freed memory returned"] | {"OMP_NUM_THREADS": threads}
    output = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return int(output.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.fully_connected", description=__doc__)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("--threads", type=int, default=1)
    for name, value in vars(SIZES[0]).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    options = vars(parser.parse_args())
    torch.set_num_threads(options.pop("threads"))
    print(memory_here(options.pop("side"), Size(**options)))


if __name__ == "__main__":
    main()
