"""Operators in long runs, several threads, forked processes and on every instruction set."""

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from cliffnet import Algebra, ops
from cliffnet import functional as F
from helpers.operator_matrix import OPERATORS, OperatorCase

ROOT = Path(__file__).parents[2]
ALGEBRA = Algebra(3, 0, 1)


@pytest.fixture(params=OPERATORS, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> OperatorCase:
    return request.param


def as_tuple(result):
    return (result,) if isinstance(result, torch.Tensor) else tuple(result)


def resident_bytes():
    """Memory of this process as it is now, not at its peak."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def growth(call, calls):
    for _ in range(calls // 10):
        call()
    before = resident_bytes()
    for _ in range(calls):
        call()
    return resident_bytes() - before


@pytest.mark.parametrize("requires_grad", [False, True])
def test_memory_does_not_grow_over_many_calls(requires_grad):
    x = torch.randn(16, 16, requires_grad=requires_grad)
    # a leak of one tensor per call would be 100 megabytes
    assert growth(lambda: F.geometric_product(x, x, ALGEBRA), 100_000) < 4_000_000


def test_memory_does_not_grow_with_derivatives(case):
    tensors = [x.requires_grad_() for x in case.tensors(16, dtype=torch.float32)]

    def step():
        results = [one for one in as_tuple(case.function(*tensors)) if one.requires_grad]
        torch.autograd.grad([one.sum() for one in results], tensors, allow_unused=True)

    assert growth(step, 3000) < 2_000_000


def test_memory_does_not_grow_with_refusals():
    left, right = torch.zeros(16, 16), torch.zeros(16, 8)
    plan = ALGEBRA.product_plan("geometric_product")

    def refused():
        with pytest.raises(RuntimeError, match="the last axis of operand 1 is 8, but the plan has 16 blades"):
            ops.bilinear(left, right, plan)

    assert growth(refused, 2000) < 2_000_000


def test_python_threads_agree(case):
    tensors = case.tensors(700, 3, dtype=torch.float32)
    expected = as_tuple(case.function(*tensors))
    given = [x.clone().requires_grad_() for x in tensors]
    weights = [torch.ones_like(one) for one in expected]
    gradients = torch.autograd.grad(as_tuple(case.function(*given)), given, weights, allow_unused=True)
    failures = []

    def work():
        own = [x.clone().requires_grad_() for x in tensors]
        for _ in range(10):
            found = as_tuple(case.function(*own))
            again = torch.autograd.grad(found, own, weights, allow_unused=True)
            pairs = [*zip(found, expected, strict=True), *zip(again, gradients, strict=True)]
            failures.extend(1 for x, y in pairs if not (x is y is None or torch.equal(x, y)))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


class Products(Dataset):
    """Squares of multivectors, computed where they are asked for; large enough to want several threads."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        x = torch.full((4000, ALGEBRA.num_blades), float(index + 1))
        return F.geometric_product(x, x, ALGEBRA)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_works_in_forked_workers_after_threads_have_run():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        expected = torch.stack([Products()[index] for index in range(6)])
        loader = DataLoader(Products(), batch_size=3, num_workers=2, multiprocessing_context="fork", timeout=60)
        found = torch.cat(list(loader))
        torch.set_num_threads(2)
        again = torch.stack([Products()[index] for index in range(6)])
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found, expected)
    assert torch.equal(again, expected)


@pytest.mark.skipif(ops.active_backend() != "rust", reason="needs native kernels")
@pytest.mark.parametrize("isa", ["scalar", "avx2"])
def test_operators_are_right_on_other_instruction_sets(isa):
    test = f"{Path(__file__).parent / 'test_operator_matrix.py'}::test_values_are_those_of_the_reference"
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test],
        cwd=ROOT,
        env={**os.environ, "CLIFFNET_ISA": isa},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    output = process.stdout + process.stderr
    assert process.returncode == 0 or "which this processor lacks" in output, output
