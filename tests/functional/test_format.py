"""The memory format: blade-major in, blade-major out, and the same in fake tensors."""

import copy
import io

import pytest
import torch
from torch._subclasses import FakeTensorMode

from cliffnet import Algebra
from cliffnet import functional as F
from helpers.multivectors import random_integers

ALGEBRA = Algebra(3, 0, 1)
BINARY = [
    F.geometric_product,
    F.outer_product,
    F.left_contraction,
    F.right_contraction,
    F.scalar_product,
    F.fat_inner_product,
    F.hestenes_inner_product,
    F.commutator,
    F.anticommutator,
    F.regressive_product,
    F.projective_join,
    F.sandwich,
]
UNARY = [
    F.reverse,
    F.grade_involute,
    F.clifford_conjugate,
    F.right_complement,
    F.left_complement,
    F.unpolarity,
    F.hodge_dual,
    F.dual,
    F.undual,
    lambda x, algebra: F.grade_project(x, (0, 2), algebra),
]


def by_name(function):
    return function.__name__


def test_to_blade_major_keeps_values_and_makes_planes():
    x = torch.randn(5, 3, 8)
    planes = F.to_blade_major(x)
    assert torch.equal(planes, x)
    assert planes.stride() == (3, 1, 15)
    assert planes[..., 4].is_contiguous()
    assert F.is_blade_major(planes)
    assert not F.is_blade_major(x)
    assert F.to_blade_major(planes).data_ptr() == planes.data_ptr()


def test_to_blade_major_of_a_single_multivector():
    x = torch.randn(8)
    assert F.to_blade_major(x) is x
    assert not F.is_blade_major(x)


def test_to_blade_major_is_differentiable():
    x = torch.randn(4, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(F.to_blade_major, (x,))


@pytest.mark.parametrize("function", BINARY, ids=by_name)
def test_products_keep_blade_major(function):
    x, y = random_integers(ALGEBRA, 5, 6) + 0.5, random_integers(ALGEBRA, 5, 6, seed=1)
    expected = function(x, y, ALGEBRA)
    assert expected.is_contiguous()
    planes, others = F.to_blade_major(x), F.to_blade_major(y)
    for left, right in ((planes, others), (planes, y), (x, others)):
        result = function(left, right, ALGEBRA)
        assert torch.equal(result, expected)
        assert F.is_blade_major(result)
    row = F.to_blade_major(y)[:1]
    assert F.is_blade_major(function(planes, row, ALGEBRA))


@pytest.mark.parametrize("function", UNARY, ids=by_name)
@pytest.mark.parametrize("algebra", [ALGEBRA, Algebra(3)], ids=str)
def test_maps_keep_the_format(function, algebra):
    x = random_integers(algebra, 5, 6)
    expected = function(x, algebra)
    assert expected.is_contiguous()
    result = function(F.to_blade_major(x), algebra)
    assert torch.equal(result, expected)
    assert F.is_blade_major(result)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x,
        F.to_blade_major,
        lambda x: x.transpose(0, 1),
        lambda x: x[:, ::2],
        lambda x: x[:1],
        lambda x: F.to_blade_major(x)[:1],
        lambda x: F.to_blade_major(x)[:, 1:],
        lambda x: x[:1].expand_as(x),
        lambda x: x[:0],
        lambda x: F.to_blade_major(x[:, :1]),
    ],
)
def test_fake_tensors_have_the_strides_of_real_ones(make):
    for function in (F.geometric_product, F.inner_product):
        for other in (make, lambda x: x[:1, :1], lambda x: F.to_blade_major(make(x))):
            left, right = make(torch.randn(4, 4, 16)), other(torch.randn(4, 4, 16))
            real = function(left, right, ALGEBRA)
            with FakeTensorMode() as mode:
                fake = function(mode.from_tensor(left), mode.from_tensor(right), ALGEBRA)
            assert fake.shape == real.shape
            assert fake.dtype == real.dtype
            if real.numel():
                assert fake.stride() == real.stride()


def test_meta_tensors_have_shapes_without_values():
    x = torch.empty(4, 16, device="meta")
    assert F.geometric_product(x, x, ALGEBRA).shape == (4, 16)
    assert F.right_complement(x, ALGEBRA).device.type == "meta"
    assert F.grade_project(x, 1, ALGEBRA).shape == (4, 16)


def saved_and_loaded(x):
    file = io.BytesIO()
    torch.save(x, file)
    file.seek(0)
    return torch.load(file)


OTHER = torch.linspace(-1, 1, 6 * 4 * 16).view(6, 4, 16)
KEEPING = {
    "scalar": lambda x: x * 2,
    "sum with a contiguous tensor": lambda x: x + OTHER,
    "gate of each channel": lambda x: torch.full((4, 1), 0.5) * x,
    "gate of each row": lambda x: x * torch.full((6, 1, 1), 0.5),
    "relu": torch.relu,
    "where": lambda x: torch.where(x > 0, x, OTHER),
    "dropout": lambda x: torch.dropout(x, 0.5, train=True),
    "flip": lambda x: x.flip(0),
    "clone": torch.clone,
    "detach": torch.detach,
    "empty_like": torch.empty_like,
    "zeros_like": torch.zeros_like,
    "another dtype": torch.Tensor.double,
    "parameter": torch.nn.Parameter,
    "deepcopy": copy.deepcopy,
    "save and load": saved_and_loaded,
    "merged axes": lambda x: x.flatten(0, 1),
    "split axes": lambda x: x.unflatten(0, (2, 3)),
    "new axis": lambda x: x.unsqueeze(0),
}
BREAKING = {
    "contiguous operand first": lambda x: OTHER + x,
    "contiguous": torch.Tensor.contiguous,
    "cat": lambda x: torch.cat([x, x]),
    "stack": lambda x: torch.stack([x, x]),
    "repeat": lambda x: x.repeat(2, 1, 1),
    "roll": lambda x: x.roll(1, 0),
    "index_select": lambda x: x.index_select(0, torch.tensor([0, 2])),
    "softmax": lambda x: x.softmax(0),
    "sum": lambda x: x.sum(1),
    "mean": lambda x: x.mean(0),
    "blades merged": lambda x: x.reshape(6, -1),
    "matmul": lambda x: x @ torch.eye(16),
    "einsum": lambda x: torch.einsum("oc,bck->bok", torch.ones(5, 4), x),
    "rows": lambda x: x[:3],
    "chunk": lambda x: x.chunk(2)[0],
    "transpose": lambda x: x.transpose(0, 1),
    "expand": lambda x: x[:1].expand_as(x),
}


@pytest.mark.parametrize("operation", KEEPING)
def test_operations_of_torch_that_keep_the_format(operation):
    assert F.is_blade_major(KEEPING[operation](F.to_blade_major(OTHER)))


@pytest.mark.parametrize("operation", BREAKING)
def test_operations_of_torch_that_break_the_format(operation):
    result = BREAKING[operation](F.to_blade_major(OTHER))
    assert not F.is_blade_major(result)
    assert F.is_blade_major(F.to_blade_major(result))


def test_gradients_have_the_format_of_the_operands():
    x = F.to_blade_major(OTHER).requires_grad_()
    product = F.geometric_product(x, x, ALGEBRA)
    (gradient,) = torch.autograd.grad(product, x, torch.ones_like(product))
    assert F.is_blade_major(gradient)
    (expanded,) = torch.autograd.grad((x * 2).sum(), x)
    assert not F.is_blade_major(expanded)


def test_a_slice_with_gaps_between_planes_gives_contiguous_results():
    rows = F.to_blade_major(OTHER)[:3]
    product = F.geometric_product(rows, rows, ALGEBRA)
    assert product.is_contiguous()
    assert torch.equal(product, F.geometric_product(OTHER[:3], OTHER[:3], ALGEBRA))
