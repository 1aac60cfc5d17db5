"""Products from all input channels to all output channels, with one weight per pair of channels and path."""

import torch
from torch import Tensor

from cliffnet import ops
from cliffnet.algebra import Partition, plan_sizes
from cliffnet.errors import AlgebraMismatchError, ShapeError
from cliffnet.functional._checks import check_multivector, check_strided, check_together
from cliffnet.functional._steerable import weighted_plan


def fully_connected_product(
    x: Tensor, y: Tensor, weight: Tensor, partition: Partition, *, kind: str = "geometric_product"
) -> Tensor:
    """Multiply multivectors channel by channel and mix the parts of the products from all channels.

    ``out[o] = sum over i and paths (l, k, r) of weight[o, i, (l, k, r)] < <x[i]>_l <y[i]>_r >_k`` where ``<.>_l`` is
    the part of class ``l``.

    Parameters
    ----------
    x, y : Tensor
        Shape ``(..., C_in, num_blades)``; the axes before the channels broadcast.
    weight : Tensor
        Shape ``(C_out, C_in, paths)`` with ``paths = len(partition.paths(kind))``, in that order.
    partition : Partition
        The classes of grades.
    kind : str
        The product; one of the bilinear products by name, such as ``"outer_product"``.

    Returns
    -------
    Tensor
        Shape ``(..., C_out, num_blades)``. Blade-major if an operand of full leading shape is.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not hold multivectors of the algebra of the partition, or the weight does not fit.
    ConfigError
        If there is no such product.

    Notes
    -----
    Equivariant under the automorphisms of the algebra that keep grades, in particular Pin: ``f(g.x, g.y) = g.f(x, y)``
    for any weights. Weights are never expanded to blades: the products of a tile of rows are formed in the cache and
    multiplied by the weights there, so that besides operands and results no memory grows with the batch. The gradient
    of the weights is summed in an order that depends on nothing but the shapes.

    References
    ----------
    Ruhe et al., Clifford Group Equivariant Neural Networks, 2023, Sec. 3; arXiv:2305.11141.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, Partition, functional as F
    >>> partition = Partition.by_grade(Algebra(3))
    >>> x, weight = torch.randn(5, 4, 8), torch.randn(6, 4, len(partition.paths()))
    >>> F.fully_connected_product(x, x, weight, partition).shape
    torch.Size([5, 6, 8])
    """
    if not isinstance(partition, Partition):
        raise AlgebraMismatchError(
            f"the partition is a {type(partition).__name__}, expected a Partition such as Partition.by_grade(algebra)"
        )
    plan = weighted_plan(partition.algebra.full_key, partition.key, kind)
    _check_operands(x, y, partition)
    _check_weight(x, weight, partition, kind, plan)
    result: Tensor = ops.fully_connected_product(x, y, weight, plan)
    return result


def _check_operands(x: Tensor, y: Tensor, partition: Partition) -> None:
    algebra = partition.algebra
    for tensor, name in ((x, "x"), (y, "y")):
        check_multivector(tensor, algebra, name)
        if tensor.dim() < 2:
            raise ShapeError(
                f"{name} has shape {tuple(tensor.shape)}, expected (..., channels, {algebra.num_blades}); "
                "unsqueeze(-2) makes one channel"
            )
    check_together(x, y, "x and y")
    if x.shape[-2] != y.shape[-2]:
        raise ShapeError(
            f"x has {x.shape[-2]} channels and y {y.shape[-2]}, expected as many: each channel of x is multiplied "
            "by the same channel of y"
        )
    try:
        torch.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except RuntimeError as error:
        raise ShapeError(
            f"leading shapes {tuple(x.shape[:-2])} and {tuple(y.shape[:-2])} do not broadcast; sizes must be equal or "
            "1, aligned from the right"
        ) from error


def _check_weight(x: Tensor, weight: Tensor, partition: Partition, kind: str, plan: int) -> None:
    check_strided(weight, "the weight")
    check_together(x, weight, "the operands and the weight")
    paths = plan_sizes(plan).paths
    if weight.dim() != 3 or weight.shape[1] != x.shape[-2] or weight.shape[2] != paths:
        raise ShapeError(
            f"the weight has shape {tuple(weight.shape)}, expected (C_out, {x.shape[-2]}, {paths}): {x.shape[-2]} "
            f"input channels and the {paths} paths of {partition!r} for the {kind}"
        )
