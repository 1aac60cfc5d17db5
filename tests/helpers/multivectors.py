"""Algebras to test on, and multivectors of small integers, on which polynomial identities hold exactly."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cliffnet import Algebra
from cliffnet.testing import multivectors as multivectors

# The names of ganja and kingdon, in their order; several are negative in ours.
SIGNED_BASIS = [
    "1",
    "e1",
    "e2",
    "e3",
    "e0",
    "e01",
    "e02",
    "e03",
    "e12",
    "e31",
    "e23",
    "e032",
    "e013",
    "e021",
    "e123",
    "e0123",
]

ALGEBRAS = (
    *(Algebra(*signature) for signature in ((0,), (1,), (0, 1), (0, 0, 1), (2,), (1, 1), (0, 2), (0, 0, 2), (3,))),
    *(
        Algebra(*signature)
        for signature in ((2, 0, 1), (1, 1, 1), (0, 3), (1, 3), (3, 1), (3, 0, 1), (2, 2), (0, 0, 4))
    ),
    *(Algebra(*signature) for signature in ((1, 1, 2), (4, 1), (2, 2, 1), (5,))),
    Algebra(metric=(2, -3, 0)),
    Algebra(metric=(1, 0, -1, 1)),
    Algebra(3, 0, 1, basis=SIGNED_BASIS),
)
REGULAR = tuple(algebra for algebra in ALGEBRAS if algebra.r == 0)


def name(algebra: Algebra) -> str:
    """Return an id for a parametrised test."""
    return "Cl(3,0,1)-signed" if "e31" in algebra.blade_names else str(algebra).replace("Algebra", "")


def holds_for(
    strategies: Sequence[Callable[[Algebra], st.SearchStrategy[Any]]],
    algebras: Sequence[Algebra] = ALGEBRAS,
    *,
    examples: int = 60,
) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Run ``test(algebra, *values)`` on drawn algebras and values; the same ones in every run."""
    drawn = st.sampled_from(algebras).flatmap(
        lambda algebra: st.tuples(st.just(algebra), *(strategy(algebra) for strategy in strategies))
    )

    def decorate(test: Callable[..., None]) -> Callable[[], None]:
        @settings(max_examples=examples, deadline=None, derandomize=True)
        @given(drawn)
        def run(values: tuple[Any, ...]) -> None:
            test(*values)

        run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
        return run

    return decorate


def blade(algebra: Algebra, name: str) -> Tensor:
    """Return a named blade, with its sign."""
    index, sign = algebra.index(name)
    result = torch.zeros(algebra.num_blades, dtype=torch.float64)
    result[index] = sign
    return result


def random_integers(algebra: Algebra, *leading: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Multivectors with integer components from -4 to 4."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-4, 5, (*leading, algebra.num_blades), generator=generator).to(dtype)
