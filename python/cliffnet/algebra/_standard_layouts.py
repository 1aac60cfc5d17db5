"""The layouts that every algebra has, and those made from names or grades."""

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from cliffnet import _rust
from cliffnet._graphs import kept_object
from cliffnet.algebra._layout import Layout
from cliffnet.errors import BladeError, GradeError, LayoutError

if TYPE_CHECKING:
    from cliffnet.algebra._algebra import Algebra

_BY_KEY: dict[str, "Algebra"] = {}
_NUMBERS = itertools.count()


def register_algebra(algebra: "Algebra") -> str:
    """Give an algebra a name by which compiled graphs look layouts up."""
    # counted in one step, so that threads never share a name
    key = f"algebra {next(_NUMBERS)}"
    _BY_KEY[key] = algebra
    return key


class StandardLayouts:
    """Layouts of an algebra."""

    @property
    def _own(self) -> "Algebra":
        return cast("Algebra", self)

    @property
    def even(self) -> Layout:
        """Layout of the even grades."""
        return _standard(self._own.key, "even")

    @property
    def odd(self) -> Layout:
        """Layout of the odd grades."""
        return _standard(self._own.key, "odd")

    @property
    def scalars(self) -> Layout:
        """Layout of grade 0."""
        return _standard(self._own.key, "scalars")

    @property
    def vectors(self) -> Layout:
        """Layout of grade 1."""
        return _standard(self._own.key, "vectors")

    @property
    def bivectors(self) -> Layout:
        """Layout of grade 2; empty below two generators."""
        return _standard(self._own.key, "bivectors")

    @property
    def pseudovectors(self) -> Layout:
        """Layout of grade n - 1."""
        return _standard(self._own.key, "pseudovectors")

    @property
    def pseudoscalars(self) -> Layout:
        """Layout of grade n."""
        return _standard(self._own.key, "pseudoscalars")

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
        >>> from cliffnet import Algebra
        >>> Algebra(3).layout("e31", "e12").blade_names
        ('e31', 'e12')
        >>> Algebra(62).vectors.size
        62
        """
        for name in names:
            if not isinstance(name, str):
                raise BladeError(f"the blade is {name!r}, expected names, each an argument: layout('e12', 'e13')")
        if grades is None:
            return _layout_of_names(self._own.key, names)
        if names:
            raise LayoutError("both names and grades were given; give one of them")
        if isinstance(grades, (int, str)):
            raise GradeError(f"the grades are {grades!r}, expected several, such as grades=(2,)")
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


# properties are looked up like results of operations, because graphs cannot run functools.cached_property
@kept_object
def _standard(key: str, name: str) -> Layout:
    algebra = _BY_KEY[key]
    dim = algebra.dim
    grades = {
        "even": range(0, dim + 1, 2),
        "odd": range(1, dim + 1, 2),
        "scalars": (0,),
        "vectors": (1,) if dim else (),
        "bivectors": (2,) if dim > 1 else (),
        "pseudovectors": (dim - 1,) if dim else (),
        "pseudoscalars": (dim,),
    }
    return algebra.layout(grades=grades[name])


@kept_object
def _layout_of_names(key: str, names: tuple[str, ...]) -> Layout:
    algebra = _BY_KEY[key]
    parsed = [algebra.blade_mask(name) for name in names]
    return Layout(algebra, [mask for mask, _ in parsed], [sign for _, sign in parsed])


@kept_object
def _layout_of_grades(key: str, grades: tuple[str, ...]) -> Layout:
    algebra = _BY_KEY[key]
    if not all(grade.removeprefix("-").isdecimal() for grade in grades):
        raise GradeError(f"the grades are {', '.join(grades)}, expected integers")
    wanted = sorted(set(map(int, grades)))
    for grade in wanted:
        algebra.check_grade(grade)
    return algebra.layout_of_masks(_rust.canonical_basis(algebra.dim, wanted))
