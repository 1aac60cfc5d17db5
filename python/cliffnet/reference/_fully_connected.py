"""Products from all input channels to all output channels, in plain torch."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from cliffnet._graphs import constant_in_graphs
from cliffnet.algebra import plan_gradients, plan_sizes, plan_slots
from cliffnet.reference._bilinear import bilinear

Product = Callable[[Tensor, Tensor, int], Tensor]
"""The product of two tensors by an unweighted plan."""

_HALF = (torch.bfloat16, torch.float16)


def _make_indices(plan: int, device: torch.device) -> tuple[Tensor, Tensor]:
    slots = plan_slots(plan)
    return (
        torch.tensor(slots.out, device=device, dtype=torch.int64),
        torch.tensor(slots.path, device=device, dtype=torch.int64),
    )


_kept_indices = cache(_make_indices)


@constant_in_graphs
def _indices(plan: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return output blade and path of each slot; kept except where a mode would leave its own kind of tensor behind."""
    if torch._C._len_torch_dispatch_stack() or torch._C._are_functorch_transforms_active():
        return _make_indices(plan, device)
    with torch.inference_mode(False):
        return _kept_indices(plan, device)


def fully_connected_product(
    left: Tensor, right: Tensor, weight: Tensor, plan: int, product: Product = bilinear
) -> Tensor:
    """Multiply the multivectors of each channel and mix the products of all channels.

    ``out[o, k] = sum over i and terms (k, l, r, p, c) of c * weight[o, i, p] * left[i, l] * right[i, r]``; half
    precision is computed in single.

    Parameters
    ----------
    left, right : Tensor
        Shapes ``(..., C_in, left blades)`` and ``(..., C_in, right blades)``; the axes before those broadcast.
    weight : Tensor
        Shape ``(C_out, C_in, paths)``.
    plan : int
        Id of the plan.
    product : callable
        What multiplies channel by channel.

    Returns
    -------
    Tensor
        Shape ``(..., C_out, out blades)``.
    """
    if left.dtype in _HALF:
        wide = fully_connected_product(left.float(), right.float(), weight.float(), plan, product)
        return wide.to(left.dtype)
    out_blade, path = _indices(plan, left.device)
    pairs = product(left, right, plan_slots(plan).plan)
    sums = torch.einsum("...is,ois->...os", pairs, weight.index_select(-1, path))
    out = sums.new_zeros((*sums.shape[:-1], plan_sizes(plan).out))
    return out.index_add(-1, out_blade, sums)


def fully_connected_product_backward(
    cotangent: Tensor, left: Tensor, right: Tensor, weight: Tensor, plan: int, product: Product = bilinear
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of ``<cotangent, fully_connected_product(left, right, weight)>``.

    Those of ``left`` and ``right`` have the broadcast leading axes of all operands, that of ``weight`` is summed over
    them. See :func:`fully_connected_product` for the parameters.
    """
    if left.dtype in _HALF:
        by_left, by_right, by_weight = fully_connected_product_backward(
            cotangent.float(), left.float(), right.float(), weight.float(), plan, product
        )
        return by_left.to(left.dtype), by_right.to(left.dtype), by_weight.to(left.dtype)
    out_blade, path = _indices(plan, left.device)
    slots = plan_slots(plan).plan
    left_plan, right_plan = plan_gradients(slots)
    of_slots = cotangent.index_select(-1, out_blade)
    by_pairs = torch.einsum("...os,ois->...is", of_slots, weight.index_select(-1, path))
    by_left, by_right = product(by_pairs, right, left_plan), product(left, by_pairs, right_plan)
    pairs = product(left, right, slots)
    by_slots = torch.einsum("...os,...is->ois", of_slots, pairs)
    by_weight = by_slots.new_zeros((*by_slots.shape[:-1], weight.shape[-1])).index_add(-1, path, by_slots)
    leading = torch.broadcast_shapes(by_left.shape[:-1], by_right.shape[:-1])
    return _expanded(by_left, leading), _expanded(by_right, leading), by_weight


def _expanded(tensor: Tensor, leading: torch.Size) -> Tensor:
    return tensor.expand(*leading, tensor.shape[-1])
