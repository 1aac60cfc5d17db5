"""Bilinear maps from a table of terms of one's own."""

import pytest
import torch
from torch.autograd.gradcheck import gradcheck, gradgradcheck

from cliffnet import _rust, ops
from cliffnet.errors import ShapeError

# the cross product of vectors in three dimensions, and a scaled term
CROSS = ([0, 0, 1, 1, 2, 2], [1, 2, 2, 0, 0, 1], [2, 1, 0, 2, 1, 0], [0] * 6, [1.0, -1.0, 1.0, -1.0, 1.0, -1.0])


def test_cross_product_from_its_terms():
    plan = _rust.plan_from_terms((3, 3, 3), 0, CROSS)
    left, right = (torch.randn(5, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    torch.testing.assert_close(ops.bilinear(left, right, plan), torch.linalg.cross(left, right))
    assert gradcheck(lambda a, b: ops.bilinear(a, b, plan), (left, right))
    assert gradgradcheck(lambda a, b: ops.bilinear(a, b, plan), (left, right))


def test_map_between_spaces_of_different_sizes_with_any_coefficients():
    plan = _rust.plan_from_terms((2, 3, 1), 0, ([0, 0], [0, 1], [2, 1], [0, 0], [2.5, -0.5]))
    left, right = torch.tensor([[2.0, 3.0]]), torch.tensor([5.0, 7.0, 11.0])
    assert ops.bilinear(left, right, plan).tolist() == [[2.5 * 2 * 11 - 0.5 * 3 * 7]]


@pytest.mark.parametrize(
    "columns",
    [
        ([3], [0], [0], [0], [1.0]),
        ([0], [0], [0], [0], [float("nan")]),
        ([0, 0], [1, 1], [1, 1], [0, 0], [1.0, 2.0]),
        ([0], [0, 1], [0], [0], [1.0]),
    ],
    ids=["index out of range", "not a number", "twice the same term", "columns of different lengths"],
)
def test_bad_tables_are_refused(columns):
    with pytest.raises(ShapeError):
        _rust.plan_from_terms((3, 3, 3), 0, columns)
