"""How the cost of a training step grows with the size of the batch, and with the edges of a graph.

``python -m benches.cgenn_scaling [--plot FILE]`` prints the time of each size and draws all of them. A cost in
proportion to the size is a line of slope one there. Small batches cost more a sample, for calls take their time too, so
the exponents are those of the upper half of the sizes.
"""

import argparse
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from benches.report import Bar, Row
from benches.timing import Quantiles, interleaved
from cliffnet.models import ChargedNBodyNet, ConvexHullNet
from cliffnet.training._plots import new_figure, save_figure

NAME = "scaling"
EXPONENTS = range(6, 15)
_BODIES = 16
_LINEAR = Bar(at_most=1.1)

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


def measure(name: str, exponents: Sequence[int] = EXPONENTS, rounds: int = 5, sample_seconds: float = 0.05) -> Times:
    """Return the seconds of a step at each size, the sizes in turn."""
    _, build, step = SIDES[name]
    torch.manual_seed(0)
    net = build()
    calls = {str(2**power): step(net, 2**power) for power in exponents}
    times = interleaved(calls, rounds=rounds, sample_seconds=sample_seconds, warm_up=1)
    return {int(size): quantiles for size, quantiles in times.items()}


def summary(name: str, times: Times) -> list[Row]:
    """Return the exponent of the cost, and the cost of a thousand of the largest beside that of the smallest."""
    unit, sizes = SIDES[name][0], list(times)
    fits = [
        exponent(sizes, [getattr(quantiles, level) for quantiles in times.values()])
        for level in ("median", "p20", "p80")
    ]
    slope = Quantiles(fits[0], min(fits), max(fits))
    case = f"{name}, training step, float32"
    first, last = (times[size].scaled(1e6 / size) for size in (sizes[0], sizes[-1]))
    return [
        Row(NAME, f"{case}, exponent of the cost up to {sizes[-1]} {unit}", "", slope, "in proportion", 1.0, _LINEAR),
        Row(
            NAME,
            f"{case}, a thousand {unit} in a batch of {sizes[-1]}",
            "ms",
            last,
            f"in a batch of {sizes[0]}",
            first.median,
        ),
    ]


def rows(*, exponents: Sequence[int] = EXPONENTS, rounds: int = 5, sample_seconds: float = 0.05) -> list[Row]:
    """Measure the growth of every network."""
    return [row for name in SIDES for row in summary(name, measure(name, exponents, rounds, sample_seconds))]


def plot(found: dict[str, Times], path: Path) -> Path:
    """Draw the seconds of a step over the size, and lines in proportion to it."""
    figure = new_figure(9, 4)
    panels = dict(zip(("samples", "edges"), figure.subplots(1, 2), strict=True))
    for name, times in found.items():
        sizes, seconds = list(times), [quantiles.median for quantiles in times.values()]
        slope = exponent(sizes, seconds)
        axes = panels[SIDES[name][0]]
        (line,) = axes.loglog(sizes, seconds, marker="o", label=f"{name}, slope {slope:.2f}")
        axes.loglog(sizes, [seconds[-1] * size / sizes[-1] for size in sizes], ":", color=line.get_color(), alpha=0.6)
    for unit, axes in panels.items():
        axes.set(xlabel=f"{unit} in a batch", ylabel="seconds a training step")
        axes.set_xscale("log", base=2)
        axes.grid(alpha=0.3)
        axes.legend()
    return save_figure(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.cgenn_scaling", description=__doc__)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the times as PNG")
    parser.add_argument("--rounds", type=int, default=5, help="samples of each size (default: 5)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for name in SIDES:
        found[name] = times = measure(name, rounds=options.rounds)
        for size, quantiles in times.items():
            thousand = quantiles.median * 1e6 / size
            print(f"{name}: {size} {SIDES[name][0]}: {quantiles.median * 1e3:.2f} ms, {thousand:.2f} ms a thousand")
        print(f"{name}: slope {summary(name, times)[0].ours.median:.3f}")
    if options.plot is not None:
        print(plot(found, options.plot))


if __name__ == "__main__":
    main()
