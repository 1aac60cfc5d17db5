"""Equivariant linear maps between channels, against one dense matrix product and against copying the input.

The dense product is what the maps are when channels and blades are merged into one axis: a matrix of
``(C * blades) x (C * blades)`` numbers made from the weights beforehand, which costs the baseline nothing here.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from benches.report import Bar, Row
from benches.timing import interleaved
from cliffnet import Algebra
from cliffnet import functional as F

NAME = "linear"
_DENSE, _COPY = "merged dense GEMM", "copy of the input"
_FORWARD_BARS = {16: Bar(at_least_ratio=4), 32: Bar(at_least_ratio=6), 64: Bar(at_least_ratio=6)}
# at most 1.6 times as long as the copy
_COPY_BARS = {16: Bar(at_least_ratio=1 / 1.6)}

Call = Callable[[], object]


def rows(*, size: int = 4096, small: int = 320, rounds: int = 30, sample_seconds: float = 0.03) -> list[Row]:
    """Measure forward and forward with backward of Cl(3,0,1), on large batches and on the batch of n-body training."""
    measured: list[Row] = []
    for channels in (16, 32, 64):
        measured += _measure(channels, size, _FORWARD_BARS[channels], _COPY_BARS.get(channels), rounds, sample_seconds)
    return measured + _measure(16, small, None, None, rounds, sample_seconds)


def _measure(
    channels: int, size: int, bar: Bar | None, copy_bar: Bar | None, rounds: int, sample_seconds: float
) -> list[Row]:
    algebra = Algebra(3, 0, 1)
    maps = algebra.equivariant_maps("pin")
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(size, channels, algebra.num_blades, generator=generator)
    weight = torch.randn(channels, channels, len(maps), generator=generator)
    upstream = torch.randn(x.shape, generator=generator)
    width = channels * algebra.num_blades
    # dense[(i, q), (o, p)] is the weight from blade q of channel i to blade p of channel o
    dense = torch.einsum("oim,mpq->iqop", weight, maps.matrices()).reshape(width, width).contiguous()
    flat, flat_upstream = x.reshape(size, width), upstream.reshape(size, width)
    planes, plane_upstream = F.to_blade_major(x), F.to_blade_major(upstream)
    torch.testing.assert_close(
        F.equivariant_linear(planes, weight, maps), (flat @ dense).view(x.shape), rtol=1e-3, atol=1e-3
    )

    def training_step(function: Callable[[Tensor, Tensor], Tensor], *operands: Tensor) -> Call:
        first, second, cotangent = operands
        leaves = (first.detach().requires_grad_(), second.detach().requires_grad_())
        return lambda: torch.autograd.grad(function(*leaves), leaves, cotangent)

    forward: dict[str, Call] = {
        "ours": lambda: F.equivariant_linear(planes, weight, maps),
        "ours, blades last": lambda: F.equivariant_linear(x, weight, maps),
        _DENSE: lambda: flat @ dense,
        _COPY: planes.clone,
    }
    both: dict[str, Call] = {
        "ours": training_step(lambda x, w: F.equivariant_linear(x, w, maps), planes, weight, plane_upstream),
        "ours, blades last": training_step(lambda x, w: F.equivariant_linear(x, w, maps), x, weight, upstream),
        _DENSE: training_step(torch.matmul, flat, dense, flat_upstream),
    }
    case = f"{algebra}, {channels} -> {channels} channels, N={size}, float32"
    measured: list[Row] = []
    for calls, direction, bars in (
        (forward, "forward", {_DENSE: bar, _COPY: copy_bar}),
        (both, "forward + backward", {_DENSE: None}),
    ):
        times = interleaved(calls, rounds=rounds, sample_seconds=sample_seconds)
        for ours, format_name in (("ours", "blade-major"), ("ours, blades last", "blades last")):
            measured += [
                Row(
                    NAME,
                    f"{case}, {format_name}, {direction}",
                    "ms",
                    times[ours].scaled(1e3),
                    rival,
                    times[rival].median * 1e3,
                    rival_bar if ours == "ours" else None,
                )
                for rival, rival_bar in bars.items()
            ]
    return measured
