"""The algebra that some of the generators span."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cliffnet.errors import BladeError

if TYPE_CHECKING:
    from cliffnet.algebra._algebra import Algebra


def subalgebra(algebra: "Algebra", names: Sequence[str], basis: Sequence[str] | None) -> "Algebra":
    """Return the algebra of the named generators, with those blades of the basis that it has."""
    places = []
    for name in names:
        mask, _ = algebra.blade_mask(name)
        if mask.bit_count() != 1:
            known = ", ".join(algebra.generator_names)
            raise BladeError(f"{name!r} is no generator of {algebra}; expected some of {known}")
        places.append(mask.bit_length() - 1)
    if len(set(places)) != len(places):
        raise BladeError(f"the generators {', '.join(names)} were given, expected each at most once")
    kept = sum(1 << place for place in places)
    return type(algebra)(
        metric=[algebra.metric[place] for place in places],
        names=[algebra.generator_labels[place] for place in places],
        basis=None if basis is None else [name for name in basis if not algebra.blade_mask(name)[0] & ~kept],
    )
