"""Linear maps between channels as matrix products on CUDA devices, one for each run of blades and map that reaches it.

Blades are planes of rows of channels. The planes of a run lie one after the other and share their weights, so they are
the rows of one matrix: no weight is repeated, and products are added up where the result lies. Half precision is added
up in single precision within a product and rounded after each.
"""

import math

import torch
from torch import Tensor

from cliffnet.algebra import MapTable, map_table, transposed_maps


def linear_products(x: Tensor, weight: Tensor, bias: Tensor, maps: int) -> Tensor:
    """Return what :func:`cliffnet.reference.equivariant_linear` does, blade-major."""
    leading, channels = x.shape[:-2], weight.shape[0]
    if bias.dim() > 1:
        bias = bias.expand(*leading, channels).reshape(math.prod(leading), channels)
    planes = _mapped(channel_rows(x), _matrices(weight).mT, bias, map_table(maps))
    return planes.view(x.shape[-1], *leading, channels).movedim(0, -1)


def linear_gradients(
    cotangent: Tensor, x: Tensor, weight: Tensor, maps: int, needed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what :func:`cliffnet.reference.equivariant_linear_backward` does, the gradient of ``x`` blade-major."""
    leading, channels, blades = x.shape[:-2], x.shape[-2], x.shape[-1]
    none = x.new_empty(0)
    by_x = by_weight = by_bias = none
    given, table = channel_rows(cotangent), map_table(maps)
    if needed & 1:
        planes = _mapped(given, _matrices(weight), none, map_table(transposed_maps(maps)))
        by_x = planes.view(blades, *leading, channels).movedim(0, -1)
    if needed & 2:
        by_weight = _weight_gradient(given, channel_rows(x), table).permute(1, 2, 0)
    if needed & 4:
        by_bias = given[_part(table, table.scalar, 1, given)].sum(0)
    return by_x, by_weight, by_bias


def channel_rows(x: Tensor) -> Tensor:
    """Return (..., channels, blades) as a matrix (blades * rows, channels), without a copy where it is blade-major."""
    return x.movedim(-1, 0).reshape(x.shape[-1] * math.prod(x.shape[:-2]), x.shape[-2])


def _matrices(weight: Tensor) -> Tensor:
    """Return the weights of each map as a matrix of its own, (maps, C_out, C_in)."""
    return weight.permute(2, 0, 1).contiguous()


def _part(table: MapTable, start: int, size: int, planes: Tensor) -> slice:
    """Return where the rows of some blades are."""
    rows = planes.shape[0] // (table.runs[-1].start + table.runs[-1].size)
    return slice(start * rows, (start + size) * rows)


def _mapped(inputs: Tensor, weights: Tensor, bias: Tensor, table: MapTable) -> Tensor:
    """Return the inputs, rows of channels, mapped by weights (maps, C_in, C_out)."""
    planes = inputs.new_empty(inputs.shape[0], weights.shape[-1])
    for run in table.runs:
        target = planes[_part(table, run.start, run.size, planes)]
        start = bias if run.start == table.scalar and bias.numel() else None
        for index, source, coefficient in run.sources:
            part = inputs[_part(table, table.runs[source].start, run.size, inputs)]
            # with beta 0 what is in the target does not count
            torch.addmm(
                target if start is None else start,
                part,
                weights[index],
                beta=0.0 if start is None else 1.0,
                alpha=coefficient,
                out=target,
            )
            start = target
        if start is None:
            target.zero_()
        elif start is bias:
            target.copy_(bias)
    return planes


def _weight_gradient(cotangents: Tensor, inputs: Tensor, table: MapTable) -> Tensor:
    """Return the gradient of the weights, (maps, C_out, C_in)."""
    found = inputs.new_empty(table.maps, cotangents.shape[1], inputs.shape[1])
    reached = set()
    for run in table.runs:
        output = cotangents[_part(table, run.start, run.size, cotangents)]
        for index, source, coefficient in run.sources:
            part = inputs[_part(table, table.runs[source].start, run.size, inputs)]
            found[index].addmm_(output.mT, part, beta=float(index in reached), alpha=coefficient)
            reached.add(index)
    for index in set(range(table.maps)) - reached:
        found[index].zero_()
    return found
