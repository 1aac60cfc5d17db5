"""Gates, layer norms and invariants of classes, against their plain formulas, eager and compiled, and against a copy.

A pass that only scales multivectors can be no faster than copying them, and its backward reads two tensors and writes
one; the copies measured beside them allocate their results too.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from benches.report import Bar, Row
from benches.timing import interleaved
from cliffnet import Algebra, Partition
from cliffnet import functional as F

NAME = "norms"
_EAGER, _COMPILED, _COPY = "eager formula", "torch.compile", "clone"
_BAR = Bar(at_least_ratio=1.0)

Function = Callable[[Tensor], Tensor]


def _formulas(algebra: Algebra) -> dict[str, tuple[Function, Function]]:
    """Return ours and the formula in plain torch, by name."""
    partition = Partition.by_grade(algebra)
    counts = [algebra.grades.count(grade) for grade in range(algebra.dim + 1)]
    measured = torch.tensor([not mask & 1 for mask in algebra.blade_masks], dtype=torch.float32)

    def norm(x: Tensor) -> Tensor:
        square = (x * x * measured).sum(-1).mean(-1)
        return x * square.clamp_min(0.01).rsqrt()[..., None, None]

    def norms(x: Tensor) -> Tensor:
        squares = torch.stack([part.sum(-1) for part in (x * x * measured).split(counts, dim=-1)], -1)
        return (squares * squares + 1e-16) ** 0.25

    def gelu(x: Tensor) -> Tensor:
        return x * torch.nn.functional.gelu(x[..., :1], approximate="tanh")

    return {
        "scalar gate": (lambda x: F.scalar_gate(x, "gelu_tanh"), gelu),
        "layer norm": (lambda x: F.layer_norm(x, algebra), norm),
        "class norms": (lambda x: F.class_norms(x, partition), norms),
    }


def _training(function: Function, x: Tensor, upstream: Tensor) -> Callable[[], object]:
    leaf = x.detach().requires_grad_()
    return lambda: torch.autograd.grad(function(leaf), leaf, upstream)


def rows(
    *, sizes: tuple[int, ...] = (320, 16_384), rounds: int = 20, sample_seconds: float = 0.02, compiles: bool = True
) -> list[Row]:
    """Measure forward and forward with backward, at the size of the n-body experiment of GATr and beyond the cache."""
    algebra = Algebra(3, 0, 1)
    measured: list[Row] = []
    generator = torch.Generator().manual_seed(0)
    for name, (ours, formula) in _formulas(algebra).items():
        compiled = torch.compile(formula) if compiles else None
        for size in sizes:
            x = F.to_blade_major(torch.randn(size, 16, algebra.num_blades, generator=generator))
            torch.testing.assert_close(ours(x), formula(x), rtol=1e-4, atol=1e-4)
            upstream = torch.randn_like(ours(x))
            rivals: dict[str, Function] = {"ours": ours, _EAGER: formula}
            if compiled is not None:
                rivals[_COMPILED] = compiled
            forward = {rival: lambda f=function, x=x: f(x) for rival, function in rivals.items()}
            forward[_COPY] = x.clone
            both = {rival: _training(function, x, upstream) for rival, function in rivals.items()}
            both[_COPY] = _training(torch.clone, x, torch.randn_like(x))
            for calls, direction in ((forward, "forward"), (both, "forward + backward")):
                case = f"{name}, {algebra}, {size} x 16 channels, float32, blade-major, {direction}"
                times = interleaved(calls, rounds=rounds, sample_seconds=sample_seconds)
                measured += [
                    Row(
                        NAME,
                        case,
                        "us",
                        times["ours"].scaled(1e6),
                        rival,
                        times[rival].median * 1e6,
                        None if rival == _COPY else _BAR,
                    )
                    for rival in calls
                    if rival != "ours"
                ]
    return measured
