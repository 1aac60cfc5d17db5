"""Linear layers on both streams and attention of shared keys, against the same made of differentiable operations."""

import functools

import pytest
import torch
from torch.autograd import forward_ad
from torch.autograd.gradcheck import gradcheck, gradgradcheck

from cliffnet import Algebra, ops
from cliffnet import functional as F
from cliffnet.nn import EquivariantLayerNorm, ScalarGatedNonlinearity
from cliffnet.nn.attention_features import comparison_plan, volume_blade
from cliffnet.ops import _linear_streams, _shared_key_attention
from helpers.precise import assert_close
from helpers.streams import energy, random

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*:UserWarning:torch"),
]

PGA = Algebra(3, 0, 1)
MAPS = PGA.equivariant_maps("pin")
SIZES = {"multivectors": 4, "scalars": 3, "outputs": 2, "scalar_outputs": 5}
NAMES = ("multivectors", "scalars", "weight", "bias", "scalar_to_mv", "mv_to_scalar", "scalar_to_scalar", "scalar_bias")


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


def gradients(function, tensors, value=energy):
    wanted = [tensor for tensor in tensors if tensor is not None and tensor.requires_grad]
    return torch.autograd.grad(value(function(*tensors)), wanted, allow_unused=True, materialize_grads=True)


def check(function, expected, tensors):
    for got, exact in zip(function(*tensors), expected(*tensors), strict=True):
        assert_close(got, exact)
    assert_close(gradients(function, tensors), gradients(expected, tensors))


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
    assert_close(found, exact)


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
        assert_close(gradients(function, tensors, value), gradients(expected, tensors, value))


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
    bound = 1e-5 if dtype == torch.float32 else 0.06
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
    assert_close(torch.func.jvp(function, tensors, tangents), torch.func.jvp(expected, tensors, tangents))
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(tensors[0], tangents[0])
        got, exact = (call(dual, *tensors[1:])[0] for call in (function, expected))
        assert_close(forward_ad.unpack_dual(got).tangent, forward_ad.unpack_dual(exact).tangent)

    def per_sample(call):
        def of_sample(mv, scalars, weight):
            return energy(call(mv[None], scalars[None], weight, *tensors[3:]))

        axes = (0, 0, None)
        return torch.vmap(torch.func.grad(of_sample, argnums=(0, 2)), axes)(*tensors[:3])

    assert_close(per_sample(function), per_sample(expected))


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_recorded_without_gradients(name):
    function, expected, make = case_of(name)
    tensors = make()
    with torch.no_grad():
        results = function(*tensors)
    assert not any(result.requires_grad for result in results)
    assert_close(results, tuple(expected(*tensors)))
