"""Arguments of a function whose equivariance is checked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import AlgebraMismatchError, ConfigError, ShapeError
from cliffnet.multivector import Multivector

Input = Tensor | Multivector | tuple[int, ...] | Callable[[torch.Generator], Tensor]


@dataclass(frozen=True)
class Argument:
    """A multivector argument: a value, another that it may have, and how the function takes it."""

    value: Tensor
    other: Tensor
    layout: Layout | None
    is_multivector: bool

    def wrap(self, x: Tensor) -> Tensor | Multivector:
        """Return a value as the function takes it."""
        return Multivector(x, self.layout) if self.is_multivector and self.layout is not None else x


def make_arguments(
    inputs: Sequence[Input],
    layouts: Sequence[Layout | None] | None,
    algebra: Algebra,
    like: Tensor,
    generator: torch.Generator,
) -> list[Argument]:
    """Draw the arguments that a caller described.

    Raises
    ------
    ConfigError, ShapeError, AlgebraMismatchError
        If a description is of no known form, or does not fit the algebra.
    """
    chosen = [None] * len(inputs) if layouts is None else list(layouts)
    if len(chosen) != len(inputs):
        raise ConfigError(f"{len(inputs)} inputs were given with {len(chosen)} layouts; expected one layout each")
    return [_argument(entry, layout, algebra, like, generator) for entry, layout in zip(inputs, chosen, strict=True)]


def _argument(
    entry: Input, layout: Layout | None, algebra: Algebra, like: Tensor, generator: torch.Generator
) -> Argument:
    is_multivector = isinstance(entry, Multivector)
    if isinstance(entry, Multivector):
        layout = entry.layout
        entry = entry.tensor
    if layout is not None and layout.algebra is not algebra:
        raise AlgebraMismatchError(f"the layout of an input is of {layout.algebra!r}, expected {algebra!r}")
    size = algebra.full.size if layout is None else layout.size
    if isinstance(entry, Tensor):
        value, other = entry, other_value(entry, generator)
    elif isinstance(entry, tuple):
        value, other = (torch.randn(*entry, size, dtype=torch.float64, generator=generator) for _ in range(2))
    elif callable(entry):
        value, other = entry(generator), entry(generator)
    else:
        raise ConfigError(f"an input is {entry!r}, expected a leading shape, a tensor or a function that draws one")
    if value.dim() == 0 or value.shape[-1] != size:
        raise ShapeError(f"an input has shape {tuple(value.shape)}, expected (..., {size})")
    return Argument(on(value.detach(), like), on(other.detach(), like), layout, is_multivector)


def dtype_and_device(function: Callable[..., Any], inputs: Sequence[Input]) -> Tensor:
    """Return an empty tensor of the dtype and device to call the function with."""
    if isinstance(function, nn.Module):
        for parameter in function.parameters():
            if parameter.is_floating_point():
                return parameter.new_empty(0).detach()
    for entry in inputs:
        if isinstance(entry, Tensor | Multivector):
            return torch.empty(0, dtype=entry.dtype, device=entry.device)
    return torch.empty(0, dtype=torch.float64)


def on(value: Any, like: Tensor) -> Any:
    """Move a tensor to the device, and a floating one to the dtype, of the call; leave other values."""
    if not isinstance(value, Tensor):
        return value
    return value.to(like) if value.is_floating_point() else value.to(like.device)


def other_value(value: Any, generator: torch.Generator) -> Any:
    """Return normal numbers of the shape of a floating tensor; leave other values."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return value
    return torch.randn(value.shape, dtype=torch.float64, generator=generator).to(value)
