"""The bilinear operator: every product of the engine, forward and backward.

``out[k] = sum over terms (k, i, j, c) of c * left[i] * right[j]``. Both gradients are the same trilinear form seen
from another slot, so they are plans too. They and their own derivatives are operators that read every operand once;
derivatives of higher order are products again.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cliffnet import reference
from cliffnet.algebra import plan_gradients, plan_sizes
from cliffnet.ops._operator import Gradients, Operator


def is_blade_major(tensor: Tensor) -> bool:
    """Tell whether a tensor is stored blade plane by blade plane and not contiguous as it stands."""
    return tensor.dim() > 1 and not tensor.is_contiguous() and tensor.movedim(-1, 0).is_contiguous()


def empty_results(operands: Sequence[Tensor], sizes: Sequence[int]) -> tuple[Tensor, ...]:
    """Return empty results with the broadcast leading shape of the operands and ``sizes`` blades.

    They are blade-major if an operand of that leading shape is, and contiguous otherwise.
    """
    leading = torch.broadcast_shapes(*(operand.shape[:-1] for operand in operands))
    # rank first: shapes of different ranks are compared axis by axis, which would tie symbolic sizes to numbers
    keeps_format = any(
        operand.dim() == len(leading) + 1 and operand.shape[:-1] == leading and is_blade_major(operand)
        for operand in operands
    )
    like = operands[0]
    if keeps_format:
        return tuple(like.new_empty((size, *leading)).movedim(0, -1) for size in sizes)
    return tuple(like.new_empty((*leading, size)) for size in sizes)


class _Bilinear(Operator):
    name = "bilinear"
    schema = "(Tensor left, Tensor right, int plan) -> Tensor"
    tensors = 2

    def __init__(self) -> None:
        super().__init__()
        self._functional = _functional_function(self)

    if TYPE_CHECKING:

        def __call__(self, left: Tensor, right: Tensor, plan: int) -> Tensor: ...

        def routed(self, left: Tensor, right: Tensor, plan: int) -> Tensor: ...

    def fake(self, left: Tensor, right: Tensor, plan: int) -> Tensor:
        return empty_results((left, right), (plan_sizes(plan).out,))[0]

    def reference(self, left: Tensor, right: Tensor, plan: int) -> Tensor:
        return reference.bilinear(left, right, plan)

    def transformed(self, left: Tensor, right: Tensor, plan: int) -> Tensor:
        result: Tensor = self._functional.apply(left, right, plan)
        return result

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        (cotangent,) = cotangents
        if cotangent is None:
            return None, None
        left, right, plan = arguments
        if all(needed):
            by_left, by_right = bilinear_backward(cotangent, left, right, plan)
            return _summed_to(by_left, left), _summed_to(by_right, right)
        left_plan, right_plan = plan_gradients(plan)
        by_left = _summed_to(self(cotangent, right, left_plan), left) if needed[0] else None
        by_right = _summed_to(self(left, cotangent, right_plan), right) if needed[1] else None
        return by_left, by_right

    def tangent(self, tangents: Gradients, arguments: tuple[Any, ...]) -> Tensor:
        """Return the tangent of the product; at least one tangent is given."""
        left, right, plan = arguments
        left_tangent, right_tangent = tangents
        if left_tangent is None:
            assert right_tangent is not None
            return self(left, right_tangent, plan)
        if right_tangent is None:
            return self(left_tangent, right, plan)
        return self(left_tangent, right, plan) + self(left, right_tangent, plan)

    def batched(self, batch_axes: tuple[int | None, ...], arguments: tuple[Any, ...]) -> tuple[Tensor, int]:
        left, right, plan = arguments
        left_axis, right_axis, *_ = batch_axes
        rank = max(left.dim() - (left_axis is not None), right.dim() - (right_axis is not None))
        return self(_batch_first(left, left_axis, rank), _batch_first(right, right_axis, rank), plan), 0


class _BilinearBackward(Operator):
    """Both gradients of a product."""

    name = "bilinear_backward"
    schema = "(Tensor cotangent, Tensor left, Tensor right, int plan) -> (Tensor, Tensor)"
    tensors = 3

    def fake(self, cotangent: Tensor, left: Tensor, right: Tensor, plan: int) -> tuple[Tensor, ...]:
        sizes = plan_sizes(plan)
        return empty_results((cotangent, left, right), (sizes.left, sizes.right))

    def reference(self, cotangent: Tensor, left: Tensor, right: Tensor, plan: int) -> tuple[Tensor, Tensor]:
        return _two_products(reference.bilinear, cotangent, left, right, plan)

    def composite(self, cotangent: Tensor, left: Tensor, right: Tensor, plan: int) -> tuple[Tensor, Tensor]:
        return _two_products(bilinear, cotangent, left, right, plan)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        by_left, by_right = cotangents
        cotangent, left, right, plan = arguments
        if by_left is None or by_right is None:
            return super().gradients(cotangents, arguments, needed)
        found = bilinear_double_backward(by_left, by_right, cotangent, left, right, plan)
        pairs = zip(found, (cotangent, left, right), needed, strict=True)
        return tuple(_summed_to(one, operand) if is_needed else None for one, operand, is_needed in pairs)


class _BilinearDoubleBackward(Operator):
    """The derivatives of :class:`_BilinearBackward` by its three operands."""

    name = "bilinear_double_backward"
    schema = (
        "(Tensor left_cotangent, Tensor right_cotangent, Tensor cotangent, Tensor left, Tensor right, int plan)"
        " -> (Tensor, Tensor, Tensor)"
    )
    tensors = 5

    def fake(self, *arguments: Any) -> tuple[Tensor, ...]:
        sizes = plan_sizes(arguments[5])
        return empty_results(arguments[:5], (sizes.out, sizes.left, sizes.right))

    def reference(self, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
        return _four_products(reference.bilinear, *arguments)

    def composite(self, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
        return _four_products(bilinear, *arguments)


def _two_products(product: Any, cotangent: Tensor, left: Tensor, right: Tensor, plan: int) -> tuple[Tensor, Tensor]:
    left_plan, right_plan = plan_gradients(plan)
    leading = torch.broadcast_shapes(cotangent.shape[:-1], left.shape[:-1], right.shape[:-1])
    by_left, by_right = product(cotangent, right, left_plan), product(left, cotangent, right_plan)
    return _expanded(by_left, leading), _expanded(by_right, leading)


def _four_products(
    product: Any, by_left: Tensor, by_right: Tensor, cotangent: Tensor, left: Tensor, right: Tensor, plan: int
) -> tuple[Tensor, Tensor, Tensor]:
    left_plan, right_plan = plan_gradients(plan)
    operands = (by_left, by_right, cotangent, left, right)
    leading = torch.broadcast_shapes(*(operand.shape[:-1] for operand in operands))
    return (
        _expanded(product(by_left, right, plan) + product(left, by_right, plan), leading),
        _expanded(product(cotangent, by_right, left_plan), leading),
        _expanded(product(by_left, cotangent, right_plan), leading),
    )


def _expanded(tensor: Tensor, leading: Sequence[int]) -> Tensor:
    shape = (*leading, tensor.shape[-1])
    return tensor if tensor.shape == shape else tensor.expand(shape)


def _summed_to(gradient: Tensor, operand: Tensor) -> Tensor:
    """Undo broadcasting."""
    return gradient if gradient.shape == operand.shape else gradient.sum_to_size(operand.shape)


def _batch_first(tensor: Tensor, axis: int | None, rank: int) -> Tensor:
    """Move the batch axis to the front of ``rank`` further axes; without one, broadcasting does the work."""
    if axis is None:
        return tensor
    tensor = tensor.movedim(axis, 0)
    missing = rank - (tensor.dim() - 1)
    return tensor.reshape(tensor.shape[0], *(1,) * missing, *tensor.shape[1:])


def _functional_function(operator: _Bilinear) -> Any:
    class Functional(torch.autograd.Function):
        @staticmethod
        def forward(*arguments: Any) -> Tensor:
            result: Tensor = operator.raw(*arguments)
            return result

        @staticmethod
        def setup_context(context: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
            context.save_for_backward(*inputs[:2])
            context.save_for_forward(*inputs[:2])
            context.plan = inputs[2]

        @staticmethod
        def backward(context: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
            arguments = (*context.saved_tensors, context.plan)
            return *operator.gradients((cotangent,), arguments, context.needs_input_grad[:2]), None

        @staticmethod
        def jvp(context: Any, *tangents: Tensor | None) -> Tensor:
            return operator.tangent(tangents[:2], (*context.saved_tensors, context.plan))

        @staticmethod
        def vmap(info: Any, batch_axes: tuple[int | None, ...], *arguments: Any) -> tuple[Tensor, int]:
            return operator.batched(batch_axes, arguments)

    return Functional


bilinear = _Bilinear()
bilinear_backward = _BilinearBackward()
bilinear_double_backward = _BilinearDoubleBackward()
