"""Subspaces, factors and maps of multivectors as methods."""

from collections.abc import Callable, Mapping
from typing import Self

from torch import Tensor

from cliffnet import functional as F
from cliffnet.algebra import Algebra, Layout
from cliffnet.functional._homomorphism import embedded_layout
from cliffnet.functional._meet_join import graded_join, graded_meet
from cliffnet.multivector import _layouts
from cliffnet.multivector._functions import Functions


class Geometry(Functions):
    """What blades and versors stand for, and maps of multivectors; see :class:`Multivector`."""

    __slots__ = ()

    def project(self, onto: Self) -> Self:
        """Return the projection ``(a _| B) _| B^-1`` onto a blade, on all blades of the grades of this one."""
        return self._with_blade(F.project, onto, "onto_layout")

    def reject(self, onto: Self) -> Self:
        """Return what :meth:`project` leaves out."""
        return self._with_blade(F.reject, onto, "onto_layout")

    def reflect(self, mirror: Self) -> Self:
        """Return the reflection in a blade: its vectors stay, orthogonal ones change sign."""
        return self._with_blade(F.reflect, mirror, "mirror_layout")

    def _with_blade(self, function: Callable[..., Tensor], blade: Self, keyword: str) -> Self:
        first, second = self._agreed(self._operand(blade))
        out = first._layout.whole_grades()
        layouts = {"a_layout": first._layout, keyword: second._layout, "out_layout": out}
        return self._make(function(first._tensor, second._tensor, self.algebra, **layouts), out)

    def join(self, other: Self, grade: int | None = None) -> Self:
        """Return the blade of the smallest subspace that contains two blades; see :func:`cliffnet.functional.join`.

        On all blades of its grade, which is read from the values unless given; graphs and transforms need it given.
        """
        return self._of_subspaces(graded_join, other, grade)

    def meet(self, other: Self, grade: int | None = None) -> Self:
        """Return the blade of the intersection of two blades; see :func:`cliffnet.functional.meet`.

        On all blades of its grade, which is read from the values unless given; graphs and transforms need it given.
        """
        return self._of_subspaces(graded_meet, other, grade)

    def _of_subspaces(self, function: Callable[..., tuple[Tensor, Layout]], other: Self, grade: int | None) -> Self:
        first, second = self._agreed(self._operand(other))
        layouts = first._layout, second._layout
        return self._make(*function(first._tensor, second._tensor, self.algebra, layouts, grade))

    def factor_blade(self, grade: int | None = None) -> tuple[Tensor, Self]:
        """Factor blades into a magnitude and vectors, ``magnitude * v_1 ^ ... ^ v_k``.

        Returns
        -------
        magnitude : Tensor
            Of the batch shape.
        vectors : Multivector
            Of batch shape ``(*shape, k)``, orthonormal in the Euclidean metric of the generators.

        Raises
        ------
        DomainError, GradeError
            As :func:`cliffnet.functional.factor_blade` does.
        """
        return self._factored(F.factor_blade, grade)

    def factor_versor(self, grade: int | None = None) -> tuple[Tensor, Self]:
        """Factor versors into a magnitude and vectors of square 1 or -1, ``magnitude * v_1 v_2 ... v_k``.

        Returns
        -------
        magnitude : Tensor
            Of the batch shape.
        vectors : Multivector
            Of batch shape ``(*shape, k)``.

        Raises
        ------
        DomainError, GradeError
            As :func:`cliffnet.functional.factor_versor` does.
        """
        return self._factored(F.factor_versor, grade)

    def _factored(self, function: Callable[..., tuple[Tensor, Tensor]], grade: int | None) -> tuple[Tensor, Self]:
        magnitude, vectors = function(self._tensor, self.algebra, grade=grade, layout=self._layout)
        return magnitude, self._make(vectors, self.algebra.vectors)

    def invariant_decomposition(self) -> Self:
        """Split bivectors into commuting simple ones, on a new last batch axis; their sum is the bivector.

        Raises
        ------
        DomainError
            As :func:`cliffnet.functional.invariant_decomposition` does.
        """
        out = _layouts.of_logarithm(self._layout.key)
        values = F.invariant_decomposition(self._tensor, self.algebra, layout=self._layout, out_layout=out)
        return self._make(values, out)

    def outermorphism(self, matrix: Tensor) -> Self:
        """Apply a linear map of vectors, extended to all blades by ``f(a ^ b) = f(a) ^ f(b)``.

        Parameters
        ----------
        matrix : Tensor
            Shape ``(..., dim, dim)``, leading axes broadcast: column ``j`` holds the image of generator ``j``.

        Returns
        -------
        Multivector
            On all blades of the grades of this one.
        """
        out = self._layout.whole_grades()
        values = F.outermorphism(matrix, self._tensor, self.algebra, layout=self._layout, out_layout=out)
        return self._make(values, out)

    def embed(self, algebra: Algebra, mapping: Mapping[str, str] | None = None) -> Self:
        """Return the multivector in an algebra that contains this one, by renaming generators.

        Parameters
        ----------
        algebra : Algebra
            The algebra of the result.
        mapping : mapping of str to str, optional
            Generators of this algebra to generators of the other, with a minus sign to negate them:
            ``{"e1": "e2", "e2": "-e1"}``. Generators left out keep their names.

        Returns
        -------
        Multivector
            On the images of the blades.

        Raises
        ------
        BladeError, AlgebraMismatchError
            If the other algebra lacks such generators, or they have other squares.

        Examples
        --------
        >>> from cliffnet import Algebra
        >>> (1 + Algebra(2).e12).embed(Algebra(3))
        Multivector[Cl(3,0) 1, e12] 1 + e12
        """
        out = embedded_layout(self._layout, algebra, mapping)
        values = F.embed(self._tensor, self.algebra, algebra, mapping, layout=self._layout, out_layout=out)
        return self._make(values, out)
