"""Gates and normalisation of multivectors by invariants of their own classes."""

import torch
from torch import Tensor

from cliffnet import ops, reference
from cliffnet.algebra import Partition, class_squares_plan
from cliffnet.errors import ConfigError, ShapeError
from cliffnet.functional._checks import check_strided, check_together
from cliffnet.functional._class_invariants import check_partition, check_plain

_INVARIANTS = ("square", "norm")


def _kind_and_epsilon(invariant: str) -> tuple[int, float]:
    """Return how the operator is to make an invariant."""
    # literals: compiled graphs take named floats as inputs
    return (reference.SQUARE, 0.0) if invariant == "square" else (reference.NORM, 1e-16)


def _check_parameters(x: Tensor, partition: Partition, **parameters: Tensor) -> None:
    check_partition(partition)
    check_plain(x, partition.algebra)
    for name, parameter in parameters.items():
        check_strided(parameter, f"the {name}")
        check_together(x, parameter, f"x and the {name}")
        expected = (*x.shape[-2:-1], len(partition))
        if x.dim() < 2 or parameter.shape != expected:
            raise ShapeError(
                f"x has shape {tuple(x.shape)} and the {name} {tuple(parameter.shape)}; expected "
                f"(..., channels, {partition.algebra.num_blades}) and (channels, {len(partition)})"
            )


def class_gate(x: Tensor, scale: Tensor, shift: Tensor, partition: Partition, *, invariant: str = "square") -> Tensor:
    r"""Gate each class of a multivector by its own invariant, :math:`y_k = \sigma(a_k v_k + b_k)\, x_k`.

    The invariant :math:`v_k` of the class that holds the scalar alone is the scalar itself, so with unit scale and
    no shift the scalar goes through SiLU. For any other class it is the square :math:`q_k = \langle \tilde x_k x_k
    \rangle_0` or the smooth norm :math:`(q_k^2 + 10^{-16})^{1/4}`.

    Parameters
    ----------
    x : Tensor
        Multivectors, shape ``(..., C, num_blades)``.
    scale, shift : Tensor
        a and b, shape ``(C, classes)``.
    partition : Partition
        The classes, such as ``Partition.by_grade(algebra)``.
    invariant : {"square", "norm"}
        What the gate sees.

    Returns
    -------
    Tensor
        Shape ``(..., C, num_blades)``, blade-major if ``x`` is.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError, ConfigError
        If the arguments do not fit each other, or there is no such invariant.

    Notes
    -----
    Equivariant under all isometries of the generators, hence under Pin.

    References
    ----------
    Ruhe et al., Clifford Group Equivariant Neural Networks, 2023, section 4; arXiv:2305.11141.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, Partition, functional as F
    >>> partition = Partition.by_grade(Algebra(2))
    >>> x = torch.tensor([[2.0, 0.0, 0.0, 0.0]])
    >>> ones, zeros = torch.ones(1, 3), torch.zeros(1, 3)
    >>> bool(torch.isclose(F.class_gate(x, ones, zeros, partition)[0, 0], torch.nn.functional.silu(x[0, 0])))
    True
    """
    if invariant not in _INVARIANTS:
        raise ConfigError(f"invariant is {invariant!r}; choose 'square' or 'norm'")
    _check_parameters(x, partition, scale=scale, shift=shift)
    scalar = partition.classes.index((0,)) if (0,) in partition.classes else -1
    options = (class_squares_plan(partition), scalar, *_kind_and_epsilon(invariant), reference.SIGMOID)
    result: Tensor = ops.class_gate(x, scale, shift, *options)
    return result


def class_normalization(x: Tensor, strength: Tensor, partition: Partition, *, epsilon: float = 1e-6) -> Tensor:
    r"""Divide each class by a mixture of its norm and one.

    .. math:: y_k = x_k / (s_k (\lVert x_k \rVert - 1) + 1 + \epsilon), \quad s_k = \sigma(a_k), \quad
        \lVert x_k \rVert = (q_k^2 + 10^{-16})^{1/4}

    Parameters
    ----------
    x : Tensor
        Multivectors, shape ``(..., C, num_blades)``.
    strength : Tensor
        a, shape ``(C, classes)``: large for unit norms, very negative to leave a class as it is.
    partition : Partition
        The classes, such as ``Partition.by_grade(algebra)``.
    epsilon : float
        Added to the divisor, not negative.

    Returns
    -------
    Tensor
        Shape ``(..., C, num_blades)``, blade-major if ``x`` is.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError, ConfigError
        If the arguments do not fit each other, or epsilon is negative.

    Notes
    -----
    Equivariant under all isometries of the generators, hence under Pin. The square of a class of null blades is zero,
    and so nearly is its norm.

    References
    ----------
    Ruhe et al., Clifford Group Equivariant Neural Networks, 2023, section 4; arXiv:2305.11141.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, Partition, functional as F
    >>> x = torch.tensor([[0.0, 3.0, 4.0, 0.0]])
    >>> F.class_normalization(x, torch.full((1, 3), 20.0), Partition.by_grade(Algebra(2)))[0, 1:3]
    tensor([0.6000, 0.8000])
    """
    if not epsilon >= 0:
        raise ConfigError(f"epsilon is {epsilon!r}; give a number of at least 0")
    _check_parameters(x, partition, strength=strength)
    scale = torch.sigmoid(strength)
    options = (class_squares_plan(partition), -1, *_kind_and_epsilon("norm"), reference.RECIPROCAL)
    result: Tensor = ops.class_gate(x, scale, (1.0 + epsilon) - scale, *options)
    return result
