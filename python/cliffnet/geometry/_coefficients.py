"""Coefficients by blade name: how the geometric models write and read dense multivectors."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cliffnet.algebra import Algebra
from cliffnet.errors import DTypeError, ShapeError
from cliffnet.multivector import Multivector


def check_tensor(x: object, name: str) -> None:
    """Refuse what is no tensor of floating numbers."""
    if isinstance(x, Multivector):
        raise DTypeError(f"{name} is a Multivector, expected the tensor of its coefficients; pass mv.dense().tensor")
    if not isinstance(x, Tensor):
        raise DTypeError(f"{name} is a {type(x).__name__}, expected a torch.Tensor; convert it with torch.as_tensor")
    if not x.is_floating_point():
        raise DTypeError(f"{name} has dtype {x.dtype}, expected floating numbers; convert it with .float()")


def check_last_axis(x: Tensor, size: int, name: str) -> None:
    """Refuse a tensor whose last axis does not have ``size`` entries."""
    check_tensor(x, name)
    if x.dim() < 1 or x.shape[-1] != size:
        raise ShapeError(f"{name} has shape {tuple(x.shape)}; its last axis must have {size} entries")


def column(value: Tensor | float, like: Tensor) -> Tensor:
    """Return numbers of shape ``(...)`` with a last axis of one entry, in the dtype and on the device of ``like``."""
    return torch.as_tensor(value, dtype=like.dtype, device=like.device).unsqueeze(-1)


def broadcast(**values: Tensor | float) -> list[Tensor]:
    """Broadcast named tensors and numbers against one another.

    Raises
    ------
    ShapeError
        If the shapes do not fit, naming each.
    """
    like = next(value for value in values.values() if isinstance(value, Tensor))
    tensors = [x if isinstance(x, Tensor) else like.new_tensor(x) for x in values.values()]
    try:
        return list(torch.broadcast_tensors(*tensors))
    except RuntimeError as error:
        given = ", ".join(f"{name} {tuple(x.shape)}" for name, x in zip(values, tensors, strict=True))
        raise ShapeError(f"the shapes do not broadcast: {given}; sizes must be equal or 1 from the right") from error


def broadcast_vectors(**tensors: Tensor) -> list[Tensor]:
    """Broadcast the leading axes of named tensors, whose last axes may differ.

    Raises
    ------
    ShapeError
        If the leading shapes do not fit, naming each.
    """
    leads = broadcast(**{name: x[..., 0] for name, x in tensors.items()})
    return [x.expand(*leads[0].shape, x.shape[-1]) for x in tensors.values()]


def place(components: Mapping[str, Tensor | float], like: Tensor, algebra: Algebra) -> Tensor:
    """Make multivectors from components by signed blade name, such as ``e31``; the others are zero.

    Parameters
    ----------
    components : mapping
        Tensors of the shape of ``like``, or numbers.
    like : Tensor
        Fixes the batch shape ``(...)``, dtype and device.
    algebra : Algebra
        The algebra.

    Returns
    -------
    Tensor
        Shape ``(..., num_blades)``.
    """
    slots = [like.new_zeros(like.shape)] * algebra.num_blades
    for name, value in components.items():
        index, sign = algebra.index(name)
        part = value if isinstance(value, Tensor) else like.new_full(like.shape, value)
        slots[index] = part if sign > 0 else -part
    return torch.stack(slots, dim=-1)


def pick(x: Tensor, algebra: Algebra, names: Sequence[str]) -> Tensor:
    """Return the coefficients of signed blade names, shape ``(..., len(names))``."""
    check_last_axis(x, algebra.num_blades, "multivector")
    parts = []
    for name in names:
        index, sign = algebra.index(name)
        parts.append(x[..., index] if sign > 0 else -x[..., index])
    return torch.stack(parts, dim=-1)
