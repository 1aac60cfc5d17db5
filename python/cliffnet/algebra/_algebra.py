"""The algebra Cl(p,q,r) as an immutable value."""

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Literal

from cliffnet import _rust
from cliffnet.algebra import _tables
from cliffnet.algebra._maps import LinearMaps
from cliffnet.algebra._names import blade_name, parse_blade, parse_signature
from cliffnet.errors import BladeError, ConfigError, GradeError, NotInvertibleError, SignatureError

MAX_DENSE_DIM = 12

_Key = tuple[tuple[float, ...], tuple[str, ...] | None]


class Algebra:
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

    Raises
    ------
    SignatureError
        If a count is negative, a square is not finite, or there are more than 12 generators.
    BladeError
        If ``basis`` does not name every blade exactly once.

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
    blade_masks: tuple[int, ...]
    blade_signs: tuple[int, ...]
    blade_names: tuple[str, ...]
    grades: tuple[int, ...]
    dim: int
    num_blades: int
    first_index: int

    def __new__(
        cls,
        p: int = 0,
        q: int = 0,
        r: int = 0,
        /,
        *,
        metric: Sequence[float] | None = None,
        basis: Sequence[str] | None = None,
    ) -> "Algebra":
        squares = _squares(p, q, r, metric)
        key = (squares, None if basis is None else tuple(basis))
        known = cls._interned.get(key)
        if known is not None:
            return known
        algebra = super().__new__(cls)
        algebra._build(squares, key[1])
        # setdefault keeps one object even when two threads build the same algebra
        return cls._interned.setdefault(key, algebra)

    def __init__(self, *arguments: object, **keywords: object) -> None:
        """Do nothing: the object may be an old one; see ``__new__``."""

    def _build(self, squares: tuple[float, ...], basis: tuple[str, ...] | None) -> None:
        dim = len(squares)
        first_index = 0 if squares.count(0.0) == 1 else 1
        masks = _rust.canonical_basis(dim)
        signs = [1] * len(masks)
        names = [blade_name(mask, first_index, dim) for mask in masks]
        if basis is not None:
            parsed = [parse_blade(name, first_index, dim) for name in basis]
            given = [mask for mask, _ in parsed]
            if sorted(given) != sorted(masks):
                raise BladeError(
                    f"the basis names {len(set(given))} of {len(masks)} blades; expected each exactly once"
                )
            masks, signs, names = given, [sign for _, sign in parsed], list(basis)
        fields: dict[str, object] = {
            "metric": squares,
            "dim": dim,
            "num_blades": len(masks),
            "first_index": first_index,
            "blade_masks": tuple(masks),
            "blade_signs": tuple(signs),
            "blade_names": tuple(names),
            "grades": tuple(mask.bit_count() for mask in masks),
            "_custom_basis": basis,
            "_basis_key": _tables.register_basis(list(squares), (masks, [float(sign) for sign in signs])),
        }
        self.__dict__.update(fields)

    _custom_basis: tuple[str, ...] | None
    _basis_key: str

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an Algebra is immutable; cannot set '{name}'")

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (self.metric, self._custom_basis)

    def __copy__(self) -> "Algebra":
        return self

    def __deepcopy__(self, memo: object) -> "Algebra":
        return self

    @classmethod
    def from_string(cls, text: str) -> "Algebra":
        """Return the algebra written ``"Cl(p,q,r)"``."""
        return cls(*parse_signature(text))

    @classmethod
    def vga(cls, n: int) -> "Algebra":
        """Return the algebra of n-dimensional Euclidean vectors, Cl(n)."""
        return cls(n)

    @classmethod
    def pga(cls, n: int) -> "Algebra":
        """Return the projective algebra of n-dimensional Euclidean space, Cl(n,0,1)."""
        return cls(n, 0, 1)

    @classmethod
    def cga(cls, n: int) -> "Algebra":
        """Return the conformal algebra of n-dimensional Euclidean space, Cl(n+1,1)."""
        return cls(n + 1, 1)

    @classmethod
    def sta(cls) -> "Algebra":
        """Return the spacetime algebra, Cl(1,3)."""
        return cls(1, 3)

    @property
    def signature(self) -> tuple[int, int, int]:
        """Number of generators with positive, negative and zero square."""
        return self.p, self.q, self.r

    @cached_property
    def p(self) -> int:
        """Number of generators with positive square."""
        return sum(square > 0 for square in self.metric)

    @cached_property
    def q(self) -> int:
        """Number of generators with negative square."""
        return sum(square < 0 for square in self.metric)

    @cached_property
    def r(self) -> int:
        """Number of generators with zero square."""
        return self.metric.count(0.0)

    @cached_property
    def blades(self) -> tuple[list[int], list[float]]:
        """Masks and signs of the blades, as the native library takes them."""
        return list(self.blade_masks), [float(sign) for sign in self.blade_signs]

    def index(self, name: str) -> tuple[int, int]:
        """Return the position of a blade and the sign of the named one against the stored one.

        Raises
        ------
        BladeError
            If the algebra has no such blade.
        """
        mask, sign = parse_blade(name, self.first_index, self.dim)
        position = self.blade_masks.index(mask)
        return position, sign * self.blade_signs[position]

    def grade_indices(self, grade: int) -> tuple[int, ...]:
        """Return the positions of the blades of a grade.

        Raises
        ------
        GradeError
            If the algebra has no such grade.
        """
        if grade not in range(self.dim + 1):
            raise GradeError(f"grade {grade!r} does not exist in {self}; its grades are 0 to {self.dim}")
        return tuple(index for index, blade_grade in enumerate(self.grades) if blade_grade == grade)

    def grade_slice(self, grade: int) -> slice:
        """Return the blades of a grade as a slice, where they stand together as they do in the default order."""
        indices = self.grade_indices(grade)
        if indices != tuple(range(indices[0], indices[-1] + 1)):
            raise BladeError(f"the blades of grade {grade} do not stand together in the basis of {self!r}")
        return slice(indices[0], indices[-1] + 1)

    def product_plan(self, kind: str) -> int:
        """Return the plan of a product of full multivectors, such as ``"geometric_product"``."""
        return _tables.product_plan(self._basis_key, kind)

    def inner_product_plan(self) -> int:
        """Return the plan of the invariant inner product ``<reverse(a) b>_0``."""
        return _tables.inner_product_plan(self._basis_key)

    def involution_signs(self, name: str) -> tuple[float, ...]:
        """Return the sign of each blade under ``reverse``, ``grade_involute`` or ``clifford_conjugate``."""
        return _tables.involution_signs(self._basis_key, name)

    def blade_map(self, name: str) -> tuple[tuple[int, int, float], ...]:
        """Return a dual as entries ``(out, in, coefficient)``.

        Parameters
        ----------
        name : str
            One of ``right_complement``, ``left_complement``, ``polarity``, ``unpolarity``, ``hodge_dual``.

        Raises
        ------
        NotInvertibleError
            If the polarity of a degenerate metric is asked for.
        """
        if name == "polarity" and self.r:
            raise NotInvertibleError(
                f"{self} has no polarity: its pseudoscalar is not invertible; use right_complement or hodge_dual"
            )
        return _tables.blade_map(self._basis_key, name)

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
        return LinearMaps(self, _tables.equivariant_maps(self._basis_key, group))

    def __str__(self) -> str:
        if set(self.metric) <= {-1.0, 0.0, 1.0}:
            counts = self.signature if self.r else self.signature[:2]
            if self.metric == _squares(*self.signature, None) and self._custom_basis is None:
                return f"Cl({','.join(map(str, counts))})"
        return repr(self)

    def __repr__(self) -> str:
        basis = f", basis={self._custom_basis!r}" if self._custom_basis is not None else ""
        if self.metric == _squares(*self.signature, None):
            return f"Algebra({', '.join(map(str, self.signature))}{basis})"
        return f"Algebra(metric={self.metric!r}{basis})"


def _restore(metric: tuple[float, ...], basis: tuple[str, ...] | None) -> Algebra:
    return Algebra(metric=metric, basis=basis)


def _squares(p: int, q: int, r: int, metric: Iterable[float] | None) -> tuple[float, ...]:
    """Return the squares of the generators, checked."""
    if metric is None:
        for name, count in (("p", p), ("q", q), ("r", r)):
            if isinstance(count, bool) or not isinstance(count, int):
                raise SignatureError(
                    f"{name} is {count!r}, expected an integer; use Algebra(metric=...) for a list of squares"
                )
            if count < 0:
                raise SignatureError(f"{name} is {count}, expected a number of generators of at least 0")
        _check_dense(p + q + r)
        squares = (0.0,) * r + (1.0,) * p + (-1.0,) * q
    else:
        if (p, q, r) != (0, 0, 0):
            raise SignatureError("both a signature and a metric were given; give one of them")
        try:
            squares = tuple(float(square) for square in metric)
        except (TypeError, ValueError) as error:
            raise SignatureError(f"the metric is {metric!r}, expected a sequence of numbers") from error
        if not all(map(math.isfinite, squares)):
            raise SignatureError(f"the metric is {squares}, expected finite squares")
        squares = tuple(square + 0.0 for square in squares)
        _check_dense(len(squares))
    return squares


def _check_dense(dim: int) -> None:
    if dim > MAX_DENSE_DIM:
        raise SignatureError(
            f"{dim} generators were asked for, but a dense algebra has at most {MAX_DENSE_DIM} "
            f"({2**MAX_DENSE_DIM} blades)"
        )
