"""Products with one weight for each channel and path, in plain torch."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet._graphs import constant_in_graphs
from cliffnet.algebra import plan_gradients, plan_sizes, plan_terms

_HALF = (torch.bfloat16, torch.float16)


class _Tables(NamedTuple):
    left: Tensor
    right: Tensor
    out: Tensor
    path: Tensor
    coefficient: Tensor


def _make_tables(plan: int, dtype: torch.dtype, device: torch.device) -> _Tables:
    terms = plan_terms(plan)
    indices = (terms.left, terms.right, terms.out, terms.path)
    left, right, out, path = (torch.tensor(index, device=device, dtype=torch.int64) for index in indices)
    return _Tables(left, right, out, path, torch.tensor(terms.coefficient, device=device, dtype=dtype))


_kept_tables = cache(_make_tables)


@constant_in_graphs
def _tables(plan: int, dtype: torch.dtype, device: torch.device) -> _Tables:
    """Return the terms as tensors; kept between calls except where a mode would leave its own kind of tensor behind."""
    if torch._C._len_torch_dispatch_stack() or torch._C._are_functorch_transforms_active():
        return _make_tables(plan, dtype, device)
    with torch.inference_mode(False):
        return _kept_tables(plan, dtype, device)


def steerable_product(left: Tensor, right: Tensor, weight: Tensor, plan: int) -> Tensor:
    """Multiply multivectors term by term, each term with the weight of its channel and path.

    ``out[c, k] = sum over terms (k, i, j, p, a) of a * weight[c, p] * left[c, i] * right[c, j]``; half precision is
    computed in single.

    Parameters
    ----------
    left, right : Tensor
        Shapes ``(..., channels, left blades)`` and ``(..., channels, right blades)``; leading axes broadcast.
    weight : Tensor
        Shape ``(channels, paths)``.
    plan : int
        Id of the weighted plan.

    Returns
    -------
    Tensor
        Shape ``(..., channels, out blades)``.
    """
    if left.dtype in _HALF:
        return steerable_product(left.float(), right.float(), weight.float(), plan).to(left.dtype)
    tables = _tables(plan, left.dtype, left.device)
    weights = weight.index_select(-1, tables.path) * tables.coefficient
    products = left.index_select(-1, tables.left) * right.index_select(-1, tables.right) * weights
    out = products.new_zeros((*products.shape[:-1], plan_sizes(plan).out))
    return out.index_add(-1, tables.out, products)


def steerable_product_backward(
    cotangent: Tensor, left: Tensor, right: Tensor, weight: Tensor, plan: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of ``<cotangent, steerable_product(left, right, weight)>`` by the three operands.

    Parameters
    ----------
    cotangent : Tensor
        Shape ``(..., channels, out blades)``.
    left, right, weight, plan
        As in :func:`steerable_product`.

    Returns
    -------
    by_left, by_right : Tensor
        With the broadcast leading axes: what broadcasting repeated is not yet summed.
    by_weight : Tensor
        Shape ``(channels, paths)``.
    """
    operands = (cotangent, left, right)
    if left.dtype in _HALF:
        gradients = steerable_product_backward(cotangent.float(), left.float(), right.float(), weight.float(), plan)
        by_left, by_right, by_weight = (gradient.to(left.dtype) for gradient in gradients)
        return by_left, by_right, by_weight
    leading = torch.broadcast_shapes(*(operand.shape[:-1] for operand in operands))
    left_plan, right_plan = plan_gradients(plan)
    by_left = steerable_product(cotangent, right, weight, left_plan)
    by_right = steerable_product(left, cotangent, weight, right_plan)
    tables = _tables(plan, left.dtype, left.device)
    products = left.index_select(-1, tables.left) * right.index_select(-1, tables.right) * tables.coefficient
    products = (products * cotangent.index_select(-1, tables.out)).expand(*leading, -1)
    sums = products.sum_to_size(products.shape[-2:])
    by_weight = torch.zeros_like(weight).index_add(-1, tables.path, sums)
    return _expanded(by_left, leading), _expanded(by_right, leading), by_weight


def _expanded(tensor: Tensor, leading: torch.Size) -> Tensor:
    return tensor.expand(*leading, tensor.shape[-1])
