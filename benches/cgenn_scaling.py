"""How the cost of a training step grows with the size of the batch, and with the edges of a graph.

``python -m benches.cgenn_scaling [--plot FILE]`` prints the time of each size and draws all of them. A cost in
proportion to the size is a line of slope one there. Small batches cost more a sample, for calls take their time too, so
the exponents are those of the upper half of the sizes. Tensors above 32 MiB cost more a number, for the allocator of
glibc hands their pages back and gets them cleared each time; so everything is measured with its settings as they are,
and again with settings that make it keep freed memory, in processes of their own.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from benches.report import ROOT, Bar, Row
from benches.timing import Quantiles, interleaved
from cliffnet.models import ChargedNBodyNet, ConvexHullNet
from cliffnet.training._plots import new_figure, save_figure

NAME = "scaling"
EXPONENTS = range(6, 15)
_BODIES = 16
_LINEAR = Bar(at_most=1.1)

ALLOCATORS = {
    "default allocator": {},
    "freed memory kept": {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)},
}

Step = Callable[[], object]
Times = dict[int, Quantiles]


def training_step(net: nn.Module, inputs: Sequence[Tensor], target: Tensor) -> Step:
    """Return a call that makes one step of Adam."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        (net(*inputs) - target).square().mean().backward()
        optimizer.step()

    return step


def hull_step(net: ConvexHullNet, samples: int) -> Step:
    """Return a step of the published network on so many clouds of 16 points."""
    generator = torch.Generator().manual_seed(samples)
    points = torch.randn(samples, 16, 5, generator=generator)
    return training_step(net, [points], torch.randn(samples, generator=generator))


def bodies_step(net: ChargedNBodyNet, edges: int) -> Step:
    """Return a step of the published network on one graph of 16 bodies for each 64 edges, four to a body."""
    generator = torch.Generator().manual_seed(edges)
    systems = edges // (4 * _BODIES)
    positions, velocities, target = torch.randn(3, systems, _BODIES, 3, generator=generator)
    charges = torch.randint(2, (systems, _BODIES), generator=generator) * 2.0 - 1.0
    body = torch.arange(_BODIES)
    pairs = torch.stack([torch.cat([(body + shift) % _BODIES for shift in (1, 2, 3, 4)]), body.repeat(4)])
    return training_step(net, [positions, velocities, charges, pairs], target)


SIDES: dict[str, tuple[str, Callable[[], nn.Module], Callable[..., Step]]] = {
    "CGENN hull": ("samples", ConvexHullNet, hull_step),
    "GLGENN hull": ("samples", ConvexHullNet.glgenn, hull_step),
    "CGENN n-body": ("edges", ChargedNBodyNet, bodies_step),
    "GLGENN n-body": ("edges", ChargedNBodyNet.glgenn, bodies_step),
}


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Return the slope of logarithms of times over logarithms of sizes, by least squares over the upper half."""
    half = len(sizes) // 2
    sizes, seconds = (sizes[half:], seconds[half:]) if half > 1 else (sizes, seconds)
    slope, _ = statistics.linear_regression([math.log(size) for size in sizes], [math.log(time) for time in seconds])
    return slope


def measure_here(name: str, exponents: Sequence[int], rounds: int) -> Times:
    """Return the seconds of a step at each size, the sizes in turn."""
    _, build, step = SIDES[name]
    torch.manual_seed(0)
    net = build()
    calls = {str(2**power): step(net, 2**power) for power in exponents}
    times = interleaved(calls, rounds=rounds, sample_seconds=0.05, warm_up=1)
    return {int(size): quantiles for size, quantiles in times.items()}


def measure(name: str, allocator: str, exponents: Sequence[int] = EXPONENTS, rounds: int = 3) -> Times:
    """Return what :func:`measure_here` does in a process with settings of the allocator."""
    command = [sys.executable, "-m", "benches.cgenn_scaling", "--rounds", str(rounds), "--measure", name]
    command += ["--exponents", *map(str, exponents)]
    environment = os.environ | ALLOCATORS[allocator] | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    output = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {int(size): Quantiles(*levels) for size, levels in json.loads(output.splitlines()[-1]).items()}


def summary(name: str, allocator: str, times: Times) -> list[Row]:
    """Return the exponent of the cost, and the cost of a thousand of the largest beside that of the smallest."""
    unit, sizes = SIDES[name][0], list(times)
    levels = zip(*((quantiles.median, quantiles.p20, quantiles.p80) for quantiles in times.values()), strict=True)
    fits = [exponent(sizes, seconds) for seconds in levels]
    slope = Quantiles(fits[0], min(fits), max(fits))
    case, small = f"{name}, training step, float32, {allocator}", f"in a batch of {sizes[0]}"
    first, last = (times[size].scaled(1e6 / size) for size in (sizes[0], sizes[-1]))
    growth, thousand = f"exponent of the cost up to {sizes[-1]} {unit}", f"a thousand {unit} in a batch of {sizes[-1]}"
    return [
        Row(NAME, f"{case}, {growth}", "", slope, "in proportion", 1.0, _LINEAR),
        Row(NAME, f"{case}, {thousand}", "ms", last, small, first.median),
    ]


def rows(
    *,
    names: Sequence[str] = tuple(SIDES),
    allocators: Sequence[str] = tuple(ALLOCATORS),
    exponents: Sequence[int] = EXPONENTS,
    rounds: int = 3,
) -> list[Row]:
    """Measure the growth of every network with every allocator."""
    pairs = [(name, allocator) for name in names for allocator in allocators]
    return [row for pair in pairs for row in summary(*pair, measure(*pair, exponents, rounds))]


def plot(found: dict[tuple[str, str], Times], path: Path) -> Path:
    """Draw the seconds of a step over the size, and lines in proportion to it."""
    figure = new_figure(11, 4.5)
    panels = dict(zip(("samples", "edges"), figure.subplots(1, 2), strict=True))
    colours = {name: f"C{index}" for index, name in enumerate(SIDES)}
    for (name, allocator), times in found.items():
        kept = allocator != "default allocator"
        sizes, seconds = list(times), [quantiles.median for quantiles in times.values()]
        axes, style = panels[SIDES[name][0]], {"marker": "x" if kept else "o", "color": colours[name]}
        axes.loglog(sizes, seconds, label=f"{name}, {allocator}: slope {exponent(sizes, seconds):.2f}", **style)
        if kept:
            proportional = [seconds[-1] * size / sizes[-1] for size in sizes]
            axes.loglog(sizes, proportional, ":", color=colours[name], alpha=0.6)
    for unit, axes in panels.items():
        axes.set(xlabel=f"{unit} in a batch", ylabel="seconds a training step")
        axes.set_xscale("log", base=2)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    return save_figure(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.cgenn_scaling", description=__doc__)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the times as PNG")
    parser.add_argument("--rounds", type=int, default=3, help="samples of each size (default: 3)")
    parser.add_argument("--exponents", type=int, nargs="+", default=EXPONENTS, help="sizes as powers of two")
    parser.add_argument("--measure", choices=SIDES, help="measure one network in this process and print JSON")
    options = parser.parse_args()
    if options.measure:
        times = measure_here(options.measure, options.exponents, options.rounds)
        print(json.dumps({size: (each.median, each.p20, each.p80) for size, each in times.items()}))
        return
    torch.set_num_threads(1)
    found = {}
    for pair in ((name, allocator) for name in SIDES for allocator in ALLOCATORS):
        found[pair] = times = measure(*pair, options.exponents, options.rounds)
        costs = ", ".join(f"{each.median * 1e6 / size:.1f}" for size, each in times.items())
        print(f"{', '.join(pair)}: ms a thousand {SIDES[pair[0]][0]} in batches of {list(times)}: {costs}")
        print(f"slope of the upper half {summary(*pair, times)[0].ours.median:.3f}", flush=True)
    if options.plot is not None:
        print(plot(found, options.plot))


if __name__ == "__main__":
    main()
