"""Kernels made ahead of their first use: for a device, which may then capture graphs, and for an architecture alone."""

from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import torch

import cliffnet
from cliffnet import Algebra, Partition, _preparation, ops
from cliffnet import functional as F
from cliffnet.errors import BackendUnavailableError, ConfigError, KernelCompileError
from cliffnet.ops._offline import HostOperators
from helpers import cuda_host
from helpers.cuda_kernels import PLACES

NEEDS_NVRTC = pytest.mark.skipif(not PLACES, reason="this torch comes without NVRTC")
NEEDS_CXX = pytest.mark.skipif(cuda_host.CXX is None, reason="there is no C++ compiler")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIFFNET_CACHE_DIR", str(tmp_path))
    return tmp_path / "cuda"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Prepare for the processor in the place of a device; return the mode to call functions in."""
    cuda_host.start(tmp_path)

    @contextmanager
    def place(device, architecture):
        yield torch.device("cpu"), HostOperators, "host"

    monkeypatch.setattr(_preparation, "_place", place)
    yield HostOperators
    cuda_host.variable("cliffnet_is_capturing").value = 0
    cuda_host.operators.cache_clear()


@NEEDS_NVRTC
def test_kernels_are_compiled_for_an_architecture_and_found_again(folder):
    partition = Partition.by_grade(Algebra(2))
    first = cliffnet.prepare(partition, architecture=90, dtype=(torch.float32, torch.float64))
    assert all(kernel.is_compiled and kernel.architecture == 90 for kernel in first)
    assert {kernel.dtype for kernel in first} == {"float32", "float64"}
    assert {"steerable_product", "steerable_product_backward"} <= {kernel.operator for kernel in first}
    assert len(list(folder.glob("*.cubin"))) == len(first)
    second = cliffnet.prepare(partition, architecture=90, dtype=(torch.float32, torch.float64), jobs=1)
    assert len(second) == len(first)
    assert not any(kernel.is_compiled for kernel in second)
    assert any(kernel.is_compiled for kernel in cliffnet.prepare(partition, architecture=80))


@NEEDS_NVRTC
def test_derivatives_are_made_up_to_the_order_asked_for(folder):
    counts = []
    for order in range(3):
        made = cliffnet.prepare(Algebra(2), functions=["geometric_product"], architecture=90, derivatives=order)
        counts.append({kernel.operator for kernel in made})
    assert counts[0] == {"bilinear"}
    assert counts[1] == {"bilinear", "bilinear_backward"}
    assert counts[2] == {"bilinear", "bilinear_backward", "bilinear_double_backward"}


@NEEDS_NVRTC
def test_calls_are_ordinary_ones_again_afterwards(folder):
    algebra = Algebra(2)
    state = torch.get_rng_state()
    cliffnet.prepare(algebra, functions=["gatr"], architecture=90, derivatives=0)
    assert torch.equal(torch.get_rng_state(), state)
    e1 = torch.eye(4)[1]
    assert torch.equal(F.geometric_product(e1, e1, algebra), torch.eye(4)[0])


@NEEDS_CXX
def test_nothing_is_left_to_make_while_a_graph_is_captured(host):
    algebra = Algebra(2)
    partition = Partition.by_grade(algebra)
    made = cliffnet.prepare(algebra, functions=["geometric_product"], derivatives=2)
    made += cliffnet.prepare(partition, functions=["steerable_product"])
    assert made
    assert len(ops.kernels_made("host")) == len(made)
    assert cliffnet.prepare(partition, functions=["steerable_product"]) == []
    cuda_host.variable("cliffnet_is_capturing").value = 1
    with host():
        for view in (torch.clone, F.to_blade_major):
            left, right = (view(torch.randn(5, 6, 7, 4)).requires_grad_() for _ in range(2))
            weight = torch.randn(7, len(partition.paths()), requires_grad=True)
            out = F.geometric_product(left, right, algebra)
            gradients = torch.autograd.grad(out, (left, right), torch.ones_like(out), create_graph=True)
            torch.autograd.grad(gradients, (left, right), [torch.ones_like(x) for x in gradients])
            out = F.steerable_product(left, right, weight, partition)
            out.backward(torch.ones_like(out))
        with pytest.raises(KernelCompileError, match="a kernel of bilinear in float64 would have to be compiled"):
            F.geometric_product(torch.randn(3, 4).double(), torch.randn(3, 4).double(), algebra)
    assert len(ops.kernels_made("host")) == len(made)


@pytest.mark.parametrize("derivatives", [1, 2])
def test_every_function_can_be_prepared(monkeypatch, derivatives):
    # with the kernels of the processor: what is called is the same everywhere
    monkeypatch.setattr(
        _preparation, "_place", lambda *place: nullcontext((torch.device("cpu"), nullcontext, "offline"))
    )
    algebra = Algebra(2, 0, 1)
    for subject in (algebra, Partition.by_parity(algebra)):
        names = _preparation.preparable(subject)
        steps = []
        cliffnet.prepare(
            subject,
            functions=names,
            derivatives=derivatives,
            dtype=torch.float64,
            advance=lambda *counts, steps=steps: steps.append(counts),
        )
        assert steps[-1][0] == steps[-1][1] == len(steps)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_that_is_said():
    with pytest.raises(BackendUnavailableError, match="no CUDA device was found"):
        cliffnet.prepare(Algebra(2))


@NEEDS_NVRTC
def test_what_cannot_be_prepared_is_refused(folder, monkeypatch):
    with pytest.raises(BackendUnavailableError, match=r"does not know architecture 12, only .*90"):
        cliffnet.prepare(Algebra(2), architecture=12)
    with pytest.raises(ConfigError, match="there is no steerable_product to prepare for an algebra; choose from"):
        cliffnet.prepare(Algebra(2), functions=["steerable_product"], architecture=90)
    with pytest.raises(ConfigError, match="derivatives is 3"):
        cliffnet.prepare(Algebra(2), derivatives=3, architecture=90)
    with pytest.raises(BackendUnavailableError, match="not for cpu"):
        cliffnet.prepare(Algebra(2), device="cpu")
    blocked = folder.parent / "file"
    blocked.write_text("")
    monkeypatch.setenv("CLIFFNET_CACHE_DIR", str(blocked))
    with pytest.raises(BackendUnavailableError, match=r"set CLIFFNET_CACHE_DIR to a folder that can be written"):
        cliffnet.prepare(Algebra(2), architecture=90)
    assert Path(blocked).read_text() == ""
