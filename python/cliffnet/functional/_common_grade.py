"""The grade of blades, read from their layout or their values."""

import torch
from torch import Tensor

from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import DomainError, GradeError
from cliffnet.functional._domain import are_known


def tolerance(dtype: torch.dtype) -> float:
    """Return how far rounding in some products may take what is exact without it: ``eps^(2/3)``, relative."""
    return float(torch.finfo(dtype).eps ** (2 / 3))


def plain_grade(grade: int, algebra: Algebra) -> int:
    """Return a grade of the algebra as a plain number; compiled graphs may have made it symbolic."""
    if isinstance(grade, int) and not isinstance(grade, bool):
        # equal to one of the grades, which a graph checks and then takes for granted
        for known in range(algebra.dim + 1):
            if grade == known:
                return known
    raise GradeError(f"grade {grade!r} does not exist in {algebra}; its grades are 0 to {algebra.dim}")


def occurring_grades(a: Tensor, layout: Layout, rtol: float) -> tuple[list[int], Tensor]:
    """Return the grades of a layout and where they occur in a batch, shape ``(..., grades)``."""
    present = sorted(set(layout.grades))
    parts = []
    for grade in present:
        indices = [index for index, own in enumerate(layout.grades) if own == grade]
        parts.append(a.detach()[..., indices].abs().amax(-1))
    if not parts:
        return [], a.new_zeros((*a.shape[:-1], 0), dtype=torch.bool)
    sizes = torch.stack(parts, -1)
    return present, sizes > rtol * sizes.amax(-1, keepdim=True)


def common_grade(a: Tensor, layout: Layout, name: str, grade: int | None, rtol: float) -> int:
    """Return the one grade of all blades of a batch: the one asked for, that of the layout or that of the values.

    Raises
    ------
    GradeError
        If blades of several grades stand in the batch, or values would have to be known that are not.
    DomainError
        If an element is a sum of several grades.
    """
    if grade is not None:
        return plain_grade(grade, layout.algebra)
    grades = sorted(set(layout.grades))
    if len(grades) == 1:
        return grades[0]
    if not are_known(a):
        raise GradeError(
            f"the grade of {name} cannot be read from its values inside a compiled graph or a transform; pass grade= "
            "or a layout of a single grade"
        )
    grades, occurs = occurring_grades(a, layout, rtol)
    occurs = occurs.reshape(-1, len(grades))
    mixed = occurs.sum(-1) > 1
    if mixed.any():
        index = int(mixed.nonzero()[0])
        listed = " and ".join(str(grades[i]) for i in occurs[index].nonzero().flatten().tolist())
        raise DomainError(f"element {index} of {name}, counted through the batch, is no blade: it has grades {listed}")
    found = occurs.any(0).nonzero().flatten().tolist()
    if len(found) > 1:
        places = ", ".join(f"{grades[i]} (element {int(occurs[:, i].nonzero()[0])})" for i in found)
        raise GradeError(
            f"{name} mixes blades of grades {places}, but blades of one call must have one grade; split the batch"
        )
    return grades[found[0]] if found else 0
