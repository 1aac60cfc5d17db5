"""The assertion that two sides of an identity agree."""

import torch
from torch import Tensor

from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import ConfigError
from cliffnet.multivector import Multivector
from cliffnet.testing._tolerance import tolerance


def assert_identity(
    left: Tensor | Multivector,
    right: Tensor | Multivector,
    scale: Tensor | float | None = None,
    *,
    algebra: Algebra | None = None,
    layout: Layout | None = None,
    context: str = "",
) -> None:
    """Assert that two sides of an identity are the same multivectors.

    Without a scale every component must be equal, as it is for polynomials of small integers, which floating point
    computes exactly. With one, components may differ by ``8 n eps scale``, see :func:`tolerance`.

    Parameters
    ----------
    left, right : Tensor or Multivector
        Shape ``(..., blades)``, the same for both. Multivectors bring their algebra and layouts, which may differ.
    scale : Tensor or float, optional
        Bound of the terms on both sides, for products ``magnitude(a, b, ...)``; shape ``(...)``.
    algebra : Algebra, optional
        Names the components in messages and gives ``n``; found from the number of blades if omitted.
    layout : Layout, optional
        Layout of both sides, instead of full multivectors.
    context : str
        What is being compared, for the message.

    Raises
    ------
    AssertionError
        If the sides differ, are of different shapes or dtypes, or hold NaN: an identity says nothing about NaN.
    ConfigError
        If the layout belongs to another algebra, or only one side is a multivector.
    AlgebraMismatchError
        If multivectors belong to different algebras.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(2)
    >>> a, b = torch.tensor([1.0, 2.0, 0.0, 1.0]), torch.tensor([0.0, 1.0, 1.0, 3.0])
    >>> ab, ba = F.geometric_product(a, b, algebra), F.geometric_product(b, a, algebra)
    >>> assert_identity(F.scalar_product(a, b, algebra), F.scalar_product(b, a, algebra))
    >>> assert_identity(ab, ba, algebra=algebra)
    Traceback (most recent call last):
    ...
    AssertionError: the sides differ in component e2: 6.0 and -4.0
      left  = -1 + 2 e1 + 6 e2 + 5 e12
      right = -1 - 4 e2 + e12
    """
    __tracebackhide__ = True
    if isinstance(left, Multivector) and isinstance(right, Multivector):
        layout = left.layout | right.layout
        left, right = left.change_layout(layout).tensor, right.change_layout(layout).tensor
    if isinstance(left, Multivector) or isinstance(right, Multivector):
        raise ConfigError("one side is a multivector and the other a tensor; pass two of a kind")
    if layout is not None and algebra is not None and layout.algebra is not algebra:
        raise ConfigError(f"the layout is of {layout.algebra!r}, but the algebra is {algebra!r}; pass one of them")
    prefix = f"{context}: " if context else ""
    if left.shape != right.shape:
        raise AssertionError(f"{prefix}the sides have shapes {tuple(left.shape)} and {tuple(right.shape)}")
    if left.dtype != right.dtype:
        raise AssertionError(f"{prefix}the sides have dtypes {left.dtype} and {right.dtype}")
    if left.isnan().any() or right.isnan().any():
        raise AssertionError(f"{prefix}the sides hold NaN, of which no identity can be asserted")
    if torch.equal(left, right):
        return
    difference = torch.where(left == right, torch.zeros_like(left), (left - right).abs())
    allowed = torch.zeros_like(difference)
    if scale is not None:
        dim = layout.algebra.dim if layout is not None else algebra.dim if algebra is not None else _dim(left)
        bound = torch.as_tensor(tolerance(left.dtype, dim, scale), dtype=left.dtype, device=left.device)
        allowed = (bound.unsqueeze(-1) if bound.dim() else bound).expand_as(difference)
    # a NaN bound allows nothing
    excess = torch.where(difference <= allowed, 0.0, difference)
    if not excess.any():
        return
    place = tuple(int(index) for index in torch.unravel_index(excess.argmax(), excess.shape))
    raise AssertionError(
        prefix
        + _message(left, right, place, _layout(left, algebra, layout), None if scale is None else allowed[place].item())
    )


def _dim(side: Tensor) -> int:
    return max(side.shape[-1] - 1, 1).bit_length() if side.dim() else 1


def _layout(side: Tensor, algebra: Algebra | None, layout: Layout | None) -> Layout | None:
    """Return what the last axis holds, if that is known."""
    if layout is None and algebra is not None and algebra.is_dense:
        layout = algebra.full
    return layout if side.dim() and layout is not None and layout.size == side.shape[-1] else None


def _message(left: Tensor, right: Tensor, place: tuple[int, ...], layout: Layout | None, allowed: float | None) -> str:
    values = f"{left[place].item()!r} and {right[place].item()!r}"
    where = "value" if not place else f"component {layout.blade_names[place[-1]] if layout else place[-1]}"
    at = f" at {place[:-1]}" if len(place) > 1 else ""
    text = f"the sides differ in {where}{at}: {values}"
    if allowed is not None:
        text += f", {abs(left[place] - right[place]).item():.1e} apart where {allowed:.1e} is allowed"
    if layout is not None:
        row = place[:-1]
        text += f"\n  left  = {Multivector(left[row], layout)}\n  right = {Multivector(right[row], layout)}"
    return text
