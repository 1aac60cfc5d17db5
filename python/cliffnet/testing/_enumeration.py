"""All algebras up to a number of generators."""

from collections.abc import Iterable

from cliffnet.algebra import Algebra
from cliffnet.errors import ConfigError


def list_algebras(
    max_dim: int = 5,
    min_dim: int = 0,
    degenerate: bool = True,
    signatures: Iterable[tuple[int, ...]] | None = None,
) -> tuple[Algebra, ...]:
    """Return every algebra ``Cl(p,q,r)`` with ``min_dim <= p + q + r <= max_dim``, simple ones first.

    Parameters
    ----------
    max_dim, min_dim : int
        Bounds of the number of generators.
    degenerate : bool
        Include metrics with null generators.
    signatures : iterable of tuple of int, optional
        Return the algebras of these signatures instead.

    Returns
    -------
    tuple of Algebra
        By number of generators, then of null ones, then of negative ones.

    Raises
    ------
    ConfigError
        If no algebra is left.

    Examples
    --------
    >>> [str(algebra) for algebra in list_algebras(1)]
    ['Cl(0,0)', 'Cl(1,0)', 'Cl(0,1)', 'Cl(0,0,1)']
    >>> len(list_algebras(5, min_dim=1)), len(list_algebras(5, degenerate=False))
    (55, 21)
    """
    if signatures is not None:
        chosen = [tuple(signature) for signature in signatures]
    else:
        chosen = [
            (dim - q - r, q, r)
            for dim in range(min_dim, max_dim + 1)
            for r in range(dim + 1 if degenerate else 1)
            for q in range(dim + 1 - r)
        ]
    if not chosen:
        wanted = (
            "the list of signatures is empty" if signatures is not None else f"no algebra has {min_dim} to {max_dim}"
        )
        raise ConfigError(f"{wanted} generators; expected 0 <= min_dim <= max_dim, or signatures such as [(3, 0, 1)]")
    return tuple(Algebra(*signature) for signature in chosen)
