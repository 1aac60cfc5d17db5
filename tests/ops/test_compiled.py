"""Compiled graphs, exported programs and mixed precision."""

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from cliffnet.errors import CliffnetError
from helpers.operator_cases import FEW, Case

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*:UserWarning:torch"),
]

CLOSE = {"rtol": 1e-9, "atol": 1e-9}


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.fixture(params=FEW, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def value_and_gradients(function, *inputs):
    value = function(*inputs)
    return value, *torch.autograd.grad((value**2).sum(), inputs)


def trace_autograd_operators(monkeypatch):
    """Versions of torch that can trace autograd.grad only on request are asked to."""
    if hasattr(torch._dynamo.config, "trace_autograd_ops"):
        monkeypatch.setattr(torch._dynamo.config, "trace_autograd_ops", True)


def right_or_refused(run, expected):
    """Versions of torch that cannot trace a program may refuse it; a wrong number or an error of ours never passes."""
    try:
        got = run()
    except (RuntimeError, torch._dynamo.exc.TorchDynamoException) as refusal:
        # torch's own, whose class differs between its versions
        assert not isinstance(refusal, CliffnetError)  # noqa: PT017
        assert "cliffnet internal error" not in str(refusal)  # noqa: PT017
    else:
        torch.testing.assert_close(got, expected, **CLOSE)


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compile_fullgraph_forward_and_backward(case, backend):
    left, right = case.operands(5)

    def layer(function):
        return lambda a, b: function(function(a, b) * 2 if "inner" not in case.name else a * 2, a)

    compiled = torch.compile(layer(case.function), fullgraph=True, backend=backend)
    for got, expected in zip(
        value_and_gradients(compiled, left, right) if "inner" not in case.name else [compiled(left, right)],
        value_and_gradients(layer(case.oracle), left, right)
        if "inner" not in case.name
        else [layer(case.oracle)(left, right)],
        strict=True,
    ):
        torch.testing.assert_close(got, expected, **CLOSE)


def test_compile_dynamic_batch_compiles_once(case):
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(case.function, fullgraph=True, dynamic=True, backend=counter)
    for batch in (3, 5, 9, 17):
        left, right = case.operands(batch)
        torch.testing.assert_close(compiled(left, right), case.oracle(left, right), **CLOSE)
    assert counter.frame_count == 1


def test_compile_blade_major_keeps_format(case):
    from cliffnet import functional as F

    left, right = (F.to_blade_major(x.detach()) for x in case.operands(5, 3))
    compiled = torch.compile(case.function, fullgraph=True, backend="aot_eager")(left, right)
    eager = case.function(left, right)
    torch.testing.assert_close(compiled, eager, **CLOSE)
    assert compiled.stride() == eager.stride()


def test_compile_of_vmap(case):
    left, right = (x.detach() for x in case.operands(5))
    compiled = torch.compile(torch.vmap(case.function), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(left, right), case.oracle(left, right), **CLOSE)


def test_compile_of_func_grad_gives_forces(case):
    left, right = (x.detach() for x in case.operands(5))

    def force(function):
        return torch.func.grad(lambda a, b: (function(a, b) ** 2).sum())

    compiled = torch.compile(force(case.function), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(left, right), force(case.oracle)(left, right), **CLOSE)


def test_compiled_force_loss_backward_to_parameters(case):
    left, right = (x.detach() for x in case.operands(5))
    weight = torch.randn(case.algebra.num_blades, dtype=torch.float64, requires_grad=True)

    def loss(function):
        def energy(a, b):
            return (function(a * weight, b) ** 2).sum()

        return lambda a, b: (torch.func.grad(energy)(a, b) ** 2).sum()

    compiled = torch.compile(loss(case.function), fullgraph=True, backend="aot_eager")
    got = torch.autograd.grad(compiled(left, right), weight)[0]
    expected = torch.autograd.grad(loss(case.oracle)(left, right), weight)[0]
    torch.testing.assert_close(got, expected, **CLOSE)


@pytest.mark.parametrize("case", FEW[:1], ids=lambda case: case.name)
def test_compiled_autograd_grad_inside(case, monkeypatch):
    trace_autograd_operators(monkeypatch)
    left, right = (x.detach() for x in case.operands(5))

    def force(function):
        def run(a, b):
            a = a.detach().requires_grad_()
            return torch.autograd.grad((function(a, b) ** 2).sum(), a)[0]

        return run

    compiled = torch.compile(force(case.function), fullgraph=True, backend="aot_eager")
    right_or_refused(lambda: compiled(left, right), force(case.oracle)(left, right))


@pytest.mark.parametrize("case", FEW[:1], ids=lambda case: case.name)
def test_compiled_create_graph_then_outer_backward_is_refused_loudly(case, monkeypatch):
    # torch cannot differentiate through an autograd.grad(create_graph=True) that it traced: never a wrong number
    trace_autograd_operators(monkeypatch)
    left, right = (x.detach() for x in case.operands(5))
    weight = torch.randn(case.algebra.num_blades, dtype=torch.float64, requires_grad=True)

    def loss(function):
        def run(a, b):
            a = a.detach().requires_grad_()
            energy = (function(a * weight, b) ** 2).sum()
            return (torch.autograd.grad(energy, a, create_graph=True)[0] ** 2).sum()

        return run

    expected = torch.autograd.grad(loss(case.oracle)(left, right), weight)[0]
    compiled = torch.compile(loss(case.function), fullgraph=True, backend="aot_eager")
    right_or_refused(lambda: torch.autograd.grad(compiled(left, right), weight)[0], expected)


def test_opcheck(case):
    left, right = case.operands(5)
    plan = case.algebra.product_plan("geometric_product")
    torch.library.opcheck(torch.ops.cliffnet.bilinear.default, (left, right, plan))


class Wrapped(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, left, right):
        return self.function(left, right) * 2


def test_export_with_dynamic_batch(case):
    left, right = (x.detach() for x in case.operands(5))
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(
        Wrapped(case.function), (left, right), dynamic_shapes=({0: batch}, {0: batch}), strict=False
    )
    left, right = (x.detach() for x in case.operands(7))
    torch.testing.assert_close(program.module()(left, right), 2 * case.oracle(left, right), **CLOSE)


@pytest.mark.parametrize("case", FEW[:1], ids=lambda case: case.name)
def test_aot_inductor_package(case, tmp_path):
    left, right = (x.detach() for x in case.operands(5))
    program = torch.export.export(Wrapped(case.function), (left, right))
    package = torch._inductor.aoti_compile_and_package(program, package_path=str(tmp_path / "product.pt2"))
    loaded = torch._inductor.aoti_load_package(package)
    torch.testing.assert_close(loaded(left, right), 2 * case.oracle(left, right), **CLOSE)


def test_autocast_computes_in_single_precision(case):
    left, right = (x.detach().to(torch.bfloat16) for x in case.operands(5))
    with torch.autocast("cpu", torch.bfloat16):
        result = case.function(left, right)
        mixed = case.function(left, right.float())
    assert result.dtype == mixed.dtype == torch.float32
    torch.testing.assert_close(result, case.oracle(left.float(), right.float()), rtol=1e-5, atol=1e-5)


def test_autocast_gradients(case):
    left, right = case.operands(5, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        loss = (case.function(left.bfloat16(), right) ** 2).sum()
    gradient = torch.autograd.grad(loss, left)[0]
    assert gradient.dtype == torch.float32
    assert gradient.abs().sum() > 0
