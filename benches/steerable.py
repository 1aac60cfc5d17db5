"""Steerable products of Cl(3,0), bare and between gate and norm, against torch.compile of the formula.

The formula is written out term by term on tensors of shape ``(blades, batch, channels)``, as kernels for graphics
processors store them, and compiled. Both sides read the same memory: our operands are the same tensors seen as
``(batch, channels, blades)``. ``python -m benches.steerable SIDE BATCH CHANNELS`` prints the bytes that a step of one
side needs beyond its operands, measured where nothing else runs.
"""

import argparse
import math
import os
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from benches.peak_memory import ALLOCATORS, peak_bytes, reset_peak, resident_bytes
from benches.report import ROOT, Bar, Row
from benches.timing import Quantiles, interleaved
from cliffnet import Algebra, Partition
from cliffnet import functional as F

NAME = "steerable"
_FORWARD, _TRAINING = Bar(at_least_ratio=8), Bar(at_least_ratio=10)
_COMPILED, _ADD = "torch.compile of the formula", "torch.add"
_EPSILON = 1e-6
_MEBI = 2**20

Function = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Operands, which hold multivectors of shape ``(batch, channels, blades)`` or planes, and weights."""


class Size(NamedTuple):
    """How many multivectors."""

    batch: int
    channels: int


SIZES = (Size(256, 128), Size(1024, 128), Size(4096, 128))


def slots(partition: Partition) -> dict[tuple[int, int], list[tuple[int, int, int]]]:
    """Return the terms ``(sign, left, right)`` of each output blade and path, counted out without the engine."""
    masks, owners, paths = partition.algebra.blade_masks, partition.class_of_blades(), partition.paths()
    found: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    for i, left in enumerate(masks):
        for j, right in enumerate(masks):
            # a generator on the right passes every higher one on the left; all squares are 1
            swaps = sum((left >> (n + 1)).bit_count() for n in range(partition.algebra.dim) if right >> n & 1)
            out = masks.index(left ^ right)
            path = paths.index((owners[i], owners[out], owners[j]))
            found.setdefault((out, path), []).append(((-1) ** swaps, i, j))
    return found


def formula(partition: Partition, *, surrounded: bool) -> Function:
    """Return the product of planes in plain torch, term by term; surrounded by gate and norm or bare."""
    terms, owners = slots(partition), partition.class_of_blades()

    def gated(x: Tensor) -> Tensor:
        return x * (0.5 * (1 + torch.erf(x[0] / math.sqrt(2))))

    def product(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        left, right = (gated(x), gated(y)) if surrounded else (x, y)
        planes: list[Tensor | None] = [None] * len(owners)
        for (out, path), parts in terms.items():
            total = sum(sign * left[i] * right[j] for sign, i, j in parts) * weight[:, path]
            so_far = planes[out]
            planes[out] = total if so_far is None else so_far + total
        result = torch.stack([plane for plane in planes if plane is not None])
        if not surrounded:
            return result
        pieces = []
        for index in range(len(partition)):
            piece = torch.stack([result[blade] for blade, owner in enumerate(owners) if owner == index])
            mean = piece.square().sum(0).mean(-1, keepdim=True)
            pieces.append(piece * (mean + _EPSILON).rsqrt())
        return torch.cat(pieces)

    return product


def rivals(*, surrounded: bool, compiles: bool = True) -> tuple[Function, Function]:
    """Return ours, on multivectors, and the formula, on planes, compiled unless told otherwise."""
    partition = Partition.by_grade(Algebra(3))

    def ours(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        if surrounded:
            return F.gated_steerable_product(x, y, weight, partition, epsilon=_EPSILON)
        return F.steerable_product(x, y, weight, partition)

    theirs = formula(partition, surrounded=surrounded)
    return ours, torch.compile(theirs, dynamic=False) if compiles else theirs


def operands(size: Size) -> tuple[list[Tensor], Tensor]:
    """Return planes of two operands and a gradient, and weights."""
    generator = torch.Generator().manual_seed(0)
    planes = [torch.randn(8, *size, generator=generator) for _ in range(3)]
    return planes, torch.randn(size.channels, 20, generator=generator)


def training_step(function: Function, x: Tensor, y: Tensor, weight: Tensor, upstream: Tensor) -> Callable[[], object]:
    """Return a call that multiplies and differentiates with respect to operands and weights."""
    leaves = [leaf.detach().requires_grad_() for leaf in (x, y, weight)]

    def step() -> object:
        return torch.autograd.grad(function(*leaves), leaves, upstream)

    return step


def as_multivectors(planes: Tensor) -> Tensor:
    """Return planes as multivectors, stored as they are."""
    return planes.movedim(0, -1)


def rows(
    *,
    sizes: tuple[Size, ...] = SIZES,
    rounds: int = 30,
    sample_seconds: float = 0.03,
    compiles: bool = True,
    memory: bool = True,
) -> list[Row]:
    """Measure forward and forward with backward, and the memory of the latter."""
    measured: list[Row] = []
    for surrounded in (True, False):
        name = "gate, steerable product, norm" if surrounded else "steerable product"
        for size in sizes:
            # one size at a time: the compiler gives up on a function that it meets in too many
            torch._dynamo.reset()
            ours, compiled = rivals(surrounded=surrounded, compiles=compiles)
            (x, y, upstream), weight = operands(size)
            left, right, gradient = (as_multivectors(planes) for planes in (x, y, upstream))
            expected = as_multivectors(compiled(x, y, weight))
            torch.testing.assert_close(ours(left, right, weight), expected, rtol=1e-4, atol=1e-4)
            forward = {
                "ours": lambda f=ours, a=left, b=right, w=weight: f(a, b, w),
                _COMPILED: lambda f=compiled, a=x, b=y, w=weight: f(a, b, w),
                _ADD: lambda a=x, b=y: torch.add(a, b),
            }
            both = {
                "ours": training_step(ours, left, right, weight, gradient),
                _COMPILED: training_step(compiled, x, y, weight, upstream),
            }
            case = f"{name}, Cl(3,0), {size.batch} x {size.channels}, float32"
            for calls, direction, bar in ((forward, "forward", _FORWARD), (both, "forward + backward", _TRAINING)):
                times = interleaved(calls, rounds=rounds, sample_seconds=sample_seconds)
                for rival in list(calls)[1:]:
                    reached = bar if surrounded and rival == _COMPILED else None
                    median = times[rival].median * 1e3
                    measured.append(
                        Row(NAME, f"{case}, {direction}", "ms", times["ours"].scaled(1e3), rival, median, reached)
                    )
        if memory:
            measured.append(_memory_row(f"{name}, Cl(3,0)", sizes[-1], surrounded=surrounded))
    return measured


def _memory_row(name: str, size: Size, *, surrounded: bool) -> Row:
    used = {side: measure_memory(side, size, surrounded=surrounded) for side in ("ours", "compiled")}
    case = f"{name}, {size.batch} x {size.channels}, float32, peak memory of forward + backward beyond the operands"
    return Row(NAME, case, "MiB", Quantiles.of([used["ours"] / _MEBI]), _COMPILED, used["compiled"] / _MEBI)


def measure_memory(side: str, size: Size, *, surrounded: bool) -> int:
    """Return the bytes a step needs beyond its operands, from a process of its own that returns freed memory."""
    command = [sys.executable, "-m", "benches.steerable", side, str(size.batch), str(size.channels)]
    command += ["--surrounded"] if surrounded else []
    environment = os.environ | ALLOCATORS["freed memory returned"] | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    output = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return int(output.split()[-1])


def measure_here(side: str, size: Size, *, surrounded: bool) -> int:
    """Return the bytes that one step of a side adds to this process."""
    ours, compiled = rivals(surrounded=surrounded)
    (x, y, upstream), weight = operands(size)
    if side == "ours":
        step = training_step(ours, *(as_multivectors(planes) for planes in (x, y)), weight, as_multivectors(upstream))
    else:
        step = training_step(compiled, x, y, weight, upstream)
    step()
    before = resident_bytes()
    reset_peak()
    step()
    return peak_bytes() - before


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.steerable", description=__doc__)
    parser.add_argument("side", choices=("ours", "compiled"))
    parser.add_argument("batch", type=int)
    parser.add_argument("channels", type=int)
    parser.add_argument("--surrounded", action="store_true", help="with gate and norm")
    options = parser.parse_args()
    print(measure_here(options.side, Size(options.batch, options.channels), surrounded=options.surrounded))


if __name__ == "__main__":
    main()
