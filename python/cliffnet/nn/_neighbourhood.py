"""Edges of a graph: what nodes send along them and the sums of what arrives.

An edge list has shape ``(2, edges)``, as PyTorch Geometric stores it: the first row names the node that sends, the
second the node that receives. Values have the nodes or edges on their first axis.
"""

import torch
from torch import Tensor

from cliffnet.errors import DeviceError, DomainError, DTypeError, ShapeError
from cliffnet.functional._checks import check_strided
from cliffnet.functional._domain import refuse
from cliffnet.ops import gather as gather
from cliffnet.ops import segment_sum as segment_sum

_INTEGER = (torch.int64, torch.int32)


def split_edges(edge_index: Tensor, nodes: Tensor) -> tuple[Tensor, Tensor]:
    """Check the edges of a graph and return who sends and who receives.

    Parameters
    ----------
    edge_index : Tensor
        Shape ``(2, edges)``, int64 or int32; there may be none.
    nodes : Tensor
        Any values of the nodes, shape ``(nodes, ...)``.

    Returns
    -------
    sources, targets : Tensor
        Shape ``(edges,)`` each.

    Raises
    ------
    ShapeError, DTypeError, DeviceError
        If ``edge_index`` is no list of edges, or is on another device than the nodes.
    DomainError
        If an edge names a node that is not there. Compiled graphs do not look.
    """
    check_strided(edge_index, "edge_index")
    if edge_index.dtype not in _INTEGER:
        raise DTypeError(f"edge_index has dtype {edge_index.dtype}, expected int64; convert it with .long()")
    if edge_index.dim() != 2 or edge_index.shape[0] != 2:
        hint = "; transpose it" if edge_index.dim() == 2 and edge_index.shape[1] == 2 else ""
        raise ShapeError(
            f"edge_index has shape {tuple(edge_index.shape)}, expected (2, edges): senders, then receivers{hint}"
        )
    if edge_index.device != nodes.device:
        raise DeviceError(
            f"edge_index is on {edge_index.device} and the nodes are on {nodes.device}; move one with .to()"
        )
    count = nodes.shape[0]
    wrong = (edge_index < 0) | (edge_index >= count)
    refuse(wrong, lambda: _missing_node(edge_index, wrong, count))
    sources, targets = edge_index.unbind(0)
    return sources, targets


def _missing_node(edge_index: Tensor, wrong: Tensor, count: int) -> DomainError:
    edge = int(wrong.any(0).nonzero()[0])
    return DomainError(
        f"edge {edge} goes from node {int(edge_index[0, edge])} to node {int(edge_index[1, edge])}, but there are "
        f"{count} nodes, counted from 0; in a batch, add the number of nodes before each graph to its edges"
    )


def check_edge_values(values: Tensor, sources: Tensor, name: str) -> None:
    """Refuse values of edges that do not come one an edge."""
    if values.dim() == 0 or values.shape[0] != sources.shape[0]:
        raise ShapeError(
            f"{name} has shape {tuple(values.shape)}, expected {sources.shape[0]} on the first axis: one entry per edge"
        )


def segment_mean(values: Tensor, index: Tensor, count: int) -> Tensor:
    """Average the values with the same index; zero where no index points.

    Parameters and result are those of :func:`cliffnet.reference.segment_sum`.
    """
    arrivals = index.new_zeros(count).index_add(0, index, torch.ones_like(index)).clamp(min=1)
    divisor = arrivals.to(values.dtype).reshape(-1, *[1] * (values.dim() - 1))
    return segment_sum(values, index, count) / divisor
