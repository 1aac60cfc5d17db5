"""Blades one generator at a time, as the recursion of every map that is given by images of vectors.

``e_B = e_b e_R`` with ``b`` the first generator of ``B`` and ``R`` the others, so the image of a blade of grade ``k``
is a product of the image of a vector and one of grade ``k - 1``.
"""

from typing import NamedTuple

from cliffnet._graphs import kept_constant
from cliffnet.algebra import metric_and_blades


class GradeStep(NamedTuple):
    """The blades of one grade whose images are needed.

    Attributes
    ----------
    first : tuple of int
        First generator of each blade.
    rest : tuple of int
        Where the blade without it stands among those of the grade below.
    rows : tuple of int
        Which of the blades the layout itself holds.
    places : tuple of int
        Where those stand in the layout.
    signs : tuple of float
        Their signs in the layout.
    """

    first: tuple[int, ...]
    rest: tuple[int, ...]
    rows: tuple[int, ...]
    places: tuple[int, ...]
    signs: tuple[float, ...]


@kept_constant
def blade_recursion(layout: str) -> tuple[GradeStep, ...]:
    """Return the steps of a layout from grade 0 up to its highest grade."""
    _, (masks, signs) = metric_and_blades(layout)
    place = {mask: index for index, mask in enumerate(masks)}
    needed: list[set[int]] = [set() for _ in range(max((mask.bit_count() for mask in masks), default=0) + 1)]
    for mask in masks:
        needed[mask.bit_count()].add(mask)
    for grade in range(len(needed) - 1, 1, -1):
        needed[grade - 1] |= {_rest(mask) for mask in needed[grade]}
    steps = []
    below: dict[int, int] = {}
    for grade, blades in enumerate(map(sorted, needed)):
        held = [(row, place[mask]) for row, mask in enumerate(blades) if mask in place]
        steps.append(
            GradeStep(
                tuple(_first(mask) for mask in blades),
                tuple(below[_rest(mask)] for mask in blades) if grade > 1 else (),
                tuple(row for row, _ in held),
                tuple(index for _, index in held),
                tuple(signs[index] for _, index in held),
            )
        )
        below = {mask: row for row, mask in enumerate(blades)}
    return tuple(steps)


def _first(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _rest(mask: int) -> int:
    return mask & (mask - 1)
