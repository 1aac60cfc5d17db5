"""Steerable products, bare and between gate and norm, against dense einsums."""

import pytest
import torch

from cliffnet import Algebra, Partition
from cliffnet import functional as F
from cliffnet.errors import AlgebraMismatchError, ConfigError, DTypeError, ShapeError
from helpers.weighted_products import dense_paths

ALGEBRAS = [
    Algebra(2),
    Algebra(3),
    Algebra(1, 3),
    Algebra(3, 0, 1),
    Algebra(5),
    Algebra(2, 0, 1),
    Algebra(metric=(2, -0.5)),
]
PARTITIONS = {
    "grades": Partition.by_grade,
    "modulo 4": lambda algebra: Partition.by_grade_mod(algebra, 4),
    "parity": Partition.by_parity,
    "whole": Partition.whole,
    "custom": lambda algebra: Partition(algebra, [[algebra.dim, 0], range(1, algebra.dim)]),
}
FORMATS = {"contiguous": torch.Tensor.contiguous, "blade-major": F.to_blade_major}


@pytest.fixture(params=ALGEBRAS, ids=str)
def algebra(request: pytest.FixtureRequest) -> Algebra:
    return request.param


@pytest.fixture(params=PARTITIONS)
def partition(request: pytest.FixtureRequest, algebra: Algebra) -> Partition:
    return PARTITIONS[request.param](algebra)


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def operands(partition, *leading, channels=3, kind="geometric_product", dtype=torch.float64):
    blades = partition.algebra.num_blades
    x, y = (random(*leading, channels, blades, seed=seed, dtype=dtype) for seed in (0, 1))
    return x, y, random(channels, len(partition.paths(kind)), seed=2, dtype=dtype)


def dense(x, y, weight, partition, product=F.geometric_product):
    tables, _ = dense_paths(partition, product)
    return torch.einsum("...ci,...cj,cp,pijk->...ck", x, y, weight, tables.to(x.dtype))


def dense_gated(x, y, weight, partition, gate, epsilon):
    left, right = (gate(z[..., :1]) * z for z in (x, y))
    product = dense(left, right, weight, partition)
    pieces = torch.zeros_like(product)
    for index in range(len(partition)):
        part = torch.tensor([owner == index for owner in partition.class_of_blades()])
        squares = F.norm_squared(product * part, partition.algebra)
        is_null = not F.norm_squared(torch.eye(len(part), dtype=x.dtype)[part], partition.algebra).any()
        norm = 1.0 if is_null else (squares.abs().mean(-1) + epsilon).sqrt()[..., None, None]
        pieces = pieces + product * part / norm
    return pieces


def with_gradients(function, *tensors):
    tensors = [tensor.detach().requires_grad_() for tensor in tensors]
    result = function(*tensors)
    # weights that differ from entry to entry, so that a gradient in the wrong place shows
    upstream = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).reshape(result.shape)
    return result, *torch.autograd.grad(result, tensors, upstream)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("channels", [1, 5, 16, 70])
def test_value_and_gradients_are_those_of_the_dense_product(partition, channels, form):
    x, y, weight = operands(partition, 4, channels=channels)
    paths = dense_paths(partition)[1]
    assert tuple(map(tuple, paths)) == partition.paths()
    x, y = (FORMATS[form](z) for z in (x, y))
    found = with_gradients(lambda *z: F.steerable_product(*z, partition), x, y, weight)
    expected = with_gradients(lambda *z: dense(*z, partition), x, y, weight)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    assert F.is_blade_major(found[0]) == (form == "blade-major" and channels * 4 > 1)


@pytest.mark.parametrize("channels", [1, 5, 128])
@pytest.mark.parametrize("gate", ["normal_cdf", "sigmoid", None])
def test_gated_value_and_gradients_are_those_of_the_dense_formula(partition, channels, gate):
    functions = {"normal_cdf": torch.special.ndtr, "sigmoid": torch.sigmoid, None: torch.ones_like}
    tensors = operands(partition, 7, channels=channels)
    for form in FORMATS.values():
        given = (form(tensors[0]), form(tensors[1]), tensors[2])
        found = with_gradients(lambda *z: F.gated_steerable_product(*z, partition, gate=gate, epsilon=0.1), *given)
        expected = with_gradients(lambda *z: dense_gated(*z, partition, functions[gate], 0.1), *given)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["outer_product", "left_contraction", "commutator"])
def test_other_products(kind):
    partition = Partition.by_grade(Algebra(3, 0, 1))
    x, y, weight = operands(partition, 5, kind=kind)
    expected = dense(x, y, weight, partition, getattr(F, kind))
    torch.testing.assert_close(F.steerable_product(x, y, weight, partition, kind=kind), expected)


@pytest.mark.parametrize(
    "shapes", [((3,), (3,)), ((4, 3), (3,)), ((1, 3), (4, 1)), ((2, 1, 3), (5, 1)), ((4, 1), (3,))]
)
@pytest.mark.parametrize("gated", [False, True])
def test_operands_broadcast_and_their_gradients_are_summed(shapes, gated):
    partition = Partition.by_grade(Algebra(1, 3))
    x, y = (random(*shape, 16, seed=seed) for seed, shape in enumerate(shapes))
    weight = random(3, len(partition.paths()), seed=2)

    def ours(*z):
        return F.gated_steerable_product(*z, partition, epsilon=0.1) if gated else F.steerable_product(*z, partition)

    def theirs(*z):
        return dense_gated(*z, partition, torch.special.ndtr, 0.1) if gated else dense(*z, partition)

    found, expected = with_gradients(ours, x, y, weight), with_gradients(theirs, x, y, weight)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_weights_of_any_strides():
    partition = Partition.by_grade(Algebra(3))
    x, y, weight = operands(partition, 9, channels=17)
    expected = F.steerable_product(x, y, weight, partition)
    wide = weight.repeat_interleave(2, 0)[::2]
    for view in (weight.T.contiguous().T, wide, weight.flip(0).contiguous().flip(0)):
        assert torch.equal(F.steerable_product(x, y, view, partition), expected)
    one = weight[:1].expand(17, -1)
    torch.testing.assert_close(F.steerable_product(x, y, one, partition), dense(x, y, one, partition))


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("rows", [1, 40, 700])
def test_gradients_do_not_depend_on_threads(gated, rows):
    partition = Partition.by_grade(Algebra(3))
    x, y, weight = operands(partition, rows, channels=37, dtype=torch.float32)
    product = F.gated_steerable_product if gated else F.steerable_product
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(with_gradients(lambda *z: product(*z, partition), x, y, weight))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(one, same) for one, same in zip(results[0], other, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("gated", [False, True])
def test_narrow_storage_is_rounded_once(dtype, gated):
    partition = Partition.by_grade(Algebra(3))
    x, y, weight = operands(partition, 30, channels=20, dtype=dtype)
    product = F.gated_steerable_product if gated else F.steerable_product
    found = with_gradients(lambda *z: product(*z, partition), x, y, weight)
    exact = with_gradients(lambda *z: product(*z, partition), x.double(), y.double(), weight.double())
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == dtype
        bound = max(torch.finfo(dtype).eps, 2e-5) * 4
        torch.testing.assert_close(one.double(), other, rtol=bound, atol=bound * other.abs().max().item())


def test_weight_gradients_of_many_rows_keep_their_digits():
    partition = Partition.whole(Algebra(1))
    rows = 300_000
    x = torch.ones(rows, 1, 2)
    weight = torch.ones(1, 1, requires_grad=True)
    (gradient,) = torch.autograd.grad(F.steerable_product(x, x, weight, partition).sum(), weight)
    assert gradient.item() == 4.0 * rows


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("odd", [False, True])
def test_products_commute_with_versors(partition, gated, odd):
    algebra = partition.algebra
    x, y, weight = operands(partition, 4)
    vectors = torch.zeros(2, algebra.num_blades, dtype=torch.float64)
    places = [index for index, grade in enumerate(algebra.grades) if grade == 1]
    vectors[:, places] = random(2, len(places), seed=5)
    # long enough not to be null
    vectors[:, places[-1]] += 3.0
    versor = vectors[0] if odd else F.geometric_product(vectors[0], vectors[1], algebra)

    def act(z):
        return F.sandwich(versor, z, algebra)

    def product(a, b):
        if gated:
            return F.gated_steerable_product(a, b, weight, partition, epsilon=0.1)
        return F.steerable_product(a, b, weight, partition)

    torch.testing.assert_close(product(act(x), act(y)), act(product(x, y)), rtol=1e-7, atol=1e-7)


def test_channels_of_opposite_squares_do_not_cancel_in_norms():
    algebra = Algebra(1, 1)
    partition = Partition.by_grade(algebra)
    x = torch.zeros(1, 2, 4, dtype=torch.float64)
    # one channel spacelike, one timelike: the mean of the squares is zero, that of the magnitudes is not
    x[0, 0, 1] = x[0, 1, 2] = 3.0
    one = torch.zeros(1, 2, 4, dtype=torch.float64)
    one[..., 0] = 1.0
    weight = torch.ones(2, len(partition.paths()), dtype=torch.float64)
    result = F.gated_steerable_product(x, one, weight, partition, gate=None, epsilon=0.0)
    torch.testing.assert_close(result[..., 1:3], x[..., 1:3] / 3.0)


@pytest.mark.parametrize("gated", [False, True])
def test_wrong_arguments_are_named(gated):
    partition = Partition.by_grade(Algebra(3))
    x, y, weight = operands(partition, 4)
    product = F.gated_steerable_product if gated else F.steerable_product
    with pytest.raises(ShapeError, match=r"shape \(3, 19\), expected \(3, 20\): 3 channels and the 20 paths"):
        product(x, y, weight[:, 1:], partition)
    with pytest.raises(ShapeError, match=r"expected \(3, 20\)"):
        product(x, y, weight[:1], partition)
    with pytest.raises(ShapeError, match="its last axis is 4"):
        product(x[..., :4], y, weight, partition)
    with pytest.raises(ShapeError, match="channels"):
        product(x[0, 0], y[0, 0], weight, partition)
    with pytest.raises(AlgebraMismatchError, match="expected a Partition"):
        product(x, y, weight, partition.algebra)
    with pytest.raises(DTypeError, match="float32"):
        product(x, y, weight.float(), partition)
    with pytest.raises(DTypeError, match="list"):
        product(x, y, weight.tolist(), partition)


def test_unknown_kinds_gates_and_epsilons_are_refused():
    partition = Partition.by_grade(Algebra(3))
    x, y, weight = operands(partition, 4)
    with pytest.raises(ConfigError, match="geometric_product"):
        F.steerable_product(x, y, weight, partition, kind="cross_product")
    with pytest.raises(ConfigError, match="normal_cdf"):
        F.gated_steerable_product(x, y, weight, partition, gate="swish")
    with pytest.raises(ConfigError, match="epsilon"):
        F.gated_steerable_product(x, y, weight, partition, epsilon=-1.0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_compiled_functions_take_partitions():
    partition = Partition.by_grade_mod(Algebra(2), 4)
    x, y, weight = operands(partition, 4)
    for product in (F.steerable_product, F.gated_steerable_product):
        torch._dynamo.reset()
        compiled = torch.compile(lambda *z, f=product: f(*z, partition), fullgraph=True, backend="aot_eager")
        found = with_gradients(compiled, x, y, weight)
        expected = with_gradients(lambda *z, f=product: f(*z, partition), x, y, weight)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("gated", [False, True])
def test_autocast_computes_in_single_precision(gated):
    partition = Partition.by_grade(Algebra(3))
    x, y, weight = operands(partition, 4, dtype=torch.float32)
    product = F.gated_steerable_product if gated else F.steerable_product
    with torch.autocast("cpu", torch.bfloat16):
        result = product(x.bfloat16(), y, weight, partition)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, product(x.bfloat16().float(), y, weight, partition))
