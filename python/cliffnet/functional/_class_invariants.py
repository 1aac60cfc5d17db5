"""Invariants of the classes of a partition."""

import torch
from torch import Tensor

from cliffnet import ops, reference
from cliffnet.algebra import Algebra, Partition, class_inner_products_plan, class_squares_plan
from cliffnet.errors import AlgebraMismatchError, ConfigError
from cliffnet.functional._checks import FLOATING, check_multivector, check_pair


def check_partition(partition: object) -> None:
    """Refuse anything but a partition."""
    if not isinstance(partition, Partition):
        raise AlgebraMismatchError(
            f"expected a Partition, got {type(partition).__name__}; make one such as Partition.by_grade(algebra)"
        )


def check_plain(x: Tensor, algebra: Algebra) -> None:
    """Refuse what is no tensor of multivectors: cheaply where it is one on the CPU, in full else."""
    try:
        fits = x.shape[-1] == algebra.num_blades and x.dtype in FLOATING and x.is_cpu and x.layout is torch.strided
    except (AttributeError, IndexError, RuntimeError):
        fits = False
    if not fits:
        check_multivector(x, algebra, "x")


def class_squares(x: Tensor, partition: Partition) -> Tensor:
    r"""Return the invariant square of each class, :math:`q_k = \langle \tilde x_k x_k \rangle_0`.

    Parameters
    ----------
    x : Tensor
        Multivectors, shape ``(..., num_blades)``.
    partition : Partition
        The classes, such as ``Partition.by_grade(algebra)``.

    Returns
    -------
    Tensor
        Shape ``(..., classes)``. Signed; blades that contain a null generator do not take part.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError
        If ``x`` does not hold multivectors of the partition's algebra.

    Notes
    -----
    Invariant under Pin.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, Partition, functional as F
    >>> x = torch.tensor([2.0, 3.0, 4.0, 1.0])  # 2 + 3 e1 + 4 e2 + e12
    >>> F.class_squares(x, Partition.by_grade(Algebra(1, 1))).tolist()
    [4.0, -7.0, -1.0]
    """
    check_partition(partition)
    check_plain(x, partition.algebra)
    result: Tensor = ops.class_invariants(x, class_squares_plan(partition), reference.SQUARE, 0.0)
    return result


def class_norms(x: Tensor, partition: Partition, *, epsilon: float = 1e-16) -> Tensor:
    r"""Return the smooth norm of each class, :math:`(q_k^2 + \epsilon)^{1/4}`.

    Parameters
    ----------
    x : Tensor
        Multivectors, shape ``(..., num_blades)``.
    partition : Partition
        The classes.
    epsilon : float
        Not negative; 0 gives :math:`\sqrt{|q_k|}`, whose gradient at 0 is taken as 0.

    Returns
    -------
    Tensor
        Shape ``(..., classes)``, never negative whatever the metric.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError, ConfigError
        If ``x`` does not hold multivectors of the partition's algebra, or epsilon is negative.

    Notes
    -----
    Invariant under Pin.

    References
    ----------
    Ruhe et al., Clifford Group Equivariant Neural Networks, 2023; arXiv:2305.11141.
    """
    check_partition(partition)
    check_plain(x, partition.algebra)
    if not epsilon >= 0:
        raise ConfigError(f"epsilon is {epsilon!r}; give a number of at least 0")
    result: Tensor = ops.class_invariants(x, class_squares_plan(partition), reference.NORM, float(epsilon))
    return result


def class_inner_products(x: Tensor, y: Tensor, partition: Partition) -> Tensor:
    r"""Return the invariant inner product of each class, :math:`\langle \tilde x_k y_k \rangle_0`.

    Parameters
    ----------
    x, y : Tensor
        Multivectors, shape ``(..., num_blades)``; leading axes broadcast.
    partition : Partition
        The classes.

    Returns
    -------
    Tensor
        Shape ``(..., classes)``.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the operands do not fit the partition's algebra or each other.

    Notes
    -----
    Invariant under Pin, symmetric.
    """
    check_partition(partition)
    check_pair(x, y, partition.algebra)
    return ops.bilinear(x, y, class_inner_products_plan(partition))
