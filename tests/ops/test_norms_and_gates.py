"""Gates, invariants of classes and layer norms: values, derivatives, odd tensors, transforms, compiled graphs."""

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily

from cliffnet import Algebra, Partition, ops, reference
from cliffnet import functional as F
from cliffnet.algebra import class_squares_plan, magnitude_plan
from helpers.layer_cases import FEW_LAYER_CASES, LAYER_CASES, LayerCase

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*:UserWarning:torch"),
]

CLOSE = {"rtol": 1e-9, "atol": 1e-9}
every_case = pytest.mark.parametrize("case", LAYER_CASES, ids=lambda case: case.name)
few_cases = pytest.mark.parametrize("case", FEW_LAYER_CASES, ids=lambda case: case.name)


def detached(case: LayerCase, *leading, **options):
    return tuple(operand.detach() for operand in case.operands(*leading, **options))


def gradients(function, operands):
    operands = [operand.detach().requires_grad_() for operand in operands]
    value = function(*operands)
    weight = torch.linspace(-1.0, 1.0, value.numel(), dtype=value.dtype).reshape(value.shape)
    return value.detach(), *torch.autograd.grad(value, operands, weight)


@every_case
@pytest.mark.parametrize("leading", [(5, 3), (3, 16), (2, 70)])
@pytest.mark.parametrize("form", [torch.clone, F.to_blade_major])
def test_values_and_gradients(case, leading, form):
    operands = [form(operand) for operand in detached(case, *leading)]
    for got, expected in zip(gradients(case.function, operands), gradients(case.formula, operands), strict=True):
        torch.testing.assert_close(got, expected, **CLOSE)


@every_case
@pytest.mark.parametrize("channels", [1, 15, 33, 64, 65, 200])
def test_single_precision_with_tails(case, channels):
    operands = detached(case, 3, channels, dtype=torch.float32)
    exact = [operand.double() for operand in operands]
    got = case.function(*operands)
    torch.testing.assert_close(got.double(), case.formula(*exact), rtol=2e-5, atol=2e-5)


@every_case
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_storage(case, dtype):
    operands = detached(case, 5, 7, dtype=dtype)
    got = case.function(*operands)
    assert got.dtype == dtype
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(
        got.double(), case.formula(*(operand.double() for operand in operands)), rtol=eps, atol=1e-4
    )


def strided_versions(x):
    padded = torch.full((*x.shape[:-1], x.shape[-1] + 3), torch.nan, dtype=x.dtype)
    padded[..., 1 : x.shape[-1] + 1] = x
    return [
        x,
        F.to_blade_major(x),
        x.transpose(0, 1).contiguous().transpose(0, 1),
        padded[..., 1 : x.shape[-1] + 1],
        F.to_blade_major(padded)[..., 1 : x.shape[-1] + 1],
        x[:, :1].expand_as(x),
    ]


@few_cases
def test_every_layout(case):
    operands = detached(case, 6, 11)
    for views in zip(*map(strided_versions, operands), strict=True):
        for got, expected in zip(gradients(case.function, views), gradients(case.formula, views), strict=True):
            torch.testing.assert_close(got, expected, **CLOSE)


@few_cases
def test_fakes_have_the_strides_of_results(case):
    operands = detached(case, 6, 11)
    with FakeTensorMode() as mode:
        with unset_fake_temporarily():
            views = list(zip(*map(strided_versions, operands), strict=True))
        for chosen in views:
            fake = case.function(*(mode.from_tensor(view) for view in chosen))
            with unset_fake_temporarily():
                real = case.function(*chosen)
            assert fake.shape == real.shape
            assert fake.stride() == real.stride()


@few_cases
@pytest.mark.parametrize("leading", [(0, 3), (2, 0)])
def test_empty(case, leading):
    operands = detached(case, *leading)
    assert case.function(*operands).shape == case.formula(*operands).shape


def test_gates_broadcast_both_ways():
    algebra = Algebra(3, 0, 1)
    partition = Partition.by_grade(algebra)
    for x_leading, gate_leading in [((4, 5), (5,)), ((5,), (4, 1)), ((1, 5), (4, 1)), ((4, 5), ())]:
        x, gates = torch.randn(*x_leading, 16).double(), torch.randn(*gate_leading, 5).double()
        formula = lambda x, s: x * torch.tanh(s)[..., list(partition.class_of_blades())]  # noqa: E731
        function = lambda x, s: F.gate(x, s, "tanh", partition=partition)  # noqa: E731
        for got, expected in zip(gradients(function, (x, gates)), gradients(formula, (x, gates)), strict=True):
            torch.testing.assert_close(got, expected, **CLOSE)


@few_cases
def test_gradcheck_to_second_order(case):
    operands = case.operands(2, 3)
    assert torch.autograd.gradcheck(case.function, operands)
    assert torch.autograd.gradgradcheck(case.function, operands)


@few_cases
def test_transforms(case):
    operands = detached(case, 4, 3)

    def scalar(function):
        return lambda *values: (function(*values) ** 2).sum()

    every = tuple(range(len(operands)))
    pairs = [
        (torch.vmap(case.function)(*operands), case.formula(*operands)),
        (torch.func.grad(scalar(case.function))(*operands), torch.func.grad(scalar(case.formula))(*operands)),
        (torch.func.jacrev(case.function)(*operands), torch.func.jacrev(case.formula)(*operands)),
        (torch.func.jvp(case.function, operands, operands)[1], torch.func.jvp(case.formula, operands, operands)[1]),
    ]
    small = tuple(operand[:1, :2] for operand in operands)
    hessians = (torch.func.hessian(scalar(f), argnums=every)(*small) for f in (case.function, case.formula))
    pairs.append(tuple(hessians))
    for got, expected in pairs:
        torch.testing.assert_close(got, expected, **CLOSE)
    with torch.autograd.forward_ad.dual_level():
        duals = [torch.autograd.forward_ad.make_dual(operand, operand) for operand in operands]
        tangent = torch.autograd.forward_ad.unpack_dual(case.function(*duals)).tangent
    torch.testing.assert_close(tangent, pairs[3][1], **CLOSE)


@few_cases
def test_compiled_forward_and_backward(case):
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(lambda *values: case.function(*values) * 2, fullgraph=True, dynamic=True, backend=counter)
    frames = []
    # sizes that equal no other, which would be taken for the same symbol
    for batch in (6, 7, 9):
        operands = detached(case, batch, 3)
        expected = gradients(lambda *values: case.formula(*values) * 2, operands)
        for got, one in zip(gradients(compiled, operands), expected, strict=True):
            torch.testing.assert_close(got, one, **CLOSE)
        frames.append(counter.frame_count)
    assert len(set(frames)) == 1
    torch._dynamo.reset()


@few_cases
def test_exported(case):
    class Wrapped(torch.nn.Module):
        def forward(self, *values):
            return case.function(*values) + 1

    operands = detached(case, 4, 3)
    batch = torch.export.Dim("batch", min=2, max=64)
    shapes = (tuple({0: batch} for _ in operands),)
    program = torch.export.export(Wrapped(), operands, dynamic_shapes=shapes, strict=False)
    operands = detached(case, 7, 3)
    torch.testing.assert_close(program.module()(*operands), case.formula(*operands) + 1, **CLOSE)


def raw_calls():
    """Every operator of this family with arguments."""
    algebra = Algebra(1, 3)
    plan = class_squares_plan(Partition.by_grade(algebra))
    generator = torch.Generator().manual_seed(0)
    x, cotangent = (torch.randn(3, 4, 16, generator=generator, dtype=torch.float64) for _ in range(2))
    gates = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64)
    norm = (plan, reference.MAGNITUDE, 0.0, reference.INVERSE_ROOT, 0.01, 1.0)
    return {
        "class_invariants": (x, plan, reference.NORM, 1e-4),
        "class_invariants_backward": (gates, x, plan, reference.NORM, 1e-4),
        "gate": (x, gates, plan, 5),
        "gate_backward": (cotangent, x, gates, plan, 5),
        "self_gate": (x, 0, 5),
        "self_gate_backward": (cotangent, x, 0, 5),
        "channel_norm": (x, *norm),
        "channel_norm_backward": (cotangent, x, *norm),
    }


@pytest.mark.parametrize("name", list(raw_calls()))
def test_opcheck(name):
    arguments = tuple(
        value.requires_grad_() if isinstance(value, torch.Tensor) else value for value in raw_calls()[name]
    )
    torch.library.opcheck(getattr(torch.ops.cliffnet, name).default, arguments)


@pytest.mark.parametrize("name", list(raw_calls()))
def test_kernels_agree_with_their_twins_on_special_values(name):
    for special in (torch.nan, torch.inf, -torch.inf, 1e200):
        arguments = raw_calls()[name]
        arguments[0][0, 1, 3] = special
        got, expected = getattr(torch.ops.cliffnet, name)(*arguments), getattr(reference, name)(*arguments)
        pairs = [(got, expected)] if isinstance(got, torch.Tensor) else zip(got, expected, strict=True)
        for one, other in pairs:
            assert torch.equal(one.isnan(), other.isnan())
            torch.testing.assert_close(one, other, equal_nan=True, **CLOSE)


def test_null_blades_do_not_count():
    algebra = Algebra(3, 0, 1)
    x = torch.randn(2, 3, 16, requires_grad=True)
    with torch.no_grad():
        x[0, 0, 1] = torch.inf
    partition = Partition.by_grade(algebra)
    assert F.class_squares(x, partition).isfinite().all()
    (gradient,) = torch.autograd.grad(F.class_norms(x, partition).sum(), x)
    assert gradient.isfinite().all()
    assert F.layer_norm(x, algebra).isfinite().sum() == x.numel() - 1


def test_plain_roots_have_zero_gradient_at_zero():
    partition = Partition.by_grade(Algebra(1, 3))
    x = torch.zeros(2, 16, requires_grad=True)
    norms = F.class_norms(x, partition, epsilon=0.0)
    assert not norms.any()
    assert not torch.autograd.grad(norms.sum(), x)[0].any()
    y = torch.randn(2, 16)
    expected = F.class_squares(y, partition).abs().sqrt()
    torch.testing.assert_close(F.class_norms(y, partition, epsilon=0.0), expected)


@pytest.mark.parametrize("form", [torch.clone, F.to_blade_major])
def test_results_do_not_depend_on_threads(form):
    algebra = Algebra(3, 0, 1)
    before, found = torch.get_num_threads(), []
    x, cotangent = form(torch.randn(1501, 13, 16)), form(torch.randn(1501, 13, 16))
    arguments = (magnitude_plan(algebra.full_key), reference.MAGNITUDE, 0.0, reference.INVERSE_ROOT, 0.01, 1.0)
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            gradient = torch.ops.cliffnet.channel_norm_backward(cotangent, x, *arguments)
            found.append((F.layer_norm(x, algebra), gradient, F.scalar_gate(x, "gelu")))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(map(torch.equal, found[0], other))


@few_cases
def test_autocast_computes_in_single_precision(case):
    operands = detached(case, 4, 3, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        result = case.function(*operands)
    assert result.dtype == torch.float32
    expected = case.formula(*(operand.float() for operand in operands))
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)


@few_cases
def test_meta_tensors(case):
    operands = tuple(operand.to("meta") for operand in detached(case, 4, 3))
    assert case.function(*operands).shape == case.formula(*detached(case, 4, 3)).shape


def test_native_code_refuses_what_does_not_fit():
    x = torch.randn(2, 3, 16)
    plan = class_squares_plan(Partition.by_grade(Algebra(1, 3)))
    product = Algebra(1, 3).product_plan("geometric_product")
    kernel = torch.ops.cliffnet
    with pytest.raises(RuntimeError, match="no activation"):
        kernel.self_gate(x, 0, 99)
    with pytest.raises(RuntimeError, match="no blade"):
        kernel.self_gate(x, 16, 1)
    with pytest.raises(RuntimeError, match="not a plan of the squares"):
        kernel.gate(x, x[..., :5], product, 1)
    with pytest.raises(RuntimeError, match="expected a last axis of 5"):
        kernel.gate(x, x[..., :4], plan, 1)
    with pytest.raises(RuntimeError, match="expected a positive number"):
        kernel.channel_norm(x, plan, 1, 0.0, 0, 0.0, 1.0)
    with pytest.raises(RuntimeError, match="of one shape"):
        kernel.channel_norm_backward(x[:1], x, plan, 1, 0.0, 0, 0.1, 1.0)
    with pytest.raises(RuntimeError, match="no invariant"):
        kernel.class_invariants(x, plan, 7, 0.0)


def test_active_backend_is_native():
    assert ops.active_backend() == "rust"
