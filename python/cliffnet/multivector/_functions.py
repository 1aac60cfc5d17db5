"""Functions of multivectors as methods."""

from collections.abc import Callable
from typing import Any, Literal, Self

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet.errors import ConfigError, NotInvertibleError
from cliffnet.multivector import _layouts
from cliffnet.multivector._arithmetic import Arithmetic

DualKind = Literal["auto", "polarity", "right", "left", "hodge"]

_DUALS = {
    "polarity": "polarity",
    "right": "right_complement",
    "left": "left_complement",
    "hodge": "hodge_dual",
}
_UNDUALS = {"polarity": "unpolarity", "right": "left_complement", "left": "right_complement"}

_TOLERANCES = {
    torch.float64: (1e-7, 1e-7),
    torch.float32: (1.3e-6, 1e-5),
    torch.bfloat16: (1.6e-2, 1e-5),
    torch.float16: (1e-3, 1e-5),
}


class Functions(Arithmetic):
    """Involutions, duals, further products, functions of versors and tests; see :class:`Multivector`."""

    __slots__ = ()

    def grade_involute(self) -> Self:
        """Change the sign of odd grades."""
        return self._make(F.grade_involute(self._tensor, self.algebra, layout=self._layout), self._layout)

    def clifford_conjugate(self) -> Self:
        """Reverse and change the sign of odd grades."""
        return self._make(F.clifford_conjugate(self._tensor, self.algebra, layout=self._layout), self._layout)

    def dual(self, kind: DualKind = "auto") -> Self:
        """Return a dual.

        Parameters
        ----------
        kind : {"auto", "polarity", "right", "left", "hodge"}
            Polarity ``x I^-1``, right complement (``e_A ^ rc(e_A) = I``), left complement (``lc(e_A) ^ e_A = I``) or
            metric dual ``reverse(x) I``; ``"auto"`` is the polarity when the metric has an inverse, else the right
            complement.

        Raises
        ------
        NotInvertibleError
            If the polarity of a degenerate metric is asked for.
        """
        return self._blade_map(_named(_DUALS, kind, "right" if self.algebra.r else "polarity"))

    def undual(self, kind: DualKind = "auto") -> Self:
        """Return the multivector whose dual of that kind this is.

        Raises
        ------
        NotInvertibleError
            For the polarity or the metric dual of a degenerate metric.
        """
        if kind == "hodge":
            if self.algebra.r:
                raise NotInvertibleError(
                    f"the metric dual of {self.algebra} is zero on blades with null generators and has no inverse; "
                    "use the kind 'right' or 'left'"
                )
            return self._blade_map("polarity").reverse()
        name = _named(_UNDUALS, kind, "right" if self.algebra.r else "polarity")
        return self._blade_map(name)

    def _blade_map(self, name: str) -> Self:
        out = self._layout.image(name)
        function = getattr(F, name)
        return self._make(function(self._tensor, self.algebra, layout=self._layout, out_layout=out), out)

    def outer(self, other: object) -> Self:
        """Return the outer product, also written ``a ^ b``."""
        return self._multiplied("outer_product", other)

    def regressive(self, other: object) -> Self:
        """Return the regressive product, also written ``a & b``."""
        return self._multiplied("regressive_product", other)

    def left_contraction(self, other: object) -> Self:
        """Return the left contraction, also written ``a << b``."""
        return self._multiplied("left_contraction", other)

    def right_contraction(self, other: object) -> Self:
        """Return the right contraction: the grade ``r - s`` part of ``a_r b_s``."""
        return self._multiplied("right_contraction", other)

    def fat(self, other: object) -> Self:
        """Return the fat inner product, also written ``a | b``: the grade ``|r - s|`` part, scalars included."""
        return self._multiplied("fat_inner_product", other)

    def hestenes(self, other: object) -> Self:
        """Return the inner product of Hestenes: the fat one, but zero with scalars."""
        return self._multiplied("hestenes_inner_product", other)

    def scalar_product(self, other: object) -> Self:
        """Return the scalar part of the geometric product, as a multivector."""
        return self._multiplied("scalar_product", other)

    def commutator(self, other: object) -> Self:
        """Return ``(a b - b a) / 2``."""
        return self._multiplied("commutator", other)

    def anticommutator(self, other: object) -> Self:
        """Return ``(a b + b a) / 2``."""
        return self._multiplied("anticommutator", other)

    def _multiplied(self, kind: str, other: object) -> Self:
        return self._multiply(kind, getattr(F, kind), self._operand(other))

    def _operand(self, other: object) -> Self:
        lifted = self._lift(other)
        if lifted is None:
            raise TypeError(f"expected a multivector, a tensor or a number, got {type(other).__name__}")
        return lifted

    def inner_product(self, other: object) -> Tensor:
        """Return the invariant inner product ``<reverse(a) b>_0``, a tensor of the batch shape."""
        first, second = self._agreed(self._operand(other))
        return F.inner_product(
            first._tensor, second._tensor, self.algebra, a_layout=first._layout, b_layout=second._layout
        )

    def norm_squared(self) -> Tensor:
        """Return ``<a reverse(a)>_0``, a tensor of the batch shape; it may be negative."""
        return F.norm_squared(self._tensor, self.algebra, layout=self._layout)

    def coefficient_norm(self) -> Tensor:
        """Return the Euclidean norm of the coefficients, a tensor of the batch shape."""
        return F.coefficient_norm(self._tensor, self.algebra, layout=self._layout)

    def inv(self) -> Self:
        """Return :meth:`inverse`."""
        return self.inverse()

    def inverse_ex(self) -> tuple[Self, Tensor]:
        """Return :meth:`inverse` without an error, and where there is none.

        Returns
        -------
        inverse : Multivector
            NaN where there is none.
        info : Tensor
            Of the batch shape, int32: 1 where there is none, else 0.
        """
        out = _layouts.of_inverse(self._layout.key)
        values, info = F.inverse_ex(self._tensor, self.algebra, layout=self._layout, out_layout=out)
        return self._make(values, out), info

    def normalized(self) -> Self:
        """Return the versor scaled so that ``V reverse(V)`` is 1 or -1.

        Raises
        ------
        DomainError
            If it cannot be.
        """
        out = _layouts.of_inverse(self._layout.key)
        return self._make(F.normalize(self._tensor, self.algebra, layout=self._layout, out_layout=out), out)

    def exp(self) -> Self:
        """Return the exponential of a bivector, a rotor on the even blades."""
        out = _layouts.of_series(self._layout.key)
        return self._make(F.exp(self._tensor, self.algebra, layout=self._layout, out_layout=out), out)

    def log(self) -> Self:
        """Return the principal logarithm of a rotor, a bivector.

        Raises
        ------
        DomainError
            If there is none.
        """
        out = _layouts.of_logarithm(self._layout.key)
        return self._make(F.log(self._tensor, self.algebra, layout=self._layout, out_layout=out), out)

    def slerp(self, other: Self, t: Tensor | float) -> Self:
        """Return the rotor at ``t`` on the way from this one, at 0, to another, at 1: ``exp(t log(b a^-1)) a``.

        Raises
        ------
        DomainError
            Where the logarithm does not exist, as for opposite rotors.
        """
        return self._between(F.slerp, other, t)

    def geometric_mean(self, other: Self) -> Self:
        """Return the rotor halfway between two: ``sqrt(b a^-1) a``.

        Raises
        ------
        DomainError
            Where the logarithm does not exist, as for opposite rotors.
        """
        return self._between(F.geometric_mean, other)

    def _between(self, function: Callable[..., Tensor], other: Self, *arguments: Any) -> Self:
        first, second = self._agreed(self._operand(other))
        common = first._layout | second._layout
        out = _layouts.of_inverse(common.key)
        ends = first._moved(common)._tensor, second._moved(common)._tensor
        return self._make(function(*ends, *arguments, self.algebra, layout=common, out_layout=out), out)

    def determinant(self) -> Tensor:
        """Return the determinant, a tensor of the batch shape; it is zero where there is no inverse."""
        return F.determinant(self._tensor, self.algebra, layout=self._layout)

    def to_matrix(self) -> Tensor:
        """Return the matrices that represent the multivectors; products become matrix products."""
        return F.to_matrix(self._tensor, self.algebra, layout=self._layout)

    def to_rotation_matrix(self) -> Tensor:
        """Return the matrices by which versors act on vectors, shape ``(*batch, dim, dim)``."""
        return F.rotor_to_matrix(self._tensor, self.algebra, layout=self._layout)

    def to_quaternion(self, order: Literal["wxyz", "xyzw"] = "wxyz") -> Tensor:
        """Return rotors of three dimensions as quaternions, shape ``(*batch, 4)``.

        Raises
        ------
        DomainError
            If there are parts that quaternions lack.
        """
        return F.rotor_to_quaternion(self._tensor, self.algebra, order=order, layout=self._layout)

    def isclose(self, other: object, rtol: float | None = None, atol: float | None = None) -> Tensor:
        """Tell for each element whether all coefficients are close: ``|a - b| <= atol + rtol |b|``.

        Parameters
        ----------
        other : Multivector, Tensor or float
            What to compare with; batch shapes broadcast.
        rtol, atol : float, optional
            Tolerances; if omitted, those that :func:`torch.testing.assert_close` has for the dtype.

        Returns
        -------
        Tensor
            Boolean, of the batch shape.
        """

        def close(a: Tensor, b: Tensor) -> Tensor:
            relative, absolute = _TOLERANCES[a.dtype]
            return torch.isclose(a, b, rtol=relative if rtol is None else rtol, atol=absolute if atol is None else atol)

        return self._compared(self._operand(other), close)

    def grades(self, tol: float = 0.0) -> tuple[int, ...]:
        """Return the grades with a coefficient beyond ``tol`` anywhere in the batch; NaN counts."""
        present = ~(self._tensor.abs() <= tol)
        found = present.flatten(0, -2).any(0).tolist() if self.shape else present.tolist()
        return tuple(sorted({grade for grade, there in zip(self._layout.grades, found, strict=True) if there}))

    def is_blade(self) -> Tensor:
        """Tell for each element whether it is an outer product of vectors."""
        return F.is_blade(self._tensor, self.algebra, layout=self._layout)

    def is_versor(self) -> Tensor:
        """Tell for each element whether it is a product of invertible vectors."""
        return F.is_versor(self._tensor, self.algebra, layout=self._layout)


def _named(names: dict[str, str], kind: str, automatic: str) -> str:
    if kind == "auto":
        kind = automatic
    if kind not in names:
        raise ConfigError(f"the kind of dual is {kind!r}, expected 'auto', 'polarity', 'right', 'left' or 'hodge'")
    return names[kind]
