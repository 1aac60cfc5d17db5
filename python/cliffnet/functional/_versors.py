"""Versors from the ratio of two of their grades: every versor is a blade times an outer exponential of a bivector."""

import torch
from torch import Tensor

from cliffnet._graphs import kept_constant
from cliffnet.algebra import Layout, layout_of_key
from cliffnet.functional._blades import reverse
from cliffnet.functional._constants import constant
from cliffnet.functional._invariants import norm_squared
from cliffnet.functional._layouts import move, multiply
from cliffnet.functional._study import Frame


def outer_exponential(bivector: Tensor, layouts: Frame) -> Tensor:
    """Return ``1 + B + B ^ B / 2 + ...`` on ``layouts.even``: a versor, if not of unit norm.

    References
    ----------
    Lounesto, Clifford Algebras and Spinors, 2nd ed., 2001, ch. 17.3.
    """
    whole = move(bivector.new_ones((*bivector.shape[:-1], 1)), layouts.scalars, layouts.even)
    power, at = bivector, layouts.bivectors
    whole = whole + move(power, at, layouts.even)
    for order in range(2, layouts.dim // 2 + 1):
        above = layouts.even.of_grades((2 * order,))
        power = multiply("outer_product", power, bivector, at, layouts.bivectors, above) / order
        whole, at = whole + move(power, above, layouts.even), above
    return whole


@kept_constant
def blade_squares(key: str) -> tuple[float, ...]:
    """Return ``e_A reverse(e_A)`` of every blade."""
    layout = layout_of_key(key)
    squares = []
    for mask in layout.blade_masks:
        square = 1.0
        for index, value in enumerate(layout.algebra.metric):
            square *= value if mask >> index & 1 else 1.0
        squares.append(square)
    return tuple(squares)


def versor_through_bivector(values: Tensor, layout: Layout, layouts: Frame) -> Tensor:
    """Return the versor of norm ±1 that agrees with an element of one parity around its largest blade.

    With ``e_A`` the blade with the largest coefficient (weighted by its own magnitude), ``reverse(e_A) X`` has a scalar
    part; its grades 0 and 2 determine a versor, as an outer exponential. An element that is a versor already keeps its
    direction; of others the remaining grades are replaced.
    """
    squares = constant(blade_squares(layout.key), values.dtype, values.device)
    weighted = values.detach().abs() * squares.abs().sqrt()
    places = torch.arange(layout.size, device=values.device)
    blade = (places == weighted.argmax(-1, keepdim=True)).to(values.dtype)
    blade_reverse = reverse(blade, layout.algebra, layout=layout)
    low = multiply("geometric_product", blade_reverse, values, layout, layout, layouts.scalars | layouts.bivectors)
    scalar = low[..., :1]
    even = outer_exponential(low[..., 1:] / scalar, layouts)
    even = even / norm_squared(even, layout.algebra, layout=layouts.even).abs().sqrt().unsqueeze(-1)
    square = (blade * squares).sum(-1, keepdim=True)
    sign = scalar.detach().sign() * square.sign() / square.abs().sqrt()
    return sign * multiply("geometric_product", blade, even, layout, layouts.even, layout)
