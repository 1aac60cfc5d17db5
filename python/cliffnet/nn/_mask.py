"""Attention masks: which shapes mean what, and which are refused."""

import math

import torch
from torch import Tensor

from cliffnet.errors import DTypeError, ShapeError


def prepare_mask(mask: Tensor, batch: torch.Size, heads: int, queries: int, keys: int, dtype: torch.dtype) -> Tensor:
    """Bring an attention mask to a shape that broadcasts with (*batch, heads, queries, keys).

    Accepted are (queries, keys); (*batch, 1 or heads, queries, keys), each batch axis full or 1; the same with all
    batch axes flattened into one; and, without batch axes, (1 or heads, queries, keys). A mask
    (samples, queries, keys) for batched input is refused: it could as well mean (heads, queries, keys).

    Raises
    ------
    ShapeError
        If the mask has none of these shapes.
    DTypeError
        If the mask is neither boolean nor floating point.
    """
    if mask.dtype != torch.bool and not mask.is_floating_point():
        raise DTypeError(
            f"attention_mask has dtype {mask.dtype}; give a boolean mask (True = may attend) or a floating-point one "
            "(added to the logits)"
        )
    if mask.is_floating_point():
        mask = mask.to(dtype)
    shape = tuple(mask.shape)
    if mask.dim() < 2 or shape[-2] not in (1, queries) or shape[-1] not in (1, keys):
        raise ShapeError(f"attention_mask has shape {shape}; its last two axes must be ({queries}, {keys})")
    if mask.dim() == 2:
        return mask
    if shape[-3] not in (1, heads) and mask.dim() > 3:
        raise ShapeError(
            f"attention_mask has shape {shape}; the third axis from the end must be 1 or the {heads} heads. "
            "Insert it with mask.unsqueeze(-3)"
        )
    full = len(batch) + 3
    if mask.dim() == 3:
        if shape[0] == 1 or (not batch and shape[0] == heads):
            return mask
        raise ShapeError(
            f"attention_mask has the three axes {shape}, which could mean samples or heads; give mask.unsqueeze(-3) "
            f"for one mask per sample, or mask.unsqueeze(0) for one per head"
        )
    if mask.dim() == full and all(size in (1, extent) for size, extent in zip(shape, batch, strict=False)):
        return mask
    if mask.dim() == 4 and shape[0] in (1, math.prod(batch)):
        return mask if shape[0] == 1 else mask.unflatten(0, tuple(batch) or (1,)).reshape(*batch, *shape[1:])
    raise ShapeError(
        f"attention_mask has shape {shape}; expected ({queries}, {keys}) or "
        f"({', '.join(str(size) for size in (*batch, f'1 or {heads}', queries, keys))})"
    )
