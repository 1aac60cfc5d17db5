"""Gate, product with one weight for each channel and path, and norm of each class, in one pass over memory."""

from torch import Tensor

from cliffnet import ops
from cliffnet.algebra import Partition, class_squares_plan
from cliffnet.errors import ConfigError
from cliffnet.functional._gates import activation_number
from cliffnet.functional._steerable import check_steerable

_NO_GATE = -1
_NO_NORM = -1


def gated_steerable_product(
    x: Tensor,
    y: Tensor,
    weight: Tensor,
    partition: Partition,
    *,
    gate: str | None = "normal_cdf",
    normalize: bool = True,
    epsilon: float = 1e-6,
) -> Tensor:
    """Gate two operands, multiply them with one weight for each path, and normalise each class over the channels.

    ``u = steerable_product(gate(x_0) x, gate(y_0) y)``, then for every class of blades
    ``out_class = u_class / sqrt(mean over channels of |q(u_class)| + epsilon)`` with the scalar parts ``x_0, y_0`` and
    the invariant square ``q(u) = <reverse(u) u>_0``.

    Parameters
    ----------
    x, y : Tensor
        Shape ``(..., C, num_blades)``; leading axes broadcast.
    weight : Tensor
        Shape ``(C, paths)`` with ``paths = len(partition.paths())``, in that order.
    partition : Partition
        The classes of grades.
    gate : str, optional
        The function of the scalar part by which a multivector is multiplied: ``"normal_cdf"`` makes the scalar part its
        GELU, ``"sigmoid"`` its SiLU, ``"step"`` its ReLU; also ``"gelu"``, ``"gelu_tanh"``, ``"gelu_divide"``,
        ``"silu"``, ``"relu"``, ``"tanh"``, ``"identity"``. None for no gate.
    normalize : bool
        Whether to divide by the norms.
    epsilon : float
        Added to the mean squares under the root.

    Returns
    -------
    Tensor
        Shape ``(..., C, num_blades)``. Blade-major if an operand of full shape is.

    Raises
    ------
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        As :func:`steerable_product`.
    ConfigError
        If the gate is unknown or epsilon negative.

    Notes
    -----
    Equivariant under Pin, since gates and norms are invariant. In an indefinite metric a square may be negative, so its
    magnitude counts, channel by channel: channels of opposite signs do not cancel. Where all blades of a class are null
    there is no invariant square, and the class is not divided; where only some are, they are divided along with the
    others, which alone count for the norm.

    The result is computed in one pass over memory, and so are the gradients, which keep no more than the operands.

    References
    ----------
    Ruhe et al., Clifford Group Equivariant Neural Networks, 2023; arXiv:2305.11141.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, Partition, functional as F
    >>> partition = Partition.by_grade(Algebra(3))
    >>> x, weight = torch.randn(5, 4, 8), torch.randn(4, len(partition.paths()))
    >>> out = F.gated_steerable_product(x, x, weight, partition)
    >>> bool(torch.allclose(out[..., 0].square().mean(-1), torch.ones(5), atol=1e-3))
    True
    """
    plan = check_steerable(x, y, weight, partition, "geometric_product")
    if not epsilon >= 0.0:
        raise ConfigError(f"epsilon is {epsilon}, expected a number that is not negative")
    squares = class_squares_plan(partition) if normalize else _NO_NORM
    scalar = partition.algebra.blade_masks.index(0)
    result: Tensor = ops.gated_steerable_product(
        x, y, weight, plan, _NO_GATE if gate is None else activation_number(gate), scalar, squares, epsilon
    )
    return result
