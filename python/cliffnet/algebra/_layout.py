"""Layouts: which blades the last axis of a tensor holds."""

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

from cliffnet import _rust
from cliffnet._graphs import kept_object
from cliffnet.algebra import _tables
from cliffnet.algebra._names import blade_name
from cliffnet.errors import AlgebraMismatchError, BladeError, ConfigError, NotInvertibleError

if TYPE_CHECKING:
    from cliffnet.algebra._algebra import Algebra

_Key = tuple["Algebra", tuple[int, ...], tuple[int, ...]]


class Layout:
    """An ordered, signed selection of the blades of an algebra.

    Entry ``i`` of the last axis of a tensor is the coefficient of ``blade_signs[i] e_A``, where ``A`` is the set of
    generators in the bit mask ``blade_masks[i]``. Layouts come from an algebra (``algebra.even``,
    ``algebra.layout("e12", "e13")``, ``algebra.layout(grades=(0, 2))``) or from operations on layouts; equal layouts
    are the same object.

    Attributes
    ----------
    algebra : Algebra
        The algebra of the blades.
    blade_masks, blade_signs, blade_names, grades : tuple
        Facts of each blade, in order.
    size : int
        Number of blades, the length of the last axis.

    Examples
    --------
    >>> from cliffnet import Algebra
    >>> algebra = Algebra(3, 0, 1)
    >>> algebra.vectors.product(algebra.vectors, "outer_product")
    Layout(Cl(3,0,1), grades 2)
    >>> algebra.layout("e31", "e12").index("e13")
    (0, -1)
    """

    _interned: dict[_Key, "Layout"] = {}  # noqa: RUF012  # shared by design: the table of all layouts

    # slots, because the compiler only calls methods of constant objects that have no __dict__
    __slots__ = (
        "__weakref__",
        "algebra",
        "blade_masks",
        "blade_names",
        "blade_signs",
        "grades",
        "is_even",
        "is_full",
        "is_odd",
        "key",
        "size",
    )

    algebra: "Algebra"
    blade_masks: tuple[int, ...]
    blade_signs: tuple[int, ...]
    blade_names: tuple[str, ...]
    grades: tuple[int, ...]
    size: int
    is_full: bool
    is_even: bool
    is_odd: bool
    key: str

    def __new__(cls, algebra: "Algebra", blade_masks: Iterable[int], blade_signs: Iterable[int]) -> "Layout":
        masks, signs = tuple(blade_masks), tuple(blade_signs)
        known = cls._interned.get((algebra, masks, signs))
        if known is not None:
            return known
        if len(masks) != len(signs) or any(mask >> algebra.dim for mask in masks) or not {1, -1}.issuperset(signs):
            raise BladeError(
                f"the bit masks are {masks} and the signs {signs}, expected as many signs, 1 or -1, as masks, each "
                f"below 2^{algebra.dim}; algebra.layout('e12', 'e13') takes names"
            )
        if len(set(masks)) != len(masks):
            raise BladeError(f"the layout names {len(masks)} blades, but only {len(set(masks))} different ones")
        layout = super().__new__(cls)
        grades = tuple(mask.bit_count() for mask in masks)
        _, orientation = algebra.blade_name((1 << algebra.dim) - 1)
        blades = (list(masks), [float(sign) for sign in signs])
        key = _tables.register_basis(list(algebra.metric), blades, float(orientation))
        fields: dict[str, object] = {
            "algebra": algebra,
            "blade_masks": masks,
            "blade_signs": signs,
            "blade_names": _names(algebra, masks, signs),
            "grades": grades,
            "size": len(masks),
            "is_full": len(masks) == algebra.num_blades,
            "is_even": all(grade % 2 == 0 for grade in grades),
            "is_odd": all(grade % 2 == 1 for grade in grades),
            "key": key,
        }
        for name, value in fields.items():
            object.__setattr__(layout, name, value)
        _BY_KEY[key] = layout
        # setdefault keeps one object even when two threads build the same layout
        return cls._interned.setdefault((algebra, masks, signs), layout)

    def __init__(self, *arguments: object, **keywords: object) -> None:
        """Do nothing: the object may be an old one; see ``__new__``."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Layout is immutable; cannot set '{name}'")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Layout is immutable; cannot delete '{name}'")

    def __reduce__(self) -> tuple[object, ...]:
        return Layout, (self.algebra, self.blade_masks, self.blade_signs)

    def __copy__(self) -> "Layout":
        return self

    def __deepcopy__(self, memo: object) -> "Layout":
        return self

    def __len__(self) -> int:
        return self.size

    def __contains__(self, name: str) -> bool:
        return self.algebra.blade_mask(name)[0] in self.blade_masks

    @property
    def blades(self) -> tuple[list[int], list[float]]:
        """Masks and signs of the blades, as the native library takes them."""
        return list(self.blade_masks), [float(sign) for sign in self.blade_signs]

    def index(self, name: str) -> tuple[int, int]:
        """Return the position of a blade and the sign of the named one against the stored one.

        Raises
        ------
        BladeError
            If the algebra or the layout has no such blade.
        """
        mask, sign = self.algebra.blade_mask(name)
        if mask not in self.blade_masks:
            raise BladeError(f"{self!r} does not hold the blade '{name}'; it holds {_listed(self.blade_names)}")
        position = self.blade_masks.index(mask)
        return position, sign * self.blade_signs[position]

    def __or__(self, other: "Layout") -> "Layout":
        """Return the blades of either layout, in the order of the algebra."""
        self._check_same_algebra(other)
        return _union(self.key, other.key)

    def __and__(self, other: "Layout") -> "Layout":
        """Return the blades of both layouts, in the order of the first."""
        self._check_same_algebra(other)
        return _intersection(self.key, other.key)

    def __sub__(self, other: "Layout") -> "Layout":
        """Return the blades that only the first layout holds."""
        self._check_same_algebra(other)
        return _difference(self.key, other.key)

    def keep(self, wanted: Callable[[int], bool]) -> "Layout":
        """Return the blades whose bit mask satisfies a condition, in the same order; not for use inside graphs."""
        kept = [pair for pair in zip(self.blade_masks, self.blade_signs, strict=True) if wanted(pair[0])]
        return Layout(self.algebra, [mask for mask, _ in kept], [sign for _, sign in kept])

    def of_parity(self, parity: Literal["even", "odd"]) -> "Layout":
        """Return the blades of even or of odd grade, in the same order."""
        return _of_parity(self.key, parity)

    def of_grades(self, grades: Iterable[int]) -> "Layout":
        """Return the blades of some grades, in the same order; grades that do not occur are ignored."""
        # as text, since compiled graphs may make integers symbolic
        return _of_grades(self.key, tuple(map(str, grades)))

    def without_null(self) -> "Layout":
        """Return the blades without null generators, in the same order."""
        return _without_null(self.key)

    def whole_grades(self) -> "Layout":
        """Return the layout if it holds all blades of its grades, else the one that does: where versors move it to."""
        whole = self if self.is_full else self.algebra.layout(grades=self.grades)
        return self if self.size == whole.size else whole

    def holds(self, other: "Layout") -> bool:
        """Tell whether every blade of another layout is one of this one."""
        self._check_same_algebra(other)
        return self is other or set(other.blade_masks) <= set(self.blade_masks)

    def product(self, other: "Layout", kind: str = "geometric_product") -> "Layout":
        """Return the blades that a product of two multivectors can reach, in the order of the algebra.

        Parameters
        ----------
        other : Layout
            Layout of the right operand.
        kind : str
            Name of a product of :mod:`cliffnet.functional`, such as ``"outer_product"``.
        """
        self._check_same_algebra(other)
        return _product(self.key, other.key, kind)

    def image(self, name: str) -> "Layout":
        """Return the blades that a dual maps this layout to, in the order of the algebra.

        Parameters
        ----------
        name : str
            One of ``right_complement``, ``left_complement``, ``polarity``, ``unpolarity``, ``hodge_dual``.
        """
        return _image(self.key, name)

    def _check_same_algebra(self, other: "Layout") -> None:
        if not isinstance(other, Layout):
            raise AlgebraMismatchError(f"expected a Layout, got {type(other).__name__}")
        if other.algebra is not self.algebra:
            raise AlgebraMismatchError(f"the layouts belong to {self.algebra!r} and {other.algebra!r}, expected one")

    def describe(self) -> str:
        """Return what the layout holds in words: ``full``, ``even``, ``odd``, grades or names of blades."""
        named = [
            (name, layout)
            for name in ("full", "even", "odd")
            if self.algebra.is_dense and (layout := getattr(self.algebra, name)) is self
        ]
        if named:
            return named[0][0]
        grades = sorted(set(self.grades))
        # counted first: a grade of a large algebra can have more blades than there is room for
        is_whole = self.size == sum(math.comb(self.algebra.dim, grade) for grade in grades)
        if grades and is_whole and self is self.algebra.layout(grades=grades):
            return f"grades {', '.join(map(str, grades))}"
        return _listed(self.blade_names) or "empty"

    def __repr__(self) -> str:
        return f"Layout({self.algebra}, {self.describe()})"


_BY_KEY: dict[str, Layout] = {}

_PRODUCTS = (
    "geometric_product",
    "outer_product",
    "left_contraction",
    "right_contraction",
    "scalar_product",
    "fat_inner_product",
    "hestenes_inner_product",
    "commutator",
    "anticommutator",
    "regressive_product",
    "projective_join",
)
_DUALS = ("right_complement", "left_complement", "polarity", "unpolarity", "hodge_dual")


@kept_object
def layout_of_key(key: str) -> Layout:
    """Return the layout with a key; in graphs also one that was made while tracing, unlike a look-up in the table."""
    return _BY_KEY[key]


# above this the search over pairs of blades takes seconds, and only the scalar product leaves blades out
_LARGEST_SEARCH = 1 << 9


@kept_object
def _product(left: str, right: str, kind: str) -> Layout:
    if kind not in _PRODUCTS:
        raise ConfigError(f"the kind of product is {kind!r}, expected one of {', '.join(_PRODUCTS)}")
    first, second = _BY_KEY[left], _BY_KEY[right]
    algebra = first.algebra
    if first.is_full and second.is_full and first.size >= _LARGEST_SEARCH and kind != "scalar_product":
        return algebra.full
    masks = _rust.product_masks(kind, list(algebra.metric), first.blades, second.blades)
    return algebra.layout_of_masks(masks)


@kept_object
def _image(key: str, name: str) -> Layout:
    if name not in _DUALS:
        raise ConfigError(f"the dual is {name!r}, expected one of {', '.join(_DUALS)}")
    layout = _BY_KEY[key]
    algebra = layout.algebra
    if name == "polarity":
        check_polarity(algebra)
    vanishing = _null_mask(algebra) if name in ("unpolarity", "hodge_dual") else 0
    full = (1 << algebra.dim) - 1
    return algebra.layout_of_masks(full ^ mask for mask in layout.blade_masks if not mask & vanishing)


@kept_object
def _of_parity(key: str, parity: str) -> Layout:
    return _BY_KEY[key].keep(lambda mask: mask.bit_count() % 2 == (parity == "odd"))


@kept_object
def _of_grades(key: str, grades: tuple[str, ...]) -> Layout:
    wanted = set(map(int, grades))
    return _BY_KEY[key].keep(lambda mask: mask.bit_count() in wanted)


@kept_object
def _without_null(key: str) -> Layout:
    layout = _BY_KEY[key]
    null = _null_mask(layout.algebra)
    return layout.keep(lambda mask: not mask & null)


@kept_object
def _intersection(left: str, right: str) -> Layout:
    wanted = set(_BY_KEY[right].blade_masks)
    return _BY_KEY[left].keep(lambda mask: mask in wanted)


@kept_object
def _difference(left: str, right: str) -> Layout:
    unwanted = set(_BY_KEY[right].blade_masks)
    return _BY_KEY[left].keep(lambda mask: mask not in unwanted)


@kept_object
def _union(left: str, right: str) -> Layout:
    first, second = _BY_KEY[left], _BY_KEY[right]
    if first.holds(second):
        return first
    return second if second.holds(first) else first.algebra.layout_of_masks({*first.blade_masks, *second.blade_masks})


def _null_mask(algebra: "Algebra") -> int:
    return sum(1 << i for i, square in enumerate(algebra.metric) if square == 0.0)


def check_polarity(algebra: "Algebra") -> None:
    """Refuse the polarity of a degenerate metric."""
    if algebra.r:
        raise NotInvertibleError(
            f"{algebra} has no polarity: its pseudoscalar is not invertible; use right_complement or hodge_dual"
        )


def _names(algebra: "Algebra", masks: tuple[int, ...], signs: tuple[int, ...]) -> tuple[str, ...]:
    """Name each blade as the algebra does; where the sign differs from the algebra's, swap two generators."""
    names = []
    for mask, sign in zip(masks, signs, strict=True):
        name, stored = algebra.blade_name(mask)
        if stored != sign:
            labels = [label for i, label in enumerate(algebra.generator_labels) if mask >> i & 1]
            if len(labels) < 2:
                raise BladeError(f"the blade {name} has no other order of generators, so its sign cannot be {sign}")
            ascending = blade_name(mask, algebra.generator_labels)
            separator = "_" if "_" in ascending else ""
            name = ascending if sign == 1 else "e" + separator.join([*labels[:-2], labels[-1], labels[-2]])
        names.append(name)
    return tuple(names)


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:8])
    return f"{shown}, ... ({len(names)} blades)" if len(names) > 8 else shown
