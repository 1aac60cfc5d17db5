"""Geometric product of many multivectors, against the dense einsum of the references, its formula and the limits.

The references hold the multiplication table as a dense tensor ``table[output, left, right]`` and contract it in one
einsum with three operands. Both spellings in use are measured, with opt_einsum installed and asked for the best path.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from benches.product_limits import limit_rows
from benches.report import Bar, Row
from benches.timing import interleaved
from cliffnet import Algebra
from cliffnet import functional as F

NAME = "product"
_FORWARD, _TRAINING = Bar(at_least_ratio=50), Bar(at_least_ratio=30)
_GATR, _CGENN = "einsum as in GATr", "einsum as in CGENN"
_ADD = "torch.add"
_MULTIPLY = "torch.mul"
_COMPILED = "torch.compile of the formula"

Product = Callable[[Tensor, Tensor], Tensor]


def dense_table(algebra: Algebra) -> Tensor:
    """Return the multiplication table ``(output, left, right)``, counted out without the engine it is to check."""
    masks = algebra.blade_masks
    table = torch.zeros(3 * (len(masks),))
    for (i, left), (j, right) in itertools.product(enumerate(masks), repeat=2):
        # a generator on the right passes every higher one on the left
        swaps = sum((left >> (n + 1)).bit_count() for n in range(len(algebra.metric)) if right >> n & 1)
        squares = (square for n, square in enumerate(algebra.metric) if left >> n & right >> n & 1)
        table[masks.index(left ^ right), i, j] = math.prod(squares, start=(-1.0) ** swaps)
    return table


def training_step(product: Product, left: Tensor, right: Tensor, upstream: Tensor) -> Callable[[], object]:
    """Return a call that multiplies and differentiates with respect to both operands."""

    def step() -> object:
        return torch.autograd.grad(product(left, right), (left, right), upstream)

    return step


def rows(
    *,
    size: int = 65_536,
    formula_sizes: Sequence[int] = (1 << 10, 1 << 12, 1 << 16, 1 << 20),
    large: int = 1 << 24,
    rounds: int = 30,
    sample_seconds: float = 0.03,
) -> list[Row]:
    """Measure forward and forward with backward in both memory formats, then against the limits of the machine."""
    algebra = Algebra(3, 0, 1)
    table = dense_table(algebra).contiguous()
    swapped = table.transpose(0, 1).contiguous()

    def ours(x: Tensor, y: Tensor) -> Tensor:
        return F.geometric_product(x, y, algebra)

    rivals: dict[str, Product] = {
        _GATR: lambda x, y: torch.einsum("ijk, ...j, ...k -> ...i", table, x, y),
        _CGENN: lambda x, y: torch.einsum("...i, ijk, ...k -> ...j", x, swapped, y),
        _ADD: torch.add,
    }
    generator = torch.Generator().manual_seed(0)
    x, y, upstream = (torch.randn(size, algebra.num_blades, generator=generator) for _ in range(3))
    for name in (_GATR, _CGENN):
        torch.testing.assert_close(ours(x, y), rivals[name](x, y), rtol=1e-4, atol=1e-4)
    measured: list[Row] = []
    for formatted, format_name in ((torch.clone, "blades last"), (F.to_blade_major, "blade-major")):
        left, right, gradient = (formatted(value) for value in (x, y, upstream))
        # the einsum gets its own best format in both cases
        plain = {name: (x, y, upstream) for name in (_GATR, _CGENN)} | {_ADD: (left, right, gradient)}
        forward: dict[str, Callable[[], object]] = {"ours": partial(ours, left, right)}
        forward |= {name: partial(rival, *plain[name][:2]) for name, rival in rivals.items()}
        both: dict[str, Callable[[], object]] = {"ours": training_step(ours, *_leaves(left, right), gradient)}
        # a sum passes its gradient through untouched, which is no yardstick
        both |= {
            name: training_step(rivals[name], *_leaves(*plain[name][:2]), plain[name][2]) for name in (_GATR, _CGENN)
        }
        for calls, direction, bar in ((forward, "forward", _FORWARD), (both, "forward + backward", _TRAINING)):
            case = f"{algebra}, N={size}, float32, {format_name}, {direction}"
            measured += _measure(case, calls, bar, rounds, sample_seconds)
    for count in formula_sizes:
        measured += _formula_rows(algebra, table, count, rounds, sample_seconds)
    return measured + limit_rows(NAME, large=large, rounds=rounds // 2, sample_seconds=sample_seconds)


def sparse_formula(table: Tensor) -> Product:
    """Return the product written out term by term on blade planes, as one would to have it compiled."""
    terms: list[list[tuple[int, int, float]]] = [[] for _ in table]
    for output, i, j in table.nonzero().tolist():
        terms[output].append((i, j, float(table[output, i, j])))

    def product(x: Tensor, y: Tensor) -> Tensor:
        left, right = x.unbind(-1), y.unbind(-1)
        planes = [sum(sign * left[i] * right[j] for i, j, sign in row) for row in terms]
        return torch.stack([torch.as_tensor(plane) for plane in planes]).movedim(0, -1)

    return product


def _formula_rows(algebra: Algebra, table: Tensor, size: int, rounds: int, sample_seconds: float) -> list[Row]:
    """Measure against torch.compile of the formula, on blade-major operands, where that is quickest."""
    # one graph for each size, not one for all that the first sizes had
    torch.compiler.reset()
    compiled = torch.compile(sparse_formula(table), fullgraph=True, dynamic=False)
    generator = torch.Generator().manual_seed(1)
    operands = torch.randn(3, size, algebra.num_blades, generator=generator)
    left, right, upstream = (F.to_blade_major(value) for value in operands)

    def ours(x: Tensor, y: Tensor) -> Tensor:
        return F.geometric_product(x, y, algebra)

    measured: list[Row] = []
    with torch.no_grad():
        torch.testing.assert_close(ours(left, right), compiled(left, right), rtol=1e-4, atol=1e-4)
        calls: dict[str, Callable[[], object]] = {"ours": lambda: ours(left, right)}
        calls |= {_COMPILED: lambda: compiled(left, right), _MULTIPLY: lambda: torch.mul(left, right)}
        case = f"{algebra}, N={size} ({3 * left.numel() * 4 / 1e6:.1f} MB), float32, blade-major"
        measured += _measure(f"{case}, forward", calls, Bar(at_least_ratio=3), rounds, sample_seconds)
    both = {
        "ours": training_step(ours, *_leaves(left, right), upstream),
        _COMPILED: training_step(compiled, *_leaves(left, right), upstream),
        # as many bytes and steps, and next to no arithmetic: what torch itself takes
        _MULTIPLY: training_step(torch.mul, *_leaves(left, right), upstream),
    }
    bar = Bar(at_least_ratio=5)
    return measured + _measure(f"{case}, forward + backward", both, bar, rounds, sample_seconds)


def _leaves(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Return views of the operands that require gradients, with the strides kept."""
    return left.detach().requires_grad_(), right.detach().requires_grad_()


def _measure(
    case: str, calls: dict[str, Callable[[], object]], bar: Bar, rounds: int, sample_seconds: float
) -> list[Row]:
    strategy = torch.backends.opt_einsum.strategy
    available = torch.backends.opt_einsum.is_available()
    if available:
        torch.backends.opt_einsum.strategy = "optimal"
    try:
        times = interleaved(calls, rounds=rounds, sample_seconds=sample_seconds)
    finally:
        torch.backends.opt_einsum.strategy = strategy
    note = "" if available else "opt_einsum is not installed; the einsums may be slower than they could be"
    return [
        Row(
            NAME,
            case,
            "ms",
            times["ours"].scaled(1e3),
            rival,
            times[rival].median * 1e3,
            None if rival in (_ADD, _MULTIPLY) else bar,
            "" if rival == _ADD else note,
        )
        for rival in calls
        if rival != "ours"
    ]
