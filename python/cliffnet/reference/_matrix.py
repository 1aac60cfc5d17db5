"""Geometric products of large algebras in plain torch, by way of matrices: their lists of terms would fill memory."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet._graphs import constant_in_graphs
from cliffnet.algebra import plan_matrices

# signs of the products of units 1, i, j, k; the unit itself has the number left ^ right
_UNIT_SIGNS = ((1, 1, 1, 1), (1, -1, 1, -1), (1, -1, -1, 1), (1, 1, -1, -1))


class _Tables(NamedTuple):
    left: tuple[Tensor, Tensor]
    right: tuple[Tensor, Tensor]
    out: tuple[Tensor, Tensor]
    entries: Tensor
    words: Tensor
    hadamard: Tensor
    steps: Tensor
    right_signs: Tensor
    out_signs: Tensor


def _make_tables(plan: int, dtype: torch.dtype, device: torch.device) -> _Tables:
    matrices = plan_matrices(plan)
    assert matrices is not None
    (components, rows, blocks), operands, steps = matrices
    length = rows * blocks
    count = len(operands[0][0])

    def integers(values: object) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=device)

    def numbers(values: object) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=device)

    left, right, out = ((integers(blades), numbers(factors)) for blades, factors in operands)
    # from words (set, component, x, block, column) to entries (set, block, component, row, column) and back
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(rows), indexing="ij")
    by_x = torch.arange(count).view(-1, components, rows, blocks, rows)[:, :, row ^ column, :, column]
    # indexing with two arrays apart puts their axes, row and column, in front
    entries = by_x.permute(2, 4, 3, 0, 1).reshape(-1)
    signs = torch.ones(2, len(steps), components, 1, 1, dtype=dtype)
    for index, (_, _, _, is_negative, conjugates_out, conjugates_right) in enumerate(steps):
        if components == 2:
            signs[0, index, 1] = -1.0 if conjugates_right else 1.0
            signs[1, index, 1] = -1.0 if conjugates_out else 1.0
        signs[1, index] *= -1.0 if is_negative else 1.0
    hadamard = [[1 - 2 * ((row & column).bit_count() & 1) for column in range(length)] for row in range(length)]
    targets = torch.empty_like(out[0])
    targets[out[0]] = torch.arange(count, device=device)
    return _Tables(
        left,
        right,
        (targets, out[1][targets]),
        entries.to(device),
        torch.argsort(entries).to(device),
        numbers(hadamard),
        integers([step[:3] for step in steps]).T.contiguous(),
        signs[0].to(device),
        signs[1].to(device),
    )


_kept_tables = cache(_make_tables)


@constant_in_graphs
def _tables(plan: int, dtype: torch.dtype, device: torch.device) -> _Tables:
    """Return the tables; kept between calls except where a mode would leave its own kind of tensor behind."""
    if torch._C._len_torch_dispatch_stack() or torch._C._are_functorch_transforms_active():
        return _make_tables(plan, dtype, device)
    with torch.inference_mode(False):
        return _kept_tables(plan, dtype, device)


@constant_in_graphs
def _shape(plan: int) -> tuple[int, int, int]:
    """Return components of a number, rows and blocks of the matrices."""
    matrices = plan_matrices(plan)
    assert matrices is not None
    return matrices[0]


def multiply(left: Tensor, right: Tensor, plan: int) -> Tensor:
    """Multiply by the matrix products of a plan; see :func:`cliffnet.algebra.plan_matrices`."""
    components, rows, blocks = _shape(plan)
    tables = _tables(plan, left.dtype, left.device)

    def matrices(operand: Tensor, sources: tuple[Tensor, Tensor]) -> Tensor:
        words = operand.index_select(-1, sources[0]) * sources[1]
        words = (words.unflatten(-1, (-1, rows * blocks)) @ tables.hadamard).flatten(-2)
        entries: Tensor = words.index_select(-1, tables.entries)
        return entries.unflatten(-1, (-1, components, rows, rows))  # type: ignore[no-any-return]

    a = matrices(left, tables.left)
    b = matrices(right, tables.right)
    out_pieces, left_pieces, right_pieces = tables.steps
    first, second = a.index_select(-4, left_pieces), b.index_select(-4, right_pieces) * tables.right_signs
    units = []
    for target in range(components):
        unit_sum = first.new_zeros(())
        for unit in range(components):
            sign = _UNIT_SIGNS[unit][unit ^ target]
            unit_sum = unit_sum + sign * (first.select(-3, unit) @ second.select(-3, unit ^ target))
        units.append(unit_sum)
    products = torch.stack(units, -3) * tables.out_signs
    sums = products.new_zeros((*products.shape[:-4], a.shape[-4], *products.shape[-3:]))
    sums = sums.index_add(-4, out_pieces, products)
    words = sums.flatten(-4).index_select(-1, tables.words).unflatten(-1, (-1, rows * blocks))
    result: Tensor = (words @ tables.hadamard).flatten(-2).index_select(-1, tables.out[0]) * tables.out[1]
    return result
