"""How much two sides of an identity may differ, and why."""

import math

import torch
from torch import Tensor


def magnitude(*operands: Tensor) -> Tensor:
    """Return the product of the l1 norms of multivectors, which bounds every product of them.

    ``|(a b)_k| <= |a|_2 |b|_2`` and ``|a b|_2 <= |a|_1 |b|_2``, so no component of a product, and no partial sum on
    the way to it, exceeds ``|a|_1 |b|_1``; the same holds for more factors.

    Parameters
    ----------
    *operands : Tensor
        Shape ``(..., blades)``; leading axes broadcast.

    Returns
    -------
    Tensor
        Shape ``(...)``.

    Examples
    --------
    >>> import torch
    >>> magnitude(torch.tensor([1.0, -2.0]), torch.tensor([[3.0, 0.0], [1.0, 1.0]])).tolist()
    [9.0, 6.0]
    """
    result = torch.ones((), dtype=operands[0].dtype if operands else torch.float64)
    for operand in operands:
        result = result.to(operand.device) * operand.abs().sum(-1)
    return result


def tolerance(dtype: torch.dtype, dim: int = 1, scale: Tensor | float = 1.0) -> Tensor | float:
    """Return the largest rounding error of a product of multivectors, ``8 n eps scale``.

    A component of a product sums terms whose magnitudes add up to at most ``scale``. Each term carries a few
    roundings, the sum at most ``2^n`` of them, of which about ``n`` add up when summed in pairs; 8 leaves room for
    identities of two or three products in a row.

    Parameters
    ----------
    dtype : torch.dtype
        The dtype of the computation; its ``eps`` enters.
    dim : int
        Number of generators.
    scale : Tensor or float
        Product of the l1 norms of the operands, see :func:`magnitude`.

    Returns
    -------
    Tensor or float
        Absolute error allowed, of the shape of ``scale``.

    Examples
    --------
    >>> import torch
    >>> tolerance(torch.float64, dim=4, scale=100.0) < 1e-12
    True
    """
    return 8 * max(dim, 1) * torch.finfo(dtype).eps * scale


def equivariance_tolerance(dtype: torch.dtype) -> float:
    """Return the relative error that :func:`assert_equivariant` allows by default, ``eps^(2/3)``.

    No norm bounds the rounding of a whole network. Two thirds of the digits are asked for; the remaining third is
    left to the accumulation over layers and to group elements that stretch, such as boosts. A function that is not
    equivariant is wrong in its first digits.

    Parameters
    ----------
    dtype : torch.dtype
        The dtype of the outputs.

    Returns
    -------
    float
        3.7e-11 in double, 2.4e-5 in single precision, 1e-2 in float16 and 4e-2 in bfloat16.
    """
    return math.pow(torch.finfo(dtype).eps, 2 / 3)
