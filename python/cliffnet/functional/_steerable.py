"""Products with one weight for each channel and path."""

import torch
from torch import Tensor

from cliffnet import ops
from cliffnet._graphs import kept_constant
from cliffnet.algebra import Partition, layout_of_key, plan_sizes
from cliffnet.errors import AlgebraMismatchError, ConfigError, ShapeError
from cliffnet.functional._checks import FLOATING, check_pair, check_strided, check_together

_KINDS = (
    "geometric_product",
    "outer_product",
    "left_contraction",
    "right_contraction",
    "scalar_product",
    "fat_inner_product",
    "hestenes_inner_product",
    "commutator",
    "anticommutator",
    "regressive_product",
    "projective_join",
)


@kept_constant
def weighted_plan(key: str, classes: str, kind: str) -> int:
    """Return the plan of a product of full multivectors with one weight for each path, from keys of both.

    Raises
    ------
    ConfigError
        If there is no product of that name.
    """
    if kind not in _KINDS:
        raise ConfigError(f"the product is {kind!r}, expected one of {', '.join(_KINDS)}")
    grades = [[int(grade) for grade in grades.split(",")] for grades in classes.split("|")]
    return Partition(layout_of_key(key).algebra, grades).product_plan(kind)


def steerable_product(
    x: Tensor, y: Tensor, weight: Tensor, partition: Partition, *, kind: str = "geometric_product"
) -> Tensor:
    """Multiply multivectors channel by channel, each path of grades with a weight of its own.

    ``out[c] = sum over paths (l, o, r) of weight[c, (l, o, r)] < <x[c]>_l <y[c]>_r >_o`` where ``<.>_l`` is the part of
    class ``l``.

    Parameters
    ----------
    x, y : Tensor
        Shape ``(..., C, num_blades)``; leading axes broadcast.
    weight : Tensor
        Shape ``(C, paths)`` with ``paths = len(partition.paths(kind))``, in that order.
    partition : Partition
        The classes of grades.
    kind : str
        The product; one of the bilinear products by name, such as ``"outer_product"``.

    Returns
    -------
    Tensor
        Shape ``(..., C, num_blades)``. Blade-major if an operand of full shape is.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not hold multivectors of the algebra of the partition, or the weight does not fit.
    ConfigError
        If there is no product of that name.

    Notes
    -----
    Equivariant under the automorphisms of the algebra that keep grades, in particular Pin: ``f(g.x, g.y) = g.f(x, y)``
    for any weights. Paths that no product of blades reaches have no weight and are never computed.

    References
    ----------
    Ruhe et al., Clifford Group Equivariant Neural Networks, 2023, Sec. 3; arXiv:2305.11141.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, Partition, functional as F
    >>> partition = Partition.by_grade(Algebra(3))
    >>> x, weight = torch.randn(5, 4, 8), torch.randn(4, len(partition.paths()))
    >>> F.steerable_product(x, x, weight, partition).shape
    torch.Size([5, 4, 8])
    """
    plan = check_steerable(x, y, weight, partition, kind)
    result: Tensor = ops.steerable_product(x, y, weight, plan)
    return result


def check_steerable(x: Tensor, y: Tensor, weight: Tensor, partition: Partition, kind: str) -> int:
    """Refuse operands of a steerable product that do not fit; return its plan."""
    # operands of one shape on the CPU are checked cheaply, everything else in full
    try:
        algebra = partition.algebra
        plan = weighted_plan(algebra.full_key, partition.key, kind)
        shape, dtype = x.shape, x.dtype
        fits = (
            shape == y.shape
            and shape[-1] == algebra.num_blades
            and weight.shape == (shape[-2], plan_sizes(plan).paths)
            and dtype is y.dtype
            and dtype is weight.dtype
            and dtype in FLOATING
            and x.is_cpu
            and y.is_cpu
            and weight.is_cpu
        )
    except (AttributeError, IndexError, TypeError, RuntimeError):
        fits = False
    if not fits:
        plan = _checked_plan(x, y, weight, partition, kind)
    return plan


def _checked_plan(x: Tensor, y: Tensor, weight: Tensor, partition: Partition, kind: str) -> int:
    if not isinstance(partition, Partition):
        raise AlgebraMismatchError(
            f"the partition is a {type(partition).__name__}, expected a Partition such as Partition.by_grade(algebra)"
        )
    check_pair(x, y, partition.algebra)
    check_strided(weight, "the weight")
    check_together(x, weight, "the operands and the weight")
    plan = weighted_plan(partition.algebra.full_key, partition.key, kind)
    leading = torch.broadcast_shapes(x.shape[:-1], y.shape[:-1])
    blades, paths = partition.algebra.num_blades, plan_sizes(plan).paths
    if not leading:
        raise ShapeError(
            f"the operands have shape {tuple(x.shape)}, expected (..., channels, {blades}); x.unsqueeze(-2) makes one "
            "channel"
        )
    if weight.dim() != 2 or weight.shape[0] != leading[-1] or weight.shape[1] != paths:
        raise ShapeError(
            f"the weight has shape {tuple(weight.shape)}, expected ({leading[-1]}, {paths}): {leading[-1]} channels "
            f"and the {paths} paths of {partition!r}"
        )
    return plan
