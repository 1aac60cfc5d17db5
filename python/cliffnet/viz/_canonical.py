"""What the figures take: multivectors of any layout and basis, brought to the default basis of their algebra."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import AlgebraMismatchError, ConfigError, ShapeError


def dense(x: Any, algebra: Algebra | None, layout: Layout | None = None) -> tuple[Tensor, Algebra]:
    """Return a multivector, or a tensor with its algebra, as a dense tensor on the CPU in double precision.

    Parameters
    ----------
    x : Multivector or Tensor
        A multivector brings its own algebra and layout.
    algebra : Algebra, optional
        The algebra of a tensor.
    layout : Layout, optional
        The layout of a tensor; dense without it.

    Returns
    -------
    tuple
        The tensor (..., num_blades) and the algebra.

    Raises
    ------
    AlgebraMismatchError
        If a tensor comes without an algebra, or a multivector belongs to another one.
    """
    if not isinstance(x, Tensor):
        tensor, layout = getattr(x, "tensor", None), getattr(x, "layout", None)
        if not isinstance(tensor, Tensor) or not isinstance(layout, Layout):
            raise AlgebraMismatchError(f"expected a Multivector or a torch.Tensor, got {type(x).__name__}")
        if algebra is not None and algebra is not layout.algebra:
            raise AlgebraMismatchError(f"a multivector of {layout.algebra} was given with algebra={algebra}")
        x = tensor
    elif layout is None:
        if algebra is None:
            raise AlgebraMismatchError("a tensor was given without its algebra; pass algebra=... or a Multivector")
        layout = algebra.full
    values = x.detach().to("cpu", torch.float64)
    if values.dim() < 1 or values.shape[-1] != layout.size:
        raise ShapeError(f"the tensor has shape {tuple(values.shape)}; its last axis must have {layout.size} entries")
    return F.change_layout(values, layout, layout.algebra.full), layout.algebra


def _rank(square: float) -> int:
    ranks = {0.0: 0, 1.0: 1, -1.0: 2}
    if square not in ranks:
        raise ConfigError(f"a generator squares to {square}; pictures need squares of +1, -1 or 0, so rescale it")
    return ranks[square]


def _signed_mask(mask: int, places: Sequence[int]) -> tuple[int, int]:
    """Return the blade of permuted generators and the sign of putting these in order."""
    moved = [places[bit] for bit in range(len(places)) if mask >> bit & 1]
    swaps = sum(first > second for i, first in enumerate(moved) for second in moved[i + 1 :])
    return sum(1 << place for place in moved), -1 if swaps % 2 else 1


def canonical(x: Tensor, algebra: Algebra) -> tuple[Tensor, Algebra]:
    """Bring dense multivectors to the default basis: null generators first, then positive, then negative ones.

    Parameters
    ----------
    x : Tensor
        Shape ``(..., num_blades)`` in the algebra's own basis, such as kingdon's ``e1 e2 e3 e0 ... e31 ...``.
    algebra : Algebra
        The algebra of ``x``.

    Returns
    -------
    tuple
        The same multivectors (..., num_blades) in ``Algebra(p, q, r)``, and that algebra.

    Raises
    ------
    ConfigError
        If a square is not +1, -1 or 0.
    """
    target = Algebra(*algebra.signature)
    order = sorted(range(algebra.dim), key=lambda generator: (_rank(algebra.metric[generator]), generator))
    places = [order.index(generator) for generator in range(algebra.dim)]
    sources, signs = [0] * algebra.num_blades, [1.0] * algebra.num_blades
    for source, (mask, own_sign) in enumerate(zip(algebra.blade_masks, algebra.blade_signs, strict=True)):
        moved, sign = _signed_mask(mask, places)
        index = target.blade_masks.index(moved)
        sources[index], signs[index] = source, float(sign * own_sign)
    return x[..., sources] * x.new_tensor(signs), target


def labelled(objects: Any, labels: Sequence[str | None] | None) -> list[tuple[str | None, Any]]:
    """Return objects with their labels, from one object, a sequence of them, or a mapping from label to object.

    Raises
    ------
    ConfigError
        If there are not as many labels as objects.
    """
    if isinstance(objects, Mapping):
        return [(str(name), value) for name, value in objects.items()]
    if isinstance(objects, Tensor) or hasattr(objects, "layout"):
        objects = [objects]
    listed = list(objects)
    names: list[str | None] = [None] * len(listed) if labels is None else list(labels)
    if len(names) != len(listed):
        raise ConfigError(f"{len(names)} labels were given for {len(listed)} objects; give one each, or None")
    return list(zip(names, listed, strict=True))
