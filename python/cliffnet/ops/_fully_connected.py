"""Products from all input channels to all output channels, forward and backward.

``out[o, k] = sum over i and terms (k, l, r, p, c) of c * weight[o, i, p] * left[i, l] * right[i, r]``. The form
``<cotangent, out>`` is linear in each of its four operands. So the derivatives of the gradients are products and
gradients again, with one operand replaced by the cotangent of its gradient.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cliffnet import reference
from cliffnet.algebra import plan_sizes
from cliffnet.ops._bilinear import _summed_to, bilinear, is_blade_major
from cliffnet.ops._fully_connected_gemm import connected_gradients, connected_products
from cliffnet.ops._operator import Gradients, Operator


class _FullyConnectedProduct(Operator):
    name = "fully_connected_product"
    schema = "(Tensor left, Tensor right, Tensor weight, int plan) -> Tensor"
    tensors = 3

    def fake(self, left: Tensor, right: Tensor, weight: Tensor, plan: int) -> Tensor:
        return _empty_results((left, right), [(weight.shape[0], plan_sizes(plan).out)])[0]

    def reference(self, left: Tensor, right: Tensor, weight: Tensor, plan: int) -> Tensor:
        return reference.fully_connected_product(left, right, weight, plan)

    def composed(self, left: Tensor, right: Tensor, weight: Tensor, plan: int) -> Tensor:
        return connected_products(left, right, weight, plan)

    def composite(self, left: Tensor, right: Tensor, weight: Tensor, plan: int) -> Tensor:
        return reference.fully_connected_product(left, right, weight, plan, bilinear)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        (cotangent,) = cotangents
        if cotangent is None:
            return None, None, None
        left, right, weight, plan = arguments
        found = fully_connected_product_backward(cotangent, left, right, weight, plan)
        return _wanted(found, (left, right, weight), needed)


class _FullyConnectedProductBackward(Operator):
    """The gradients of a product by its three operands."""

    name = "fully_connected_product_backward"
    schema = "(Tensor cotangent, Tensor left, Tensor right, Tensor weight, int plan) -> (Tensor, Tensor, Tensor)"
    tensors = 4

    def fake(
        self, cotangent: Tensor, left: Tensor, right: Tensor, weight: Tensor, plan: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        sizes, channels = plan_sizes(plan), weight.shape[1]
        shapes = [(channels, sizes.left), (channels, sizes.right)]
        by_left, by_right = _empty_results((cotangent, left, right), shapes)
        return by_left, by_right, weight.new_empty(weight.shape)

    def reference(
        self, cotangent: Tensor, left: Tensor, right: Tensor, weight: Tensor, plan: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        return reference.fully_connected_product_backward(cotangent, left, right, weight, plan)

    def composed(
        self, cotangent: Tensor, left: Tensor, right: Tensor, weight: Tensor, plan: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        by_left, by_right, _ = self.fake(cotangent, left, right, weight, plan)
        return by_left, by_right, connected_gradients(cotangent, left, right, weight, by_left, by_right, plan)

    def composite(
        self, cotangent: Tensor, left: Tensor, right: Tensor, weight: Tensor, plan: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        return reference.fully_connected_product_backward(cotangent, left, right, weight, plan, bilinear)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        *operands, plan = arguments
        found: list[Tensor | None] = [None] * 4
        for place, replacement in enumerate(cotangents, start=1):
            if replacement is None:
                continue
            form = [replacement if index == place else operand for index, operand in enumerate(operands)]
            derivatives: list[Tensor | None] = [None] * 4
            if needed[0]:
                derivatives[0] = _summed_to(fully_connected_product(*form[1:], plan), operands[0])
            others = tuple(is_needed and index != place for index, is_needed in enumerate(needed))[1:]
            if any(others):
                by_operands = fully_connected_product_backward(*form, plan)
                derivatives[1:] = _wanted(by_operands, operands[1:], others)
            found = [_added(total, derivative) for total, derivative in zip(found, derivatives, strict=True)]
        return tuple(found)


def _empty_results(operands: Sequence[Tensor], shapes: Sequence[tuple[int, int]]) -> tuple[Tensor, ...]:
    """Return empty results with the broadcast leading axes of the operands, each with its channels and blades.

    They are blade-major if an operand with those leading axes is, and contiguous otherwise.
    """
    leading = torch.broadcast_shapes(*(operand.shape[:-2] for operand in operands))
    # rank first: shapes of different ranks are compared axis by axis, which would tie symbolic sizes to numbers
    keeps_format = any(
        operand.dim() == len(leading) + 2 and operand.shape[:-2] == leading and is_blade_major(operand)
        for operand in operands
    )
    like = operands[0]
    if keeps_format:
        return tuple(like.new_empty((blades, *leading, channels)).movedim(0, -1) for channels, blades in shapes)
    return tuple(like.new_empty((*leading, channels, blades)) for channels, blades in shapes)


def _wanted(gradients: Sequence[Tensor], operands: Sequence[Tensor], needed: Sequence[bool]) -> Gradients:
    """Undo broadcasting in the gradients that are needed."""
    triples = zip(gradients, operands, needed, strict=True)
    return tuple(_summed_to(gradient, operand) if is_needed else None for gradient, operand, is_needed in triples)


def _added(total: Tensor | None, term: Tensor | None) -> Tensor | None:
    return term if total is None else total if term is None else total + term


fully_connected_product = _FullyConnectedProduct()
fully_connected_product_backward = _FullyConnectedProductBackward()
