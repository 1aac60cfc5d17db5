"""The operator of linear maps between channels: sizes, layouts, dtypes, derivatives, graphs, threads."""

import subprocess
import sys

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from cliffnet import Algebra, LinearMaps, Partition, ops, reference
from cliffnet import functional as F
from cliffnet.algebra import map_table

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*:UserWarning:torch"),
]

CLOSE = {"rtol": 1e-9, "atol": 1e-9}
MAPS = {
    "Cl(3,0,1) pin": Algebra(3, 0, 1).equivariant_maps("pin"),
    "Cl(1,3) spin": Algebra(1, 3).equivariant_maps("spin"),
    "Cl(5,0) mod 4": Partition.by_grade_mod(Algebra(5), 4).projections(),
    "Cl(3,0) parity": Partition.by_parity(Algebra(3)).projections(),
    "any maps": LinearMaps(Algebra(2), [[(0, 1, 2.0), (0, 2, -1.0), (3, 0, 0.5)], [(0, 1, 1.0), (3, 3, -3.0)]]),
}


@pytest.fixture(params=MAPS)
def maps(request):
    return MAPS[request.param]


def operands(maps, leading, inputs, outputs, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    return (
        random(*leading, inputs, maps.algebra.num_blades),
        random(outputs, inputs, len(maps)),
        random(outputs),
    )


def dense(x, weight, maps, bias=None):
    result = torch.einsum("oim,mpq,...iq->...op", weight, maps.matrices(x.dtype), x)
    if bias is None:
        return result
    scalar = torch.eye(maps.algebra.num_blades, dtype=x.dtype)[maps.algebra.index("1")[0]]
    return result + bias[..., None] * scalar


def layouts(x):
    """The same values in many layouts."""
    padded = torch.full((*x.shape[:-2], x.shape[-2] + 1, x.shape[-1] + 3), torch.nan, dtype=x.dtype)
    padded[..., 1:, 1 : x.shape[-1] + 1] = x
    return {
        "contiguous": x.contiguous(),
        "blade-major": F.to_blade_major(x),
        "channels outside": x.mT.contiguous().mT,
        "padded": padded[..., 1:, 1 : x.shape[-1] + 1],
        "rows reversed": x.flip(0).contiguous().flip(0),
        "strided rows": x.repeat_interleave(2, 0)[::2],
    }


def differentiated(function, x, weight, bias, cotangent):
    x, weight, bias = (tensor.detach().requires_grad_() for tensor in (x, weight, bias))
    return torch.autograd.grad(function(x, weight, bias), (x, weight, bias), cotangent)


@pytest.mark.parametrize(
    "channels", [(1, 1), (2, 3), (5, 16), (16, 16), (17, 33), (32, 7), (31, 32), (70, 1), (65, 70)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_channels_of_any_number(maps, channels, dtype):
    x, weight, bias = operands(maps, (29,), *channels, dtype)
    cotangent = operands(maps, (29,), channels[1], 1, dtype, seed=1)[0]
    bound = 1e-4 if dtype == torch.float32 else 1e-12

    def oracle(x, weight, bias):
        return dense(x, weight, maps, bias)

    expected = [tensor.double() for tensor in (x, weight, bias, cotangent)]
    value, gradients = oracle(*expected[:3]), differentiated(oracle, *expected)
    for to_format in (torch.Tensor.contiguous, F.to_blade_major):

        def function(x, weight, bias):
            return F.equivariant_linear(x, weight, maps, bias)

        got = function(to_format(x), weight, bias)
        torch.testing.assert_close(got.double(), value, rtol=bound, atol=bound)
        for one, other in zip(
            differentiated(function, to_format(x), weight, bias, to_format(cotangent)), gradients, strict=True
        ):
            torch.testing.assert_close(one.double(), other, rtol=10 * bound, atol=10 * bound)


@pytest.mark.parametrize("leading", [(5,), (2, 3), (70, 2)])
def test_every_layout(maps, leading):
    x, weight, bias = operands(maps, leading, 3, 5)
    cotangent = operands(maps, leading, 5, 1, seed=1)[0]
    gradients = differentiated(lambda x, weight, bias: dense(x, weight, maps, bias), x, weight, bias, cotangent)
    wide = weight.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    for x_view in layouts(x).values():
        torch.testing.assert_close(
            F.equivariant_linear(x_view, wide, maps, bias), dense(x, weight, maps, bias), **CLOSE
        )
        for cotangent_view in layouts(cotangent).values():
            got = ops.equivariant_linear.gradients(
                (cotangent_view,), (x_view, wide, bias, maps.number), (True, True, True)
            )
            for one, other in zip(got, gradients, strict=True):
                torch.testing.assert_close(one, other, **CLOSE)


@pytest.mark.parametrize("shape", [(4,), (1,), (3, 4), (1, 4), (3, 1), (2, 3, 4), (2, 1, 1)], ids=str)
def test_bias_of_every_shape(shape):
    maps = MAPS["Cl(3,0,1) pin"]
    x, weight, _ = operands(maps, (2, 3), 5, 4)
    bias = torch.randn(shape, dtype=torch.float64)
    cotangent = operands(maps, (2, 3), 4, 1, seed=1)[0]
    torch.testing.assert_close(F.equivariant_linear(x, weight, maps, bias), dense(x, weight, maps, bias), **CLOSE)
    got = differentiated(lambda x, w, b: F.equivariant_linear(x, w, maps, b), x, weight, bias, cotangent)
    expected = differentiated(lambda x, w, b: dense(x, w, maps, b), x, weight, bias, cotangent)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


def test_expanded_cotangent_and_input():
    maps = MAPS["Cl(3,0,1) pin"]
    x, weight, bias = operands(maps, (1,), 1, 4)
    x = x.expand(50, 3, -1)
    weight = weight.expand(-1, 3, -1)
    got = differentiated(lambda x, w, b: F.equivariant_linear(x, w, maps, b).sum(), x, weight, bias, None)
    expected = differentiated(lambda x, w, b: dense(x, w, maps, b).sum(), x, weight, bias, None)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


@pytest.mark.parametrize("shape", [(0,), (3, 0), ()], ids=str)
@pytest.mark.parametrize("channels", [(2, 3), (0, 3), (2, 0)])
def test_empty_axes(shape, channels):
    maps = MAPS["Cl(3,0,1) pin"]
    x, weight, bias = operands(maps, shape, *channels)
    cotangent = torch.ones(*shape, channels[1], 16, dtype=torch.float64)
    got = differentiated(lambda x, w, b: F.equivariant_linear(x, w, maps, b), x, weight, bias, cotangent)
    expected = differentiated(lambda x, w, b: dense(x, w, maps, b), x, weight, bias, cotangent)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_storage_is_rounded_once(maps, dtype):
    x, weight, bias = operands(maps, (33,), 6, 5, dtype)
    cotangent = operands(maps, (33,), 5, 1, dtype, seed=1)[0]
    eps = torch.finfo(dtype).eps
    got = differentiated(lambda x, w, b: F.equivariant_linear(x, w, maps, b), x, weight, bias, cotangent)
    doubles = [tensor.double() for tensor in (x, weight, bias, cotangent)]
    expected = differentiated(lambda x, w, b: dense(x, w, maps, b), *doubles)
    result = F.equivariant_linear(x, weight, maps, bias)
    for one, other in zip((result, *got), (dense(doubles[0], doubles[1], maps, doubles[2]), *expected), strict=True):
        assert one.dtype == dtype
        torch.testing.assert_close(one.double(), other, rtol=eps, atol=1e-4)


def test_native_equals_reference(maps):
    x, weight, bias = operands(maps, (40,), 5, 7)
    cotangent = operands(maps, (40,), 7, 1, seed=1)[0]
    got = ops.equivariant_linear(x, weight, bias, maps.number)
    torch.testing.assert_close(got, reference.equivariant_linear(x, weight, bias, maps.number), **CLOSE)
    for needed in range(8):
        arguments = (cotangent, x, weight, maps.number, needed)
        expected = reference.equivariant_linear_backward(*arguments)
        results = torch.ops.cliffnet.equivariant_linear_backward(*arguments)
        for one, other in zip(results, expected, strict=True):
            torch.testing.assert_close(one, other, **CLOSE)


def test_special_values_stay_where_maps_lead():
    maps = MAPS["Cl(3,0,1) pin"]
    for blade in range(16):
        x = torch.ones(20, 3, 16)
        x[0, 1, blade] = torch.inf
        result = F.equivariant_linear(x, torch.ones(2, 3, len(maps)), maps)
        reached = (maps.matrices()[:, :, blade] != 0).any(0)
        assert torch.equal(result[0, 0].isinf(), reached)
        assert result[1:].isfinite().all()


@pytest.mark.parametrize("blade_major", [False, True])
@pytest.mark.parametrize("channels", [(16, 16), (24, 40)])
def test_results_do_not_depend_on_threads(blade_major, channels):
    maps = MAPS["Cl(3,0,1) pin"]
    x, weight, bias = operands(maps, (3011,), *channels, torch.float32)
    cotangent = operands(maps, (3011,), channels[1], 1, torch.float32, seed=1)[0]
    if blade_major:
        x, cotangent = F.to_blade_major(x), F.to_blade_major(cotangent)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            gradients = differentiated(lambda x, w, b: F.equivariant_linear(x, w, maps, b), x, weight, bias, cotangent)
            results.append((F.equivariant_linear(x, weight, maps, bias), *gradients))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(map(torch.equal, results[0], other))


@pytest.mark.parametrize("by_row", [False, True], ids=["one bias", "a bias a row"])
def test_derivatives_of_both_orders(maps, by_row):
    x, weight, bias = operands(maps, (3,), 2, 2)
    if by_row:
        bias = torch.randn(3, 2, dtype=torch.float64)
    inputs = [tensor.requires_grad_() for tensor in (x, weight, bias)]

    def function(*inputs):
        return F.equivariant_linear(*inputs[:2], maps, *inputs[2:])

    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, inputs[:2], fast_mode=True)


def test_only_what_is_needed_is_differentiated():
    maps = MAPS["Cl(3,0,1) pin"]
    x, weight, bias = operands(maps, (7,), 2, 3)
    cotangent = torch.ones(7, 3, 16, dtype=torch.float64)
    everything = differentiated(lambda x, w, b: F.equivariant_linear(x, w, maps, b), x, weight, bias, cotangent)
    for index, tensor in enumerate((x, weight, bias)):
        arguments = [x, weight, bias]
        arguments[index] = leaf = tensor.clone().requires_grad_()
        F.equivariant_linear(arguments[0], arguments[1], maps, arguments[2]).backward(cotangent)
        assert torch.equal(leaf.grad, everything[index])


def test_opcheck(maps):
    x, weight, bias = (tensor.requires_grad_() for tensor in operands(maps, (5,), 2, 3))
    none = torch.empty(0, dtype=torch.float64)
    for given in (x, F.to_blade_major(x.detach()).requires_grad_()):
        torch.library.opcheck(torch.ops.cliffnet.equivariant_linear.default, (given, weight, bias, maps.number))
        torch.library.opcheck(torch.ops.cliffnet.equivariant_linear.default, (given, weight, none, maps.number))
    cotangent = operands(maps, (5,), 3, 1)[0].requires_grad_()
    arguments = (cotangent, x, weight, maps.number)
    for needed in (7, 1, 2):
        torch.library.opcheck(torch.ops.cliffnet.equivariant_linear_backward.default, (*arguments, needed))


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiled_training_with_changing_batch(backend):
    torch._dynamo.reset()
    maps = MAPS["Cl(3,0,1) pin"]
    _, weight, bias = operands(maps, (1,), 3, 3)
    counter = CompileCounterWithBackend(backend)

    def network(x, weight, bias):
        hidden = F.equivariant_linear(x, weight, maps, bias)
        return F.equivariant_linear(torch.relu(hidden), weight, maps)

    def plain(x, weight, bias):
        return dense(torch.relu(dense(x, weight, maps, bias)), weight, maps)

    compiled = torch.compile(network, fullgraph=True, dynamic=True, backend=counter)
    frames = []
    for batch in (5, 7, 11):
        x = F.to_blade_major(torch.randn(batch, 3, 16, dtype=torch.float64))
        cotangent = torch.randn(batch, 3, 16, dtype=torch.float64)
        got = differentiated(compiled, x, weight, bias, cotangent)
        for one, other in zip(got, differentiated(plain, x, weight, bias, cotangent), strict=True):
            torch.testing.assert_close(one, other, **CLOSE)
        frames.append(counter.frame_count)
    assert frames == frames[:1] * 3
    torch._dynamo.reset()


def test_numbers_of_maps_hold_in_every_process():
    maps = [MAPS["Cl(3,0,1) pin"], MAPS["Cl(1,3) spin"], MAPS["Cl(5,0) mod 4"], MAPS["Cl(3,0) parity"]]
    program = """
import sys
from cliffnet.algebra import map_table
print(*(len(map_table(int(number)).runs) for number in sys.argv[1:]))
"""
    numbers = [str(one.number) for one in maps]
    found = subprocess.run([sys.executable, "-c", program, *numbers], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [str(len(one.runs)) for one in maps]


def test_equal_maps_have_one_number():
    algebra = Algebra(2)
    entries = [[(0, 1, 2.0)], [(3, 3, 1.0)]]
    first, second = LinearMaps(algebra, entries), LinearMaps(algebra, tuple(map(tuple, entries)))
    assert first.number == second.number
    assert LinearMaps(algebra, entries[:1]).number != first.number
    assert map_table(first.number).maps == 2


def test_operands_that_do_not_fit_are_refused_by_the_kernel():
    maps = MAPS["Cl(3,0,1) pin"]
    x, weight, bias = operands(maps, (5,), 2, 3)
    kernel = torch.ops.cliffnet.equivariant_linear_kernel
    wrong = [
        (x[..., :8], weight, bias, maps.number),
        (x[0, 0], weight, bias, maps.number),
        (x, weight[:, :1], bias, maps.number),
        (x, weight[..., :8], bias, maps.number),
        (x, weight[0], bias, maps.number),
        (x, weight, bias[:2], maps.number),
        (x, weight, torch.zeros(4, 3, dtype=torch.float64), maps.number),
        (x, weight.float(), bias, maps.number),
        (x, weight, bias.float(), maps.number),
        (x.to(torch.int64), weight, bias, maps.number),
        (x, weight, bias, 12345),
    ]
    for arguments in wrong:
        with pytest.raises(RuntimeError, match="cliffnet: "):
            kernel(*arguments)
    backward = torch.ops.cliffnet.equivariant_linear_backward_kernel
    cotangent = torch.zeros(5, 3, 16, dtype=torch.float64)
    for arguments in [
        (cotangent[:4], x, weight, maps.number, 7),
        (cotangent[:, :2], x, weight, maps.number, 7),
        (cotangent, x.float(), weight, maps.number, 7),
        (cotangent, x, weight[:2], maps.number, 7),
    ]:
        with pytest.raises(RuntimeError, match="cliffnet: "):
            backward(*arguments)
