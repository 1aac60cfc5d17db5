"""What networks of points share: their partition, and plain MLPs on invariants."""

import itertools
from collections.abc import Sequence

from torch import Tensor, nn

from cliffnet import functional as F
from cliffnet.algebra import Algebra, Partition
from cliffnet.nn.config import check_channels, check_partition


def partition_or_grades(partition: Partition | None, algebra: Algebra) -> Partition:
    """Return the partition, or that of ``algebra`` by grade if none is given."""
    return Partition.by_grade(algebra) if partition is None else check_partition(partition)


def invariant_mlp(widths: Sequence[int], activation: type[nn.Module]) -> nn.Sequential:
    """Return linear layers of these widths with activations between them."""
    check_channels(**{f"width {index} of the read-out": width for index, width in enumerate(widths)})
    layers = nn.Sequential()
    for inputs, outputs in itertools.pairwise(widths):
        if len(layers) > 0:
            layers.append(activation())
        layers.append(nn.Linear(inputs, outputs))
    return layers


def channel_norms(x: Tensor, algebra: Algebra, of_coefficients: bool) -> Tensor:
    """Return the norm of every multivector, of the metric or of the coefficients alone."""
    if of_coefficients or all(square == 1.0 for square in algebra.metric):
        return F.coefficient_norm(x, algebra)
    return F.class_norms(x, Partition.whole(algebra)).squeeze(-1)
