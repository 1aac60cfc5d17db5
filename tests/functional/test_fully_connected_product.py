"""Fully connected products against dense einsums: values, gradients, symmetry, shapes, refusals."""

import subprocess
import sys

import pytest
import torch

from cliffnet import Algebra, Partition
from cliffnet import functional as F
from cliffnet.errors import AlgebraMismatchError, DTypeError, ShapeError
from cliffnet.ops import active_backend
from cliffnet.testing import assert_equivariant
from helpers.multivectors import SIGNED_BASIS
from helpers.weighted_products import dense_fully_connected, dense_paths

PARTITIONS = {
    "Cl(0) by grade": Partition.by_grade(Algebra(0)),
    "Cl(2) by grade": Partition.by_grade(Algebra(2)),
    "Cl(3) by grade": Partition.by_grade(Algebra(3)),
    "Cl(3) custom": Partition(Algebra(3), [[1, 2], [3], [0]]),
    "Cl(1,3) by grade": Partition.by_grade(Algebra(1, 3)),
    "Cl(1,3) by parity": Partition.by_parity(Algebra(1, 3)),
    "Cl(3,0,1) by grade": Partition.by_grade(Algebra(3, 0, 1)),
    "Cl(3,0,1) signed": Partition.by_grade(Algebra(3, 0, 1, basis=SIGNED_BASIS)),
    "Cl(0,0,2) by grade": Partition.by_grade(Algebra(0, 0, 2)),
    "Cl(2,-3,0) whole": Partition.whole(Algebra(metric=(2, -3, 0))),
    "Cl(5) by grade mod 4": Partition.by_grade_mod(Algebra(5), 4),
    "Cl(6) by parity": Partition.by_parity(Algebra(6)),
}
CLOSE = {"rtol": 1e-11, "atol": 1e-11}


@pytest.fixture(params=PARTITIONS.values(), ids=PARTITIONS)
def partition(request: pytest.FixtureRequest) -> Partition:
    return request.param


def operands(partition, leading, inputs, outputs, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()

    blades = partition.algebra.num_blades
    return (
        random(*leading, inputs, blades),
        random(*leading, inputs, blades),
        random(outputs, inputs, len(partition.paths())),
    )


@pytest.mark.parametrize("blade_major", [False, True], ids=["contiguous", "blade-major"])
@pytest.mark.parametrize("leading", [(), (1,), (2, 5), (67,)], ids=str)
@pytest.mark.parametrize("channels", [(1, 1), (2, 3), (5, 17)], ids=str)
def test_values_and_gradients_are_those_of_the_dense_einsum(partition, channels, leading, blade_major):
    if partition.algebra.dim > 4 and channels == (5, 17):
        channels = (3, 5)
    x, y, weight = operands(partition, leading, *channels)
    tables, triples = dense_paths(partition)
    assert list(partition.paths()) == triples
    left, right = (F.to_blade_major(x), F.to_blade_major(y)) if blade_major else (x, y)
    result = F.fully_connected_product(left, right, weight, partition)
    assert F.is_blade_major(result) if blade_major else result.is_contiguous()
    expected = dense_fully_connected(x, y, weight, tables)
    torch.testing.assert_close(result, expected, **CLOSE)
    cotangent = torch.randn_like(expected)
    found = torch.autograd.grad(result, (x, y, weight), cotangent)
    for one, other in zip(found, torch.autograd.grad(expected, (x, y, weight), cotangent), strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


@pytest.mark.parametrize("kind", ["outer_product", "left_contraction", "commutator", "scalar_product"])
def test_other_products(kind):
    partition = Partition.by_grade(Algebra(3, 0, 1))
    functions = {name: getattr(F, name) for name in ("outer_product", "left_contraction", "commutator")}

    def scalar_part(x, y, algebra):
        return F.grade_project(F.geometric_product(x, y, algebra), 0, algebra)

    tables, triples = dense_paths(partition, functions.get(kind, scalar_part))
    assert list(partition.paths(kind)) == triples
    x, y, _ = operands(partition, (4,), 3, 2)
    weight = torch.randn(2, 3, len(triples), dtype=torch.float64)
    result = F.fully_connected_product(x, y, weight, partition, kind=kind)
    torch.testing.assert_close(result, dense_fully_connected(x, y, weight, tables), **CLOSE)


@pytest.mark.parametrize(
    ("left", "right"), [((), (5,)), ((5, 1), (4,)), ((1,), (1,)), ((0,), (0,)), ((0, 3), (3,)), ((2, 0), (1, 1))]
)
def test_leading_axes_broadcast(left, right):
    partition = Partition.by_grade(Algebra(3))
    tables, _ = dense_paths(partition)
    x, _, weight = operands(partition, left, 2, 3)
    y = operands(partition, right, 2, 3, seed=1)[1]
    result = F.fully_connected_product(x, y, weight, partition)
    expected = dense_fully_connected(x, y, weight, tables)
    torch.testing.assert_close(result, expected, **CLOSE)
    cotangent = torch.randn_like(expected)
    found = torch.autograd.grad(result, (x, y, weight), cotangent)
    for one, other in zip(found, torch.autograd.grad(expected, (x, y, weight), cotangent), strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


@pytest.mark.parametrize(("inputs", "outputs"), [(0, 2), (2, 0), (0, 0)])
def test_without_channels(inputs, outputs):
    partition = Partition.by_grade(Algebra(2))
    x, y, weight = operands(partition, (3,), inputs, outputs)
    result = F.fully_connected_product(x, y, weight, partition)
    assert torch.equal(result, torch.zeros(3, outputs, 4, dtype=torch.float64))
    for gradient, operand in zip(torch.autograd.grad(result.sum(), (x, y, weight)), (x, y, weight), strict=True):
        assert torch.equal(gradient, torch.zeros_like(operand))


@pytest.mark.parametrize("signature", [(3, 0, 0), (1, 3, 0), (3, 0, 1), (2, 0, 1), (5, 0, 0)], ids=str)
def test_equivariant_under_pin(signature):
    algebra = Algebra(*signature)
    for partition in (Partition.by_grade(algebra), Partition.by_grade_mod(algebra, 4), Partition.whole(algebra)):
        weight = operands(partition, (), 2, 3)[2].detach()

        def product(x, y, weight=weight, partition=partition):
            return F.fully_connected_product(x, y, weight, partition)

        assert_equivariant(product, algebra, "pin", inputs=[(4, 2), (4, 2)])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_rounded_once(dtype):
    partition = Partition.by_grade(Algebra(3))
    tables, _ = dense_paths(partition)
    x, y, weight = operands(partition, (70,), 4, 5, dtype=dtype)
    expected = dense_fully_connected(x.double(), y.double(), weight.double(), tables)
    result = F.fully_connected_product(x, y, weight, partition)
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(result.double(), expected, rtol=eps, atol=1e-4)
    cotangent = torch.randn(expected.shape).to(dtype)
    found = torch.autograd.grad(result, (x, y, weight), cotangent)
    exact = torch.autograd.grad(expected, (x, y, weight), cotangent.double())
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == dtype
        torch.testing.assert_close(one, other, rtol=eps, atol=1e-4)


def test_null_metric_terms_are_skipped():
    partition = Partition.by_grade(Algebra(0, 0, 1))
    infinite = torch.tensor([[0.0, torch.inf]])
    result = F.fully_connected_product(infinite, infinite, torch.ones(1, 1, 3), partition)
    assert result[0, 0] == 0.0


def test_special_values_stay_in_their_row():
    partition = Partition.by_grade(Algebra(3))
    x, y, weight = (operand.detach() for operand in operands(partition, (70,), 3, 2))
    x[5, 1, 2] = torch.nan
    result = F.fully_connected_product(x, y, weight, partition)
    assert result[5].isnan().any()
    assert result[torch.arange(70) != 5].isfinite().all()


def test_results_do_not_depend_on_threads():
    partition = Partition.by_grade(Algebra(3))
    x, y, weight = operands(partition, (1000,), 12, 20, dtype=torch.float32)
    cotangent = torch.randn(1000, 20, 8)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3, 1):
            torch.set_num_threads(threads)
            result = F.fully_connected_product(x, y, weight, partition)
            results.append((result, *torch.autograd.grad(result, (x, y, weight), cotangent)))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        if active_backend() == "rust":
            assert all(map(torch.equal, results[0], other))
        else:
            torch.testing.assert_close(other, results[0], rtol=1e-4, atol=1e-3)


PEAK = """
import torch
from pathlib import Path
from cliffnet import Algebra, Partition, functional as F

def status(entry):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(entry))

partition = Partition.by_grade(Algebra(3))
weight = torch.randn(32, 32, 20, requires_grad=True)
def step(rows):
    x = torch.randn(rows, 32, 8, requires_grad=True)
    F.fully_connected_product(x, x, weight, partition).backward(x.detach())
step(64)
before = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
step(4_000)
print(status("VmHWM") - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_grows_with_operands_and_results_only():
    run = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    operand = 4_000 * 32 * 8 * 4
    # x, the result, two gradients and their sum; a tensor of all 44 products would be five times all that
    bound = 8 * operand if active_backend() == "rust" else 60 * operand
    assert 3 * operand < int(run.stdout) < bound


def test_wrong_operands_are_named():
    partition = Partition.by_grade(Algebra(3))
    x, weight = torch.randn(5, 4, 8), torch.randn(6, 4, 20)
    call = F.fully_connected_product
    with pytest.raises(ShapeError, match=r"weight has shape \(6, 3, 20\), expected \(C_out, 4, 20\): 4 input channels"):
        call(x, x, torch.randn(6, 3, 20), partition)
    with pytest.raises(ShapeError, match=r"expected \(C_out, 4, 10\).* outer_product"):
        call(x, x, weight, partition, kind="outer_product")
    with pytest.raises(ShapeError, match="x has 4 channels and y 3"):
        call(x, x[:, :3], weight, partition)
    with pytest.raises(ShapeError, match=r"leading shapes .* do not broadcast"):
        call(x, x[:3], weight, partition)
    with pytest.raises(ShapeError, match=r"y has shape .* did you mean"):
        call(x, torch.randn(5, 4, 16), weight, partition)
    with pytest.raises(ShapeError, match="unsqueeze"):
        call(x[0, 0], x, weight, partition)
    with pytest.raises(DTypeError, match="the operands and the weight have dtypes"):
        call(x, x, weight.double(), partition)
    with pytest.raises(DTypeError, match="x and y have dtypes"):
        call(x, x.double(), weight, partition)
    with pytest.raises(DTypeError, match="weight is a list"):
        call(x, x, [1.0], partition)
    with pytest.raises(AlgebraMismatchError, match="expected a Partition"):
        call(x, x, weight, Algebra(3))
