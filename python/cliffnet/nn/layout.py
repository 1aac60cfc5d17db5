"""Memory layout inside the layers: logically ``(..., channels, blades)``, in memory one plane per blade.

Torch's own ``cat`` and the backward of indexing return blades-last memory whatever they were given. The
helpers here go through views with the blade axis in front, so that the layout survives both directions.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet.algebra import Algebra
from cliffnet.errors import DTypeError, ShapeError


def blade_planes(x: Tensor) -> tuple[Tensor, ...]:
    """Split (..., C, B) into B planes (..., C); one differentiable op, however many planes are used."""
    return x.movedim(-1, 0).unbind(0)


def scalar_plane(x: Tensor) -> Tensor:
    """Return the scalar components (..., C) of multivectors (..., C, B)."""
    return x[..., 0]


def cat_channels(tensors: Sequence[Tensor]) -> Tensor:
    """Concatenate multivectors along their channels; the result is blade-major."""
    return torch.cat([x.movedim(-1, 0) for x in tensors], dim=-1).movedim(0, -1)


def split_channels(x: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """Split multivectors along their channels; the gradient is blade-major."""
    return [part.movedim(0, -1) for part in x.movedim(-1, 0).split(list(sizes), dim=-1)]


def embed_vectors(x: Tensor, algebra: Algebra) -> Tensor:
    """Return vectors (..., C, n) as multivectors (..., C, B), blade-major."""
    return F.change_layout(F.to_blade_major(x), algebra.vectors, algebra.full)


def embed_scalars(x: Tensor, algebra: Algebra) -> Tensor:
    """Return scalars (..., C) as multivectors (..., C, B), blade-major."""
    return F.change_layout(F.to_blade_major(x.unsqueeze(-1)), algebra.scalars, algebra.full)


def check_vectors(x: Tensor, channels: int | None, algebra: Algebra, name: str) -> None:
    """Raise unless ``x`` is floating point with shape (..., channels, n); any number of channels fits None."""
    wanted = "channels" if channels is None else channels
    if x.dim() < 2 or x.shape[-1] != algebra.dim or (channels is not None and x.shape[-2] != channels):
        raise ShapeError(
            f"{name} has shape {tuple(x.shape)}; expected (..., {wanted}, {algebra.dim}), vectors of {algebra}"
        )
    if not x.is_floating_point():
        raise DTypeError(f"{name} has dtype {x.dtype}; convert it to a floating-point dtype first")


def check_multivectors(x: Tensor, channels: int, algebra: Algebra, name: str = "multivectors") -> None:
    """Raise unless ``x`` is floating point with shape (..., channels, blades)."""
    expected = f"(..., {channels}, {algebra.num_blades}) for {channels} channels of {algebra}"
    if x.dim() < 2 or x.shape[-1] != algebra.num_blades or x.shape[-2] != channels:
        raise ShapeError(f"{name} has shape {tuple(x.shape)}; expected {expected}")
    if not x.is_floating_point():
        raise DTypeError(f"{name} has dtype {x.dtype}; convert it to a floating-point dtype first")


def check_scalars(scalars: Tensor | None, channels: int | None, batch: torch.Size, name: str = "scalars") -> None:
    """Raise unless ``scalars`` has shape (*batch, channels), or is None where there are no channels."""
    if not channels:
        if scalars is not None and scalars.shape[-1] != 0:
            raise ShapeError(f"{name} has shape {tuple(scalars.shape)}, but this layer has no scalar inputs; give None")
        return
    if scalars is None:
        raise ShapeError(f"{name} is None, but this layer has {channels} scalar input channels; give (..., {channels})")
    if scalars.dim() < 1 or scalars.shape[-1] != channels:
        raise ShapeError(f"{name} has shape {tuple(scalars.shape)}; expected (..., {channels})")
    if scalars.shape[:-1] != batch:
        raise ShapeError(f"{name} has leading axes {tuple(scalars.shape[:-1])}, the multivectors have {tuple(batch)}")
