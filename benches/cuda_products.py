"""Products on a CUDA device against its limits: the bandwidth of a copy, and the rate of a matrix product.

An operand is as large as asked for and far beyond the cache. A copy reads and writes one operand; the forward product
reads two and writes one, the backward one reads three and writes two, so their limits are 3/2 and 5/2 of its time.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from benches import cuda_device
from benches.product_limits import multiply_adds
from benches.report import Bar, Row
from benches.timing import Call
from cliffnet import Algebra, Partition, ops
from cliffnet import functional as F

NAME = "cuda-products"
_FORWARD, _BACKWARD, _PEAK = (Bar(at_least_ratio=ratio) for ratio in (0.85, 0.75, 0.5))
_COPY, _RATE = "copy of as many bytes", "the terms at the rate of torch.mm, fp32"
ALGEBRAS = (Algebra(2), Algebra(3), Algebra(1, 3), Algebra(3, 0, 1), Algebra(4, 1), Algebra(5))
_FORMATS: dict[str, Callable[[Tensor], Tensor]] = {"blade-major": F.to_blade_major, "blades last": torch.clone}
_CHANNELS = 64

Calls = dict[str, Call]


def product_calls(algebra: Algebra, operands: list[Tensor]) -> Calls:
    """Return the product and both of its gradients."""
    left, right, upstream = operands
    plan = algebra.product_plan("geometric_product")
    return {
        "forward": lambda: ops.bilinear(left, right, plan),
        "backward": lambda: torch.ops.cliffnet.bilinear_backward(upstream, left, right, plan),
    }


def fused_calls(algebra: Algebra, operands: list[Tensor]) -> Calls:
    """Return gate, steerable product and norm in one, and their gradients."""
    partition = Partition.by_grade(algebra)
    left, right, upstream = operands
    (weight,) = cuda_device.random((left.shape[-2], len(partition.paths())), 1, left.device, left.dtype)
    leaves = [x.detach().requires_grad_() for x in (left, right, weight)]
    out = F.gated_steerable_product(*leaves, partition)
    return {
        "forward": lambda: F.gated_steerable_product(left, right, weight, partition),
        # the graph is kept, so that each call is one backward pass
        "backward": lambda: torch.autograd.grad(out, leaves, upstream, retain_graph=True),
    }


def _memory_rows(
    title: str, make: Callable[[Algebra, list[Tensor]], Calls], algebra: Algebra, form: str, size: int, how: dict
) -> list[Row]:
    device, dtype = how["device"], how["dtype"]
    lanes = max(size // (algebra.num_blades * dtype.itemsize * _CHANNELS), 1)
    shape = (lanes, _CHANNELS, algebra.num_blades)
    operands = [_FORMATS[form](x) for x in cuda_device.random(shape, 3, device, dtype)]
    calls = make(algebra, operands) | {_COPY: cuda_device.copying(operands[0])}
    found = cuda_device.times(calls, device, rounds=how["rounds"], sample_seconds=how["sample_seconds"])
    case = f"{title}, {algebra}, {operands[0].nbytes >> 20} MiB an operand, {str(dtype)[6:]}, {form}"
    return [
        Row(
            NAME,
            f"{case}, {direction}",
            "us",
            found[direction].scaled(1e6),
            _COPY,
            found[_COPY].median * moved * 1e6,
            bar,
            cuda_device.describe(device),
        )
        for direction, moved, bar in (("forward", 3 / 2, _FORWARD), ("backward", 5 / 2, _BACKWARD))
    ]


def _peak_row(algebra: Algebra, count: int, matrix: int, how: dict) -> Row:
    device = how["device"]
    left, right, upstream = (F.to_blade_major(x) for x in cuda_device.random((count, algebra.num_blades), 3, device))
    (square,) = cuda_device.random((matrix, matrix), 1, device)
    calls = product_calls(algebra, [left, right, upstream])
    calls = {"forward": calls["forward"], _RATE: lambda: torch.mm(square, square)}
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        found = cuda_device.times(calls, device, rounds=how["rounds"], sample_seconds=how["sample_seconds"])
    finally:
        torch.set_float32_matmul_precision(before)
    limit = found[_RATE].p20 * multiply_adds(algebra) * count / matrix**3
    case = f"product, {algebra}, {count} products, float32, blade-major, {multiply_adds(algebra)} terms each, forward"
    return Row(NAME, case, "us", found["forward"].scaled(1e6), _RATE, limit * 1e6, _PEAK, cuda_device.describe(device))


def rows(
    *,
    device: torch.device | None = None,
    algebras: tuple[Algebra, ...] = ALGEBRAS,
    size: int = 64 << 20,
    count: int = 1 << 16,
    matrix: int = 4096,
    rounds: int = 20,
    sample_seconds: float = 0.02,
) -> list[Row]:
    """Measure products and fused products in both memory formats, and products of eight generators."""
    device = device or cuda_device.device_or_none()
    if device is None:
        bars = {"n <= 5, forward": _FORWARD, "n <= 5, backward": _BACKWARD}
        return cuda_device.unmeasured(NAME, {**bars, "Cl(8,0), forward": _PEAK})
    how = {"device": device, "dtype": torch.float32, "rounds": rounds, "sample_seconds": sample_seconds}
    measured: list[Row] = []
    for form in _FORMATS:
        for algebra in algebras:
            measured += _memory_rows("product", product_calls, algebra, form, size, how)
        measured += _memory_rows(
            "product", product_calls, Algebra(3, 0, 1), form, size, {**how, "dtype": torch.bfloat16}
        )
        for algebra in (Algebra(2), Algebra(3)):
            measured += _memory_rows("gate, steerable product, norm", fused_calls, algebra, form, size, how)
    measured.append(_peak_row(Algebra(8), count, matrix, how))
    return measured
