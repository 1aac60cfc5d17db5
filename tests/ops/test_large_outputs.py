"""Outputs that are written past the caches hold the same bits as those of the same lanes in smaller calls."""

import pytest
import torch

from cliffnet import Algebra, ops
from cliffnet import functional as F

# more than 32 MB of single precision, and no whole number of tiles
LANES = 2**19 + 37


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("is_blade_major", [False, True])
def test_large_products_and_gradients_equal_their_parts(*, dtype: torch.dtype, is_blade_major: bool) -> None:
    algebra = Algebra(3, 0, 1)
    plan = algebra.product_plan("geometric_product")
    lanes = LANES if dtype == torch.float32 else 2 * LANES
    generator = torch.Generator().manual_seed(0)
    left, right, cotangent = (torch.randn(lanes, algebra.num_blades, generator=generator).to(dtype) for _ in range(3))
    if is_blade_major:
        left, right, cotangent = (F.to_blade_major(value) for value in (left, right, cotangent))
    results = (ops.bilinear(left, right, plan), *torch.ops.cliffnet.bilinear_backward(cotangent, left, right, plan))
    for start in range(0, lanes, 2**17):
        part = slice(start, start + 2**17)
        x, y, g = left[part], right[part], cotangent[part]
        expected = (ops.bilinear(x, y, plan), *torch.ops.cliffnet.bilinear_backward(g, x, y, plan))
        for result, value in zip(results, expected, strict=True):
            assert torch.equal(result[part], value)
