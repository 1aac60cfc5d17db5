"""Linear maps between channels that act on blades through a family of maps, and their derivatives.

Both gradients are maps of the same kind: that of the input goes by the transposed maps, and the derivatives of the
gradients are linear maps and gradients again, so that derivatives of any order run natively.
"""

from typing import Any

from torch import Tensor

from cliffnet import reference
from cliffnet.algebra import map_table
from cliffnet.ops._bilinear import is_blade_major
from cliffnet.ops._linear_gemm import linear_gradients, linear_products
from cliffnet.ops._operator import Gradients, Operator

_INPUT, _WEIGHT, _BIAS = 1, 2, 4


def _empty_rows(like: Tensor, channels: int, blade_major: bool) -> Tensor:
    leading, blades = like.shape[:-2], like.shape[-1]
    if blade_major:
        return like.new_empty((blades, *leading, channels)).movedim(0, -1)
    return like.new_empty((*leading, channels, blades))


class _EquivariantLinear(Operator):
    """``out[o] = sum over i, m of weight[o, i, m] * maps[m](x[i])``, plus a bias unless that has no elements."""

    name = "equivariant_linear"
    schema = "(Tensor x, Tensor weight, Tensor bias, int maps) -> Tensor"
    tensors = 3

    def fake(self, x: Tensor, weight: Tensor, bias: Tensor, maps: int) -> Tensor:
        return _empty_rows(x, weight.shape[0], is_blade_major(x))

    def reference(self, x: Tensor, weight: Tensor, bias: Tensor, maps: int) -> Tensor:
        return reference.equivariant_linear(x, weight, bias, maps)

    def composed(self, x: Tensor, weight: Tensor, bias: Tensor, maps: int) -> Tensor:
        return linear_products(x, weight, bias, maps)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        (cotangent,) = cotangents
        if cotangent is None:
            return None, None, None
        x, weight, bias, maps = arguments
        wanted = _INPUT * needed[0] + _WEIGHT * needed[1]
        is_shared = bias.dim() == 1 and bias.shape[0] == weight.shape[0]
        if needed[2] and is_shared:
            wanted += _BIAS
        by_x = by_weight = by_bias = None
        if wanted:
            by_x, by_weight, by_bias = equivariant_linear_backward(cotangent, x, weight, maps, wanted)
        if needed[2] and not is_shared:
            by_bias = cotangent.select(-1, map_table(maps).scalar).sum_to_size(bias.shape)
        return by_x if needed[0] else None, by_weight if needed[1] else None, by_bias if needed[2] else None


class _EquivariantLinearBackward(Operator):
    """The gradients of the input, the weight and a bias that all rows share, those that ``needed`` names."""

    name = "equivariant_linear_backward"
    schema = "(Tensor cotangent, Tensor x, Tensor weight, int maps, int needed) -> (Tensor, Tensor, Tensor)"
    tensors = 3

    def fake(self, cotangent: Tensor, x: Tensor, weight: Tensor, maps: int, needed: int) -> tuple[Tensor, ...]:
        blade_major = is_blade_major(cotangent) or is_blade_major(x)
        return (
            _empty_rows(x, x.shape[-2], blade_major) if needed & _INPUT else x.new_empty(0),
            x.new_empty(weight.shape) if needed & _WEIGHT else x.new_empty(0),
            x.new_empty(weight.shape[0] if needed & _BIAS else 0),
        )

    def reference(
        self, cotangent: Tensor, x: Tensor, weight: Tensor, maps: int, needed: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        return reference.equivariant_linear_backward(cotangent, x, weight, maps, needed)

    def composed(
        self, cotangent: Tensor, x: Tensor, weight: Tensor, maps: int, needed: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        return linear_gradients(cotangent, x, weight, maps, needed)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        cotangent, x, weight, maps, wanted = arguments
        flags = (_INPUT, _WEIGHT, _BIAS)
        by_x, by_weight, by_bias = (
            other if wanted & flag else None for flag, other in zip(flags, cotangents, strict=True)
        )
        found: list[Tensor | None] = [None, None, None]
        if needed[0]:
            found[0] = self._by_cotangent(by_x, by_weight, by_bias, arguments)
        if needed[1] and by_weight is not None:
            found[1] = self(cotangent, x, by_weight, maps, _INPUT)[0]
        if needed[2] and by_x is not None:
            found[2] = self(cotangent, by_x, weight, maps, _WEIGHT)[1]
        return tuple(found)

    @staticmethod
    def _by_cotangent(
        by_x: Tensor | None, by_weight: Tensor | None, by_bias: Tensor | None, arguments: tuple[Any, ...]
    ) -> Tensor | None:
        _, x, weight, maps, _ = arguments
        found = None
        none = x.new_empty(0)
        if by_x is not None:
            found = equivariant_linear(by_x, weight, none, maps)
        if by_weight is not None:
            other = equivariant_linear(x, by_weight, none, maps)
            found = other if found is None else found + other
        if by_bias is not None:
            # a map without input channels leaves only its bias
            nothing = x.new_zeros((*x.shape[:-2], 0, x.shape[-1]))
            other = equivariant_linear(nothing, weight[:, :0], by_bias, maps)
            found = other if found is None else found + other
        return found


equivariant_linear = _EquivariantLinear()
equivariant_linear_backward = _EquivariantLinearBackward()
