"""Gates: multivectors multiplied by activations of invariants."""

import difflib

import torch
from torch import Tensor

from cliffnet import ops
from cliffnet.algebra import Algebra, Partition, class_squares_plan
from cliffnet.errors import ConfigError, DTypeError, ShapeError
from cliffnet.functional._checks import FLOATING, check_algebra, check_strided, check_together
from cliffnet.functional._class_invariants import check_partition, check_plain
from cliffnet.reference import ACTIVATIONS

_NUMBERS = {name: number for number, name in enumerate(ACTIVATIONS)}


def activation_number(name: str) -> int:
    """Return the number of an activation in operators.

    Raises
    ------
    ConfigError
        If there is no activation of that name.
    """
    try:
        return _NUMBERS[name]
    except (KeyError, TypeError):
        close = difflib.get_close_matches(str(name), list(_NUMBERS), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ConfigError(f"activation is {name!r}; choose one of {', '.join(_NUMBERS)}{hint}") from None


def check_blades(x: Tensor) -> None:
    """Refuse what is no floating tensor with a blade axis: cheaply where it is one on the CPU, in full else."""
    try:
        fits = x.shape[-1] > 0 and x.dtype in FLOATING and x.is_cpu and x.layout is torch.strided
    except (AttributeError, IndexError, RuntimeError):
        fits = False
    if fits:
        return
    check_strided(x, "x")
    if x.dtype not in FLOATING:
        raise DTypeError(
            f"x has dtype {x.dtype}, expected float32, float64, bfloat16 or float16; convert it with .float()"
        )
    if x.dim() == 0 or x.shape[-1] == 0:
        raise ShapeError(f"x has shape {tuple(x.shape)}, expected (..., blades) with at least one blade")


def _check_leading(x: Tensor, gates: Tensor) -> None:
    try:
        torch.broadcast_shapes(x.shape[:-1], gates.shape[:-1])
    except RuntimeError as error:
        raise ShapeError(
            f"leading shapes {tuple(x.shape[:-1])} of x and {tuple(gates.shape[:-1])} of the gates do not broadcast"
        ) from error


def gate(x: Tensor, gates: Tensor, activation: str = "identity", *, partition: Partition | None = None) -> Tensor:
    r"""Multiply the classes of multivectors by an activation of invariant gates, :math:`y_I = f(s_{k(I)})\, x_I`.

    Parameters
    ----------
    x : Tensor
        Multivectors, shape ``(..., num_blades)``.
    gates : Tensor
        Invariants s, shape ``(..., classes)``, or ``(..., 1)`` without a partition; leading axes broadcast.
    activation : str
        f: ``identity``, ``relu``, ``sigmoid``, ``silu``, ``tanh``, ``gelu``, ``gelu_tanh``, or one of these over its
        argument: ``step`` for ReLU, ``sigmoid`` for SiLU, ``normal_cdf`` for GELU, ``gelu_divide`` for its tanh form.
    partition : Partition, optional
        The classes; a single one of all blades if omitted.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError, ConfigError
        If the arguments do not fit each other, or there is no such activation.

    Notes
    -----
    Equivariant under Pin where the gates are invariant. With the identity and gates drawn at random this is dropout.
    """
    number = activation_number(activation)
    plan, classes = -1, 1
    if partition is None:
        check_blades(x)
    else:
        check_partition(partition)
        check_plain(x, partition.algebra)
        plan, classes = class_squares_plan(partition), len(partition)
    check_strided(gates, "the gates")
    check_together(x, gates, "x and the gates")
    if gates.dim() == 0 or gates.shape[-1] != classes:
        raise ShapeError(f"the gates have shape {tuple(gates.shape)}, expected a last axis of {classes}: one per class")
    if x.shape[:-1] != gates.shape[:-1]:
        _check_leading(x, gates)
    result: Tensor = ops.gate(x, gates, plan, number)
    return result


def scalar_gate(x: Tensor, activation: str = "gelu", *, algebra: Algebra | None = None) -> Tensor:
    r"""Multiply multivectors by an activation of their own scalar part, :math:`y = f(\langle x \rangle_0)\, x`.

    Parameters
    ----------
    x : Tensor
        Multivectors, shape ``(..., num_blades)``.
    activation : str
        f, as in :func:`gate`.
    algebra : Algebra, optional
        The algebra of ``x``, to check its size and find the scalar; the first blade if omitted.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.

    Raises
    ------
    ShapeError, DTypeError, AlgebraMismatchError, ConfigError
        If ``x`` does not hold multivectors of the algebra, or there is no such activation.

    Notes
    -----
    Equivariant under Pin.

    References
    ----------
    Brehmer et al., Geometric Algebra Transformer, 2023, section 3.2; arXiv:2305.18415.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import functional as F
    >>> F.scalar_gate(torch.tensor([[2.0, 3.0], [-1.0, 3.0]]), "relu").tolist()
    [[4.0, 6.0], [-0.0, 0.0]]
    """
    number = activation_number(activation)
    blade = 0
    if algebra is None:
        check_blades(x)
    else:
        check_algebra(algebra)
        check_plain(x, algebra)
        blade = algebra.blade_masks.index(0)
    result: Tensor = ops.self_gate(x, blade, number)
    return result
