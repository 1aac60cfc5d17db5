"""Multivectors with operators."""

from collections.abc import Sequence
from typing import Any, Self

import torch

from cliffnet.multivector._format import describe, has_values, terms
from cliffnet.multivector._geometry import Geometry
from cliffnet.multivector._torch_functions import reduce, torch_function


class Multivector(Geometry):
    """Multivectors of an algebra: a tensor of coefficients with the layout that says which blades they belong to.

    Operators::

        a * b    geometric product          a ^ b    outer product
        a | b    fat inner product          a & b    regressive product
        a << b   left contraction           v >> x   sandwich, v x v^-1 (twisted for odd v)
        ~a       reversion                  a / b    a times the inverse of b
        a ** k   integer power or 0.5       a == b   equality of each element, a tensor of the batch shape

    Numbers, and tensors of the batch shape, stand for scalars on either side. ``@`` is left undefined, because
    libraries disagree on it. Python binds ``*`` tighter than ``+``, then ``<< >>``, ``&``, ``^`` and ``|``:
    ``a + b ^ c`` is ``(a + b) ^ c``.

    ``mv["e31"]`` and ``mv.e31`` are coefficients, ``mv(2)`` is a grade, any other index is one of the batch. Results
    stand on the smallest layout that the operation can reach; sums on the union of layouts. As among tensors, a single
    element follows the dtype of a batch; two batches must have one dtype.

    Parameters
    ----------
    tensor : Tensor
        Coefficients, shape ``(*batch, layout.size)``, floating.
    layout : Layout
        The blades of the last axis, with their algebra.

    Raises
    ------
    ShapeError, DTypeError
        If the tensor does not fit the layout.

    Notes
    -----
    A pytree with the tensor as its leaf: ``torch.compile``, ``torch.func``, ``torch.export`` and data loaders take and
    return multivectors; axes that ``vmap`` counts are those of the tensor. The wrapper holds no more than its two
    parts and never changes them. Of the functions of torch, ``stack``, ``cat``, ``where``, ``sum`` and ``mean`` act on
    batch axes; any other raises a TypeError, so that a nonlinearity does not act on coefficients by mistake.

    Examples
    --------
    >>> from cliffnet import Algebra
    >>> algebra = Algebra(3)
    >>> rotor = algebra.parse("1 - e12").normalized()
    >>> (rotor >> algebra.e1).isclose(algebra.e2)
    tensor(True)
    >>> algebra.e1 * algebra.e2 + 3
    Multivector[Cl(3,0) 1, e12] 3 + e12
    >>> (2 * algebra.e12).e21
    tensor(-2.)
    """

    __slots__ = ()

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return torch_function(func, args, kwargs or {})

    def sum(
        self, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
    ) -> Self:
        """Return the sum over batch axes, all of them if none is named."""
        return reduce(torch.sum, self, dim, keepdim, dtype=dtype)

    def mean(
        self, dim: int | Sequence[int] | None = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
    ) -> Self:
        """Return the mean over batch axes, all of them if none is named."""
        return reduce(torch.mean, self, dim, keepdim, dtype=dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._tensor, self._layout)

    def __str__(self) -> str:
        is_one = not self.shape and has_values(self._tensor)
        return terms(self._tensor, self._layout) if is_one else describe(self._tensor, self._layout)

    def __repr__(self) -> str:
        return describe(self._tensor, self._layout)
