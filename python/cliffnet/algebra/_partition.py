"""Partitions of the grades: the one idea that tells the families of layers apart."""

from collections.abc import Iterable

from cliffnet import _rust
from cliffnet._graphs import kept_object
from cliffnet.algebra import _tables
from cliffnet.algebra._algebra import Algebra
from cliffnet.algebra._layout import layout_of_key
from cliffnet.algebra._maps import LinearMaps
from cliffnet.errors import AlgebraMismatchError, PartitionError


class Partition:
    """A partition of the grades ``0 .. n`` of an algebra into classes.

    Weighted linear maps have one weight per class; weighted products one per *path*, a triple
    ``(left class, output class, right class)`` that some product of blades reaches, in row-major order. Each grade
    alone gives the layers of CGENN and GATr, grade modulo 4 those of GLGENN.

    Parameters
    ----------
    algebra : Algebra
        The algebra whose grades are partitioned.
    classes : iterable of iterables of int
        The grades of each class; every grade in exactly one class.

    Raises
    ------
    PartitionError
        If a grade is missing, repeated or not one of the algebra, or a class is empty.

    Examples
    --------
    >>> from cliffnet import Algebra, Partition
    >>> Partition.by_grade_mod(Algebra(5), 4).classes
    ((0, 4), (1, 5), (2,), (3,))
    >>> len(Partition.by_grade(Algebra(3)).paths())
    20
    """

    __slots__ = ("_plans", "algebra", "classes", "key")

    algebra: Algebra
    classes: tuple[tuple[int, ...], ...]
    # the classes as text: compiled graphs take strings as constants, but integers as sizes that may vary
    key: str

    def __init__(self, algebra: Algebra, classes: Iterable[Iterable[int]]) -> None:
        if not isinstance(algebra, Algebra):
            raise AlgebraMismatchError(f"expected an Algebra, got {type(algebra).__name__}")
        self.algebra = algebra
        try:
            given_classes = tuple(tuple(sorted(grades)) for grades in classes)
            given = sorted(grade for grades in given_classes for grade in grades)
        except TypeError as error:
            raise PartitionError(
                f"classes {classes!r} are not lists of grades; expected such as [[0], [1, 2]]"
            ) from error
        if given != list(range(algebra.dim + 1)) or not all(given_classes):
            raise PartitionError(
                f"classes {given_classes} do not partition the grades of {algebra}; "
                f"expected each of 0 to {algebra.dim} exactly once and no empty class"
            )
        # equal numbers of other types, such as those of numpy, become integers: the key is made of their text
        self.classes = tuple(tuple(map(int, grades)) for grades in given_classes)
        self.key = "|".join(",".join(map(str, grades)) for grades in self.classes)
        self._plans: dict[str, int] = {}

    @classmethod
    def by_grade(cls, algebra: Algebra) -> "Partition":
        """Return the finest partition: each grade alone (CGENN, GATr)."""
        return cls(algebra, [[grade] for grade in range(algebra.dim + 1)])

    @classmethod
    def by_grade_mod(cls, algebra: Algebra, modulus: int) -> "Partition":
        """Return the partition by grade modulo a number: 4 gives the quaternion types of GLGENN."""
        if modulus < 1:
            raise PartitionError(f"the modulus is {modulus}, expected at least 1")
        grades = range(algebra.dim + 1)
        residues = range(min(modulus, algebra.dim + 1))
        return cls(algebra, [[grade for grade in grades if grade % modulus == residue] for residue in residues])

    @classmethod
    def by_parity(cls, algebra: Algebra) -> "Partition":
        """Return the partition into even and odd grades."""
        return cls.by_grade_mod(algebra, 2)

    @classmethod
    def whole(cls, algebra: Algebra) -> "Partition":
        """Return the coarsest partition: one class."""
        return cls(algebra, [range(algebra.dim + 1)])

    def __len__(self) -> int:
        return len(self.classes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Partition) and self.algebra is other.algebra and self.classes == other.classes

    def __hash__(self) -> int:
        return hash((self.algebra, self.classes))

    def __reduce__(self) -> tuple[object, ...]:
        return Partition, (self.algebra, self.classes)

    def __repr__(self) -> str:
        return f"Partition({self.algebra}, {self.classes})"

    def class_of_blades(self) -> tuple[int, ...]:
        """Return the class of each blade, in the order of the algebra."""
        class_of_grade = {grade: index for index, grades in enumerate(self.classes) for grade in grades}
        return tuple(class_of_grade[grade] for grade in self.algebra.grades)

    def projections(self) -> LinearMaps:
        """Return the projections on the classes, one linear map a class."""
        return _projections(self.algebra.full_key, self.key)

    def product_plan(self, kind: str = "geometric_product") -> int:
        """Return the plan of a product with one weight per path."""
        if kind not in self._plans:
            squares, blades = list(self.algebra.metric), self.algebra.blades
            classes = [list(grades) for grades in self.classes]
            out = _tables.product_blades(kind, self.algebra.full.key)
            self._plans[kind] = _rust.product_plan(kind, squares, blades, blades, out, classes)
        return self._plans[kind]

    def paths(self, kind: str = "geometric_product") -> tuple[tuple[int, int, int], ...]:
        """Return the reachable ``(left class, output class, right class)`` triples, in the order of the weights."""
        return tuple(_rust.plan_paths(self.product_plan(kind)))


@kept_object
def _projections(algebra: str, classes: str) -> LinearMaps:
    """Return the projections of a partition, from the keys of its algebra and of its classes."""
    grades = [[int(grade) for grade in members.split(",")] for members in classes.split("|")]
    partition = Partition(layout_of_key(algebra).algebra, grades)
    owners = partition.class_of_blades()
    return LinearMaps(
        partition.algebra,
        [
            [(blade, blade, 1.0) for blade, owner in enumerate(owners) if owner == index]
            for index in range(len(partition))
        ],
    )
