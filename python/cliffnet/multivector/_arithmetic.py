"""Operators between multivectors, numbers and tensors."""

from collections.abc import Callable
from numbers import Integral
from numbers import Real as _Real
from typing import Any, Self

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet.functional._checks import check_together
from cliffnet.functional._layouts import multiply
from cliffnet.multivector import _layouts
from cliffnet.multivector._base import MultivectorBase, check_broadcast, check_values

# the builtin ones first, because only those are looked up without running code; the last one covers NumPy's scalars
NUMBERS = (float, int, _Real)


class Arithmetic(MultivectorBase):
    """Products, sums and powers; see :class:`Multivector`."""

    __slots__ = ()

    def _lift(self, other: object) -> Self | None:
        """Return another operand as a multivector of this algebra; None for what is no operand."""
        if isinstance(other, type(self)):
            self._check_same_algebra(other)
            return other
        if isinstance(other, Tensor):
            check_values(other)
            # what torch's promotion would do: neither whole numbers nor single ones change a dtype
            adapts = not other.is_floating_point() or not other.dim()
            values = other.to(self.dtype) if adapts else other
            return self._make(values.unsqueeze(-1), self.algebra.scalars)
        if isinstance(other, NUMBERS):
            return self._make(self._tensor.new_full((1,), float(other)), self.algebra.scalars)
        _refuse_array(other)
        return None

    def _agreed(self, other: Self) -> tuple[Self, Self]:
        """Return both operands in one dtype where torch would find one: single elements follow batches."""
        if self.dtype == other.dtype or (self.ndim and other.ndim):
            return self, other
        dtype = other.dtype if other.ndim else self.dtype if self.ndim else torch.promote_types(self.dtype, other.dtype)
        return self.to(dtype), other.to(dtype)

    def _multiply(self, kind: str, function: Callable[..., Tensor], other: object, *, reflected: bool = False) -> Self:
        lifted = self._lift(other)
        if lifted is None:
            return NotImplemented  # type: ignore[no-any-return]
        first, second = self._agreed(lifted)
        left, right = (second, first) if reflected else (first, second)
        source, other_source = left._layout, right._layout
        out = source.product(other_source, kind)
        a, b = left._tensor, right._tensor
        if source is other_source and source is out and out.is_full and out is self.algebra.full:
            return self._make(function(a, b, self.algebra), out)
        # each tensor is known to fit its layout; if they also fit each other nothing is left to check
        if a.shape[:-1] == b.shape[:-1] and a.dtype == b.dtype and a.device == b.device:
            return self._make(multiply(kind, a, b, source, other_source, out), out)
        values = function(a, b, self.algebra, a_layout=source, b_layout=other_source, out_layout=out)
        return self._make(values, out)

    def _scaled(self, factor: object) -> Self | None:
        """Return the multivector times a number or a tensor of numbers; None for anything else."""
        if isinstance(factor, MultivectorBase):
            return None
        if isinstance(factor, Tensor):
            check_values(factor)
            check_broadcast(self.shape, factor.shape)
            return self._make(self._tensor * factor.unsqueeze(-1), self._layout)
        if isinstance(factor, NUMBERS):
            return self._make(self._tensor * float(factor), self._layout)
        _refuse_array(factor)
        return None

    def _added(self, other: object, sign: float) -> Self:
        lifted = self._lift(other)
        if lifted is None:
            return NotImplemented  # type: ignore[no-any-return]
        first, second = self._agreed(lifted)
        check_together(first._tensor, second._tensor, "the multivectors")
        check_broadcast(first.shape, second.shape)
        out = first._layout | second._layout
        left, right = first._moved(out)._tensor, second._moved(out)._tensor
        return self._make(left + right if sign > 0 else left - right, out)

    def __add__(self, other: object) -> Self:
        return self._added(other, 1.0)

    def __radd__(self, other: object) -> Self:
        return self._added(other, 1.0)

    def __sub__(self, other: object) -> Self:
        return self._added(other, -1.0)

    def __rsub__(self, other: object) -> Self:
        return (-self)._added(other, 1.0)

    def __neg__(self) -> Self:
        return self._make(-self._tensor, self._layout)

    def __pos__(self) -> Self:
        return self

    def __mul__(self, other: object) -> Self:
        scaled = self._scaled(other)
        return self._multiply("geometric_product", F.geometric_product, other) if scaled is None else scaled

    def __rmul__(self, other: object) -> Self:
        scaled = self._scaled(other)
        return NotImplemented if scaled is None else scaled

    def __truediv__(self, other: object) -> Self:
        if isinstance(other, type(self)):
            return self * other.inverse()
        if isinstance(other, Tensor):
            check_values(other)
            check_broadcast(self.shape, other.shape)
            return self._make(self._tensor / other.unsqueeze(-1), self._layout)
        if isinstance(other, NUMBERS):
            return self._make(self._tensor / float(other), self._layout)
        _refuse_array(other)
        return NotImplemented

    def __rtruediv__(self, other: object) -> Self:
        if isinstance(other, (Tensor, *NUMBERS)):
            return self.inverse() * other
        _refuse_array(other)
        return NotImplemented

    def inverse(self) -> Self:
        """Return the element whose product with this one is 1, from either side.

        Raises
        ------
        NotInvertibleError
            If there is none.

        Notes
        -----
        Equivariant under Pin. Inverses of even elements are even, of odd ones odd.
        """
        out = _layouts.of_inverse(self._layout.key)
        values = F.inverse(self._tensor, self.algebra, layout=self._layout, out_layout=out)
        return self._make(values, out)

    def sqrt(self) -> Self:
        """Return the principal square root of a rotor, on the even blades.

        Raises
        ------
        DomainError
            If it has none.
        """
        out = _layouts.of_series(self._layout.key)
        return self._make(F.sqrt(self._tensor, self.algebra, layout=self._layout, out_layout=out), out)

    def __pow__(self, exponent: object) -> Self:
        if isinstance(exponent, float) and exponent == 0.5:
            return self.sqrt()
        if isinstance(exponent, Integral) and not isinstance(exponent, int):
            # those of NumPy
            exponent = int(exponent)
        if isinstance(exponent, bool) or not isinstance(exponent, int):
            if isinstance(exponent, NUMBERS):
                raise TypeError(
                    f"the exponent is {exponent!r}, expected an integer or 0.5; "
                    "other powers of a rotor are (exponent * rotor.log()).exp()"
                )
            return NotImplemented
        if exponent < 0:
            return self.inverse() ** -exponent
        if exponent == 0:
            return self._make(self._tensor.new_ones((*self.shape, 1)), self.algebra.scalars)
        if exponent == 1:
            return self
        root = self ** (exponent // 2)
        return root * root * self if exponent % 2 else root * root

    def __xor__(self, other: object) -> Self:
        return self._multiply("outer_product", F.outer_product, other)

    def __rxor__(self, other: object) -> Self:
        return self._multiply("outer_product", F.outer_product, other, reflected=True)

    def __or__(self, other: object) -> Self:
        return self._multiply("fat_inner_product", F.fat_inner_product, other)

    def __ror__(self, other: object) -> Self:
        return self._multiply("fat_inner_product", F.fat_inner_product, other, reflected=True)

    def __and__(self, other: object) -> Self:
        return self._multiply("regressive_product", F.regressive_product, other)

    def __rand__(self, other: object) -> Self:
        return self._multiply("regressive_product", F.regressive_product, other, reflected=True)

    def __lshift__(self, other: object) -> Self:
        return self._multiply("left_contraction", F.left_contraction, other)

    def __rlshift__(self, other: object) -> Self:
        return self._multiply("left_contraction", F.left_contraction, other, reflected=True)

    def __rshift__(self, other: object) -> Self:
        return NotImplemented if self._lift(other) is None else self.sandwich(other)

    def __rrshift__(self, other: object) -> Self:
        lifted = self._lift(other)
        return NotImplemented if lifted is None else lifted.sandwich(self)

    def sandwich(self, x: Any, *, unit: bool = False, inverse: bool = False) -> Self:
        """Transform a multivector by this versor: ``V x V^-1`` for even, ``V involute(x) V^-1`` for odd ``V``.

        Parameters
        ----------
        x : Multivector
            What to transform; batch shapes broadcast.
        unit : bool
            Take ``V reverse(V) = 1`` for granted, which saves a division.
        inverse : bool
            Transform by ``V^-1`` instead.

        Returns
        -------
        Multivector
            On all blades of the grades of ``x``, which versors preserve.
        """
        lifted = self._lift(x)
        if lifted is None:
            raise TypeError(f"expected a multivector, a tensor or a number to transform, got {type(x).__name__}")
        versor, operand = self._agreed(lifted)
        out = operand._layout.whole_grades()
        values = F.sandwich(
            versor._tensor,
            operand._tensor,
            self.algebra,
            unit=unit,
            inverse=inverse,
            versor_layout=versor._layout,
            x_layout=operand._layout,
            out_layout=out,
        )
        return self._make(values, out)

    def __invert__(self) -> Self:
        return self.reverse()

    def reverse(self) -> Self:
        """Reverse the order of the vectors in every blade: ``(-1)^(k(k-1)/2)`` on grade ``k``."""
        return self._make(F.reverse(self._tensor, self.algebra, layout=self._layout), self._layout)

    def _compared(self, other: object, compare: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        lifted = self._lift(other)
        if lifted is None:
            return NotImplemented  # type: ignore[no-any-return]
        first, second = self._agreed(lifted)
        check_broadcast(first.shape, second.shape)
        out = first._layout | second._layout
        return compare(first._moved(out)._tensor, second._moved(out)._tensor).all(-1)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return self._compared(other, torch.eq)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        equal = self._compared(other, torch.eq)
        return equal if equal is NotImplemented else ~equal

    __hash__ = object.__hash__


def _refuse_array(operand: object) -> None:
    """Refuse an array, which NumPy would take for a sequence of operands; without importing NumPy."""
    if type(operand).__module__ == "numpy" and type(operand).__name__ == "ndarray":
        raise TypeError(
            "a multivector and a NumPy array do not combine; make a tensor of it with torch.as_tensor(array)"
        )
