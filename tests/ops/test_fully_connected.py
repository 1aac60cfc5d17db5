"""The operators of fully connected products in every form that torch knows."""

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch.autograd import forward_ad
from torch.autograd.gradcheck import gradcheck, gradgradcheck

from cliffnet import Algebra, Partition, reference
from cliffnet import functional as F
from helpers.weighted_products import dense_fully_connected, dense_paths

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*vmap.*:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*:UserWarning:torch"),
]

CLOSE = {"rtol": 1e-9, "atol": 1e-9}
PARTITIONS = {
    "Cl(2) by grade": Partition.by_grade(Algebra(2)),
    "Cl(0,0,2) by grade": Partition.by_grade(Algebra(0, 0, 2)),
    "Cl(3) by parity": Partition.by_parity(Algebra(3)),
}


class Case:
    """A product of three tensors and its dense oracle."""

    def __init__(self, partition):
        self.partition = partition
        self.plan = partition.product_plan()
        self.tables, _ = dense_paths(partition)

    def function(self, x, y, weight):
        return F.fully_connected_product(x, y, weight, self.partition)

    def oracle(self, x, y, weight):
        return dense_fully_connected(x, y, weight, self.tables)

    def operands(self, *leading, inputs=2, outputs=3, dtype=torch.float64):
        generator = torch.Generator().manual_seed(0)
        blades, paths = self.partition.algebra.num_blades, len(self.partition.paths())
        shapes = ((*leading, inputs, blades), (*leading, inputs, blades), (outputs, inputs, paths))
        return tuple(
            torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_() for shape in shapes
        )


@pytest.fixture(params=PARTITIONS.values(), ids=PARTITIONS)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


@pytest.fixture
def _fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def detached(operands):
    return tuple(operand.detach() for operand in operands)


def test_gradcheck_with_forward_and_batched_modes(case):
    operands = case.operands(3)
    assert gradcheck(case.function, operands, check_forward_ad=True, check_batched_grad=True, check_undefined_grad=True)


def test_gradcheck_with_broadcast_operands(case):
    x, _, weight = case.operands(2, 1)
    y = case.operands(3)[1]
    assert gradcheck(case.function, (x, y, weight), fast_mode=True)
    assert gradgradcheck(case.function, (x, y, weight), fast_mode=True)


def test_gradgradcheck(case):
    assert gradgradcheck(case.function, case.operands(2), check_batched_grad=True)


@pytest.mark.parametrize("needed", [(0,), (1,), (2,), (0, 1), (0, 2)], ids=str)
def test_derivatives_only_of_what_needs_them(case, needed):
    def second_order(function):
        operands = tuple(
            operand if index in needed else operand.detach() for index, operand in enumerate(case.operands(2))
        )
        wanted = [operands[index] for index in needed]
        first = torch.autograd.grad((function(*operands) ** 2).sum(), wanted, create_graph=True)
        return *first, *torch.autograd.grad(sum((one**2).sum() for one in first), wanted)

    for one, other in zip(second_order(case.function), second_order(case.oracle), strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


def test_third_order(case):
    def third(function):
        x, y, weight = case.operands(2)
        first = torch.autograd.grad((function(x, y, weight) ** 2).sum(), x, create_graph=True)[0]
        second = torch.autograd.grad((first**2).sum(), weight, create_graph=True)[0]
        return torch.autograd.grad((second**2).sum(), y)[0]

    torch.testing.assert_close(third(case.function), third(case.oracle), **CLOSE)


@pytest.mark.parametrize("axes", [(0, 0, None), (0, None, None), (None, 1, None), (0, 0, 0), (None, None, 0)])
def test_vmap(case, axes):
    x, y, weight = detached(case.operands(4, 4))
    weights = torch.stack([weight, 2 * weight, -weight, weight**2])
    operands = tuple(one if axis is not None else one[0] for one, axis in zip((x, y, weights), axes, strict=True))
    torch.testing.assert_close(
        torch.vmap(case.function, axes)(*operands), torch.vmap(case.oracle, axes)(*operands), **CLOSE
    )


def test_functional_derivatives(case):
    x, y, weight = detached(case.operands(2))

    def energy(function):
        return lambda a, w: (function(a, y, w) ** 2).sum()

    ours, oracle = energy(case.function), energy(case.oracle)
    for transform in (torch.func.grad, torch.func.hessian, lambda f: torch.func.jacrev(torch.func.jacrev(f))):
        torch.testing.assert_close(transform(ours)(x, weight), transform(oracle)(x, weight), **CLOSE)
    per_sample = torch.vmap(torch.func.grad(ours, argnums=1), (0, None))
    torch.testing.assert_close(
        per_sample(x, weight), torch.vmap(torch.func.grad(oracle, argnums=1), (0, None))(x, weight), **CLOSE
    )
    value, tangent = torch.func.jvp(case.function, (x, y, weight), (x, 2 * y, 3 * weight))
    torch.testing.assert_close(tangent, 6 * value, **CLOSE)


def test_forward_mode_dual_tensors(case):
    x, y, weight = detached(case.operands(2))
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(weight, torch.ones_like(weight))
        tangent = forward_ad.unpack_dual(case.function(x, y, dual)).tangent
    torch.testing.assert_close(tangent, case.oracle(x, y, torch.ones_like(weight)), **CLOSE)


def test_is_grads_batched(case):
    operands = case.operands(3)
    out = case.function(*operands)
    cotangents = torch.randn(5, *out.shape, dtype=out.dtype)
    batched = torch.autograd.grad(out, operands, cotangents, is_grads_batched=True, retain_graph=True)
    for index, cotangent in enumerate(cotangents):
        single = torch.autograd.grad(out, operands, cotangent, retain_graph=True)
        for many, one in zip(batched, single, strict=True):
            torch.testing.assert_close(many[index], one, **CLOSE)


@pytest.mark.usefixtures("_fresh_compiler")
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compile_fullgraph_forward_and_backward(case, backend):
    x, y, weight = case.operands(5, outputs=2)

    def layer(function):
        return lambda a, b, w: function(function(a, b, w) * 2, a, w)

    compiled = torch.compile(layer(case.function), fullgraph=True, backend=backend)
    results = []
    for function in (compiled, layer(case.oracle)):
        value = function(x, y, weight)
        results.append((value, *torch.autograd.grad((value**2).sum(), (x, y, weight))))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, **CLOSE)


@pytest.mark.usefixtures("_fresh_compiler")
def test_compile_dynamic_batch_compiles_once(case):
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(case.function, fullgraph=True, dynamic=True, backend=counter)
    # no other axis has one of these sizes, which would be taken for the same
    for batch in (11, 13, 17, 19):
        operands = case.operands(batch)
        torch.testing.assert_close(compiled(*operands), case.oracle(*operands), **CLOSE)
    assert counter.frame_count == 1


@pytest.mark.usefixtures("_fresh_compiler")
def test_compile_of_transforms(case):
    x, y, weight = detached(case.operands(5))

    def force(function):
        return torch.func.grad(lambda a: (function(a, y, weight) ** 2).sum())

    compiled = torch.compile(force(case.function), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), force(case.oracle)(x), **CLOSE)
    over_rows = torch.compile(torch.vmap(case.function, (0, 0, None)), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(over_rows(x, y, weight), case.oracle(x, y, weight), **CLOSE)


def test_opcheck(case):
    x, y, weight = case.operands(5)
    cotangent = case.oracle(x, y, weight).detach().requires_grad_()
    operators = torch.ops.cliffnet
    torch.library.opcheck(operators.fully_connected_product.default, (x, y, weight, case.plan))
    torch.library.opcheck(operators.fully_connected_product_backward.default, (cotangent, x, y, weight, case.plan))


class Wrapped(torch.nn.Module):
    def __init__(self, case, weight):
        super().__init__()
        self.case = case
        self.weight = torch.nn.Parameter(weight)

    def forward(self, x, y):
        return self.case.function(x, y, self.weight) * 2


def test_export_with_dynamic_batch(case):
    x, y, weight = detached(case.operands(5))
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(Wrapped(case, weight), (x, y), dynamic_shapes=({0: batch}, {0: batch}), strict=False)
    x, y, _ = detached(case.operands(7))
    torch.testing.assert_close(program.module()(x, y), 2 * case.oracle(x, y, weight), **CLOSE)


def test_autocast_computes_in_single_precision(case):
    x, y, weight = case.operands(5, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        result = case.function(x.bfloat16(), y.bfloat16(), weight)
    assert result.dtype == torch.float32
    expected = case.oracle(x.bfloat16().float(), y.bfloat16().float(), weight)
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-4)
    gradient = torch.autograd.grad((result**2).sum(), weight)[0]
    torch.testing.assert_close(gradient, torch.autograd.grad((expected**2).sum(), weight)[0], rtol=1e-3, atol=1e-3)


def strided_versions(x):
    padded = torch.full((*x.shape[:-2], x.shape[-2] + 1, x.shape[-1] + 3), torch.nan, dtype=x.dtype)
    padded[..., 1:, 1 : x.shape[-1] + 1] = x
    return {
        "contiguous": x.contiguous(),
        "blade-major": F.to_blade_major(x),
        "channels outermost": x.movedim(-2, 0).contiguous().movedim(0, -2),
        "rows innermost": x.movedim(0, -1).contiguous().movedim(-1, 0),
        "padded": padded[..., 1:, 1 : x.shape[-1] + 1],
        "rows reversed twice": x.flip(0).flip(0),
    }


@pytest.mark.parametrize("rows", [1, 5, 70])
def test_every_pair_of_layouts(case, rows):
    x, y, weight = detached(case.operands(rows))
    expected = case.oracle(x, y, weight)
    for left in strided_versions(x).values():
        for right in strided_versions(y).values():
            torch.testing.assert_close(case.function(left, right, weight), expected, **CLOSE)
            fake = case.function(left.to("meta"), right.to("meta"), weight.to("meta"))
            assert fake.stride() == case.function(left, right, weight).stride()
    for strided in (weight.mT.contiguous().mT, weight.movedim(0, -1).contiguous().movedim(-1, 0), weight[:1]):
        torch.testing.assert_close(case.function(x, y, strided), case.oracle(x, y, strided), **CLOSE)


def test_expanded_operands(case):
    x, y, weight = detached(case.operands(1, inputs=1, outputs=1))
    x, y = x.expand(70, 3, -1), y.expand(70, 3, -1)
    weight = weight.expand(4, 3, -1)
    torch.testing.assert_close(case.function(x, y, weight), case.oracle(x, y, weight), **CLOSE)


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129, 600])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tails_of_any_length(case, rows, dtype):
    x, y, weight = case.operands(rows, dtype=dtype, outputs=7)
    bound = 1e-4 if dtype == torch.float32 else 1e-12
    result, expected = case.function(x, y, weight), case.oracle(x.double(), y.double(), weight.double())
    torch.testing.assert_close(result.double(), expected, rtol=bound, atol=bound)
    found = torch.autograd.grad(result.sum(), (x, y, weight))
    exact = torch.autograd.grad(expected.sum(), (x, y, weight))
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one, other, rtol=rows * bound, atol=rows * bound)


def test_reference_twin_agrees_with_the_operator(case):
    x, y, weight = detached(case.operands(9))
    expected = case.function(x, y, weight)
    torch.testing.assert_close(reference.fully_connected_product(x, y, weight, case.plan), expected, **CLOSE)
    twins = reference.fully_connected_product_backward(expected, x, y, weight, case.plan)
    natives = torch.ops.cliffnet.fully_connected_product_backward(expected, x, y, weight, case.plan)
    for twin, native in zip(twins, natives, strict=True):
        torch.testing.assert_close(twin, native, **CLOSE)


def test_native_operator_refuses_what_does_not_fit(case):
    operator = torch.ops.cliffnet.fully_connected_product
    x, y, weight = detached(case.operands(4))
    for wrong in (
        (x, y, weight[:, :1], case.plan),
        (x, y, weight[..., 1:], case.plan),
        (x, y, weight[0], case.plan),
        (x, y[:, :1], weight, case.plan),
        (x[..., 1:], y, weight, case.plan),
        (x, y[0, 0], weight, case.plan),
        (x, y.float(), weight, case.plan),
        (x[:3], y, weight, case.plan),
        (x, y, weight, case.partition.algebra.product_plan("geometric_product")),
    ):
        with pytest.raises(RuntimeError):
            operator(*wrong)
