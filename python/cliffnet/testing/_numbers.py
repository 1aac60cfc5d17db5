"""Coefficients: small integers, on which polynomial identities hold exactly, or floating-point numbers."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import Tensor

from cliffnet import functional as F
from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import AlgebraMismatchError, ConfigError

Elements = Literal["int", "float"]
BatchShape = tuple[int, ...] | SearchStrategy[tuple[int, ...]]

# Products of numbers below this would reach denormal ones, of which no relative error is small.
_SMALLEST = 2.0**-10


def _integers(count: int, largest: int) -> SearchStrategy[list[float]]:
    # one draw of bytes is much quicker than many of integers, and shrinks alike: 0, 1, -1, 2, -2, ...
    values = [0.0, *(float(sign * size) for size in range(1, largest + 1) for sign in (1, -1))]
    return st.binary(min_size=count, max_size=count).map(lambda drawn: [values[byte % len(values)] for byte in drawn])


def _floats(count: int, largest: int) -> SearchStrategy[list[float]]:
    number = st.floats(-largest, largest, allow_subnormal=False).map(lambda x: x if abs(x) >= _SMALLEST else 0.0)
    return st.lists(number, min_size=count, max_size=count)


def coefficients(
    shape: tuple[int, ...], elements: Elements, dtype: torch.dtype, largest: int = 4
) -> SearchStrategy[Tensor]:
    """Draw a tensor of coefficients between ``-largest`` and ``largest``; shrinks to zero."""
    if elements not in ("int", "float"):
        raise ConfigError(f"elements is {elements!r}, expected 'int' or 'float'")
    draw = _integers if elements == "int" else _floats
    return draw(math.prod(shape), largest).map(lambda values: torch.tensor(values, dtype=dtype).reshape(shape))


def in_batches(
    batch_shape: BatchShape, of_shape: Callable[[tuple[int, ...]], SearchStrategy[Tensor]]
) -> SearchStrategy[Tensor]:
    """Draw the batch shape first when it is a strategy itself."""
    if isinstance(batch_shape, SearchStrategy):
        return batch_shape.flatmap(of_shape)
    return of_shape(tuple(batch_shape))


def check(algebra: Algebra, layout: Layout | None) -> None:
    """Refuse other things than an algebra and one of its layouts."""
    if not isinstance(algebra, Algebra):
        raise AlgebraMismatchError(
            f"expected an Algebra, got {type(algebra).__name__}; build one with Algebra(p, q, r)"
        )
    if layout is not None and layout.algebra is not algebra:
        raise AlgebraMismatchError(f"the layout is of {layout.algebra!r}, but the algebra is {algebra!r}")


def put(drawn: SearchStrategy[Tensor], source: Layout, layout: Layout | None) -> SearchStrategy[Tensor]:
    """Move what is drawn from its own layout to the one wanted, full multivectors if none is."""
    target = source.algebra.full if layout is None else layout
    if not target.holds(source):
        # the error of an empty tensor, at once rather than at the first draw
        F.change_layout(torch.zeros(source.size), source, target)
    return drawn.map(lambda x: F.change_layout(x, source, target))


def squares(algebra: Algebra, dtype: torch.dtype) -> Tensor:
    """Return the squares of the generators in the order of the layout of vectors."""
    return torch.tensor([algebra.metric[mask.bit_length() - 1] for mask in algebra.vectors.blade_masks], dtype=dtype)
