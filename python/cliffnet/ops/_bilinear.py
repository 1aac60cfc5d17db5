"""The bilinear operator: every product of the engine, forward and backward.

``out[k] = sum over terms (k, i, j, c) of c * left[i] * right[j]``. Both gradients are the same trilinear form seen
from another slot, so they are plans too and derivatives of any order need no further kernel.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cliffnet import _rust, reference
from cliffnet.algebra import plan_gradients, plan_sizes
from cliffnet.errors import ShapeError
from cliffnet.ops._operator import Gradients, Operator, is_undisturbed


def _is_blade_major(tensor: Tensor) -> bool:
    return tensor.dim() > 1 and not tensor.is_contiguous() and tensor.movedim(-1, 0).is_contiguous()


class _Bilinear(Operator):
    name = "bilinear"
    schema = "(Tensor left, Tensor right, int plan) -> Tensor"
    tensors = 2

    def __call__(self, left: Tensor, right: Tensor, plan: int) -> Tensor:
        # the commonest case by hand: the loops of the router would cost as much again as a small product
        if (
            is_undisturbed()
            and type(left) is Tensor
            and type(right) is Tensor
            and self._direct is not None
            and not (left.requires_grad or right.requires_grad or left.is_neg() or right.is_neg())
        ):
            try:
                return self._direct(left, right, plan)
            except ShapeError:
                # the router knows what to do with a tensor of another device or without memory of its own
                pass
        return super().__call__(left, right, plan)

    def direct(self) -> Callable[..., Tensor]:
        return _rust.bilinear_direct

    def fake(self, left: Tensor, right: Tensor, plan: int) -> Tensor:
        leading = torch.broadcast_shapes(left.shape[:-1], right.shape[:-1])
        blades = plan_sizes(plan).out
        # rank first: shapes of different ranks are compared axis by axis, which would tie symbolic sizes to numbers
        keeps_format = any(
            operand.dim() == len(leading) + 1 and operand.shape[:-1] == leading and _is_blade_major(operand)
            for operand in (left, right)
        )
        if keeps_format:
            return left.new_empty((blades, *leading)).movedim(0, -1)
        return left.new_empty((*leading, blades))

    def reference(self, left: Tensor, right: Tensor, plan: int) -> Tensor:
        return reference.bilinear(left, right, plan)

    def gradients(self, cotangent: Tensor, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        left, right, plan = arguments
        left_plan, right_plan = plan_gradients(plan)
        left_gradient = _summed_to(self(cotangent, right, left_plan), left) if needed[0] else None
        right_gradient = _summed_to(self(left, cotangent, right_plan), right) if needed[1] else None
        return left_gradient, right_gradient

    def tangent(self, tangents: Gradients, arguments: tuple[Any, ...]) -> Tensor:
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


bilinear = _Bilinear()
