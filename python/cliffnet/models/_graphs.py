"""Edges of batches of graphs."""

import torch
from torch import Tensor

from cliffnet.errors import ShapeError
from cliffnet.nn._neighbourhood import split_edges


def complete_graph(nodes: int, device: torch.device | None = None) -> Tensor:
    """Return the edges from every node to every other one, those that arrive at one node together.

    Parameters
    ----------
    nodes : int
        Number of nodes.
    device : torch.device, optional
        Where to put the edges.

    Returns
    -------
    Tensor
        Shape ``(2, nodes * (nodes - 1))``: senders, then receivers.
    """
    edges = torch.arange(nodes * (nodes - 1), device=device)
    targets = edges // max(nodes - 1, 1)
    place = edges % max(nodes - 1, 1)
    return torch.stack([place + (place >= targets), targets])


def edges_of_batch(edge_index: Tensor | None, batch: int, nodes: int, device: torch.device) -> Tensor:
    """Return the edges of a batch of graphs of equal size as those of one graph.

    Parameters
    ----------
    edge_index : Tensor or None
        Edges of each graph, shape ``(batch, 2, edges)``, or of all graphs alike, ``(2, edges)``; None for all pairs.
    batch, nodes : int
        Number of graphs, and of nodes of each.
    device : torch.device
        Where the nodes are.

    Returns
    -------
    Tensor
        Shape ``(2, batch * edges)``.

    Raises
    ------
    ShapeError, DTypeError, DeviceError
        If these are no edges, or edges of another number of graphs.
    DomainError
        If an edge names a node that its graph does not have. Compiled graphs do not look.
    """
    offsets = torch.arange(batch, device=device) * nodes
    if edge_index is None:
        return (complete_graph(nodes, device)[:, None] + offsets[:, None]).flatten(1)
    if edge_index.dim() not in (2, 3) or edge_index.shape[-2] != 2 or edge_index.shape[:-2] not in ((), (batch,)):
        raise ShapeError(
            f"edge_index has shape {tuple(edge_index.shape)}, expected (2, edges) for all graphs or ({batch}, 2, edges)"
        )
    graphs = edge_index.expand(batch, 2, -1)
    # Before they are shifted, for then an edge could lead to the next graph.
    split_edges(graphs.transpose(0, 1).flatten(1), torch.empty(nodes, device=device))
    return (graphs + offsets[:, None, None]).transpose(0, 1).flatten(1)


def complete_graphs(mask: Tensor) -> Tensor:
    """Return the edges between all different nodes of each graph that a mask keeps.

    Parameters
    ----------
    mask : Tensor
        Shape ``(batch, nodes)``, True for nodes that are there.

    Returns
    -------
    Tensor
        Shape ``(2, edges)``, with node ``n`` of graph ``b`` as ``b * nodes + n``. Those that arrive at one node are
        together.
    """
    nodes = mask.shape[1]
    others = ~torch.eye(nodes, dtype=torch.bool, device=mask.device)
    graph, target, source = (mask[:, :, None] & mask[:, None, :] & others).nonzero(as_tuple=True)
    return torch.stack([graph * nodes + source, graph * nodes + target])
