"""Operators that CUDA devices run as compositions of matrix products: the same compositions, on the processor."""

import pytest
import torch

from cliffnet import Algebra, LinearMaps, Partition
from cliffnet import functional as F
from cliffnet.ops._linear import equivariant_linear, equivariant_linear_backward
from cliffnet.ops._operator import Operator
from helpers.operator_matrix import OPERATORS

BOUND = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 1 / 64, torch.float16: 1 / 512}
PIN, SPIN = (Algebra(3, 0, 1).equivariant_maps(kind) for kind in ("pin", "spin"))
FAMILIES = {
    "Cl(3,0,1) pin": PIN,
    "Cl(3,0,1) spin": SPIN,
    "Cl(5,0) mod 4": Partition.by_grade_mod(Algebra(5), 4).projections(),
    "map of nothing": LinearMaps(Algebra(2), [[(0, 1, 2.0), (0, 2, -1.0), (3, 0, 0.5)], [], [(0, 1, 1.0)]]),
    "no maps": LinearMaps(Algebra(2), []),
}


def as_tuple(result):
    return (result,) if isinstance(result, torch.Tensor) else tuple(result)


def check(operator, arguments):
    found = as_tuple(operator.declared_composition(*arguments))
    expected = as_tuple(operator.dispatched(*arguments))
    for one, other in zip(found, expected, strict=True):
        assert (one.shape, one.stride(), one.dtype) == (other.shape, other.stride(), other.dtype)
        bound = BOUND[one.dtype] * max(other.double().abs().max().item() if other.numel() else 0.0, 1.0)
        torch.testing.assert_close(one.double(), other.double(), rtol=0, atol=bound)


def is_composed(case):
    return type(case.operator).composed is not Operator.composed


@pytest.fixture(params=filter(is_composed, OPERATORS), ids=lambda case: case.name)
def case(request):
    return request.param


VIEWS = {
    "as it stands": lambda x: x,
    "blade-major": F.to_blade_major,
    "some channels of more": lambda x: F.to_blade_major(torch.cat([x, x], -2))[..., : x.shape[-2], :],
    "every other blade": lambda x: torch.stack([x, x], -1).flatten(-2)[..., ::2],
    "first of all": lambda x: x[:1].expand_as(x),
}


@pytest.mark.parametrize("view", VIEWS)
def test_every_dtype_and_format(case, view):
    for dtype in case.dtypes:
        tensors = case.tensors(7, 5, dtype=dtype)
        look = VIEWS[view]
        check(case.operator, (*(look(x) if case.is_batched(i) else x for i, x in enumerate(tensors)), *case.numbers))


@pytest.mark.parametrize("leading", [(), (0,), (1,), (2, 129), (3, 0, 2), (2, 1, 3, 2)])
def test_any_leading_shape(case, leading):
    check(case.operator, (*case.tensors(*leading), *case.numbers))


def linear_operands(maps, leading, inputs, outputs):
    blades = maps.algebra.num_blades
    return (
        torch.randn(*leading, inputs, blades, dtype=torch.float64),
        torch.randn(outputs, inputs, len(maps), dtype=torch.float64),
    )


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("channels", [(3, 4), (1, 1), (0, 2), (2, 0)], ids=str)
def test_linear_maps_of_any_family(name, channels):
    maps = FAMILIES[name]
    for leading in ((), (6,), (2, 3), (0,)):
        x, weight = linear_operands(maps, leading, *channels)
        biases = (torch.randn(channels[1], dtype=x.dtype), torch.randn(*leading, channels[1], dtype=x.dtype))
        for bias in (x.new_empty(0), *biases):
            check(equivariant_linear, (x, weight, bias, maps.number))
        cotangent = torch.randn(*leading, channels[1], x.shape[-1], dtype=x.dtype)
        for needed in range(8):
            check(equivariant_linear_backward, (cotangent, x, weight, maps.number, needed))


class Calls(torch.overrides.TorchFunctionMode):
    """Counts calls by name."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_function__(self, function, types, arguments=(), options=None):
        self.names.append(getattr(function, "__name__", str(function)))
        return function(*arguments, **(options or {}))


def test_a_linear_map_takes_a_product_for_each_run_and_map():
    x, weight = linear_operands(PIN, (4,), 3, 2)
    x = F.to_blade_major(x)
    with Calls() as calls:
        equivariant_linear.composed(x, weight, torch.randn(2, dtype=x.dtype), PIN.number)
    products = sum(len(run.sources) for run in PIN.runs)
    assert calls.names.count("addmm") == products == 12
    # the only copies are the weights, sorted by map, and the bias where no map adds to it
    assert "zero_" not in calls.names
    assert calls.names.count("contiguous") == 1
