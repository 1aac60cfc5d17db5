"""Steps that call for their inputs again in the backward pass, against the same steps run one by one."""

import copy
import io
import pickle

import pytest
import torch
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from cliffnet import Algebra
from cliffnet.nn import EquivariantLayerNorm, EquivariantLinear, GeometricMLP, SelfAttention
from cliffnet.ops import _linear_streams, _shared_key_attention
from helpers.precise import assert_close
from helpers.streams import energy, random

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*:UserWarning:torch"),
]

PGA = Algebra(3, 0, 1)


class Chain(torch.nn.Module):
    """Layers of which the second and the last remake their inputs."""

    def __init__(self):
        super().__init__()
        options = {"num_heads": 2, "increase_hidden_channels": 1}
        self.norm = EquivariantLayerNorm(PGA)
        self.attention = SelfAttention(4, 4, 6, 6, options, algebra=PGA)
        self.mlp = GeometricMLP((4, 4, 4), (6, 6, 6), algebra=PGA)

    def forward(self, multivectors, scalars, reference):
        streams = self.attention(*self.norm(multivectors, scalars))
        return self.mlp(*self.norm(*streams), reference=reference)


@pytest.fixture
def chain():
    torch.manual_seed(0)
    return Chain().double()


@pytest.fixture(params=[False, True], ids=["reference", "learnt-reference"])
def inputs(request):
    return [random(2, 3, 4, 16), random(2, 3, 6), random(2, 1, 1, 16).requires_grad_(request.param)]


def differentiable(tensors):
    return [tensor for tensor in tensors if tensor.requires_grad]


@pytest.fixture
def exact(chain, inputs, monkeypatch):
    """Gradients of the parts run one by one."""
    with monkeypatch.context() as patched:
        for module in (_linear_streams, _shared_key_attention):
            patched.setattr(module, "is_plain", lambda tensors: False)
        return step(chain, chain, inputs)


def step(module, call, inputs):
    """Gradients of inputs and parameters."""
    wanted = [*differentiable(inputs), *module.parameters()]
    return torch.autograd.grad(energy(call(*inputs)), wanted, materialize_grads=True, allow_unused=True)


def test_remade_inputs_give_the_same_gradients(chain, inputs, exact):
    assert_close(step(chain, chain, inputs), exact)


@pytest.mark.parametrize("keeps_outputs", [True, False])
def test_remade_inputs_are_not_kept(keeps_outputs):
    first = EquivariantLinear(2, 3, algebra=PGA, keeps_outputs=keeps_outputs).double()
    second = EquivariantLinear(3, 2, algebra=PGA).double()
    kept = set()
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.add(x.data_ptr()) or x, lambda x: x):
        middle, _ = first(torch.randn(5, 2, 16, dtype=torch.float64))
        outputs, _ = second(middle)
    assert (middle.data_ptr() in kept) is keeps_outputs
    expected = torch.autograd.grad(outputs.square().sum(), first.weight, retain_graph=True)[0]
    del middle
    assert_close(torch.autograd.grad(outputs.square().sum(), first.weight)[0], expected)


def test_inputs_changed_after_a_pass_that_did_not_reach_them_are_refused():
    first = EquivariantLinear(2, 3, algebra=PGA, keeps_outputs=False)
    second = EquivariantLinear(3, 2, algebra=PGA)
    x = torch.randn(5, 2, 16)
    value = second(first(x)[0])[0].square().sum()
    torch.autograd.grad(value, second.weight, retain_graph=True)
    x.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(value, first.weight)


def test_graphs_may_be_kept_and_run_twice(chain, inputs, exact):
    value = energy(chain(*inputs))
    wanted = [*differentiable(inputs), *chain.parameters()]
    for _ in range(2):
        found = torch.autograd.grad(value, wanted, retain_graph=True, materialize_grads=True, allow_unused=True)
        assert_close(found, exact)


def test_second_order_through_remade_inputs(chain, inputs, monkeypatch):
    def second():
        first = torch.autograd.grad(energy(chain(*inputs)), differentiable(inputs), create_graph=True)
        wanted = [*differentiable(inputs), *chain.parameters()]
        return torch.autograd.grad(energy(first), wanted, materialize_grads=True, allow_unused=True)

    found = second()
    for module in (_linear_streams, _shared_key_attention):
        monkeypatch.setattr(module, "is_plain", lambda tensors: False)
    assert_close(found, second())


def test_second_order_with_respect_to_an_input_that_would_be_remade(chain, inputs, monkeypatch):
    def second():
        seen = []
        handle = chain.mlp.bilinear.factor_linear.register_forward_hook(lambda *call: seen.append(call[2][0]))
        value = energy(chain(*inputs))
        handle.remove()
        (first,) = torch.autograd.grad(value, seen, create_graph=True)
        return torch.autograd.grad(
            energy([first]), [*seen, *differentiable(inputs)], materialize_grads=True, allow_unused=True
        )

    found = second()
    for module in (_linear_streams, _shared_key_attention):
        monkeypatch.setattr(module, "is_plain", lambda tensors: False)
    assert_close(found, second())


def test_hooks_run_and_may_replace_outputs(chain, inputs, monkeypatch):
    calls = []
    for name, module in chain.named_modules():
        module.register_forward_hook(lambda *call, name=name: calls.append(name))
    factors = chain.mlp.bilinear.factor_linear
    factors.register_forward_hook(lambda module, given, outputs: (outputs[0] * 2.0, outputs[1]))
    chain.attention.out_linear.register_forward_pre_hook(lambda module, given: (given[0] * 3.0, *given[1:]))
    found = step(chain, chain, inputs)
    assert {"attention.qkv_linear", "mlp.bilinear.factor_linear", "mlp.linears.0", "norm"} <= set(calls)
    for module in (_linear_streams, _shared_key_attention):
        monkeypatch.setattr(module, "is_plain", lambda tensors: False)
    assert_close(found, step(chain, chain, inputs))


def test_changes_in_place_do_not_reach_remade_inputs(chain, inputs, exact):
    def change(module, given, outputs):
        # another tensor goes on, so that only the backward pass could meet what is changed
        passed_on = outputs[0] * 1.0
        with torch.no_grad():
            outputs[0].zero_()
        return passed_on, outputs[1]

    chain.mlp.bilinear.factor_linear.register_forward_hook(change)
    assert_close(step(chain, chain, inputs), exact)


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints(chain, inputs, exact, reentrant):
    def call(*given):
        return checkpoint(chain, *given, use_reentrant=reentrant)

    value = energy(call(*inputs))
    value.backward()
    found = [tensor.grad for tensor in (*differentiable(inputs), *chain.parameters())]
    found = [torch.zeros_like(b) if a is None else a for a, b in zip(found, exact, strict=True)]
    assert_close(found, list(exact))


def test_kept_tensors_may_be_moved_elsewhere(chain, inputs, exact):
    with torch.autograd.graph.save_on_cpu():
        found = step(chain, chain, inputs)
    assert_close(found, exact)


def test_copies_have_the_same_gradients(chain, inputs, exact):
    buffer = io.BytesIO()
    torch.save(chain.state_dict(), buffer)
    buffer.seek(0)
    loaded = Chain().double()
    loaded.load_state_dict(torch.load(buffer))
    for copied in (copy.deepcopy(chain), pickle.loads(pickle.dumps(chain)), loaded):
        assert_close(step(copied, copied, inputs), exact)


def test_compile_with_any_batch(chain):
    torch._dynamo.reset()
    compiled = torch.compile(chain, fullgraph=True, dynamic=True, backend="aot_eager")
    for batch in (3, 5):
        inputs = [random(batch, 3, 4, 16), random(batch, 3, 6), random(batch, 1, 1, 16)]
        assert_close(step(chain, compiled, inputs), step(chain, chain, inputs))
    torch._dynamo.reset()


def test_functional_calls(chain, inputs, exact):
    parameters = dict(chain.named_parameters())

    def value(parameters, *given):
        return energy(functional_call(chain, parameters, given))

    by_parameters, *by_inputs = torch.func.grad(value, argnums=tuple(range(1 + len(differentiable(inputs)))))(
        parameters, *inputs
    )
    assert_close([*by_inputs, *by_parameters.values()], list(exact))
