"""Weighted products as dense einsums, with the table read off from products of basis blades."""

import torch
from torch import Tensor

from cliffnet import Partition
from cliffnet import functional as F


def dense_paths(partition: Partition, product=F.geometric_product) -> tuple[Tensor, list[tuple[int, int, int]]]:
    """Return the table ``(path, left, right, out)`` and the triples of classes that some product of blades reaches."""
    eye = torch.eye(partition.algebra.num_blades, dtype=torch.float64)
    table = product(eye[:, None], eye[None], partition.algebra)
    classes = partition.class_of_blades()
    reached = {(classes[i], classes[k], classes[j]) for i, j, k in table.nonzero().tolist()}
    triples = sorted(reached)
    tables = torch.zeros(len(triples), *table.shape, dtype=torch.float64)
    for i, j, k in table.nonzero().tolist():
        tables[triples.index((classes[i], classes[k], classes[j])), i, j, k] = table[i, j, k]
    return tables, triples


def dense_fully_connected(left: Tensor, right: Tensor, weight: Tensor, tables: Tensor) -> Tensor:
    """Return the product from all input channels to all output channels."""
    pairs = torch.einsum("...ci,...cj,pijk->...cpk", left, right, tables.to(left.dtype))
    return torch.einsum("...cpk,ocp->...ok", pairs, weight)
