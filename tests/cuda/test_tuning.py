"""The threads of blocks, chosen by measuring where that is asked for: kept, and without influence on results."""

import pytest
import torch

from cliffnet import Algebra, Partition, ops
from cliffnet.algebra import class_squares_plan
from cliffnet.errors import ConfigError
from cliffnet.ops import _cuda
from helpers import cuda_host

pytestmark = pytest.mark.skipif(cuda_host.CXX is None, reason="there is no C++ compiler")

PLAN = Algebra(2).product_plan("geometric_product")
LARGE, SMALL = (1 << 16) + 3, 5


@pytest.fixture(autouse=True)
def best():
    """The threads of the blocks that the stand-in for a device runs quickest."""
    variable = cuda_host.variable("cliffnet_best_threads")
    yield variable
    variable.value = 256
    cuda_host.variable("cliffnet_is_capturing").value = 0
    cuda_host.operators.cache_clear()


def product(lanes):
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(2, lanes, 4, generator=generator)
    return torch.ops.cliffnet_host.bilinear(left, right, PLAN)


def threads():
    return [kernel.threads for kernel in ops.kernels_made("host")]


@pytest.mark.parametrize("quickest", [64, 128, 256])
def test_the_quickest_is_chosen_once_for_all_processes(tmp_path, best, quickest):
    best.value = quickest
    cuda_host.start(None)
    expected = product(LARGE)
    cuda_host.start(tmp_path, is_tuning=True)
    assert torch.equal(product(LARGE), expected)
    assert sorted(threads()) == [64, 128, 256]
    (choice,) = tmp_path.glob("*.threads")
    assert choice.read_text() == f"{quickest}\n"
    launches = cuda_host.variable("cliffnet_launches")
    before = launches.value
    product(LARGE)
    assert launches.value == before + 1
    cuda_host.start(tmp_path, is_tuning=True)
    assert torch.equal(product(LARGE), expected)
    assert threads() == [quickest]


def test_small_calls_and_captured_ones_are_not_measured(tmp_path, best):
    best.value = 64
    cuda_host.start(tmp_path, is_tuning=True)
    product(SMALL)
    cuda_host.variable("cliffnet_is_capturing").value = 1
    product(LARGE)
    assert threads() == [256]
    assert not list(tmp_path.glob("*.threads"))
    cuda_host.variable("cliffnet_is_capturing").value = 0
    product(LARGE)
    assert [choice.read_text() for choice in tmp_path.glob("*.threads")] == ["64\n"]


def test_kernels_that_follow_each_other_find_the_same_when_they_run_again(tmp_path):
    partition = Partition.by_grade(Algebra(2, 0, 1))
    generator = torch.Generator().manual_seed(0)
    operands = torch.randn(3, LARGE // 3 + 1, 3, 8, dtype=torch.float64, generator=generator)
    weight = torch.randn(3, len(partition.paths()), dtype=torch.float64, generator=generator)
    numbers = (partition.product_plan(), 0, 0, class_squares_plan(partition), 1e-2)
    found = []
    for is_tuning in (False, True):
        cuda_host.start(tmp_path, is_tuning=is_tuning)
        found.append(torch.ops.cliffnet_host.gated_steerable_product_backward(*operands, weight, *numbers))
    assert "gated_steerable_product_backward: scalars" in {kernel.operator for kernel in ops.kernels_made("host")}
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("text", ["", "nonsense", "1", "100000"])
def test_a_choice_that_is_damaged_is_made_again(tmp_path, best, text):
    best.value = 128
    cuda_host.start(tmp_path, is_tuning=True)
    product(LARGE)
    (choice,) = tmp_path.glob("*.threads")
    choice.write_text(text)
    cuda_host.start(tmp_path, is_tuning=True)
    product(LARGE)
    assert choice.read_text() == "128\n"


def test_without_being_asked_nothing_is_measured(tmp_path):
    cuda_host.start(tmp_path)
    product(LARGE)
    assert threads() == [256]
    assert not list(tmp_path.glob("*.threads"))


def test_sums_over_rows_do_not_depend_on_it(tmp_path, best):
    partition = Partition.by_grade(Algebra(1))
    generator = torch.Generator().manual_seed(1)
    # enough chunks of rows for the kernel to be measured
    operands = torch.randn(3, 1 << 13, 64, 2, generator=generator)
    weight = torch.randn(64, len(partition.paths()), generator=generator)
    found = []
    for quickest in (None, 64):
        best.value = quickest or 256
        cuda_host.start(tmp_path / str(quickest), is_tuning=quickest is not None)
        found.append(torch.ops.cliffnet_host.steerable_product_backward(*operands, weight, partition.product_plan()))
        assert len(threads()) == (2 if quickest is None else 4)
    for others in zip(*found, strict=True):
        assert all(torch.equal(others[0], other) for other in others[1:])


@pytest.mark.parametrize(("value", "expected"), [("", False), ("0", False), ("1", True)])
def test_the_environment_asks_for_it(monkeypatch, value, expected):
    monkeypatch.setenv("CLIFFNET_AUTOTUNE", value)
    assert _cuda.is_tuning() is expected
    monkeypatch.setenv("CLIFFNET_AUTOTUNE", "sometimes")
    with pytest.raises(ConfigError, match="CLIFFNET_AUTOTUNE is 'sometimes', expected 0 or 1"):
        _cuda.is_tuning()
