"""Strategies for bivectors of a kind."""

import itertools
import math
from typing import Literal

import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import Tensor

from cliffnet import functional as F
from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import ConfigError, DomainError
from cliffnet.testing._element_strategies import blades
from cliffnet.testing._numbers import BatchShape, Elements, check, coefficients, in_batches, put
from cliffnet.testing._versor_strategies import rotors

Kind = Literal["simple", "isoclinic", "null", "general"]


def bivectors(
    algebra: Algebra,
    kind: Kind = "general",
    layout: Layout | None = None,
    elements: Elements = "int",
    batch_shape: BatchShape = (),
    dtype: torch.dtype = torch.float64,
) -> SearchStrategy[Tensor]:
    """Draw bivectors of a kind; shrinks to a basis blade, a sum of two, or zero for the general ones.

    ===========  ====================================================================================
    kind         bivectors
    ===========  ====================================================================================
    simple       outer products of two vectors, not zero
    isoclinic    ``a (b1 + b2)`` with commuting orthogonal planes of equal square, not zero
    null         ``B^2 = 0``, not zero: a null vector and one orthogonal to it, such as a translation
    general      any
    ===========  ====================================================================================

    Isoclinic and null ones are moved by a random rotor, an exact one if ``elements`` is ``"int"``.

    Parameters
    ----------
    algebra : Algebra
        The algebra.
    kind : {"simple", "isoclinic", "null", "general"}
        The kind.
    layout, elements, batch_shape, dtype
        As in :func:`multivectors`. Integers become roots where squares of generators are not 1, -1 or 0.

    Returns
    -------
    SearchStrategy of Tensor
        Shape ``(*batch_shape, num_blades)``, or of the layout.

    Raises
    ------
    DomainError
        If the algebra has no bivectors of the kind, such as null ones in Cl(3) or isoclinic ones below 4 generators.
    ConfigError
        If the kind is unknown.
    LayoutError
        If the layout cannot hold bivectors.
    """
    check(algebra, layout)
    if kind not in ("simple", "isoclinic", "null", "general"):
        raise ConfigError(f"the kind is {kind!r}, expected 'simple', 'isoclinic', 'null' or 'general'")
    coefficients((0,), elements, dtype)
    source = algebra.bivectors
    if kind == "general":
        drawn = in_batches(batch_shape, lambda shape: coefficients((*shape, source.size), elements, dtype))
        return put(drawn, source, layout)
    if algebra.dim < 2:
        raise DomainError(
            f"{algebra} has no bivectors but zero, and so none of kind {kind!r}; use 2 or more generators"
        )
    if kind == "simple":
        return put(blades(algebra, 2, source, elements, batch_shape, dtype), source, layout)
    planes = _isoclinic_planes(algebra) if kind == "isoclinic" else _null_planes(algebra)
    if not planes:
        raise DomainError(_absence(algebra, kind))
    sizes = st.sampled_from([1.0, -1.0, 2.0, -2.0, 3.0]) if elements == "int" else st.floats(0.25, 4.0)

    def of_shape(shape: tuple[int, ...]) -> SearchStrategy[Tensor]:
        mover = rotors(algebra, True, algebra.even, elements, shape, dtype)
        return st.builds(
            lambda entries, size, rotor: _moved(algebra, size * _combined(source, entries, dtype), rotor),
            st.sampled_from(planes),
            sizes,
            mover,
        )

    return put(in_batches(batch_shape, of_shape), source, layout)


def _absence(algebra: Algebra, kind: Kind) -> str:
    if kind == "null":
        return f"{algebra} has no null bivectors: that takes a null vector and a vector orthogonal to it"
    return (
        f"{algebra} has no isoclinic bivectors: that takes four generators in two planes whose bivectors "
        "have equal non-zero squares"
    )


_Entries = tuple[tuple[int, float], ...]


def _plane(i: int, j: int, size: float) -> tuple[int, float]:
    """Return the mask and coefficient of ``size e_i e_j``."""
    return 1 << i | 1 << j, size if i < j else -size


def _isoclinic_planes(algebra: Algebra) -> list[_Entries]:
    """Return sums of two basis planes of equal square, of either sign."""
    metric = algebra.metric
    regular = [i for i in range(algebra.dim) if metric[i] != 0.0]
    found: list[_Entries] = []
    for i, j, k, m in itertools.permutations(regular, 4):
        first, second = metric[i] * metric[j], metric[k] * metric[m]
        if i < j and k < m and i < k and first * second > 0:
            size = math.sqrt(first / second)
            found += [(_plane(i, j, 1.0), _plane(k, m, sign * size)) for sign in (1.0, -1.0)]
    return found


def _null_planes(algebra: Algebra) -> list[_Entries]:
    """Return products of a null vector, a generator or the sum of two, and a generator orthogonal to it."""
    metric = algebra.metric
    found: list[_Entries] = []
    for i, j in itertools.permutations(range(algebra.dim), 2):
        if metric[i] == 0.0:
            found.append((_plane(i, j, 1.0),))
    for i, j, k in itertools.permutations(range(algebra.dim), 3):
        if i < j and metric[i] * metric[j] < 0:
            ratio = math.sqrt(-metric[i] / metric[j])
            found += [(_plane(i, k, 1.0), _plane(j, k, sign * ratio)) for sign in (1.0, -1.0)]
    return found


def _combined(layout: Layout, entries: _Entries, dtype: torch.dtype) -> Tensor:
    result = torch.zeros(layout.size, dtype=dtype)
    for mask, value in entries:
        position = layout.blade_masks.index(mask)
        result[position] = value * layout.blade_signs[position]
    return result


def _moved(algebra: Algebra, bivector: Tensor, rotor: Tensor) -> Tensor:
    return F.sandwich(
        rotor,
        bivector,
        algebra,
        versor_layout=algebra.even,
        x_layout=algebra.bivectors,
        out_layout=algebra.bivectors,
    )
