"""Strategies for algebras and layouts."""

from collections.abc import Iterable

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from cliffnet.algebra import Algebra, Layout
from cliffnet.testing._enumeration import list_algebras


def algebras(
    max_dim: int = 5,
    min_dim: int = 0,
    degenerate: bool = True,
    signatures: Iterable[tuple[int, ...]] | None = None,
) -> SearchStrategy[Algebra]:
    """Draw algebras; shrinks to few generators, then to Euclidean ones.

    Parameters
    ----------
    max_dim, min_dim : int
        Bounds of the number of generators.
    degenerate : bool
        Draw metrics with null generators too.
    signatures : iterable of tuple of int, optional
        Draw from these ``(p, q, r)`` instead, in the order of simplicity given.

    Returns
    -------
    SearchStrategy of Algebra

    Raises
    ------
    ConfigError
        If no algebra satisfies the bounds.

    Examples
    --------
    >>> from hypothesis import given, strategies as st
    >>> from cliffnet import functional as F
    >>> from cliffnet.testing import assert_identity, multivectors
    >>> @given(st.data())
    ... def test_reverse_twice(data):
    ...     algebra = data.draw(algebras(max_dim=3))
    ...     a = data.draw(multivectors(algebra))
    ...     assert_identity(F.reverse(F.reverse(a, algebra), algebra), a)
    >>> test_reverse_twice()
    """
    return st.sampled_from(list_algebras(max_dim, min_dim, degenerate, signatures))


def layouts(algebra: Algebra) -> SearchStrategy[Layout]:
    """Draw layouts: selections of blades in any order; shrinks to the scalars.

    Parameters
    ----------
    algebra : Algebra
        With at most 12 generators.

    Returns
    -------
    SearchStrategy of Layout
    """
    named = [algebra.full, algebra.even, algebra.odd, *(algebra.layout(grades=(k,)) for k in range(algebra.dim + 1))]
    picked = st.lists(st.sampled_from(algebra.blade_names), min_size=1, unique=True).map(
        lambda names: algebra.layout(*names)
    )
    return st.one_of(picked, st.sampled_from(named))
