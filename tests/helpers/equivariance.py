"""Random group elements, and the assertion that a function commutes with them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from cliffnet import Algebra
from cliffnet import functional as F

Streams = tuple[Tensor, Tensor | None]


def random_unit_vectors(algebra: Algebra, count: int, generator: torch.Generator) -> Tensor:
    """Vectors that square to 1 or -1, with any null part; in Cl(3,0,1) unit planes, off the origin."""
    metric = torch.tensor(algebra.metric, dtype=torch.float64)
    found = []
    while len(found) < count:
        vector = torch.randn(algebra.dim, dtype=torch.float64, generator=generator)
        square = (metric * vector**2).sum()
        # Nearly null vectors are boosts that drown everything in rounding.
        if square.abs() > 0.5 * (metric != 0).double() @ vector**2:
            found.append(vector / square.abs().sqrt())
    vectors = torch.zeros(count, algebra.num_blades, dtype=torch.float64)
    vectors[:, algebra.grade_slice(1)] = torch.stack(found)
    return vectors


def random_versor(algebra: Algebra, factors: int, generator: torch.Generator) -> Tensor:
    """Product of unit vectors: a mirror or glide for odd ``factors``, a motion for even ones."""
    vectors = random_unit_vectors(algebra, factors, generator)
    versor = vectors[0]
    for vector in vectors[1:]:
        versor = F.geometric_product(versor, vector, algebra)
    return versor


def assert_equivariant(
    function: Callable[..., Streams],
    inputs: Sequence[Tensor],
    algebra: Algebra,
    *,
    factors: Sequence[int] = (1, 2, 3, 4),
    tolerance: float = 1e-10,
    seed: int = 0,
) -> None:
    """Assert ``function(g.x, ...) = (g.y, t)`` where ``function(x, ...) = (y, t)``, g random versors."""
    generator = torch.Generator().manual_seed(seed)
    plain, plain_scalars = function(*inputs)
    for count in factors:
        versor = random_versor(algebra, count, generator)
        moved, moved_scalars = function(*(F.sandwich(versor, x, algebra) for x in inputs))
        _assert_close(moved, F.sandwich(versor, plain, algebra), tolerance, f"multivectors, product of {count} vectors")
        if plain_scalars is not None:
            _assert_close(moved_scalars, plain_scalars, tolerance, f"scalars, product of {count} vectors")


def _assert_close(actual: Tensor, expected: Tensor, tolerance: float, what: str) -> None:
    error = ((actual - expected).abs().max() / (1.0 + expected.abs().max())).item()
    assert error <= tolerance, f"{what}: relative error {error:.1e} exceeds {tolerance:.0e}"
