"""What one call of a product costs when there is next to nothing to compute."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benches.product import training_step
from benches.report import Bar, Row
from benches.timing import Quantiles, interleaved
from cliffnet import Algebra, reference
from cliffnet import functional as F

NAME = "overhead"
_MUL, _REFERENCE = "torch.mul", "the same in plain torch"
# products of the two compiled graphs whose difference tells what one more product costs
_SHORT, _LONG = 2, 12


def rows(
    *, rounds: int = 40, sample_seconds: float = 0.02, batches: tuple[int, ...] = tuple(range(1, 65))
) -> list[Row]:
    """Measure eager calls without and with gradients, one call of many in a compiled graph, and all small batches."""
    timed = {"rounds": rounds, "sample_seconds": sample_seconds}
    return [*_eager_calls(timed), _compiled_call(timed), *_small_batches(batches, timed)]


def _operands(size: int, algebra: Algebra, *, requires_grad: bool = False) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(size, algebra.num_blades, generator=generator) for _ in range(2))
    return left.requires_grad_(requires_grad), right.requires_grad_(requires_grad)


def _eager_calls(timed: dict[str, Any]) -> list[Row]:
    algebra = Algebra(3, 0, 1)

    def ours(a: Tensor, b: Tensor) -> Tensor:
        return F.geometric_product(a, b, algebra)

    plain, recorded = _operands(16, algebra), _operands(16, algebra, requires_grad=True)
    upstream = torch.ones(16, algebra.num_blades)
    kinds: tuple[tuple[str, Callable[[Any], Callable[[], object]], Bar | None], ...] = (
        ("eager call, without grad", lambda f: lambda: f(*plain), Bar(at_most=2.0)),
        ("eager call, with grad", lambda f: lambda: f(*recorded), Bar(at_most=7.0)),
        ("eager call and its gradient", lambda f: training_step(f, *recorded, upstream), None),
    )
    measured = []
    for kind, make, bar in kinds:
        times = interleaved({"ours": make(ours), _MUL: make(torch.mul)}, warm_up=200, **timed)
        case = f"{algebra}, 16 x 16 float32, {kind}"
        measured.append(Row(NAME, case, "us", times["ours"].scaled(1e6), _MUL, times[_MUL].median * 1e6, bar))
    return measured


def _compiled_call(timed: dict[str, Any]) -> Row:
    algebra = Algebra(3, 0, 1)
    left, right = _operands(16, algebra)

    def chain(length: int) -> Callable[[], object]:
        def run(a: Tensor, b: Tensor) -> Tensor:
            for _ in range(length):
                a = F.geometric_product(a, b, algebra)
            return a

        compiled = torch.compile(run, fullgraph=True)
        return lambda: compiled(left, right)

    calls = {"short": chain(_SHORT), "long": chain(_LONG), _MUL: lambda: torch.mul(left, right)}
    times = interleaved(calls, warm_up=100, **timed)
    further = _LONG - _SHORT
    each = Quantiles(
        *(
            1e6 * (getattr(times["long"], name) - getattr(times["short"], name)) / further
            for name in ("median", "p20", "p80")
        )
    )
    case = f"{algebra}, 16 x 16 float32, each further product of a compiled graph"
    return Row(NAME, case, "us", each, f"{_MUL}, eager", times[_MUL].median * 1e6, Bar(at_most=3.5))


def _small_batches(batches: tuple[int, ...], timed: dict[str, Any]) -> list[Row]:
    """The batch size where the native product is least ahead of the reference in plain torch."""
    algebra = Algebra(3)
    plan = algebra.product_plan("geometric_product")
    rivals: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "ours": lambda a, b: F.geometric_product(a, b, algebra),
        _REFERENCE: lambda a, b: reference.bilinear(a, b, plan),
    }
    quick = {"rounds": max(2, timed["rounds"] // 4), "sample_seconds": timed["sample_seconds"] / 8}
    measured = []
    for kind in ("forward", "forward + backward"):
        found = []
        for size in batches:
            if kind == "forward":
                operands = _operands(size, algebra)
                calls = {name: lambda f=rival, of=operands: f(*of) for name, rival in rivals.items()}
            else:
                operands = _operands(size, algebra, requires_grad=True)
                upstream = torch.ones(size, algebra.num_blades)
                calls = {name: training_step(rival, *operands, upstream) for name, rival in rivals.items()}
            times = interleaved(calls, warm_up=20, **quick)
            found.append((times[_REFERENCE].median / times["ours"].median, size, times))
        _, size, times = min(found, key=lambda entry: entry[:2])
        case = f"{algebra}, batches {batches[0]} to {batches[-1]}, float32, {kind}"
        ours, baseline = times["ours"].scaled(1e6), times[_REFERENCE].median * 1e6
        note = f"the batch of {size}, where the ratio is least"
        measured.append(Row(NAME, case, "us", ours, _REFERENCE, baseline, Bar(at_least_ratio=1.0), note))
    return measured
