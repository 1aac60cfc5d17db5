"""Linear maps between channels in plain torch: one matrix product per map and run of blades."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from cliffnet.algebra import map_table, transposed_maps

_HALF = (torch.bfloat16, torch.float16)


def equivariant_linear(x: Tensor, weight: Tensor, bias: Tensor, maps: int) -> Tensor:
    """Mix channels: ``out[o] = sum over i, m of weight[o, i, m] * maps[m](x[i])``, in single precision for half.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., C_in, blades)``.
    weight : Tensor
        Shape ``(C_out, C_in, maps)``.
    bias : Tensor
        Added to the scalar blade: broadcasts to ``(..., C_out)``; none if it has no elements.
    maps : int
        Number of the family of maps.

    Returns
    -------
    Tensor
        Shape ``(..., C_out, blades)``.
    """
    dtype = x.dtype
    if dtype in _HALF:
        return equivariant_linear(x.float(), weight.float(), bias.float(), maps).to(dtype)
    table = map_table(maps)
    leading, channels = x.shape[:-2], weight.shape[0]
    rows = math.prod(leading)
    matrices = weight.permute(2, 1, 0).unbind(0)
    sources = _planes(x, maps)
    pieces = []
    for run in table.runs:
        piece = x.new_zeros(run.size * rows, channels)
        if run.start == table.scalar and bias.numel():
            piece = piece + bias.expand(*leading, channels).reshape(rows, channels)
        for index, source, coefficient in run.sources:
            piece = piece + sources[source] @ (coefficient * matrices[index])
        pieces.append(piece)
    return torch.cat(pieces).view(x.shape[-1], *leading, channels).movedim(0, -1)


def equivariant_linear_backward(
    cotangent: Tensor, x: Tensor, weight: Tensor, maps: int, needed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of :func:`equivariant_linear` by input, weight and a bias that all rows share.

    Parameters
    ----------
    cotangent : Tensor
        Shape ``(..., C_out, blades)``.
    x, weight, maps
        As in the forward function.
    needed : int
        Sum of 1 for the input, 2 for the weight and 4 for the bias; the others have no elements.

    Returns
    -------
    tuple of Tensor
        Shapes ``(..., C_in, blades)``, ``(C_out, C_in, maps)`` and ``(C_out,)``.
    """
    dtype = x.dtype
    if dtype in _HALF:
        gradients = equivariant_linear_backward(cotangent.float(), x.float(), weight.float(), maps, needed)
        by_x, by_weight, by_bias = (gradient.to(dtype) for gradient in gradients)
        return by_x, by_weight, by_bias
    none = x.new_empty(0)
    by_x = equivariant_linear(cotangent, weight.transpose(0, 1), none, transposed_maps(maps)) if needed & 1 else none
    by_weight = _weight_gradient(cotangent, x, maps) if needed & 2 else none
    by_bias = none
    if needed & 4:
        scalars = cotangent[..., map_table(maps).scalar]
        by_bias = scalars.reshape(math.prod(scalars.shape[:-1]), scalars.shape[-1]).sum(0)
    return by_x, by_weight, by_bias


def _weight_gradient(cotangent: Tensor, x: Tensor, maps: int) -> Tensor:
    table = map_table(maps)
    inputs, outputs = _planes(x, maps), _planes(cotangent, maps)
    matrices = [x.new_zeros(cotangent.shape[-2], x.shape[-2]) for _ in range(table.maps)]
    for run, output in zip(table.runs, outputs, strict=True):
        for index, source, coefficient in run.sources:
            matrices[index] = matrices[index] + coefficient * (output.mT @ inputs[source])
    shape = (cotangent.shape[-2], x.shape[-2], 0)
    return torch.stack(matrices, -1) if matrices else x.new_zeros(shape)


def _planes(x: Tensor, maps: int) -> Sequence[Tensor]:
    """Return the blades of each run as rows of channels."""
    planes = x.movedim(-1, 0)
    rows = math.prod(x.shape[:-2])
    runs = map_table(maps).runs
    parts = planes.split([run.size for run in runs])
    return [part.reshape(run.size * rows, x.shape[-2]) for run, part in zip(runs, parts, strict=True)]
