"""The layouts that every algebra has, and those made from names or grades."""

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, cast

from cliffnet import _rust
from cliffnet._graphs import kept_constant
from cliffnet.algebra._layout import Layout
from cliffnet.errors import LayoutError

if TYPE_CHECKING:
    from cliffnet.algebra._algebra import Algebra

_BY_KEY: dict[str, "Algebra"] = {}


def register_algebra(algebra: "Algebra") -> str:
    """Give an algebra a name by which compiled graphs look layouts up."""
    key = f"algebra {len(_BY_KEY)}"
    _BY_KEY[key] = algebra
    return key


class StandardLayouts:
    """Layouts of an algebra."""

    @property
    def _own(self) -> "Algebra":
        return cast("Algebra", self)

    @cached_property
    def even(self) -> Layout:
        """Layout of the even grades."""
        return self.layout(grades=range(0, self._own.dim + 1, 2))

    @cached_property
    def odd(self) -> Layout:
        """Layout of the odd grades."""
        return self.layout(grades=range(1, self._own.dim + 1, 2))

    @cached_property
    def scalars(self) -> Layout:
        """Layout of grade 0."""
        return self.layout(grades=(0,))

    @cached_property
    def vectors(self) -> Layout:
        """Layout of grade 1."""
        return self.layout(grades=(1,) if self._own.dim else ())

    @cached_property
    def bivectors(self) -> Layout:
        """Layout of grade 2; empty below two generators."""
        return self.layout(grades=(2,) if self._own.dim > 1 else ())

    @cached_property
    def pseudovectors(self) -> Layout:
        """Layout of grade n - 1."""
        return self.layout(grades=(self._own.dim - 1,) if self._own.dim else ())

    @cached_property
    def pseudoscalars(self) -> Layout:
        """Layout of grade n."""
        return self.layout(grades=(self._own.dim,))

    def layout(self, *names: str, grades: Iterable[int] | None = None) -> Layout:
        """Return the layout of named blades, in the order given, or of all blades of some grades.

        Parameters
        ----------
        *names : str
            Blades such as ``"e12"``; a name like ``"e31"`` stores the coefficient of that signed blade.
        grades : iterable of int, optional
            Grades to hold, in the order of the algebra, instead of names.

        Raises
        ------
        BladeError, GradeError
            If the algebra lacks a blade or grade.
        LayoutError
            If both names and grades are given, or the layout is too large.

        Examples
        --------
        >>> Algebra(3).layout("e31", "e12").blade_names
        ('e31', 'e12')
        >>> Algebra(62).vectors.size
        62
        """
        if grades is None:
            return _layout_of_names(self._own.key, names)
        if names:
            raise LayoutError("both names and grades were given; give one of them")
        # as text, since compiled graphs may make integers symbolic
        return _layout_of_grades(self._own.key, tuple(map(str, grades)))

    def layout_of_masks(self, masks: Iterable[int]) -> Layout:
        """Return the layout of the blades of bit masks, in the order and with the signs of the algebra."""
        algebra = self._own
        if algebra.is_dense:
            positions = sorted(algebra._position[mask] for mask in masks)
            signs = [algebra.blade_signs[index] for index in positions]
            return Layout(algebra, [algebra.blade_masks[index] for index in positions], signs)
        ordered = sorted(masks, key=lambda mask: (mask.bit_count(), [i for i in range(algebra.dim) if mask >> i & 1]))
        return Layout(algebra, ordered, [1] * len(ordered))


@kept_constant
def _layout_of_names(key: str, names: tuple[str, ...]) -> Layout:
    algebra = _BY_KEY[key]
    parsed = [algebra.blade_mask(name) for name in names]
    return Layout(algebra, [mask for mask, _ in parsed], [sign for _, sign in parsed])


@kept_constant
def _layout_of_grades(key: str, grades: tuple[str, ...]) -> Layout:
    algebra = _BY_KEY[key]
    wanted = sorted(set(map(int, grades)))
    for grade in wanted:
        algebra.check_grade(grade)
    return algebra.layout_of_masks(_rust.canonical_basis(algebra.dim, wanted))
