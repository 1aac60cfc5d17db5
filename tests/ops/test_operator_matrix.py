"""What holds for every operator: values, strides, special numbers, derivatives, transforms, compiled graphs."""

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.gradcheck import gradcheck, gradgradcheck

from cliffnet import functional as F
from cliffnet import ops
from helpers.operator_matrix import OPERATORS, OperatorCase

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*:UserWarning:torch"),
    pytest.mark.filterwarnings("ignore:.*vmap.*:UserWarning"),
]

CLOSE = {"rtol": 1e-9, "atol": 1e-9}


@pytest.fixture(params=OPERATORS, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> OperatorCase:
    return request.param


@pytest.fixture
def _fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def as_tuple(result):
    return (result,) if isinstance(result, torch.Tensor) else tuple(result)


def with_gradients(tensors):
    return tuple(tensor.detach().requires_grad_() for tensor in tensors)


def energy(function):
    """A number that depends on every output in another way."""
    return lambda *tensors: sum(((one + 0.5) ** 2).sum() for one in as_tuple(function(*tensors)))


def padded(x):
    wide = torch.full((*x.shape[:-1], x.shape[-1] + 3), torch.nan, dtype=x.dtype)
    wide[..., 1:-2] = x
    return wide[..., 1:-2]


def spread(x):
    wide = torch.full((*x.shape[:-1], 2 * x.shape[-1]), torch.nan, dtype=x.dtype)
    wide[..., ::2] = x
    return wide[..., ::2]


VIEWS = {
    "blade-major": F.to_blade_major,
    "padded and misaligned": padded,
    "every other blade": spread,
    "rows swapped": lambda x: x.transpose(0, -2).contiguous().transpose(0, -2) if x.dim() > 2 else x,
    "first of all": lambda x: x[:1].expand_as(x),
    "one number": lambda x: x.flatten()[:1].expand_as(x) if x.numel() else x,
}


@pytest.mark.parametrize("leading", [(), (1,), (3,), (17,), (65,), (3, 5), (2, 129)])
def test_values_are_those_of_the_reference(case, leading):
    for dtype in case.dtypes:
        tensors = case.tensors(*leading, dtype=dtype)
        before = [tensor.clone() for tensor in tensors]
        found, exact = as_tuple(case.function(*tensors)), as_tuple(case.oracle(*(x.double() for x in tensors)))
        bound = {torch.float64: 1e-10, torch.float32: 2e-4}.get(dtype, 8 * torch.finfo(dtype).eps)
        for one, expected in zip(found, exact, strict=True):
            assert one.dtype == dtype
            # what half precision cannot hold is infinite there
            expected = expected.to(dtype).double()
            finite = expected[expected.isfinite()]
            scale = max(1.0, finite.abs().max().item()) if finite.numel() else 1.0
            torch.testing.assert_close(one.double(), expected, rtol=bound, atol=bound * scale)
        assert all(torch.equal(x, y) for x, y in zip(tensors, before, strict=True))


@pytest.mark.parametrize("leading", [(0,), (0, 3), (3, 0)])
def test_empty_tensors(case, leading):
    tensors = with_gradients(case.tensors(*leading))
    found, expected = as_tuple(case.function(*tensors)), as_tuple(case.oracle(*tensors))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)
    gradients = torch.autograd.grad(energy(case.function)(*tensors), tensors, allow_unused=True)
    assert all(gradient is None or gradient.shape == x.shape for gradient, x in zip(gradients, tensors, strict=True))


@pytest.mark.parametrize("view", VIEWS)
def test_any_strides(case, view):
    tensors = case.tensors(6, 11)
    for changed in [(index,) for index in range(len(tensors))] + [range(len(tensors))]:
        given = [VIEWS[view](x) if index in changed and x.dim() > 1 else x for index, x in enumerate(tensors)]
        found, expected = as_tuple(case.function(*given)), as_tuple(case.oracle(*(x.clone() for x in given)))
        with FakeTensorMode() as mode:
            fake = as_tuple(case.function(*map(mode.from_tensor, given)))
        for one, other, declared in zip(found, expected, fake, strict=True):
            torch.testing.assert_close(one, other, **CLOSE)
            assert (declared.shape, declared.dtype) == (one.shape, one.dtype)
            assert declared.stride() == one.stride()


def test_tensors_whose_memory_was_given_back_are_refused(case):
    for index in range(len(case.tensors(3))):
        tensors = list(case.tensors(3))
        # the features are linear in the scalars, whose gradients do not read them
        is_read = (case.name, index) != ("attention_features_backward", 4)
        if is_read and tensors[index].numel():
            tensors[index].untyped_storage().resize_(0)
            with pytest.raises(RuntimeError, match="expected tensors with memory"):
                case.function(*tensors)


def test_meta_tensors(case):
    tensors = case.tensors(4, 3)
    found = as_tuple(case.function(*(x.to("meta") for x in tensors)))
    assert [one.shape for one in found] == [one.shape for one in as_tuple(case.function(*tensors))]
    assert {one.device.type for one in found} == {"meta"}


@pytest.mark.parametrize("special", [torch.nan, torch.inf, -torch.inf])
def test_special_numbers_go_where_the_reference_takes_them(case, special):
    for index in range(len(case.tensors(3))):
        tensors = [x.sign() for x in case.tensors(3)]
        if not tensors[index].numel():
            continue
        tensors[index].flatten()[1] = special
        for one, expected in zip(as_tuple(case.function(*tensors)), as_tuple(case.oracle(*tensors)), strict=True):
            assert torch.equal(one.isnan(), expected.isnan())
            assert torch.equal(one.isfinite(), expected.isfinite())


def test_first_derivatives(case):
    tensors = with_gradients(case.tensors(2))
    assert gradcheck(case.function, tensors, fast_mode=True, check_forward_ad=True, check_batched_grad=True)
    found = torch.autograd.grad(energy(case.function)(*tensors), tensors, allow_unused=True, materialize_grads=True)
    expected = torch.autograd.grad(energy(case.oracle)(*tensors), tensors, allow_unused=True, materialize_grads=True)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


def test_second_derivatives(case):
    assert gradgradcheck(case.function, with_gradients(case.tensors(1)), fast_mode=True, check_batched_grad=True)


def test_derivatives_by_some_operands_only(case):
    tensors = case.tensors(3)
    for index in range(len(tensors)):
        given = [x.detach().requires_grad_(position == index) for position, x in enumerate(tensors)]
        if not any(one.requires_grad for one in as_tuple(case.oracle(*given))):
            continue
        (found,) = torch.autograd.grad(energy(case.function)(*given), given[index])
        (expected,) = torch.autograd.grad(energy(case.oracle)(*given), given[index])
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


def test_opcheck(case):
    tensors = case.tensors(3, 2)
    for given in (tensors, with_gradients(tensors), [F.to_blade_major(x) for x in tensors]):
        torch.library.opcheck(case.operator.raw, (*given, *case.numbers))


def test_vmap(case):
    tensors = case.tensors(4, 3)
    axes = tuple(0 if case.is_batched(index) else None for index in range(len(tensors)))
    torch.testing.assert_close(
        torch.vmap(case.function, axes)(*tensors), torch.vmap(case.oracle, axes)(*tensors), **CLOSE
    )
    one_sided = tuple(0 if index == 0 else None for index in range(len(tensors)))
    given = [x if index == 0 or not case.is_batched(index) else x[0] for index, x in enumerate(tensors)]
    torch.testing.assert_close(
        torch.vmap(case.function, one_sided)(*given), torch.vmap(case.oracle, one_sided)(*given), **CLOSE
    )


def test_function_transforms(case):
    tensors = case.tensors(2)
    tangents = case.tensors(2, seed=1)
    everything = tuple(range(len(tensors)))
    transforms = {
        "grad": lambda f: torch.func.grad(energy(f), everything)(*tensors),
        "jvp": lambda f: torch.func.jvp(f, tensors, tangents),
        "jacrev": lambda f: torch.func.jacrev(f)(*tensors),
        "jacfwd": lambda f: torch.func.jacfwd(f)(*tensors),
        "hessian": lambda f: torch.func.hessian(energy(f))(*tensors),
        "grad of grad": lambda f: torch.func.grad(lambda *x: energy(torch.func.grad(energy(f)))(*x))(*tensors),
    }
    for transform in transforms.values():
        torch.testing.assert_close(transform(case.function), transform(case.oracle), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_computes_in_single_precision(case, dtype):
    tensors = case.tensors(5, dtype=dtype)
    expected = as_tuple(case.function(*(x.float() for x in tensors)))
    with torch.autocast("cpu", dtype):
        found = as_tuple(case.function(*tensors))
        differentiated = as_tuple(case.function(*with_gradients(tensors)))
    for one, other, third in zip(found, expected, differentiated, strict=True):
        assert one.dtype == third.dtype == torch.float32
        assert torch.equal(one, other)
        assert torch.equal(third, other)


@pytest.mark.usefixtures("_fresh_compiler")
def test_compiled_graph_of_any_batch(case):
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(energy(case.function), fullgraph=True, dynamic=False, backend=counter)
    for batch in (3, 5, 18):
        tensors = with_gradients(case.tensors(batch, 7))
        for index, tensor in enumerate(tensors):
            if case.is_batched(index):
                torch._dynamo.mark_dynamic(tensor, 0)
        found = torch.autograd.grad(compiled(*tensors), tensors, allow_unused=True, materialize_grads=True)
        expected = torch.autograd.grad(
            energy(case.oracle)(*tensors), tensors, allow_unused=True, materialize_grads=True
        )
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)
    assert counter.frame_count == 1


class Module(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *tensors):
        return self.function(*tensors)


@pytest.mark.usefixtures("_fresh_compiler")
def test_exported_program(case):
    batch = torch.export.Dim("batch", min=2, max=64)
    tensors = case.tensors(4, 3)
    axes = tuple({0: batch} if case.is_batched(index) else None for index in range(len(tensors)))
    program = torch.export.export(Module(case.function), tensors, dynamic_shapes=(axes,))
    for module in (program.module(), program.run_decompositions().module()):
        given = with_gradients(case.tensors(7, 3))
        torch.testing.assert_close(module(*given), case.function(*given), **CLOSE)
        found = torch.autograd.grad(energy(module)(*given), given, allow_unused=True, materialize_grads=True)
        expected = torch.autograd.grad(energy(case.oracle)(*given), given, allow_unused=True, materialize_grads=True)
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.skipif(ops.active_backend() != "rust", reason="needs native kernels: torch's own depend on threads")
@pytest.mark.parametrize("blade_major", [False, True])
def test_results_are_the_same_bits_on_any_number_of_threads(case, blade_major):
    tensors = case.tensors(4001, 3, dtype=torch.float32)
    if blade_major:
        tensors = tuple(F.to_blade_major(x) if case.is_batched(index) else x for index, x in enumerate(tensors))
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 2, 3, 1):
            torch.set_num_threads(threads)
            results.append(as_tuple(case.function(*tensors)))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(x, y) for x, y in zip(results[0], other, strict=True))
