"""Linear layers on both streams and attention of shared keys, against the same made of differentiable operations."""

import copy
import functools
import io
import pickle

import pytest
import torch
from torch.autograd import forward_ad
from torch.autograd.gradcheck import gradcheck, gradgradcheck
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from cliffnet import Algebra, ops
from cliffnet import functional as F
from cliffnet.nn import EquivariantLayerNorm, EquivariantLinear, GeometricMLP, ScalarGatedNonlinearity, SelfAttention
from cliffnet.nn.attention_features import comparison_plan, volume_blade
from cliffnet.ops import _linear_streams, _shared_key_attention

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*:UserWarning:torch"),
]

PGA = Algebra(3, 0, 1)
MAPS = PGA.equivariant_maps("pin")
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
SIZES = {"multivectors": 4, "scalars": 3, "outputs": 2, "scalar_outputs": 5}
NAMES = ("multivectors", "scalars", "weight", "bias", "scalar_to_mv", "mv_to_scalar", "scalar_to_scalar", "scalar_bias")


def random(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()


def product_and_join(mv, scalars):
    reference = torch.linspace(-1, 1, 16, dtype=mv.dtype)
    plans = PGA.product_plan("geometric_product"), PGA.product_plan("projective_join")
    return ops.product_and_join(mv, reference, *plans, volume_blade(PGA)), scalars


# what stands in front of the layer, which does not keep its inputs then
PRECEDING = {
    "none": lambda mv, scalars: (mv, scalars),
    "norm": EquivariantLayerNorm(PGA),
    "gate": ScalarGatedNonlinearity(),
    "product": product_and_join,
}


def layer_tensors(preceding="none", leading=(2, 3), dtype=torch.float64):
    """All inputs of a layer, in the order of the call."""
    channels = SIZES["multivectors"] // (2 if preceding == "product" else 1)
    outputs, scalars, more = SIZES["outputs"], SIZES["scalars"], SIZES["scalar_outputs"]
    shapes = (
        (*leading, SIZES["multivectors"], 16),
        (*leading, scalars),
        (outputs, channels, len(MAPS)),
        (outputs,),
        (outputs, scalars),
        (more, channels),
        (more, scalars),
        (more,),
    )
    return [random(*shape, seed=seed, dtype=dtype) for seed, shape in enumerate(shapes)]


def attention_tensors(leading=(2,), items=3, heads=2, scalars=2, dtype=torch.float64):
    channels = 2 * (heads + 2)
    extra = random(*leading, items, (heads + 2) * scalars, dtype=dtype) if scalars else torch.empty(0, dtype=dtype)
    return [random(*leading, items, channels, 16, dtype=dtype), extra, random(heads, 2, dtype=dtype)]


def layer_case(preceding):
    first = PRECEDING[preceding]

    def after_it(layer):
        return lambda mv, scalars, *rest: layer(*first(mv, scalars), *rest, MAPS.number)

    return after_it(ops.linear_streams), after_it(_linear_streams._composite)


def attention_case():
    rest = (0.3, comparison_plan(PGA), 2, 1e-3)
    return lambda *t: ops.shared_key_attention(*t, *rest), lambda *t: _shared_key_attention._attend(*t, *rest)


def case_of(name):
    """The function, its plain composition, and a maker of tensors for both."""
    if name == "attention":
        return *attention_case(), attention_tensors
    return *layer_case(name), functools.partial(layer_tensors, name)


CASES = (*PRECEDING, "attention")


def energy(results):
    """A number on which every entry has another influence."""
    return sum(
        (result * torch.arange(result.numel()).view(result.shape).cos()).sum()
        for result in results
        if result is not None
    )


def gradients(function, tensors, value=energy):
    wanted = [tensor for tensor in tensors if tensor is not None and tensor.requires_grad]
    return torch.autograd.grad(value(function(*tensors)), wanted, allow_unused=True, materialize_grads=True)


def check(function, expected, tensors, bound=CLOSE):
    for got, exact in zip(function(*tensors), expected(*tensors), strict=True):
        torch.testing.assert_close(got, exact, **bound)
    torch.testing.assert_close(gradients(function, tensors), gradients(expected, tensors), **bound)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("leading", [(2,), (0,), (2, 3), (35,)])
def test_values_and_gradients(name, leading):
    function, expected, make = case_of(name)
    check(function, expected, make(leading=leading))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("blade_major", [False, True])
def test_formats_and_strides_of_cotangents(name, blade_major):
    function, expected, make = case_of(name)
    tensors = make()
    if blade_major:
        tensors[0] = F.to_blade_major(tensors[0].detach()).requires_grad_()
    check(function, expected, tensors)
    results = function(*tensors)
    assert F.is_blade_major(results[0]) == (blade_major or name == "attention")

    def total(results):
        # sums send expanded cotangents, products with a transposed tensor strided ones
        swapped = results[0].transpose(0, -1)
        return results[1].sum() + (swapped * torch.arange(swapped.numel()).view(swapped.shape)).sum()

    found, exact = gradients(function, tensors, total), gradients(expected, tensors, total)
    torch.testing.assert_close(found, exact, **CLOSE)


@pytest.mark.parametrize("name", CASES)
def test_any_part_may_be_frozen(name):
    function, expected, make = case_of(name)
    count = len(make())
    for only in range(count):
        for frozen in (False, True):
            tensors = make()
            for place, tensor in enumerate(tensors):
                tensor.requires_grad_((place == only) != frozen)
            check(function, expected, tensors)


@pytest.mark.parametrize("name", CASES)
def test_one_output_may_be_unused(name):
    function, expected, make = case_of(name)
    for used in (0, 1):
        value = lambda results, used=used: energy(results[used : used + 1])  # noqa: E731
        tensors = make()
        torch.testing.assert_close(gradients(function, tensors, value), gradients(expected, tensors, value), **CLOSE)


ABSENT = [
    ("bias", "scalar_bias"),
    ("bias",),
    ("scalars", "scalar_to_mv", "scalar_to_scalar"),
    ("scalars", "scalar_to_mv", "scalar_to_scalar", "bias", "scalar_bias"),
    ("mv_to_scalar", "scalar_to_scalar", "scalar_bias"),
    ("scalars", "scalar_to_mv", "mv_to_scalar", "scalar_to_scalar", "scalar_bias"),
    ("scalar_to_mv", "scalar_to_scalar"),
    ("scalar_to_mv",),
    ("scalar_to_scalar",),
]


@pytest.mark.parametrize("absent", ABSENT, ids="-".join)
@pytest.mark.parametrize("name", ["none", "norm"])
def test_parts_may_be_absent(name, absent):
    function, expected, make = case_of(name)
    tensors = [None if name in absent else tensor for name, tensor in zip(NAMES, make(), strict=True)]
    check(function, expected, tensors)


def test_attention_without_scalars_and_weights():
    function, expected = attention_case()
    tensors = attention_tensors(scalars=0)
    check(function, expected, tensors)
    tensors[2] = torch.empty(0, dtype=torch.float64)
    check(function, expected, tensors)


@pytest.mark.parametrize("name", CASES)
def test_first_and_second_order_against_differences(name):
    function, _, make = case_of(name)
    tensors = make(leading=(2,))
    assert gradcheck(function, tensors, fast_mode=True, check_forward_ad=True, check_undefined_grad=True)
    assert gradgradcheck(function, tensors, fast_mode=True)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_other_dtypes(name, dtype):
    function, expected, make = case_of(name)
    tensors = make(dtype=dtype)
    wide = [tensor.detach().double().requires_grad_(tensor.requires_grad) for tensor in tensors]
    bound = 1e-4 if dtype == torch.float32 else 0.06
    pairs = [*zip(function(*tensors), expected(*wide), strict=True)]
    pairs += zip(gradients(function, tensors), gradients(expected, wide), strict=True)
    for got, exact in pairs:
        assert got.dtype == dtype
        scale = 1.0 + exact.abs().max()
        torch.testing.assert_close(got.double() / scale, exact / scale, rtol=bound, atol=bound)


@pytest.mark.parametrize("name", CASES)
def test_autocast(name):
    function, expected, make = case_of(name)
    tensors, wide = make(dtype=torch.float32), make()
    with torch.autocast("cpu", torch.bfloat16):
        found = gradients(function, tensors)
    for got, exact in zip(found, gradients(expected, wide), strict=True):
        scale = 1.0 + exact.abs().max()
        torch.testing.assert_close(got.double() / scale, exact / scale, rtol=0.06, atol=0.06)


@pytest.mark.parametrize("name", CASES)
def test_transforms(name):
    function, expected, make = case_of(name)
    tensors = tuple(tensor.detach() for tensor in make())
    tangents = tuple(tensor.cos() for tensor in tensors)
    torch.testing.assert_close(
        torch.func.jvp(function, tensors, tangents), torch.func.jvp(expected, tensors, tangents), **CLOSE
    )
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(tensors[0], tangents[0])
        got, exact = (call(dual, *tensors[1:])[0] for call in (function, expected))
        torch.testing.assert_close(forward_ad.unpack_dual(got).tangent, forward_ad.unpack_dual(exact).tangent, **CLOSE)

    def per_sample(call):
        def of_sample(mv, scalars, weight):
            return energy(call(mv[None], scalars[None], weight, *tensors[3:]))

        axes = (0, 0, None)
        return torch.vmap(torch.func.grad(of_sample, argnums=(0, 2)), axes)(*tensors[:3])

    torch.testing.assert_close(per_sample(function), per_sample(expected), **CLOSE)


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_recorded_without_gradients(name):
    function, expected, make = case_of(name)
    tensors = make()
    with torch.no_grad():
        results = function(*tensors)
    assert not any(result.requires_grad for result in results)
    torch.testing.assert_close(results, tuple(expected(*tensors)), **CLOSE)


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
    torch.testing.assert_close(step(chain, chain, inputs), exact, **CLOSE)


@pytest.mark.parametrize("keeps_outputs", [True, False])
def test_remade_inputs_are_not_kept(keeps_outputs):
    algebra = Algebra(3, 0, 1)
    first = EquivariantLinear(2, 3, algebra=algebra, keeps_outputs=keeps_outputs)
    second = EquivariantLinear(3, 2, algebra=algebra)
    kept = set()
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.add(x.data_ptr()) or x, lambda x: x):
        middle, _ = first(torch.randn(5, 2, 16))
        outputs, _ = second(middle)
    assert (middle.data_ptr() in kept) is keeps_outputs
    expected = torch.autograd.grad(outputs.square().sum(), first.weight, retain_graph=True)[0]
    del middle
    torch.testing.assert_close(torch.autograd.grad(outputs.square().sum(), first.weight)[0], expected)


def test_graphs_may_be_kept_and_run_twice(chain, inputs, exact):
    value = energy(chain(*inputs))
    wanted = [*differentiable(inputs), *chain.parameters()]
    for _ in range(2):
        found = torch.autograd.grad(value, wanted, retain_graph=True, materialize_grads=True, allow_unused=True)
        torch.testing.assert_close(found, exact, **CLOSE)


def test_second_order_through_remade_inputs(chain, inputs, monkeypatch):
    def second():
        first = torch.autograd.grad(energy(chain(*inputs)), differentiable(inputs), create_graph=True)
        wanted = [*differentiable(inputs), *chain.parameters()]
        return torch.autograd.grad(energy(first), wanted, materialize_grads=True, allow_unused=True)

    found = second()
    for module in (_linear_streams, _shared_key_attention):
        monkeypatch.setattr(module, "is_plain", lambda tensors: False)
    torch.testing.assert_close(found, second(), **CLOSE)


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
    torch.testing.assert_close(found, second(), **CLOSE)


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
    torch.testing.assert_close(found, step(chain, chain, inputs), **CLOSE)


def test_changes_in_place_do_not_reach_remade_inputs(chain, inputs, exact):
    def change(module, given, outputs):
        # another tensor goes on, so that only the backward pass could meet what is changed
        passed_on = outputs[0] * 1.0
        with torch.no_grad():
            outputs[0].zero_()
        return passed_on, outputs[1]

    chain.mlp.bilinear.factor_linear.register_forward_hook(change)
    torch.testing.assert_close(step(chain, chain, inputs), exact, **CLOSE)


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints(chain, inputs, exact, reentrant):
    def call(*given):
        return checkpoint(chain, *given, use_reentrant=reentrant)

    value = energy(call(*inputs))
    value.backward()
    found = [tensor.grad for tensor in (*differentiable(inputs), *chain.parameters())]
    found = [torch.zeros_like(b) if a is None else a for a, b in zip(found, exact, strict=True)]
    torch.testing.assert_close(found, list(exact), **CLOSE)


def test_kept_tensors_may_be_moved_elsewhere(chain, inputs, exact):
    with torch.autograd.graph.save_on_cpu():
        found = step(chain, chain, inputs)
    torch.testing.assert_close(found, exact, **CLOSE)


def test_copies_have_the_same_gradients(chain, inputs, exact):
    buffer = io.BytesIO()
    torch.save(chain.state_dict(), buffer)
    buffer.seek(0)
    loaded = Chain().double()
    loaded.load_state_dict(torch.load(buffer))
    for copied in (copy.deepcopy(chain), pickle.loads(pickle.dumps(chain)), loaded):
        torch.testing.assert_close(step(copied, copied, inputs), exact, **CLOSE)


def test_compile_with_any_batch(chain):
    torch._dynamo.reset()
    compiled = torch.compile(chain, fullgraph=True, dynamic=True, backend="aot_eager")
    for batch in (3, 5):
        inputs = [random(batch, 3, 4, 16), random(batch, 3, 6), random(batch, 1, 1, 16)]
        torch.testing.assert_close(step(chain, compiled, inputs), step(chain, chain, inputs), **CLOSE)
    torch._dynamo.reset()


def test_functional_calls(chain, inputs, exact):
    parameters = dict(chain.named_parameters())

    def value(parameters, *given):
        return energy(functional_call(chain, parameters, given))

    by_parameters, *by_inputs = torch.func.grad(value, argnums=tuple(range(1 + len(differentiable(inputs)))))(
        parameters, *inputs
    )
    torch.testing.assert_close([*by_inputs, *by_parameters.values()], list(exact), **CLOSE)
