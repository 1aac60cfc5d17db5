"""Products of all pairs of blades, laid out for matrix products: the blades of a row one after the other."""

from typing import Any

import torch
from torch import Tensor

from cliffnet import reference
from cliffnet.algebra import plan_sizes
from cliffnet.ops._operator import Operator


class _PairProducts(Operator):
    """A product whose result ``(..., channels, blades)`` has the strides of ``(..., blades, channels)``."""

    name = "pair_products"
    schema = "(Tensor left, Tensor right, int plan) -> Tensor"
    tensors = 2

    def fake(self, left: Tensor, right: Tensor, plan: int) -> Tensor:
        leading = torch.broadcast_shapes(left.shape[:-1], right.shape[:-1])
        return left.new_empty((*leading[:-1], plan_sizes(plan).out, leading[-1])).mT

    def reference(self, left: Tensor, right: Tensor, plan: int) -> Any:
        return reference.bilinear(left, right, plan)


pair_products = _PairProducts()
