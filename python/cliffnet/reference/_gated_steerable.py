"""Gate, weighted product and norm of each class, in plain torch."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet._graphs import constant_in_graphs
from cliffnet.algebra import plan_sizes, plan_terms
from cliffnet.reference._activations import ACTIVATIONS
from cliffnet.reference._steerable import steerable_product, steerable_product_backward

_HALF = (torch.bfloat16, torch.float16)
_GATES = tuple(ACTIVATIONS.values())

Product = Callable[[Tensor, Tensor, Tensor, int], Tensor]
ProductBackward = Callable[[Tensor, Tensor, Tensor, Tensor, int], tuple[Tensor, Tensor, Tensor]]


class Surroundings(NamedTuple):
    """What surrounds a product: numbers of gate and scalar blade, plan of the squares of classes, epsilon.

    A gate or plan of -1 means none.
    """

    gate: int
    scalar: int
    squares: int
    epsilon: float


class _Classes(NamedTuple):
    """The class of each blade; blades with a square, their squares and classes; which classes have such a blade."""

    of_blade: Tensor
    blade: Tensor
    square: Tensor
    of_square: Tensor
    is_measured: Tensor


def _make_classes(squares: int, dtype: torch.dtype, device: torch.device) -> _Classes:
    terms, sizes = plan_terms(squares), plan_sizes(squares)
    count = sizes.out // 2
    rows = list(zip(terms.out, terms.left, terms.coefficient, strict=True))
    of_blade = [0] * sizes.left
    for out, blade, _ in rows:
        if out >= count:
            of_blade[blade] = out - count
    measured = [row for row in rows if row[0] < count]

    def integers(values: list[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=device)

    owners = [out for out, _, _ in measured]
    return _Classes(
        integers(of_blade),
        integers([blade for _, blade, _ in measured]),
        torch.tensor([square for _, _, square in measured], dtype=dtype, device=device),
        integers(owners),
        torch.tensor([index in owners for index in range(count)], device=device),
    )


_kept_classes = cache(_make_classes)


@constant_in_graphs
def _classes(squares: int, dtype: torch.dtype, device: torch.device) -> _Classes:
    """Return the classes as tensors; kept between calls except where a mode would leave its own kind behind."""
    if torch._C._len_torch_dispatch_stack() or torch._C._are_functorch_transforms_active():
        return _make_classes(squares, dtype, device)
    with torch.inference_mode(False):
        return _kept_classes(squares, dtype, device)


def _class_sums(values: Tensor, index: Tensor, count: int) -> Tensor:
    return values.new_zeros((*values.shape[:-1], count)).index_add(-1, index, values)


def _inverse_norms(product: Tensor, around: Surroundings) -> tuple[Tensor, Tensor]:
    """Return the signs of the squares of each channel and class, and the inverse norms of each row and class."""
    classes = _classes(around.squares, product.dtype, product.device)
    measured = product.index_select(-1, classes.blade)
    squares = _class_sums(measured.square() * classes.square, classes.of_square, len(classes.is_measured))
    inverse = (squares.abs().mean(-2, keepdim=True) + around.epsilon).rsqrt()
    return squares.sign(), torch.where(classes.is_measured, inverse, 1.0)


def gated_steerable_product(
    left: Tensor,
    right: Tensor,
    weight: Tensor,
    plan: int,
    around: Surroundings,
    product: Product = steerable_product,
) -> Tensor:
    """Gate both operands, multiply them, and divide each class of the product by its norm over the channels.

    ``u = product(gate(x_0) x, gate(y_0) y)`` and ``out = u / sqrt(mean over channels of |q(u_class)| + epsilon)``, with
    the invariant square ``q`` of each class. Half precision is computed in single.

    Parameters
    ----------
    left, right, weight, plan
        As in :func:`steerable_product`.
    around : Surroundings
        Gate and norm.
    product : callable
        The product to use.

    Returns
    -------
    Tensor
        Shape ``(..., channels, out blades)``.
    """
    if left.dtype in _HALF:
        single = (left.float(), right.float(), weight.float())
        return gated_steerable_product(*single, plan, around, product).to(left.dtype)
    if around.gate >= 0:
        gate, _ = _GATES[around.gate]
        left, right = (x * gate(x.narrow(-1, around.scalar, 1)) for x in (left, right))
    result = product(left, right, weight, plan)
    if around.squares < 0:
        return result
    _, inverse = _inverse_norms(result, around)
    classes = _classes(around.squares, result.dtype, result.device)
    return result * inverse.index_select(-1, classes.of_blade)


def gated_steerable_product_backward(
    cotangent: Tensor,
    left: Tensor,
    right: Tensor,
    weight: Tensor,
    plan: int,
    around: Surroundings,
    product: Product = steerable_product,
    product_backward: ProductBackward = steerable_product_backward,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of :func:`gated_steerable_product` by the operands and the weight.

    Those by the operands have the broadcast leading axes. A gate multiplies the product, which is linear, so its own
    gradient is the inner product of the cotangent with the product before the gates.
    """
    if left.dtype in _HALF:
        single = (left.float(), right.float(), weight.float())
        gradients = gated_steerable_product_backward(
            cotangent.float(), *single, plan, around, product, product_backward
        )
        by_left, by_right, by_weight = (gradient.to(left.dtype) for gradient in gradients)
        return by_left, by_right, by_weight
    ungated = product(left, right, weight, plan)
    if around.gate < 0:
        return product_backward(_unnormalized(cotangent, ungated, around), left, right, weight, plan)
    gate, slope = _GATES[around.gate]
    scalars = [operand.narrow(-1, around.scalar, 1) for operand in (left, right)]
    left_gate, right_gate = map(gate, scalars)
    left_slope, right_slope = map(slope, scalars)
    gates = left_gate * right_gate
    cotangent = _unnormalized(cotangent, gates * ungated, around)
    by_left, by_right, by_weight = product_backward(cotangent * gates, left, right, weight, plan)
    by_gates = (cotangent * ungated).sum(-1, keepdim=True)
    scalar = torch.tensor([around.scalar], device=left.device)
    by_left = by_left.index_add(-1, scalar, (by_gates * left_slope * right_gate).expand(*by_left.shape[:-1], 1))
    by_right = by_right.index_add(-1, scalar, (by_gates * left_gate * right_slope).expand(*by_right.shape[:-1], 1))
    return by_left, by_right, by_weight


def _unnormalized(cotangent: Tensor, product: Tensor, around: Surroundings) -> Tensor:
    """Return the cotangent of the product before its norm, from that after it."""
    if around.squares < 0:
        return cotangent
    classes = _classes(around.squares, product.dtype, product.device)
    signs, inverse = _inverse_norms(product, around)
    count = len(classes.is_measured)
    dots = _class_sums(cotangent * product, classes.of_blade, count).mean(-2, keepdim=True)
    by_squares = (signs * inverse**3 * dots).index_select(-1, classes.of_square) * classes.square
    by_measured = by_squares * product.index_select(-1, classes.blade)
    result = cotangent * inverse.index_select(-1, classes.of_blade)
    return result.index_add(-1, classes.blade, by_measured, alpha=-1)
