"""Strategies for versors and rotors."""

import math
from typing import Literal

import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import Tensor

from cliffnet import functional as F
from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import ConfigError, DomainError
from cliffnet.testing._element_strategies import vectors_on
from cliffnet.testing._groups import multiply_vectors
from cliffnet.testing._numbers import BatchShape, Elements, check, coefficients, in_batches, put

Parity = Literal["even", "odd"]

# of pi, below which every bivector is the logarithm of its exponential; the rest is left to rounding
_PRINCIPAL = 0.95


def versors(
    algebra: Algebra,
    parity: Parity | None = None,
    layout: Layout | None = None,
    elements: Elements = "int",
    batch_shape: BatchShape = (),
    dtype: torch.dtype = torch.float64,
) -> SearchStrategy[Tensor]:
    """Draw versors, products of up to ``n`` vectors with ``v^2 != 0``; shrinks to 1 or a generator.

    Their norms are arbitrary. In degenerate metrics the vectors have null parts, so that even versors translate.

    Parameters
    ----------
    algebra : Algebra
        The algebra.
    parity : {"even", "odd"}, optional
        Number of vectors; either if omitted.
    elements : {"int", "float"}
        Vectors with integer components from -2 to 2, or with floating-point ones.
    layout, batch_shape, dtype
        As in :func:`multivectors`.

    Returns
    -------
    SearchStrategy of Tensor
        Shape ``(*batch_shape, num_blades)``, or of the layout.

    Raises
    ------
    DomainError
        If the algebra has no versors of that parity: an odd one where every vector is null.
    LayoutError
        If the layout cannot hold the parity.
    ConfigError
        If the parity is unknown.
    """
    check(algebra, layout)
    if parity not in (None, "even", "odd"):
        raise ConfigError(f"the parity is {parity!r}, expected 'even', 'odd' or None")
    if parity is None:
        choices = [versors(algebra, "even", layout, elements, batch_shape, dtype)]
        if algebra.dim > algebra.r:
            choices.append(versors(algebra, "odd", layout, elements, batch_shape, dtype))
        return st.one_of(choices)
    odd = parity == "odd"
    if algebra.dim == algebra.r:
        if odd:
            raise DomainError(f"{algebra} has no odd versors: every vector squares to zero")
        counts = [0]
    else:
        counts = list(range(int(odd), max(algebra.dim, 2) + 1, 2))
    coefficients((0,), elements, dtype)

    def of_shape(shape: tuple[int, ...]) -> SearchStrategy[Tensor]:
        return st.sampled_from(counts).flatmap(
            lambda count: (
                vectors_on(algebra, True, elements, (*shape, count), dtype, largest=2).map(
                    lambda factors: multiply_vectors(algebra, factors)
                )
                if count
                else st.just(_one(algebra, shape, dtype))
            )
        )

    return put(in_batches(batch_shape, of_shape), algebra.odd if odd else algebra.even, layout)


def _one(algebra: Algebra, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    one = F.change_layout(torch.ones(1, dtype=dtype), algebra.scalars, algebra.even)
    return one.expand(*shape, -1).clone()


def rotors(
    algebra: Algebra,
    principal: bool = True,
    layout: Layout | None = None,
    elements: Elements = "float",
    batch_shape: BatchShape = (),
    dtype: torch.dtype = torch.float64,
) -> SearchStrategy[Tensor]:
    """Draw rotors, even with ``R reverse(R) = 1``; shrinks to 1.

    Parameters
    ----------
    algebra : Algebra
        The algebra.
    principal : bool
        Draw ``exp(B)`` with coefficients of ``B`` that add up to less than pi in magnitude, so that ``log`` returns
        ``B``; otherwise larger ones too, and their negatives.
    elements : {"int", "float"}
        ``exp`` of a bivector with floating-point coefficients, or exact ones: products of translations
        ``1 + k e_i e_j``, where ``e_i`` is null, and turns by a basis plane, one of them if ``principal``.
    layout, batch_shape, dtype
        As in :func:`multivectors`.

    Returns
    -------
    SearchStrategy of Tensor
        Shape ``(*batch_shape, num_blades)``, or of the layout.

    Raises
    ------
    LayoutError
        If the layout cannot hold even multivectors.
    """
    check(algebra, layout)
    coefficients((0,), elements, dtype)
    if elements == "int":
        drawn = in_batches(batch_shape, lambda shape: _exact_rotors(algebra, principal, shape, dtype))
    elif algebra.dim < 2:
        signs = st.just(1.0) if principal else st.sampled_from([1.0, -1.0])
        drawn = in_batches(batch_shape, lambda shape: signs.map(lambda sign: sign * _one(algebra, shape, dtype)))
    else:
        drawn = in_batches(batch_shape, lambda shape: _exponentials(algebra, principal, shape, dtype))
    return put(drawn, algebra.even, layout)


def _exponentials(
    algebra: Algebra, principal: bool, shape: tuple[int, ...], dtype: torch.dtype
) -> SearchStrategy[Tensor]:
    size = algebra.bivectors.size
    limit = _PRINCIPAL * math.pi

    def exponential(b: Tensor, factor: float) -> Tensor:
        scale = (limit / b.abs().sum(-1, keepdim=True).clamp_min(limit)) if principal else b.new_ones(())
        rotor = F.exp(scale * b, algebra, layout=algebra.bivectors, out_layout=algebra.even)
        return factor * rotor

    signs = st.just(1.0) if principal else st.sampled_from([1.0, -1.0])
    return st.builds(exponential, coefficients((*shape, size), "float", dtype), signs)


def _exact_rotors(
    algebra: Algebra, principal: bool, shape: tuple[int, ...], dtype: torch.dtype
) -> SearchStrategy[Tensor]:
    """Multiply translations, whose coefficients are drawn, and turns by planes of two squares of equal sign."""
    masks = algebra.even.blade_masks
    one = _one(algebra, shape, dtype)
    planes = [
        (index, algebra.metric[i] * algebra.metric[j])
        for index, mask in enumerate(masks)
        if mask.bit_count() == 2
        for i, j in [[bit for bit in range(algebra.dim) if mask >> bit & 1]]
    ]
    null = [index for index, square in planes if square == 0.0]
    turning = [index for index, square in planes if square == 1.0]
    counts = st.integers(0, len(turning) and (1 if principal else 3))

    def rotor(steps: Tensor, chosen: list[int]) -> Tensor:
        result = one
        for step, index in zip(steps.unbind(-1), null, strict=True):
            factor = one.clone()
            factor[..., index] = step
            result = _even_product(algebra, result, factor)
        for index in chosen:
            factor = torch.zeros_like(one)
            factor[..., index] = 1.0
            result = _even_product(algebra, result, factor)
        return result

    choices = counts.flatmap(
        lambda count: st.lists(st.sampled_from(turning), min_size=count, max_size=count) if count else st.just([])
    )
    return st.builds(rotor, coefficients((*shape, len(null)), "int", dtype, largest=2), choices)


def _even_product(algebra: Algebra, a: Tensor, b: Tensor) -> Tensor:
    even = algebra.even
    return F.geometric_product(a, b, algebra, a_layout=even, b_layout=even, out_layout=even)
