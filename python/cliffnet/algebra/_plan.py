"""Plans: products lowered to lists of terms, kept by the native library and named by small integers."""

from typing import NamedTuple

from cliffnet import _rust
from cliffnet._graphs import kept_constant


class PlanSizes(NamedTuple):
    """Blade counts of the operands and the output, and the number of weight paths (0 when unweighted)."""

    left: int
    right: int
    out: int
    paths: int


class PlanTerms(NamedTuple):
    """Columns of a term table: ``out[k] += coefficient * left[i] * right[j]``."""

    out: list[int]
    left: list[int]
    right: list[int]
    path: list[int]
    coefficient: list[float]


@kept_constant
def plan_sizes(plan: int) -> PlanSizes:
    """Return the sizes of a plan."""
    return PlanSizes(*_rust.plan_sizes(plan))


@kept_constant
def plan_gradients(plan: int) -> tuple[int, int]:
    """Return the plans of the gradients of the left and the right operand.

    With ``g`` the cotangent of the output they run as ``(g, right) -> left`` and ``(left, g) -> right``: the same
    trilinear form seen from two other slots.
    """
    return _rust.plan_gradients(plan)


def plan_terms(plan: int) -> PlanTerms:
    """Return the terms of a plan."""
    return PlanTerms(*_rust.plan_terms(plan))


class PlanSlots(NamedTuple):
    """The products of a weighted plan before weights are applied: each output blade that each path reaches.

    ``plan`` is the unweighted plan whose output blades are these slots, sorted by path, then by output blade; ``path``
    and ``out`` tell which each one is.
    """

    plan: int
    path: tuple[int, ...]
    out: tuple[int, ...]


@kept_constant
def plan_slots(plan: int) -> PlanSlots:
    """Return the slots of a weighted plan."""
    terms, sizes = plan_terms(plan), plan_sizes(plan)
    slots = sorted(set(zip(terms.path, terms.out, strict=True)))
    number = {slot: index for index, slot in enumerate(slots)}
    targets = [number[slot] for slot in zip(terms.path, terms.out, strict=True)]
    columns = (targets, terms.left, terms.right, [0] * len(targets), terms.coefficient)
    unweighted = _rust.plan_from_terms((sizes.left, sizes.right, len(slots)), 0, columns)
    return PlanSlots(unweighted, tuple(path for path, _ in slots), tuple(out for _, out in slots))


@kept_constant
def plan_from_terms(sizes: tuple[int, int, int], terms: tuple[tuple[int, int, int, float], ...]) -> int:
    """Return the plan of a bilinear map from sizes of left, right and out, and terms ``(out, left, right, factor)``."""
    out, left, right = ([term[0] for term in terms], [term[1] for term in terms], [term[2] for term in terms])
    return _rust.plan_from_terms(sizes, 0, (out, left, right, [0] * len(terms), [term[3] for term in terms]))


Matrices = tuple[
    tuple[int, int, int],
    tuple[tuple[list[int], list[float]], tuple[list[int], list[float]], tuple[list[int], list[float]]],
    list[tuple[int, int, int, bool, bool, bool]],
]


@kept_constant
def has_matrices(plan: int) -> bool:
    """Tell whether :func:`plan_matrices` gives the plan as products of matrices."""
    return _rust.plan_matrices(plan) is not None


def plan_matrices(plan: int) -> Matrices | None:
    """Return a plan as products of matrices, or None where it is a list of terms.

    Geometric products of full multivectors with six or more generators, and their gradients, multiply square matrices
    of real numbers, complex numbers or quaternions.

    Returns
    -------
    shape, operands, products : tuple
        Components of a number, rows of a matrix, and blocks; blade and factor of each word of left, right and output;
        and for each product its matrices out, left, right, whether it is subtracted, whether it is conjugated, and
        whether the right matrix is.
    """
    return _rust.plan_matrices(plan)
