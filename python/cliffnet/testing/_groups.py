"""Random elements of the groups that act on an algebra, and how they act."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import ConfigError, DomainError, ShapeError
from cliffnet.multivector import Multivector
from cliffnet.testing._tolerance import equivariance_tolerance

Group = Literal["pin", "spin", "isometries", "generalized_lipschitz"]

_UNCHANGED = 1e-12
# below, even elements whose logarithm changes sign under reversion are products of vectors
_MIXING_DIM = 6


@dataclass(frozen=True)
class GroupElement:
    """A linear map of an algebra: the action of a versor, of a linear map of the vectors, or of both in turn.

    Attributes
    ----------
    algebra : Algebra
        The algebra acted on.
    description : str
        What the element is, for people.
    versor : Tensor, optional
        Shape ``(num_blades,)``, float64; any invertible element. Acts by the twisted adjoint action: by ``V x V^-1`` on
        even and ``involute(V) x V^-1`` on odd multivectors.
    matrix : Tensor, optional
        Shape ``(n, n)``, float64; column ``i`` is the image of generator ``i``. Acts after the versor, as an
        outermorphism.
    """

    algebra: Algebra
    description: str
    versor: Tensor | None = None
    matrix: Tensor | None = None

    def apply(self, x: Tensor, layout: Layout | None = None) -> Tensor:
        """Transform multivectors.

        Parameters
        ----------
        x : Tensor
            Shape ``(..., num_blades)``, or of the layout.
        layout : Layout, optional
            Layout of ``x`` and of the result.

        Returns
        -------
        Tensor
            Shape of ``x``.

        Raises
        ------
        LayoutError
            If the element mixes blades of the layout with others.
        """
        full = self.algebra.full
        moved = x if layout is None else F.change_layout(x, layout, full)
        if self.versor is not None:
            moved = _twisted_adjoint(self.versor, moved, self.algebra)
        if self.matrix is not None:
            moved = F.outermorphism(self.matrix.to(moved.dtype).to(moved.device), moved, self.algebra)
        if layout is None:
            return moved
        kept = F.change_layout(moved, full, layout, project=True)
        lost = moved - F.change_layout(kept, layout, full)
        if lost.numel() and lost.abs().max() > equivariance_tolerance(x.dtype) * moved.abs().max():
            F.change_layout(lost, full, layout)  # refuses them by name
        return kept

    def __str__(self) -> str:
        text = self.description
        if self.versor is not None:
            text += f"\n  versor V = {Multivector(self.versor, self.algebra.full)}"
        if self.matrix is not None:
            rows = "; ".join(" ".join(f"{value:.4g}" for value in row) for row in self.matrix.tolist())
            text += f"\n  linear map of the vectors = [{rows}]"
        return text


def _twisted_adjoint(element: Tensor, x: Tensor, algebra: Algebra) -> Tensor:
    inverse = F.inverse(element, algebra).to(x.dtype).to(x.device)
    element = element.to(x.dtype).to(x.device)
    odd_part = F.grade_project(element, range(1, algebra.dim + 1, 2), algebra)
    # the odd part meets the involute of x, so that the involute of the element meets the odd part of x
    moved = F.geometric_product(element - odd_part, x, algebra)
    moved = moved + F.geometric_product(odd_part, F.grade_involute(x, algebra), algebra)
    return F.geometric_product(moved, inverse, algebra)


def group_elements(algebra: Algebra, group: Group | Tensor = "pin", *, seed: int = 0) -> list[GroupElement]:
    """Draw elements of every kind that a group has.

    =====================  ========================================================================
    group                  elements
    =====================  ========================================================================
    pin                    products of 1 to n unit vectors, with null parts where the metric has
                           any, and translations ``exp(B)``, ``B^2 = 0``
    spin                   products of an even number with ``V reverse(V) = 1``, and translations:
                           the group of ``algebra.equivariant_maps("spin")``
    isometries             those of pin, and the other isometries of a degenerate metric, which are
                           no versors: null generators are mapped among themselves and added to the
                           others
    generalized_lipschitz  those of pin, and from six generators on products with a scalar plus a
                           product of six generators, which mix grades but not their classes
                           modulo 4
    =====================  ========================================================================

    Parameters
    ----------
    algebra : Algebra
        With at most 12 generators.
    group : {"pin", "spin", "isometries", "generalized_lipschitz"} or Tensor
        The group, or invertible elements of your own, shape ``(count, num_blades)``, that act by the twisted adjoint
        action.
    seed : int
        Seed of the draws.

    Returns
    -------
    list of GroupElement

    Raises
    ------
    ConfigError
        If the group is unknown, or acts trivially, as Pin of Cl(0,0,r) does.
    NotInvertibleError
        If one of your own elements has no inverse.

    References
    ----------
    Filimoshina and Shirokov, GLGENN, 2025, section 3, for the generalised Lipschitz group; arXiv:2506.09625.

    Examples
    --------
    >>> from cliffnet import Algebra
    >>> [element.description for element in group_elements(Algebra(2, 0, 1), "spin")]
    ['translation', 'product of 2 unit vectors', 'translation']
    """
    generator = torch.Generator().manual_seed(seed)
    elements = list(_elements(algebra, group, generator))
    everything = torch.eye(algebra.num_blades, dtype=torch.float64)
    if all((element.apply(everything) - everything).abs().max() < _UNCHANGED for element in elements):
        name = "the group of these versors" if isinstance(group, Tensor) else f"the group '{group}'"
        raise ConfigError(
            f"{name} acts trivially on {algebra}: every function commutes with it; use a larger group, such as "
            "'isometries', or more generators"
        )
    return elements


def simple_elements(algebra: Algebra, group: Group | Tensor) -> Iterator[GroupElement]:
    """Yield the elements that are easiest to read: generators, turns of coordinate planes, unit translations."""
    if isinstance(group, Tensor):
        return
    metric = algebra.metric
    regular = [i for i in range(algebra.dim) if metric[i] != 0.0]
    if group != "spin":
        for i in regular:
            yield GroupElement(algebra, "reflection", _blade(algebra, 1 << i))
    one = _blade(algebra, 0)
    for i in range(algebra.dim):
        for j in range(i + 1, algebra.dim):
            if metric[i] * metric[j] == 0.0 and metric[i] + metric[j] != 0.0:
                yield GroupElement(algebra, "translation", one + 0.5 * _blade(algebra, 1 << i | 1 << j))
            elif metric[i] * metric[j] > 0.0:
                size = abs(metric[i] * metric[j]) ** 0.5
                yield GroupElement(algebra, "quarter turn", one + _blade(algebra, 1 << i | 1 << j) / size)
            elif metric[i] * metric[j] < 0.0:
                size = abs(metric[i] * metric[j]) ** 0.5
                yield GroupElement(algebra, "boost", one + 0.5 * _blade(algebra, 1 << i | 1 << j) / size)
    if group == "generalized_lipschitz" and algebra.dim >= _MIXING_DIM:
        yield GroupElement(algebra, "turn that mixes grades", _mixing_turn(algebra))
    if group == "isometries":
        for i in range(algebra.dim):
            if metric[i] == 0.0:
                matrix = torch.eye(algebra.dim, dtype=torch.float64)
                matrix[i, i] = 2.0
                yield GroupElement(algebra, f"e{algebra.generator_labels[i]} doubled", matrix=matrix)


def random_versor(
    algebra: Algebra, factors: int, generator: torch.Generator | None = None, *, proper: bool = False
) -> Tensor:
    """Multiply random unit vectors: a mirror or glide for an odd number of them, a motion for an even one.

    Parameters
    ----------
    algebra : Algebra
        With at least one generator that is not null, and at most 12.
    factors : int
        Number of vectors, at least 1. They square to 1 or -1 and have null parts where the metric does: in Cl(3,0,1)
        they are planes off the origin.
    generator : torch.Generator, optional
        Source of random numbers.
    proper : bool
        Draw until ``V reverse(V) = 1``, rather than 1 or -1.

    Returns
    -------
    Tensor
        Shape ``(num_blades,)``, float64.

    Raises
    ------
    DomainError
        If every vector of the algebra is null.
    """
    if algebra.dim == algebra.r:
        raise DomainError(f"every vector of {algebra} squares to zero, so no product of them is a versor")
    while True:
        product = multiply_vectors(algebra, _unit_vectors(algebra, factors, generator))
        versor = F.change_layout(product, algebra.odd if factors % 2 else algebra.even, algebra.full)
        if not proper or F.norm_squared(versor, algebra) > 0:
            return versor


def _unit_vectors(algebra: Algebra, count: int, generator: torch.Generator | None) -> Tensor:
    metric = torch.tensor([algebra.metric[mask.bit_length() - 1] for mask in algebra.vectors.blade_masks])
    metric = metric.double()
    found: list[Tensor] = []
    while len(found) < count:
        vector = torch.randn(algebra.dim, dtype=torch.float64, generator=generator)
        square = (metric * vector**2).sum()
        # nearly null vectors are boosts that drown everything in rounding
        if square.abs() > 0.5 * (metric.abs() * vector**2).sum():
            found.append(vector / square.abs().sqrt())
    return torch.stack(found)


def multiply_vectors(algebra: Algebra, vectors: Tensor) -> Tensor:
    """Multiply vectors, shape ``(..., count, n)``, along the next to last axis; the result is on even or odd blades."""
    target = algebra.odd
    result = F.change_layout(vectors[..., 0, :], algebra.vectors, target)
    for vector in vectors.unbind(-2)[1:]:
        source, target = target, algebra.even if target is algebra.odd else algebra.odd
        result = F.geometric_product(
            result, vector, algebra, a_layout=source, b_layout=algebra.vectors, out_layout=target
        )
    return result


def _elements(algebra: Algebra, group: Group | Tensor, generator: torch.Generator) -> Iterator[GroupElement]:
    if isinstance(group, Tensor):
        if group.dim() != 2 or group.shape[-1] != algebra.num_blades:
            raise ShapeError(f"the versors have shape {tuple(group.shape)}, expected (count, {algebra.num_blades})")
        for index, versor in enumerate(group.double()):
            yield GroupElement(algebra, f"versor {index} of the group given", versor)
        return
    if group not in get_args(Group):
        known = ", ".join(repr(name) for name in get_args(Group))
        raise ConfigError(f"the group is {group!r}, expected {known} or a tensor of versors")
    for simple in simple_elements(algebra, group):
        if simple.description in ("reflection", "translation"):
            yield simple
            break
    if algebra.dim > algebra.r:
        for count in range(2, max(algebra.dim, 2) + 1, 2) if group == "spin" else range(1, algebra.dim + 1):
            yield GroupElement(
                algebra,
                f"product of {count} unit vectors" if count > 1 else "reflection in a random vector",
                random_versor(algebra, count, generator, proper=group == "spin"),
            )
    versor = _translation(algebra, generator)
    if versor is not None:
        yield GroupElement(algebra, "translation", versor)
    if group == "generalized_lipschitz" and algebra.dim >= _MIXING_DIM:
        versor = _mixing_turn(algebra)
        if algebra.dim > algebra.r:
            for count in (1, 2):
                versor = F.geometric_product(versor, random_versor(algebra, count, generator), algebra)
        yield GroupElement(algebra, "product of unit vectors and a turn that mixes grades", versor)
    if group == "isometries" and algebra.r:
        for sign in (1.0, -1.0):
            yield GroupElement(
                algebra,
                "isometry of the degenerate metric that is no versor",
                None if algebra.dim == algebra.r else random_versor(algebra, 2, generator),
                _null_map(algebra, sign, generator),
            )


def _blade(algebra: Algebra, mask: int) -> Tensor:
    result = torch.zeros(algebra.num_blades, dtype=torch.float64)
    result[algebra.blade_masks.index(mask)] = 1.0
    return result


def _mixing_turn(algebra: Algebra) -> Tensor:
    """Return ``4 + 3 b`` with the unit product b of the first six generators, which reversion turns into ``-b``."""
    blade = _blade(algebra, (1 << _MIXING_DIM) - 1)
    size = math.prod(abs(square) for square in algebra.metric[:_MIXING_DIM] if square) ** 0.5
    return 4.0 * _blade(algebra, 0) + 3.0 / size * blade


def _translation(algebra: Algebra, generator: torch.Generator) -> Tensor | None:
    """Return ``exp(B) = 1 + B`` with the outer product ``B`` of a null vector and one orthogonal to it, or None.

    A null generator if the metric has one, else the sum of two generators of opposite squares and a third.
    """
    metric = algebra.metric
    draw = torch.randn(algebra.dim, dtype=torch.float64, generator=generator)
    null = torch.zeros_like(draw)
    positive = [i for i, square in enumerate(metric) if square > 0]
    negative = [i for i, square in enumerate(metric) if square < 0]
    if algebra.r and positive + negative:
        null[metric.index(0.0)] = 1.0
    elif positive and negative and algebra.dim > 2:
        i, j = positive[0], negative[0]
        null[i], null[j] = abs(metric[i]) ** -0.5, abs(metric[j]) ** -0.5
        draw[[i, j]] = 0.0
    else:
        return None
    places = [mask.bit_length() - 1 for mask in algebra.vectors.blade_masks]
    first, second = (F.change_layout(v[places], algebra.vectors, algebra.full) for v in (null, draw))
    return _blade(algebra, 0) + F.outer_product(first, second, algebra)


def _null_map(algebra: Algebra, sign: float, generator: torch.Generator) -> Tensor:
    """Return an isometry that maps null generators among themselves, with determinant of this sign."""
    null = [i for i, square in enumerate(algebra.metric) if square == 0.0]
    others = [i for i in range(algebra.dim) if i not in null]
    matrix = torch.eye(algebra.dim, dtype=torch.float64)
    drawn = torch.randn(len(null), len(null), dtype=torch.float64, generator=generator)
    rotation = torch.linalg.qr(drawn).Q
    stretch = 0.5 + torch.rand(len(null), dtype=torch.float64, generator=generator)
    block = rotation * stretch
    block[:, 0] *= sign * torch.linalg.det(rotation).sign()
    rows = torch.tensor(null)
    matrix[rows[:, None], rows] = block
    if others:
        shift = torch.randn(len(null), len(others), dtype=torch.float64, generator=generator)
        matrix[rows[:, None], torch.tensor(others)] = shift
    return matrix
