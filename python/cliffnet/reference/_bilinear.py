"""The bilinear operator in plain torch."""

from functools import cache

import torch
from torch import Tensor

from cliffnet._graphs import constant_in_graphs
from cliffnet.algebra import has_matrices, plan_sizes, plan_terms
from cliffnet.reference import _matrix

_HALF = (torch.bfloat16, torch.float16)

# most blades of a product that is run term by term though it could go by matrices
_MOST_LISTED = 1 << 8

_Tables = tuple[Tensor, Tensor, Tensor, Tensor]


def _make_tables(plan: int, dtype: torch.dtype, device: torch.device) -> _Tables:
    terms = plan_terms(plan)
    return (
        torch.tensor(terms.left, device=device, dtype=torch.int64),
        torch.tensor(terms.right, device=device, dtype=torch.int64),
        torch.tensor(terms.out, device=device, dtype=torch.int64),
        torch.tensor(terms.coefficient, device=device, dtype=dtype),
    )


_cached_tables = cache(_make_tables)


@constant_in_graphs
def _tables(plan: int, dtype: torch.dtype, device: torch.device) -> _Tables:
    """Return the terms as tensors; kept between calls except where a mode would leave its own kind of tensor behind."""
    if torch._C._len_torch_dispatch_stack() or torch._C._are_functorch_transforms_active():
        return _make_tables(plan, dtype, device)
    with torch.inference_mode(False):
        return _cached_tables(plan, dtype, device)


def bilinear(left: Tensor, right: Tensor, plan: int) -> Tensor:
    """Multiply multivectors term by term, geometric products of more than 8 generators by matrices.

    ``out[k] = sum over terms (k, i, j, c) of c * left[i] * right[j]``; half precision is computed in single.

    Parameters
    ----------
    left, right : Tensor
        Shapes ``(..., left blades)`` and ``(..., right blades)``; leading axes broadcast.
    plan : int
        Id of the plan.

    Returns
    -------
    Tensor
        Shape ``(..., out blades)``.
    """
    dtype = left.dtype
    if dtype in _HALF:
        return bilinear(left.float(), right.float(), plan).to(dtype)
    if plan_sizes(plan).out > _MOST_LISTED and has_matrices(plan):
        return _matrix.multiply(left, right, plan)
    left_index, right_index, out_index, coefficient = _tables(plan, dtype, left.device)
    products = left.index_select(-1, left_index) * right.index_select(-1, right_index) * coefficient
    out = products.new_zeros((*products.shape[:-1], plan_sizes(plan).out))
    return out.index_add(-1, out_index, products)
