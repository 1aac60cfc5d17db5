"""Entries of a list that belong to nodes: what the nodes hand to them, and their sums, in plain torch."""

from torch import Tensor


def gather(values: Tensor, index: Tensor) -> Tensor:
    """Return ``values[index]`` along the first axis, in the memory format of ``values``.

    Parameters
    ----------
    values : Tensor
        Shape ``(nodes, ...)``.
    index : Tensor
        Shape ``(entries,)``.

    Returns
    -------
    Tensor
        Shape ``(entries, ...)``.
    """
    if _is_blade_major(values):
        return values.movedim(-1, 0).index_select(1, index).movedim(0, -1)
    return values.index_select(0, index)


def segment_sum(values: Tensor, index: Tensor, count: int) -> Tensor:
    """Sum the values with the same index, ``out[i] = sum of values[e] over index[e] = i``.

    Parameters
    ----------
    values : Tensor
        Shape ``(entries, ...)``.
    index : Tensor
        Shape ``(entries,)``, below ``count``.
    count : int
        Number of nodes.

    Returns
    -------
    Tensor
        Shape ``(count, ...)`` in the memory format of ``values``; zero where no index points.
    """
    if _is_blade_major(values):
        planes = values.movedim(-1, 0)
        total = planes.new_zeros((planes.shape[0], count, *planes.shape[2:])).index_add(1, index, planes)
        return total.movedim(0, -1)
    return values.new_zeros((count, *values.shape[1:])).index_add(0, index, values)


def _is_blade_major(values: Tensor) -> bool:
    return values.dim() > 1 and not values.is_contiguous() and values.movedim(-1, 0).is_contiguous()
