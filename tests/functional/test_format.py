"""The memory format: blade-major in, blade-major out, and the same in fake tensors."""

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
