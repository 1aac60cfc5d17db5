"""Products and joins of GATr and the features of attention against their twins, in every form of call."""

import pytest
import torch
from torch.autograd import forward_ad
from torch.autograd.gradcheck import gradcheck, gradgradcheck

from cliffnet import functional as F
from cliffnet.ops._attention import attention_features_backward
from cliffnet.ops._product_and_join import product_and_join_backward
from helpers.gatr_cases import CASES, FEW, Case

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*:UserWarning:torch"),
]

BACKWARD = {"product_and_join": product_and_join_backward, "attention_features": attention_features_backward}
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(params=FEW, ids=lambda case: case.name)
def one(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def energy(results):
    """A number on which every entry has another influence."""
    return sum((result * torch.arange(result.numel()).view(result.shape).cos()).sum() for result in results)


def gradients(function, tensors):
    wanted = [tensor for tensor in tensors if tensor.requires_grad]
    return torch.autograd.grad(energy(function(*tensors)), wanted, allow_unused=True, materialize_grads=True)


def detached(tensors):
    return tuple(tensor.detach() for tensor in tensors)


@pytest.mark.parametrize("leading", [(3,), (2, 5), (2, 3, 4), (0,), (2, 0), (67, 3)])
def test_values_and_gradients_are_those_of_the_twin(case, leading):
    tensors = case.tensors(*leading)
    torch.testing.assert_close(case.call(*tensors), case.expected(*tensors), **CLOSE)
    torch.testing.assert_close(gradients(case.call, tensors), gradients(case.expected, tensors), **CLOSE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_other_dtypes(case, dtype):
    tensors = case.tensors(5, 3, dtype=dtype)
    wide = tuple(tensor.detach().double().requires_grad_(tensor.requires_grad) for tensor in tensors)
    bound = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 0.05, "atol": 0.05}
    results, expected = case.call(*tensors), case.expected(*wide)
    for got, exact in zip(results, expected, strict=True):
        assert got.dtype == dtype
        torch.testing.assert_close(got.double(), exact, **bound)
    for got, exact in zip(gradients(case.call, tensors), gradients(case.expected, wide), strict=True):
        scale = 1.0 + exact.abs().max()
        torch.testing.assert_close(got.double() / scale, exact / scale, **bound)


def strided(tensor):
    """The same values in other layouts; the axes keep their places."""
    spread = torch.full((*tensor.shape[:-1], 2 * tensor.shape[-1]), torch.nan, dtype=tensor.dtype)
    spread[..., ::2] = tensor
    versions = [tensor, spread[..., ::2], tensor.movedim(-1, 0).contiguous().movedim(0, -1)]
    return [*versions, tensor.transpose(0, -2).contiguous().transpose(0, -2)] if tensor.dim() > 2 else versions


def test_any_strides_of_operands_and_cotangents(case):
    tensors = detached(case.tensors(3, 2))
    expected = case.expected(*tensors)
    for version in strided(tensors[0]):
        torch.testing.assert_close(case.call(version, *tensors[1:]), expected, **CLOSE)
    tensors = case.tensors(3, 2)
    wanted = [tensor for tensor in tensors if tensor.requires_grad]
    cotangents = [torch.randn_like(result) for result in expected]
    exact = torch.autograd.grad(case.expected(*tensors), wanted, cotangents, allow_unused=True, materialize_grads=True)
    for index in range(3):
        layouts = [strided(cotangent)[index] for cotangent in cotangents]
        torch.testing.assert_close(torch.autograd.grad(case.call(*tensors), wanted, layouts), exact, **CLOSE)
    # sums send expanded cotangents
    total = sum(result.sum() for result in case.call(*tensors))
    exact = torch.autograd.grad(
        sum(result.sum() for result in case.expected(*tensors)), wanted, allow_unused=True, materialize_grads=True
    )
    torch.testing.assert_close(torch.autograd.grad(total, wanted), exact, **CLOSE)


def test_broadcast_references():
    case = CASES[2]
    factors, _ = detached(case.tensors(2, 5))
    for shape in ((16,), (1, 16), (5, 1, 16), (3, 2, 5, 1, 16), (3, 16)):
        reference = torch.randn(shape, dtype=torch.float64)
        torch.testing.assert_close(case.call(factors, reference), case.expected(factors, reference), **CLOSE)


def test_gradcheck_of_first_and_second_order(one):
    tensors = one.tensors(2, 2)
    assert gradcheck(one.call, tensors, check_forward_ad=True, fast_mode=True, check_undefined_grad=True)
    assert gradgradcheck(one.call, tensors, fast_mode=True)


def test_operator_check(one):
    tensors = one.tensors(2, 3)
    torch.library.opcheck(one.operator.raw, (*tensors, *one.numbers))
    backward = BACKWARD.get(one.operator.name)
    if backward is not None:
        cotangents = (torch.randn_like(result, requires_grad=True) for result in one.call(*tensors))
        torch.library.opcheck(backward.raw, (*cotangents, *tensors, *one.numbers))


def test_transforms(one):
    tensors = detached(one.tensors(4, 3))
    axes = tuple(0 if tensor.dim() > 2 else None for tensor in tensors)
    if "product" in one.name:
        tensors = (tensors[0], tensors[1].expand(4, 1, 1, -1))
        axes = (0, 0)
    torch.testing.assert_close(torch.vmap(one.call, axes)(*tensors), torch.vmap(one.expected, axes)(*tensors), **CLOSE)

    def of_first(function):
        return lambda x: energy(value**2 for value in function(x, *tensors[1:]))

    for transform in (
        torch.func.grad,
        torch.func.jacrev,
        lambda f: torch.func.grad(lambda x: torch.func.grad(f)(x).sum()),
    ):
        got, exact = (transform(of_first(function))(tensors[0]) for function in (one.call, one.expected))
        torch.testing.assert_close(got, exact, **CLOSE)
    tangents = tuple(torch.ones_like(tensor) for tensor in tensors)
    torch.testing.assert_close(
        torch.func.jvp(one.call, tensors, tangents), torch.func.jvp(one.expected, tensors, tangents), **CLOSE
    )
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(tensors[0], tangents[0])
        got, exact = (function(dual, *tensors[1:])[0] for function in (one.call, one.expected))
        torch.testing.assert_close(forward_ad.unpack_dual(got).tangent, forward_ad.unpack_dual(exact).tangent, **CLOSE)


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compile_with_any_batch(one, backend):
    compiled = torch.compile(one.call, fullgraph=True, dynamic=True, backend=backend)
    for batch in (3, 5):
        tensors = one.tensors(batch, 2)
        torch.testing.assert_close(compiled(*tensors), one.expected(*tensors), **CLOSE)
        torch.testing.assert_close(gradients(compiled, tensors), gradients(one.expected, tensors), **CLOSE)


def test_export(one):
    class Layer(torch.nn.Module):
        def forward(self, *tensors):
            return one.call(*tensors)

    tensors = detached(one.tensors(3, 2))
    program = torch.export.export(Layer(), tensors)
    torch.testing.assert_close(program.module()(*tensors), one.expected(*tensors), **CLOSE)


def test_fakes_and_formats(one):
    from torch._subclasses.fake_tensor import FakeTensorMode

    for blade_major in (False, True):
        tensors = detached(one.tensors(3, 2))
        if blade_major:
            tensors = (F.to_blade_major(tensors[0]), *tensors[1:])
        real = one.call(*tensors)
        with FakeTensorMode() as mode:
            fake = one.call(*(mode.from_tensor(tensor) for tensor in tensors))
        assert [x.shape for x in fake] == [x.shape for x in real]
        assert [x.stride() for x in fake] == [x.stride() for x in real]


def test_autocast_computes_in_single_precision(one):
    tensors = detached(one.tensors(3, 2, dtype=torch.bfloat16))
    with torch.autocast("cpu"):
        results = one.call(*tensors)
    torch.testing.assert_close(results, one.expected(*(x.float() for x in tensors)), rtol=1e-4, atol=1e-4)


def test_threads_do_not_change_results(one):
    tensors = one.tensors(1000, 7, dtype=torch.float32)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append((*one.call(*tensors), *gradients(one.call, tensors)))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))
