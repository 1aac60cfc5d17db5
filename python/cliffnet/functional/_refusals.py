"""What rotors and bivectors have to satisfy, and the errors that say what an argument has instead."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from cliffnet.algebra import Layout
from cliffnet.errors import DomainError
from cliffnet.functional._blades import reverse
from cliffnet.functional._domain import refuse
from cliffnet.functional._layouts import move, multiply
from cliffnet.functional._study import Frame

# beyond rounding, but within the steps that numerical derivatives take
TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}


def magnitude(values: Tensor) -> Tensor:
    """Return the largest coefficient, at least one, with an axis of one; what errors are measured against."""
    if not values.shape[-1]:
        return values.new_ones((*values.shape[:-1], 1))
    return values.detach().abs().amax(-1, keepdim=True).clamp(min=1.0)


def refuse_other_grades(
    values: Tensor, layout: Layout, grades: Iterable[int], name: str, expected: str
) -> Tensor | None:
    """Refuse multivectors with coefficients on other grades than those given.

    Returns
    -------
    Tensor or None
        Where there are such coefficients (or NaN), with an axis of one; None if the layout has no other grade.
    """
    others = layout - layout.of_grades(grades)
    if not others.size:
        return None
    parts = move(values, layout, others).detach().abs()
    limit = TOLERANCE[values.dtype] * magnitude(values)

    def error() -> DomainError:
        found = sorted(
            {
                grade
                for grade, set_ in zip(others.grades, (parts > limit).reshape(-1, others.size).any(0), strict=True)
                if set_
            }
        )
        return DomainError(
            f"{name} takes {expected}, but the argument has coefficients of grade {', '.join(map(str, found))}; "
            "project it with F.grade_project first if they do not matter"
        )

    refuse(parts > limit, error)
    return ~(parts <= limit).all(-1, keepdim=True)


def refuse_where(flag: Tensor, message: Callable[[], str]) -> None:
    """Refuse flagged entries with a message made on demand."""
    refuse(flag, lambda: DomainError(message()))


def refuse_other_norms(even: Tensor, layouts: Frame, name: str, tolerance: float) -> Tensor:
    """Refuse even elements without ``R reverse(R) = 1``; return where they are, with an axis of one."""
    reversed_even = reverse(even, layouts.even.algebra, layout=layouts.even)
    norm = multiply("geometric_product", even, reversed_even, layouts.even, layouts.even, layouts.study).detach()
    limit = tolerance * magnitude(even) ** 2
    wrong = (norm[..., :1] - 1).abs() > limit
    if layouts.quadvectors.size:
        wrong = wrong | (norm[..., 1:].abs() > limit).any(-1, keepdim=True)

    def message() -> str:
        found = norm[wrong.squeeze(-1)][0]
        rest = "" if found.shape[-1] == 1 or not found[1:].any() else " and a part of grade 4"
        return (
            f"{name} takes rotors, even elements with R reverse(R) = 1, but the argument has "
            f"<R reverse(R)>_0 = {found[0].item():.6g}{rest}; make it a rotor with F.normalize"
        )

    refuse_where(wrong, message)
    return wrong
