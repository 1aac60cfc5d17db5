"""The non-degenerate part of an algebra: what is left when null generators are set to zero."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet._graphs import kept_constant
from cliffnet.algebra import Algebra, Layout, layout_of_key
from cliffnet.functional._constants import constant

Entry = tuple[int, int, float]


class _Core(NamedTuple):
    """Key of the layout of the core, and entries ``(out, in, sign)`` into it and back to full multivectors."""

    full: str
    into: tuple[Entry, ...]
    out_of: tuple[Entry, ...]


class Core(NamedTuple):
    """Full multivectors of the non-degenerate part, and where their coefficients stand in a layout.

    Setting null generators to zero is a homomorphism onto the part, and what it drops is nilpotent: an element has an
    inverse where its image has one.
    """

    full: Layout
    into: tuple[Entry, ...]
    out_of: tuple[Entry, ...]


def core(layout: Layout) -> Core:
    """Return the non-degenerate part of the algebra of a layout, with entries ``(out, in, sign)`` into it and back.

    Back leads to full multivectors of the algebra.
    """
    found = _core(layout.key)
    return Core(layout_of_key(found.full), found.into, found.out_of)


# graphs take constants as they are; a layout among them would have to be told from the same one of another origin
@kept_constant
def _core(key: str) -> _Core:
    layout = layout_of_key(key)
    algebra = layout.algebra
    kept = [index for index, square in enumerate(algebra.metric) if square]
    full = Algebra(metric=[algebra.metric[index] for index in kept]).full
    position = {
        sum(1 << kept[bit] for bit in range(len(kept)) if mask >> bit & 1): index
        for index, mask in enumerate(full.blade_masks)
    }

    def shared(source: Layout) -> list[tuple[int, int, float]]:
        pairs = enumerate(zip(source.blade_masks, source.blade_signs, strict=True))
        return [(position[mask], index, float(sign)) for index, (mask, sign) in pairs if mask in position]

    back = tuple((index, inner, sign) for inner, index, sign in shared(algebra.full))
    return _Core(full.key, tuple(shared(layout)), back)


@kept_constant
def _magnitudes(key: str) -> tuple[float, ...]:
    layout = layout_of_key(key)
    metric = layout.algebra.metric
    return tuple(
        math.sqrt(abs(math.prod(metric[index] for index in range(len(metric)) if mask >> index & 1)))
        for mask in layout.blade_masks
    )


def core_norm(values: Tensor, layout: Layout) -> Tensor:
    """Return the norm that is submultiplicative up to ``sqrt(matrix_size)``, shape ``(...)``.

    The Euclidean norm of the coefficients, each weighted by the magnitude ``sqrt |e_A^2|`` of its blade; so blades
    with null generators do not count. It is the Frobenius norm of the matrix, divided by the root of its size.
    """
    weights = constant(tuple(weight**2 for weight in _magnitudes(layout.key)), values.dtype, values.device)
    norm: Tensor = (values.square() @ weights).sqrt()
    return norm


def core_scale(values: Tensor, layout: Layout) -> Tensor:
    """Return powers of 2 that bring the largest coefficient between 1/2 and 1, shape ``(..., 1)``, without derivative.

    Coefficients are weighted as in :func:`core_norm`. Dividing by the scale is exact. Where all are zero or one is not
    finite, 1.
    """
    weights = constant(_magnitudes(layout.key), values.dtype, values.device)
    largest = (values.detach() * weights).abs().amax(-1, keepdim=True)
    largest = largest.where((largest > 0) & (largest < torch.inf), 1.0)
    scale: Tensor = largest / torch.frexp(largest).mantissa
    return scale


def matrix_size(dim: int) -> int:
    """Return the degree of the determinant of an algebra of that many generators: 2^floor((n + 1) / 2)."""
    return 1 << (dim + 1) // 2
