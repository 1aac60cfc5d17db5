"""The bilinear layer of GATr as one operator: products and oriented joins, from one tensor into one tensor."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cliffnet import reference as plain
from cliffnet.algebra import plan_gradients
from cliffnet.ops._bilinear import _summed_to, bilinear, is_blade_major
from cliffnet.ops._operator import Gradients, Operator


def _empty(operands: Sequence[Tensor], reference: Tensor, channels: int) -> Tensor:
    """Return an empty result; blade-major if an operand with all leading axes is, and contiguous otherwise."""
    leading = torch.broadcast_shapes(*(operand.shape[:-2] for operand in operands), reference.shape[:-2])
    like = operands[0]
    shape = (*leading, channels)
    for operand in operands:
        if operand.dim() == len(leading) + 2 and operand.shape[:-2] == leading and is_blade_major(operand):
            return like.new_empty((like.shape[-1], *shape)).movedim(0, -1)
    return like.new_empty((*shape, like.shape[-1]))


class _ProductAndJoin(Operator):
    name = "product_and_join"
    schema = "(Tensor factors, Tensor reference, int product, int join, int orientation) -> Tensor"
    tensors = 2
    is_remade = True

    def fake(self, factors: Tensor, reference: Tensor, product: int, join: int, orientation: int) -> Tensor:
        return _empty((factors,), reference, factors.shape[-2] // 2)

    def reference(self, *arguments: Any) -> Tensor:
        return plain.product_and_join(*arguments)

    def composite(self, factors: Tensor, reference: Tensor, product: int, join: int, orientation: int) -> Tensor:
        return plain.product_and_join(factors, reference, product, join, orientation, bilinear)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        (cotangent,) = cotangents
        if cotangent is None:
            return None, None
        by_factors = by_reference = None
        if needed[1]:
            _, by_reference = super().gradients(cotangents, arguments, (False, True))
        if needed[0]:
            by_factors = _summed_to(product_and_join_backward(cotangent, *arguments), arguments[0])
        return by_factors, by_reference


class _ProductAndJoinBackward(Operator):
    """The gradient of the factors."""

    name = "product_and_join_backward"
    schema = "(Tensor cotangent, Tensor factors, Tensor reference, int product, int join, int orientation) -> Tensor"
    tensors = 3

    def fake(self, cotangent: Tensor, factors: Tensor, reference: Tensor, *numbers: int) -> Tensor:
        return _empty((cotangent, factors), reference, factors.shape[-2])

    def reference(self, *arguments: Any) -> Tensor:
        return _by_factors(plain.bilinear, *arguments)

    def composite(self, *arguments: Any) -> Tensor:
        return _by_factors(bilinear, *arguments)


def _by_factors(
    multiply: Any, cotangent: Tensor, factors: Tensor, reference: Tensor, product: int, join: int, orientation: int
) -> Tensor:
    left, right, join_left, join_right = plain.channel_groups(factors, 4)
    by_product, by_join = plain.channel_groups(cotangent, 2)
    by_join = by_join * reference[..., orientation : orientation + 1]
    groups = []
    for plan, by_out, (first, second) in (
        (product, by_product, (left, right)),
        (join, by_join, (join_left, join_right)),
    ):
        left_plan, right_plan = plan_gradients(plan)
        groups += [multiply(by_out, second, left_plan), multiply(first, by_out, right_plan)]
    shape = torch.broadcast_shapes(*(group.shape for group in groups))
    return torch.cat([group.expand(shape) for group in groups], dim=-2)


product_and_join = _ProductAndJoin()
product_and_join_backward = _ProductAndJoinBackward()
