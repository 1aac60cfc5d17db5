"""The algebra Cl(p,q,r) as an immutable value."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

from cliffnet import _rust
from cliffnet.algebra import _tables
from cliffnet.algebra._constructors import Constructors
from cliffnet.algebra._layout import Layout
from cliffnet.algebra._maps import LinearMaps
from cliffnet.algebra._matrix import matrix_type
from cliffnet.algebra._names import blade_name, generator_labels, parse_blade
from cliffnet.algebra._presets import Presets, preset_name
from cliffnet.algebra._squares import check_squares
from cliffnet.algebra._standard_layouts import StandardLayouts, register_algebra
from cliffnet.algebra._subalgebra import subalgebra
from cliffnet.errors import BladeError, ConfigError, GradeError, LayoutError, TooManyBladesError

MAX_DENSE_DIM = 12

_Key = tuple[tuple[float, ...], tuple[str, ...], tuple[str, ...] | None]


class Algebra(Presets, StandardLayouts, Constructors):
    """The Clifford (geometric) algebra of a diagonal real metric.

    Generators anticommute, ``e_i e_j = -e_j e_i``, and square to the metric, ``e_i e_i = metric[i]``. Blades stand
    in grade-then-lexicographic order, null generators first; the first generator is ``e0`` when exactly one is null
    and ``e1`` otherwise. Equal algebras are the same object, so ``is`` compares them.

    Parameters
    ----------
    p, q, r : int
        Number of generators that square to +1, -1 and 0.
    metric : sequence of float, optional
        The squares themselves, in order, instead of ``p, q, r``.
    basis : sequence of str, optional
        Names of all blades in the order they should have, such as ``e31`` for ``-e13``; any signed permutation.
    names : sequence of str, optional
        What stands after the ``e`` of each generator: ``"xyz"`` names them ``ex, ey, ez``.
    start_index : int, optional
        Number of the first generator, instead of names.

    Raises
    ------
    SignatureError
        If a count is negative, a square is not finite, or there are more than 62 generators.
    BladeError
        If ``basis`` does not name every blade exactly once, or names do not fit the generators.

    Notes
    -----
    Full multivectors exist up to 12 generators; above, and up to 62, functions take layouts of the blades in use.
    Algebras that differ in metric, order or names of blades are different.

    Examples
    --------
    >>> from cliffnet import Algebra
    >>> algebra = Algebra(3, 0, 1)
    >>> algebra, algebra.num_blades, algebra.blade_names[:6]
    (Algebra(3, 0, 1), 16, ('1', 'e0', 'e1', 'e2', 'e3', 'e01'))
    >>> algebra.index("e31")
    (9, -1)
    >>> Algebra.from_string("Cl(3,0,1)") is algebra
    True
    """

    _interned: dict[_Key, "Algebra"] = {}  # noqa: RUF012  # shared by design: the table of all algebras

    metric: tuple[float, ...]
    key: str
    generator_labels: tuple[str, ...]
    dim: int
    num_blades: int
    is_dense: bool
    blade_masks: tuple[int, ...]
    blade_signs: tuple[int, ...]
    blade_names: tuple[str, ...]
    grades: tuple[int, ...]
    full: Layout
    full_key: str
    _custom_basis: tuple[str, ...] | None
    _signature: tuple[int, int, int]

    def __new__(
        cls,
        p: int = 0,
        q: int = 0,
        r: int = 0,
        /,
        *,
        metric: Sequence[float] | None = None,
        basis: Sequence[str] | None = None,
        names: Sequence[str] | None = None,
        start_index: int | None = None,
    ) -> "Algebra":
        squares = check_squares(p, q, r, metric)
        if start_index is None:
            start_index = 0 if squares.count(0.0) == 1 else 1
        labels = generator_labels(len(squares), names, start_index)
        key = (squares, labels, None if basis is None else tuple(basis))
        known = cls._interned.get(key)
        if known is not None:
            return known
        if basis is not None and len(squares) <= MAX_DENSE_DIM:
            plain = Algebra(metric=squares, names=labels)
            # the default basis, written out, makes the default algebra
            if key[2] == plain.blade_names:
                return cls._interned.setdefault(key, plain)
        algebra = super().__new__(cls)
        algebra._build(*key)
        # setdefault keeps one object even when two threads build the same algebra
        return cls._interned.setdefault(key, algebra)

    def __init__(self, *arguments: object, **keywords: object) -> None:
        """Do nothing: the object may be an old one; see ``__new__``."""

    def _build(self, squares: tuple[float, ...], labels: tuple[str, ...], basis: tuple[str, ...] | None) -> None:
        dim = len(squares)
        fields: dict[str, object] = {
            "metric": squares,
            "_signature": (
                sum(square > 0 for square in squares),
                sum(square < 0 for square in squares),
                squares.count(0.0),
            ),
            "key": register_algebra(self),
            "generator_labels": labels,
            "dim": dim,
            "num_blades": 2**dim,
            "is_dense": dim <= MAX_DENSE_DIM,
            "_custom_basis": basis,
        }
        self.__dict__.update(fields)
        if not self.is_dense:
            if basis is not None:
                raise LayoutError(
                    f"a basis of all {2**dim} blades was given; that needs at most {MAX_DENSE_DIM} generators"
                )
            return
        masks = _rust.canonical_basis(dim)
        signs = [1] * len(masks)
        if basis is not None:
            parsed = [parse_blade(name, labels) for name in basis]
            given = [mask for mask, _ in parsed]
            if sorted(given) != sorted(masks):
                raise BladeError(
                    f"the basis names {len(set(given))} of {len(masks)} blades; expected each exactly once"
                )
            masks, signs = given, [sign for _, sign in parsed]
        dense: dict[str, object] = {
            "blade_masks": tuple(masks),
            "blade_signs": tuple(signs),
            "blade_names": tuple(basis) if basis is not None else tuple(blade_name(mask, labels) for mask in masks),
            "grades": tuple(mask.bit_count() for mask in masks),
            "_position": {mask: index for index, mask in enumerate(masks)},
        }
        self.__dict__.update(dense)
        self.__dict__["full"] = Layout(self, masks, signs)
        self.__dict__["full_key"] = self.full.key

    _position: dict[int, int]

    def __getattr__(self, name: str) -> Any:
        # reached only by what instances lack: blades such as e12, and the dense facts of a large algebra
        if name in ("blade_masks", "blade_signs", "blade_names", "grades", "full", "full_key", "_position"):
            raise TooManyBladesError(
                f"{self} has 2^{self.dim} blades, too many to list ({MAX_DENSE_DIM} generators at most); name the "
                "blades you use with algebra.layout(...) or algebra.vectors and pass layouts to the functions"
            )
        if name.startswith("e") and "generator_labels" in self.__dict__:
            try:
                return self.blade(name)
            except BladeError as error:
                raise AttributeError(f"'Algebra' object has no attribute '{name}' ({error})") from error
        raise AttributeError(f"'Algebra' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an Algebra is immutable; cannot set '{name}'")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"an Algebra is immutable; cannot delete '{name}'")

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (self.metric, self._custom_basis, self.generator_labels)

    def __copy__(self) -> "Algebra":
        return self

    def __deepcopy__(self, memo: object) -> "Algebra":
        return self

    @property
    def signature(self) -> tuple[int, int, int]:
        """Number of generators with positive, negative and zero square."""
        return self._signature

    @property
    def p(self) -> int:
        """Number of generators with positive square."""
        return self._signature[0]

    @property
    def q(self) -> int:
        """Number of generators with negative square."""
        return self._signature[1]

    @property
    def r(self) -> int:
        """Number of generators with zero square."""
        return self._signature[2]

    @cached_property
    def matrix_type(self) -> str:
        """The matrix algebra this one is isomorphic to.

        ``"M4(C)"`` are the complex matrices of size 4, ``"2M2(H)"`` pairs of quaternionic matrices of size 2, and
        ``"M2(C) x Lambda(1)"`` matrices over the exterior algebra of one null generator.

        Examples
        --------
        >>> Algebra(4, 1).matrix_type, Algebra(3, 0, 1).matrix_type
        ('M4(C)', 'M2(C) x Lambda(1)')
        """
        return matrix_type(self.metric)

    @property
    def generator_names(self) -> tuple[str, ...]:
        """Names of the generators, such as ``("e1", "e2")``."""
        return tuple(f"e{label}" for label in self.generator_labels)

    @property
    def blades(self) -> tuple[list[int], list[float]]:
        """Masks and signs of the blades, as the native library takes them."""
        return list(self.blade_masks), [float(sign) for sign in self.blade_signs]

    def blade_mask(self, name: str) -> tuple[int, int]:
        """Return the bit mask of a named blade and its sign against the ascending order of generators.

        Raises
        ------
        BladeError
            If the algebra has no such blade.
        """
        return parse_blade(name, self.generator_labels)

    def blade_name(self, mask: int) -> tuple[str, int]:
        """Return the algebra's own name of the blade of a bit mask, and its sign against the ascending order."""
        if self.is_dense:
            position = self._position[mask]
            return self.blade_names[position], self.blade_signs[position]
        return blade_name(mask, self.generator_labels), 1

    def index(self, name: str) -> tuple[int, int]:
        """Return the position of a blade and the sign of the named one against the stored one.

        Raises
        ------
        BladeError
            If the algebra has no such blade.
        """
        mask, sign = self.blade_mask(name)
        position = self._position[mask]
        return position, sign * self.blade_signs[position]

    def check_grade(self, grade: int) -> None:
        """Refuse a grade that the algebra does not have."""
        if isinstance(grade, (bool, float)) or grade not in range(self.dim + 1):
            raise GradeError(f"grade {grade!r} does not exist in {self}; its grades are 0 to {self.dim}")

    def grade_indices(self, grade: int) -> tuple[int, ...]:
        """Return the positions of the blades of a grade.

        Raises
        ------
        GradeError
            If the algebra has no such grade.
        """
        self.check_grade(grade)
        return tuple(index for index, blade_grade in enumerate(self.grades) if blade_grade == grade)

    def grade_slice(self, grade: int) -> slice:
        """Return the blades of a grade as a slice, where they stand together as they do in the default order."""
        indices = self.grade_indices(grade)
        if indices != tuple(range(indices[0], indices[-1] + 1)):
            raise BladeError(f"the blades of grade {grade} do not stand together in the basis of {self!r}")
        return slice(indices[0], indices[-1] + 1)

    def product_plan(self, kind: str) -> int:
        """Return the plan of a product of full multivectors, such as ``"geometric_product"``."""
        return _tables.dense_product_plan(self.full_key, kind)

    def subalgebra(self, *generators: str) -> "Algebra":
        """Return the algebra of some of the generators, in the order given, with their squares and names.

        :func:`cliffnet.functional.embed` and :func:`cliffnet.functional.restrict` move multivectors between the two.

        Parameters
        ----------
        *generators : str
            Names such as ``"e1"``.

        Raises
        ------
        BladeError
            If a name is no generator, or one is given twice.

        Examples
        --------
        >>> Algebra(3, 0, 1).subalgebra("e1", "e2", "e3") is Algebra(3)
        True
        """
        return subalgebra(self, generators, self._custom_basis)

    def equivariant_maps(self, group: Literal["pin", "spin"] = "pin") -> LinearMaps:
        """Return a basis of the linear maps that commute with a group.

        The group acts by ``x -> u x u^-1`` for even and ``x -> u involute(x) u^-1`` for odd ``u``; null generators
        contribute the translations ``exp(e_0 v / 2)``. The basis is derived from the algebra, entries are
        coefficients of blades, and supports are disjoint: first the projections on the grades, then the rest by
        input blade. For Cl(3,0,1) and ``"pin"`` these are the nine maps of GATr, for Cl(1,3) the five
        (``"pin"``) and ten (``"spin"``) of L-GATr.

        Parameters
        ----------
        group : {"pin", "spin"}
            With or without reflections of the non-degenerate generators.

        Raises
        ------
        ConfigError
            If the group is unknown.

        References
        ----------
        Brehmer et al., Geometric Algebra Transformer, 2023, Prop. 2 and App. A; arXiv:2305.18415.
        """
        if group not in ("pin", "spin"):
            raise ConfigError(f"the group is '{group}', expected 'pin' or 'spin'")
        return LinearMaps(self, _tables.equivariant_maps(self.full.key, group))

    def __str__(self) -> str:
        if self._has_default_order() and self._custom_basis is None and self._own_names() is None:
            counts = self.signature if self.r else self.signature[:2]
            return f"Cl({','.join(map(str, counts))})"
        return repr(self)

    def __repr__(self) -> str:
        known = preset_name(self.signature, self._custom_basis) if self._has_default_order() else None
        if known is not None and self._own_names() is None:
            return f"Algebra.from_name({known!r})"
        options = [] if self._has_default_order() else [f"metric={self.metric!r}"]
        if self._custom_basis is not None:
            options.append(f"basis={self._custom_basis!r}")
        names = self._own_names()
        if names is not None:
            options.append(f"names={names!r}")
        counts = list(map(str, self.signature)) if self._has_default_order() else []
        return f"Algebra({', '.join(counts + options)})"

    def _has_default_order(self) -> bool:
        return self.metric == check_squares(*self.signature, None)

    def _own_names(self) -> tuple[str, ...] | None:
        """Return the labels of the generators where they are not the default ones."""
        default = generator_labels(self.dim, None, 0 if self.r == 1 else 1)
        return None if self.generator_labels == default else self.generator_labels


def _restore(metric: tuple[float, ...], basis: tuple[str, ...] | None, names: tuple[str, ...]) -> Algebra:
    return Algebra(metric=metric, basis=basis, names=names)
