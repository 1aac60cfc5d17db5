"""Products with one weight for each channel and path, forward and backward.

``out[c, k] = sum over terms (k, i, j, p, a) of a * weight[c, p] * left[c, i] * right[c, j]``. The product is linear in
each operand, and its gradients by left and right are products of the same kind seen from another slot. So the
derivatives of the gradients are products and gradients again, with one operand replaced at a time.
"""

from typing import Any

import torch
from torch import Tensor

from cliffnet import reference
from cliffnet.algebra import plan_gradients, plan_sizes, plan_slots
from cliffnet.ops._bilinear import _expanded, _summed_to, bilinear, empty_results
from cliffnet.ops._operator import Gradients, Operator


class _SteerableProduct(Operator):
    name = "steerable_product"
    schema = "(Tensor left, Tensor right, Tensor weight, int plan) -> Tensor"
    tensors = 3

    def fake(self, left: Tensor, right: Tensor, weight: Tensor, plan: int) -> Tensor:
        return empty_results((left, right), (plan_sizes(plan).out,))[0]

    def reference(self, left: Tensor, right: Tensor, weight: Tensor, plan: int) -> Tensor:
        return reference.steerable_product(left, right, weight, plan)

    def composite(self, left: Tensor, right: Tensor, weight: Tensor, plan: int) -> Tensor:
        return _weighted_sums(bilinear(left, right, plan_slots(plan).plan), weight, plan)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        (cotangent,) = cotangents
        if cotangent is None:
            return None, None, None
        left, right, weight, plan = arguments
        if needed[2] or (needed[0] and needed[1]):
            found = steerable_product_backward(cotangent, left, right, weight, plan)
            pairs = zip(found, (left, right, weight), needed, strict=True)
            return tuple(_summed_to(one, operand) if is_needed else None for one, operand, is_needed in pairs)
        left_plan, right_plan = plan_gradients(plan)
        by_left = _summed_to(self(cotangent, right, weight, left_plan), left) if needed[0] else None
        by_right = _summed_to(self(left, cotangent, weight, right_plan), right) if needed[1] else None
        return by_left, by_right, None


class _SteerableProductBackward(Operator):
    """The gradients of a product by its three operands."""

    name = "steerable_product_backward"
    schema = "(Tensor cotangent, Tensor left, Tensor right, Tensor weight, int plan) -> (Tensor, Tensor, Tensor)"
    tensors = 4

    def fake(self, cotangent: Tensor, left: Tensor, right: Tensor, weight: Tensor, plan: int) -> tuple[Tensor, ...]:
        sizes = plan_sizes(plan)
        by_left, by_right = empty_results((cotangent, left, right), (sizes.left, sizes.right))
        return by_left, by_right, weight.new_empty(weight.shape)

    def reference(
        self, cotangent: Tensor, left: Tensor, right: Tensor, weight: Tensor, plan: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        return reference.steerable_product_backward(cotangent, left, right, weight, plan)

    def composite(
        self, cotangent: Tensor, left: Tensor, right: Tensor, weight: Tensor, plan: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        left_plan, right_plan = plan_gradients(plan)
        leading = torch.broadcast_shapes(cotangent.shape[:-1], left.shape[:-1], right.shape[:-1])
        slots = plan_slots(plan)
        products = bilinear(left, right, slots.plan)
        sums = (products * _picked(cotangent, slots.out)).expand(*leading, -1)
        sums = sums.sum_to_size(sums.shape[-2:])
        return (
            _expanded(steerable_product(cotangent, right, weight, left_plan), leading),
            _expanded(steerable_product(left, cotangent, weight, right_plan), leading),
            _gathered(sums, slots.path, weight.shape[-1]),
        )

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        cotangent, left, right, weight, plan = arguments
        operands = (cotangent, left, right, weight)
        # the gradients are the derivatives of the form f(cotangent, left, right, weight) by its last three operands;
        # a cotangent of one of them stands in its place, and the derivatives are those of the forms that result
        found: list[Tensor | None] = [None, None, None, None]
        for place, replacement in enumerate(cotangents, start=1):
            if replacement is None:
                continue
            form = [replacement if index == place else operand for index, operand in enumerate(operands)]
            if needed[0]:
                found[0] = _added(found[0], _summed_to(steerable_product(form[1], form[2], form[3], plan), cotangent))
            if not any(is_needed for index, is_needed in enumerate(needed) if index not in (0, place)):
                continue
            derivatives = steerable_product_backward(*form, plan)
            for index, derivative in enumerate(derivatives, start=1):
                if index != place and needed[index]:
                    found[index] = _added(found[index], _summed_to(derivative, operands[index]))
        return tuple(found)


def _weighted_sums(products: Tensor, weight: Tensor, plan: int) -> Tensor:
    """Return the sums over paths of the products of each path and output blade, times the weights."""
    slots = plan_slots(plan)
    return _gathered(products * _picked(weight, slots.path), slots.out, plan_sizes(plan).out)


def _picked(tensor: Tensor, entries: tuple[int, ...]) -> Tensor:
    return tensor.index_select(-1, torch.tensor(entries, dtype=torch.int64, device=tensor.device))


def _gathered(values: Tensor, targets: tuple[int, ...], size: int) -> Tensor:
    """Add the values of the last axis that have the same target."""
    index = torch.tensor(targets, dtype=torch.int64, device=values.device)
    return values.new_zeros((*values.shape[:-1], size)).index_add(-1, index, values)


def _added(first: Tensor | None, second: Tensor) -> Tensor:
    return second if first is None else first + second


steerable_product = _SteerableProduct()
steerable_product_backward = _SteerableProductBackward()
