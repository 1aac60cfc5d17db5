"""flash-clifford's own workloads on a CUDA device: its operators and its layer on its grid, and the memory of each.

``FLASH_CLIFFORD_REFERENCE`` names a clone. Its tensors are planes ``(blades, batch, features)``, which ours see as
multivectors stored as they are. Where it is missing its formula takes its place in tests, and nothing is measured.
"""

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benches import cuda_device, steerable
from benches.gatr_sides import ReferenceUnavailableError
from benches.report import Bar, Row
from benches.timing import Call, Quantiles
from cliffnet import Algebra, Partition
from cliffnet import functional as F

NAME = "cuda-flash"
VARIABLE = "FLASH_CLIFFORD_REFERENCE"
_BAR, _MEMORY_BAR = Bar(at_least_ratio=1.3), Bar(at_least_ratio=1 / 0.7)
_EPSILON, _MEBI = 1e-6, 2**20
BATCHES, FEATURES = (1024, 2048, 4096, 8192), (128, 256, 512, 1024)
KINDS = ("steerable", "fully connected", "layer")

Function = Callable[..., Tensor]
"""Of planes or multivectors, then weights."""


class Case(NamedTuple):
    """A workload in Cl(dim, 0)."""

    kind: str
    dim: int
    batch: int
    features: int

    def __str__(self) -> str:
        return f"{self.kind}, Cl({self.dim},0), {self.batch} x {self.features}"

    @property
    def partition(self) -> Partition:
        """Each grade alone."""
        return Partition.by_grade(Algebra(self.dim))


def load_reference() -> Callable[[Case], Function]:
    """Return what gives the functions of a clone, or raise :class:`ReferenceUnavailableError`."""
    value = os.environ.get(VARIABLE, "")
    folder = Path(value).expanduser().resolve()
    if not value:
        raise ReferenceUnavailableError(f"set {VARIABLE} to a clone of flash-clifford")
    if not (folder / "ops" / "fc_p3m0.py").is_file():
        raise ReferenceUnavailableError(f"{VARIABLE} is {value!r}, which is no clone of flash-clifford")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        kernels = importlib.import_module("ops")
    except ImportError as error:
        raise ReferenceUnavailableError(f"flash-clifford cannot be imported: {error}") from error

    def functions(case: Case) -> Function:
        name = "fc_sgp" if case.kind == "fully connected" else "sgp"
        product = getattr(kernels, f"fused_gelu_{name}_norm_{case.dim}d")
        return _layer_of_planes(product, case.partition) if case.kind == "layer" else product

    return functions


def formula(case: Case) -> Function:
    """Return the same in plain torch, for machines that cannot run the clone."""
    surrounded = steerable.formula(case.partition, surrounded=True)
    if case.kind == "layer":
        return _layer_of_planes(surrounded, case.partition)
    if case.kind == "steerable":
        return surrounded
    algebra, partition = Algebra(case.dim), case.partition

    def connected(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        gated = (F.scalar_gate(planes.movedim(0, -1), "normal_cdf", algebra=algebra) for planes in (x, y))
        product = F.fully_connected_product(*gated, weight.permute(2, 1, 0), partition)
        planes = list(product.movedim(-1, 0))
        pieces = []
        for index in range(len(partition)):
            piece = torch.stack([planes[b] for b, owner in enumerate(partition.class_of_blades()) if owner == index])
            mean = piece.square().sum(0).mean(-1, keepdim=True)
            pieces.append(piece * (mean + _EPSILON).rsqrt())
        return torch.cat(pieces)

    return connected


def _layer_of_planes(product: Function, partition: Partition) -> Function:
    """Return the layer: a matrix for each grade on one operand, then the product with it."""
    owners = torch.tensor(partition.class_of_blades())

    def layer(x: Tensor, linear: Tensor, weight: Tensor) -> Tensor:
        return product(x, torch.bmm(x, linear[owners.to(x.device)]), weight)

    return layer


def ours(case: Case) -> Function:
    """Return our functions, of multivectors and of weights in our order."""
    partition = case.partition
    maps = partition.projections()

    def fused(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        return F.gated_steerable_product(x, y, weight, partition, epsilon=_EPSILON)

    def connected(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        gated = (F.scalar_gate(operand, "normal_cdf", algebra=partition.algebra) for operand in (x, y))
        product = F.fully_connected_product(*gated, weight, partition)
        mean = F.class_squares(product, partition).mean(-2, keepdim=True)
        factors = (mean + _EPSILON).rsqrt().expand(*product.shape[:-1], -1)
        return F.gate(product, factors, partition=partition)

    def layer(x: Tensor, linear: Tensor, weight: Tensor) -> Tensor:
        return fused(x, F.equivariant_linear(x, linear, maps), weight)

    return {"steerable": fused, "fully connected": connected, "layer": layer}[case.kind]


def operands(case: Case, device: torch.device) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Return their operands, ours with the same numbers, and an upstream gradient of planes."""
    blades, paths, size = 2**case.dim, len(case.partition.paths()), case.features
    x, y, upstream = cuda_device.random((blades, case.batch, size), 3, device)
    (weight,) = cuda_device.random((size, paths), 1, device)
    if case.kind == "steerable":
        return [x, y, weight], [x.movedim(0, -1), y.movedim(0, -1), weight], upstream
    if case.kind == "fully connected":
        (weight,) = cuda_device.random((paths, size, size), 1, device)
        weight /= size
        return [x, y, weight], [x.movedim(0, -1), y.movedim(0, -1), weight.permute(2, 1, 0).contiguous()], upstream
    (linear,) = cuda_device.random((case.dim + 1, size, size), 1, device)
    linear /= size**0.5
    return [x, linear, weight], [x.movedim(0, -1), linear.permute(2, 1, 0).contiguous(), weight], upstream


def _steps(function: Function, tensors: list[Tensor], upstream: Tensor) -> tuple[Call, Call]:
    leaves = [x.detach().requires_grad_() for x in tensors]
    return lambda: function(*tensors), lambda: torch.autograd.grad(function(*leaves), leaves, upstream)


def _rows_of(case: Case, theirs: Function, device: torch.device, rounds: int, sample_seconds: float) -> list[Row]:
    given, mine, upstream = operands(case, device)
    function = ours(case)
    expected = theirs(*given).movedim(0, -1)
    # their matrix products may run in TF32
    torch.testing.assert_close(function(*mine), expected, rtol=2e-2, atol=2e-2)
    pairs = {"ours": _steps(function, mine, upstream.movedim(0, -1)), NAME: _steps(theirs, given, upstream)}
    note, measured = cuda_device.describe(device), []
    for number, direction in enumerate(("forward", "forward + backward")):
        calls = {side: pair[number] for side, pair in pairs.items()}
        found = cuda_device.times(calls, device, rounds=rounds, sample_seconds=sample_seconds)
        median, mine_too = found[NAME].median * 1e6, found["ours"].scaled(1e6)
        measured.append(Row(NAME, f"{case}, {direction}", "us", mine_too, "flash-clifford", median, _BAR, note))
        peaks = {side: cuda_device.peak_bytes(call, device) / _MEBI for side, call in calls.items()}
        bar = _MEMORY_BAR if case.kind == "fully connected" else None
        used, theirs_used = Quantiles.of([peaks["ours"]]), peaks[NAME]
        measured.append(
            Row(NAME, f"{case}, {direction}, peak memory", "MiB", used, "flash-clifford", theirs_used, bar, note)
        )
    return measured


def rows(
    *,
    device: torch.device | None = None,
    reference: Callable[[Case], Function] | None = None,
    kinds: tuple[str, ...] = KINDS,
    batches: tuple[int, ...] = BATCHES,
    features: tuple[int, ...] = FEATURES,
    rounds: int = 10,
    sample_seconds: float = 0.02,
) -> list[Row]:
    """Measure time and memory on the grid, with the matrix products of both sides in TF32."""
    device = device or cuda_device.device_or_none()
    titles = {f"{kind}, Cl({dim},0), forward + backward": _BAR for kind in kinds for dim in (2, 3)}
    if device is None:
        return cuda_device.unmeasured(NAME, titles, baseline="flash-clifford")
    try:
        functions = reference or load_reference()
    except ReferenceUnavailableError as error:
        return [
            Row(NAME, title, "us", baseline="flash-clifford", bar=bar, note=str(error)) for title, bar in titles.items()
        ]
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        return [
            row
            for kind in kinds
            for dim in (2, 3)
            for batch in batches
            for size in features
            for case in [Case(kind, dim, batch, size)]
            for row in _rows_of(case, functions(case), device, rounds, sample_seconds)
        ]
    finally:
        torch.set_float32_matmul_precision(before)
