"""Gate, product with one weight for each channel and path, and norm of each class, forward and backward.

The native kernels do all three in one pass over memory, and compute the products anew in the backward pass. Elsewhere
they are made of steerable products and elementwise operations.
"""

from typing import Any

from torch import Tensor

from cliffnet import reference
from cliffnet.algebra import plan_sizes
from cliffnet.ops._bilinear import _summed_to, empty_results
from cliffnet.ops._operator import Gradients, Operator
from cliffnet.ops._steerable import steerable_product, steerable_product_backward
from cliffnet.reference import Surroundings


class _GatedSteerableProduct(Operator):
    name = "gated_steerable_product"
    schema = (
        "(Tensor left, Tensor right, Tensor weight, int plan, int gate, int scalar, int squares, float epsilon)"
        " -> Tensor"
    )
    tensors = 3

    def fake(self, left: Tensor, right: Tensor, weight: Tensor, plan: int, *around: Any) -> Tensor:
        return empty_results((left, right), (plan_sizes(plan).out,))[0]

    def reference(self, left: Tensor, right: Tensor, weight: Tensor, plan: int, *around: Any) -> Tensor:
        return reference.gated_steerable_product(left, right, weight, plan, Surroundings(*around))

    def composite(self, left: Tensor, right: Tensor, weight: Tensor, plan: int, *around: Any) -> Tensor:
        surroundings = Surroundings(*around)
        return reference.gated_steerable_product(left, right, weight, plan, surroundings, steerable_product)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        (cotangent,) = cotangents
        if cotangent is None:
            return None, None, None
        found = gated_steerable_product_backward(cotangent, *arguments)
        pairs = zip(found, arguments, needed, strict=False)
        return tuple(_summed_to(one, operand) if is_needed else None for one, operand, is_needed in pairs)


class _GatedSteerableProductBackward(Operator):
    """The gradients of :class:`_GatedSteerableProduct` by its three operands."""

    name = "gated_steerable_product_backward"
    schema = (
        "(Tensor cotangent, Tensor left, Tensor right, Tensor weight, int plan, int gate, int scalar, int squares,"
        " float epsilon) -> (Tensor, Tensor, Tensor)"
    )
    tensors = 4

    def fake(
        self, cotangent: Tensor, left: Tensor, right: Tensor, weight: Tensor, plan: int, *around: Any
    ) -> tuple[Tensor, ...]:
        sizes = plan_sizes(plan)
        by_left, by_right = empty_results((cotangent, left, right), (sizes.left, sizes.right))
        return by_left, by_right, weight.new_empty(weight.shape)

    def reference(
        self, cotangent: Tensor, left: Tensor, right: Tensor, weight: Tensor, plan: int, *around: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        return reference.gated_steerable_product_backward(cotangent, left, right, weight, plan, Surroundings(*around))

    def composite(
        self, cotangent: Tensor, left: Tensor, right: Tensor, weight: Tensor, plan: int, *around: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        products = (steerable_product, steerable_product_backward)
        return reference.gated_steerable_product_backward(
            cotangent, left, right, weight, plan, Surroundings(*around), *products
        )


gated_steerable_product = _GatedSteerableProduct()
gated_steerable_product_backward = _GatedSteerableProductBackward()
