"""Products on one half of the channels and oriented joins on the other, in plain torch."""

from collections.abc import Callable

import torch
from torch import Tensor

from cliffnet.reference._bilinear import bilinear as plain_bilinear


def channel_groups(x: Tensor, count: int) -> tuple[Tensor, ...]:
    """Split multivectors (..., count * C, B) into groups (..., C, B) of channels."""
    groups: Tensor = x.unflatten(-2, (count, x.shape[-2] // count))
    return groups.unbind(-3)


def product_and_join(
    factors: Tensor,
    reference: Tensor,
    product: int,
    join: int,
    orientation: int,
    bilinear: Callable[[Tensor, Tensor, int], Tensor] = plain_bilinear,
) -> Tensor:
    """Multiply channels by two bilinear maps, the second scaled by a component of a reference multivector.

    ``out[c] = product(factors[c], factors[C + c])`` and
    ``out[C + c] = reference[orientation] * join(factors[2 C + c], factors[3 C + c])`` for each c < C.

    Parameters
    ----------
    factors : Tensor
        Shape ``(..., 4 C, blades)``.
    reference : Tensor
        Shape ``(..., blades)``, broadcasting with ``(..., C, blades)``.
    product, join : int
        Ids of the plans.
    orientation : int
        Blade of the reference.
    bilinear : callable, optional
        What multiplies.

    Returns
    -------
    Tensor
        Shape ``(..., 2 C, blades)``.
    """
    left, right, join_left, join_right = channel_groups(factors, 4)
    products = bilinear(left, right, product)
    joins = bilinear(join_left, join_right, join) * reference[..., orientation : orientation + 1]
    shape = torch.broadcast_shapes(products.shape, joins.shape)
    return torch.cat((products.expand(shape), joins.expand(shape)), dim=-2)
