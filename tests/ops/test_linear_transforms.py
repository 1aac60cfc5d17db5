"""Equivariant linear maps through every transform: they are plain torch and must stay transformable."""

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch.autograd.gradcheck import gradcheck, gradgradcheck

from cliffnet import Algebra, Partition
from cliffnet import functional as F

pytestmark = pytest.mark.filterwarnings("ignore:.*vmap.*:UserWarning")

CLOSE = {"rtol": 1e-9, "atol": 1e-9}
MAPS = {
    "Cl(3,0,1) pin": Algebra(3, 0, 1).equivariant_maps("pin"),
    "Cl(1,3) spin": Algebra(1, 3).equivariant_maps("spin"),
    "Cl(3,0) mod 4": Partition.by_grade_mod(Algebra(3), 4).projections(),
}


@pytest.fixture(params=MAPS)
def setting(request):
    """The function, the same with dense matrices, and its three inputs."""
    maps = MAPS[request.param]
    generator = torch.Generator().manual_seed(0)

    def randn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)

    inputs = randn(2, 3, maps.algebra.num_blades), randn(4, 3, len(maps)), randn(2, 4)
    scalar = torch.eye(maps.algebra.num_blades, dtype=torch.float64)[0]

    def function(x, weight, bias):
        return F.equivariant_linear(x, weight, maps, bias)

    def oracle(x, weight, bias):
        mapped = torch.einsum("cim,mkj,...ij->...ck", weight, maps.matrices(torch.float64), x)
        return mapped + bias[..., None] * scalar

    return function, oracle, inputs


def test_derivatives(setting):
    function, _, inputs = setting
    assert gradcheck(function, inputs, check_forward_ad=True, check_batched_grad=True, fast_mode=True)
    assert gradgradcheck(function, inputs, check_batched_grad=True, fast_mode=True)


def test_vmap_and_functional_derivatives(setting):
    function, oracle, inputs = setting
    x, weight, bias = (tensor.detach() for tensor in inputs)
    torch.testing.assert_close(torch.vmap(function, (0, None, 0))(x, weight, bias), oracle(x, weight, bias), **CLOSE)
    weights = torch.stack((weight, 2 * weight))
    torch.testing.assert_close(
        torch.vmap(function, (None, 0, None))(x, weights, bias),
        torch.stack([oracle(x, one, bias) for one in weights]),
        **CLOSE,
    )

    def energy(f):
        return lambda w: (f(x, w, bias) ** 2).sum()

    for transform in (torch.func.grad, torch.func.jacfwd, torch.func.hessian):
        torch.testing.assert_close(transform(energy(function))(weight), transform(energy(oracle))(weight), **CLOSE)


def test_compiled_forces(setting):
    function, oracle, inputs = setting
    torch._dynamo.reset()
    x, weight, bias = (tensor.detach() for tensor in inputs)

    def force(f):
        return torch.func.grad(lambda x, w, b: (f(x, w, b) ** 2).sum())

    compiled = torch.compile(force(function), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, weight, bias), force(oracle)(x, weight, bias), **CLOSE)


def test_no_recompilation_when_the_batch_changes(setting):
    function, oracle, inputs = setting
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(function, fullgraph=True, dynamic=True, backend=counter)
    _, weight, _ = inputs
    frames = []
    for batch in (5, 7, 11):
        x = torch.randn(batch, *inputs[0].shape[1:], dtype=torch.float64)
        bias = torch.randn(batch, 4, dtype=torch.float64)
        torch.testing.assert_close(compiled(x, weight, bias), oracle(x, weight, bias), **CLOSE)
        frames.append(counter.frame_count)
    # the compiler may trace the first call twice
    assert frames == frames[:1] * 3


def test_export_and_autocast(setting):
    function, oracle, inputs = setting
    x, weight, bias = (tensor.detach() for tensor in inputs)

    class Layer(torch.nn.Module):
        def forward(self, x):
            return function(x, weight, bias)

    program = torch.export.export(Layer(), (x,), strict=False)
    torch.testing.assert_close(program.module()(x), oracle(x, weight, bias), **CLOSE)
    with torch.autocast("cpu", torch.bfloat16):
        result = function(x.float(), weight.float(), bias.float())
    torch.testing.assert_close(result.double(), oracle(x, weight, bias), rtol=5e-2, atol=1e-1)
