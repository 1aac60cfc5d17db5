"""Products and their gradients against what the machine allows: sums of two tensors, multiply-adds at their peak."""

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benches.report import Bar, Row
from benches.timing import Quantiles, interleaved
from cliffnet import Algebra, ops
from cliffnet import functional as F

_ADD = "torch.add"
_PEAK = "peak of torch.mm"

Call = Callable[[], object]
_FORMATS: tuple[tuple[str, Callable[[Tensor], Tensor]], ...] = (
    ("blade-major", F.to_blade_major),
    ("blades last", torch.clone),
)


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Run a block with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def multiply_adds(algebra: Algebra) -> int:
    """Return the number of terms of the geometric product."""
    terms = 1
    for square in algebra.metric:
        # of the four pairs of factors with and without a generator, a null one excludes the last
        terms *= 4 if square else 3
    return terms


def limit_rows(name: str, *, large: int, rounds: int, sample_seconds: float) -> list[Row]:
    """Measure products in memory and in the second cache, their gradients, and two threads against one."""
    measured: list[Row] = []
    for count in (1, 2):
        with threads(count):
            for algebra in (Algebra(3, 0, 1), Algebra(3)):
                for form in _FORMATS:
                    measured += _memory_rows(name, algebra, form, large, max(5, rounds // 2))
    with threads(1):
        for algebra in (Algebra(2), Algebra(3), Algebra(3, 0, 1), Algebra(1, 3)):
            measured.append(_cache_row(name, algebra, 112 << 10, rounds, sample_seconds))
        for algebra, bar in ((Algebra(5), 0.6), (Algebra(4, 1), 0.6), (Algebra(8), 0.7)):
            measured.append(_peak_row(name, algebra, 96 << 10, Bar(at_least_ratio=bar), rounds, sample_seconds))
    for algebra in (Algebra(3, 0, 1), Algebra(5)):
        measured.append(_threads_row(name, algebra, 448 << 10, rounds, sample_seconds))
    return measured


def _operands(algebra: Algebra, elements: int, form: Callable[[Tensor], Tensor], count: int) -> list[Tensor]:
    # planes whose distance is a power of two would compete for the same lines of the cache, in any operation
    lanes = elements // algebra.num_blades + 16
    generator = torch.Generator().manual_seed(0)
    return [form(torch.randn(lanes, algebra.num_blades, generator=generator)) for _ in range(count)]


def _memory_rows(
    name: str, algebra: Algebra, form: tuple[str, Callable[[Tensor], Tensor]], elements: int, rounds: int
) -> list[Row]:
    """Measure on operands far larger than the cache, per byte against a sum of the same tensors."""
    title, to_form = form
    left, right, upstream = _operands(algebra, elements, to_form, 3)
    plan = algebra.product_plan("geometric_product")
    calls: dict[str, Call] = {
        "forward": lambda: ops.bilinear(left, right, plan),
        "backward": lambda: torch.ops.cliffnet.bilinear_backward(upstream, left, right, plan),
        _ADD: lambda: torch.add(left, right),
    }
    times = interleaved(calls, rounds=rounds, sample_seconds=0)
    case = f"{algebra}, {3 * left.numel() * 4 / 1e6:.0f} MB, float32, {title}, {torch.get_num_threads()} thread(s)"
    bar = Bar(at_least_ratio=1.0) if title == "blade-major" else None
    # three inputs and two outputs where the sum has two and one
    limits = {"forward": (times[_ADD].median, bar, _ADD), "backward": (times[_ADD].median * 5 / 3, None, "5/3 " + _ADD)}
    return [
        Row(name, f"{case}, {what}", "ms", times[what].scaled(1e3), baseline, limit * 1e3, bar)
        for what, (limit, bar, baseline) in limits.items()
    ]


def _cache_row(name: str, algebra: Algebra, elements: int, rounds: int, sample_seconds: float) -> Row:
    """Measure on blade-major operands that stay, with the result, in the second cache."""
    left, right = _operands(algebra, elements, F.to_blade_major, 2)
    plan = algebra.product_plan("geometric_product")
    calls: dict[str, Call] = {
        "ours": lambda: ops.bilinear(left, right, plan),
        _ADD: lambda: torch.add(left, right),
    }
    times = interleaved(calls, rounds=rounds, sample_seconds=sample_seconds)
    case = f"{algebra}, {3 * left.numel() * 4 / 1e6:.1f} MB, float32, blade-major"
    return Row(name, case, "us", times["ours"].scaled(1e6), _ADD, times[_ADD].median * 1e6, Bar(at_least_ratio=0.55))


def _peak_row(name: str, algebra: Algebra, elements: int, bar: Bar, rounds: int, sample_seconds: float) -> Row:
    """Measure against the time that all terms would take at the rate of a matrix product in the cache."""
    left, right = _operands(algebra, elements, F.to_blade_major, 2)
    plan = algebra.product_plan("geometric_product")
    size = 384
    matrix = torch.randn(size, size, generator=torch.Generator().manual_seed(0))
    calls: dict[str, Call] = {
        "ours": lambda: ops.bilinear(left, right, plan),
        _PEAK: lambda: torch.mm(matrix, matrix),
    }
    times = interleaved(calls, rounds=rounds, sample_seconds=sample_seconds)
    limit = times[_PEAK].p20 * multiply_adds(algebra) * left.shape[0] / size**3
    case = f"{algebra}, {left.shape[0]} products, float32, blade-major, {multiply_adds(algebra)} terms each"
    return Row(name, case, "us", times["ours"].scaled(1e6), f"the terms at the {_PEAK}", limit * 1e6, bar)


def _threads_row(name: str, algebra: Algebra, elements: int, rounds: int, sample_seconds: float) -> Row:
    """Measure two threads against one, on operands of which each core keeps its half in its cache."""
    left, right = _operands(algebra, elements, F.to_blade_major, 2)
    plan = algebra.product_plan("geometric_product")
    times: dict[int, Quantiles] = {}
    for count in (1, 2):
        with threads(count):
            times[count] = interleaved(
                {"ours": lambda: ops.bilinear(left, right, plan)}, rounds=rounds, sample_seconds=sample_seconds
            )["ours"]
    case = f"{algebra}, {3 * left.numel() * 4 / 1e6:.1f} MB, float32, blade-major, 2 threads"
    return Row(name, case, "us", times[2].scaled(1e6), "1 thread", times[1].median * 1e6, Bar(at_least_ratio=1.8))
