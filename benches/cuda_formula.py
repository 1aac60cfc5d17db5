"""Forward and backward on a CUDA device against torch.compile of the same formula, written out term by term."""

from collections.abc import Callable

import torch
from torch import Tensor

from benches import cuda_device, product, steerable
from benches.report import Bar, Row
from benches.timing import Call
from cliffnet import Algebra
from cliffnet import functional as F

NAME = "cuda-formula"
_BAR = Bar(at_least_ratio=3)
_COMPILED = "torch.compile of the formula"
SIZES = (steerable.Size(1024, 128), steerable.Size(4096, 512))


def rows(
    *,
    device: torch.device | None = None,
    lanes: int = 1 << 20,
    sizes: tuple[steerable.Size, ...] = SIZES,
    compiles: bool = True,
    rounds: int = 20,
    sample_seconds: float = 0.02,
) -> list[Row]:
    """Measure the product of Cl(3,0,1), and steerable products of Cl(3,0), bare and between gate and norm."""
    device = device or cuda_device.device_or_none()
    if device is None:
        cases = ("product, Cl(3,0,1)", "gate, steerable product, norm, Cl(3,0)", "steerable product, Cl(3,0)")
        return cuda_device.unmeasured(NAME, {f"{case}, forward + backward": _BAR for case in cases}, baseline=_COMPILED)

    def measured(case: str, calls: dict[str, Call]) -> Row:
        found = cuda_device.times(calls, device, rounds=rounds, sample_seconds=sample_seconds)
        median, note = found[_COMPILED].median * 1e6, cuda_device.describe(device)
        title = f"{case}, float32, blade-major, forward + backward"
        return Row(NAME, title, "us", found["ours"].scaled(1e6), _COMPILED, median, _BAR, note)

    found = [measured(*_product(device, lanes, compiles))]
    for surrounded in (True, False):
        for size in sizes:
            torch._dynamo.reset()
            found.append(measured(*_steerable(device, size, surrounded, compiles)))
    return found


def _product(device: torch.device, lanes: int, compiles: bool) -> tuple[str, dict[str, Call]]:
    algebra = Algebra(3, 0, 1)
    formula = product.sparse_formula(product.dense_table(algebra))
    compiled = torch.compile(formula, fullgraph=True, dynamic=False) if compiles else formula
    operands = [F.to_blade_major(x) for x in cuda_device.random((lanes, algebra.num_blades), 3, device)]

    def ours(x: Tensor, y: Tensor) -> Tensor:
        return F.geometric_product(x, y, algebra)

    torch.testing.assert_close(ours(*operands[:2]), formula(*operands[:2]), rtol=1e-4, atol=1e-4)
    return f"product, {algebra}, N={lanes}", _steps(ours, compiled, operands)


def _steps(ours: Callable[..., Tensor], compiled: Callable[..., Tensor], operands: list[Tensor]) -> dict[str, Call]:
    left, right, upstream = operands
    leaves = left.detach().requires_grad_(), right.detach().requires_grad_()
    return {
        "ours": product.training_step(ours, *leaves, upstream),
        _COMPILED: product.training_step(compiled, *leaves, upstream),
    }


def _steerable(
    device: torch.device, size: steerable.Size, surrounded: bool, compiles: bool
) -> tuple[str, dict[str, Call]]:
    ours, compiled = steerable.rivals(surrounded=surrounded, compiles=compiles)
    planes, weight = steerable.operands(size)
    x, y, upstream = (value.to(device) for value in planes)
    weight = weight.to(device)
    left, right, gradient = (steerable.as_multivectors(value) for value in (x, y, upstream))
    expected = steerable.as_multivectors(compiled(x, y, weight))
    torch.testing.assert_close(ours(left, right, weight), expected, rtol=1e-3, atol=1e-3)
    name = "gate, steerable product, norm" if surrounded else "steerable product"
    return f"{name}, Cl(3,0), {size.batch} x {size.channels}", {
        "ours": steerable.training_step(ours, left, right, weight, gradient),
        _COMPILED: steerable.training_step(compiled, x, y, weight, upstream),
    }
