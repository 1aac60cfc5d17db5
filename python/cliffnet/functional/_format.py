"""The memory format of multivector tensors.

Logically a tensor is ``(..., blades)``. *Blade-major* storage keeps each blade as one contiguous plane, as
channels-last storage does for images: strides differ, values and shapes do not.
"""

from torch import Tensor

from cliffnet.functional._checks import check_strided


def is_blade_major(tensor: Tensor) -> bool:
    """Tell whether the blades of a tensor are stored as planes, outermost in memory.

    Parameters
    ----------
    tensor : Tensor
        Shape ``(..., blades)``.

    Raises
    ------
    DTypeError
        If it is no tensor, or a sparse one.
    """
    check_strided(tensor, "the argument")
    return tensor.dim() > 1 and tensor.movedim(-1, 0).is_contiguous()


def to_blade_major(tensor: Tensor) -> Tensor:
    """Return the same values with each blade stored as one contiguous plane; no copy when they are already.

    Parameters
    ----------
    tensor : Tensor
        Shape ``(..., blades)``.

    Returns
    -------
    Tensor
        The same shape and values. ``result[..., k]`` is contiguous.

    Raises
    ------
    DTypeError
        If it is no tensor, or a sparse one.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import functional as F
    >>> F.to_blade_major(torch.zeros(5, 3, 8)).stride()
    (3, 1, 15)
    """
    check_strided(tensor, "the argument")
    if tensor.dim() < 2:
        return tensor
    return tensor.movedim(-1, 0).contiguous().movedim(0, -1)
