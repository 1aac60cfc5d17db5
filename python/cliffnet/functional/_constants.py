"""Small constant tensors, made once per dtype and device in eager code."""

from functools import cache

import torch
from torch import Tensor


@cache
def _kept(values: tuple[float, ...] | tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


def constant(values: tuple[float, ...] | tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the values as a tensor.

    Inside a compiled graph, a transform or a mode the tensor is made anew: one kept from there would belong to it.
    """
    if (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or torch._C._len_torch_dispatch_stack()
    ):
        return torch.tensor(values, dtype=dtype, device=device)
    return _kept(values, dtype, device)
