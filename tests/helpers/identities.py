"""Identities as data: written once as formulas, checked on integers in every algebra and on drawn cases."""

import functools
import inspect
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from torch import Tensor

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.testing import algebras, assert_identity, bivectors, list_algebras, multivectors, vectors


class Element:
    """Multivectors with the operators of the formulas, each one call of ``cliffnet.functional``."""

    __slots__ = ("algebra", "x")

    def __init__(self, x: Tensor, algebra: Algebra) -> None:
        self.x, self.algebra = x, algebra

    def _with(self, x):
        return Element(x, self.algebra)

    def _product(self, function, other):
        return self._with(function(self.x, other.x, self.algebra))

    def _map(self, function, *arguments):
        return self._with(function(self.x, *arguments, self.algebra))

    def __add__(self, other):
        return self._with(self.x + other.x)

    def __sub__(self, other):
        return self._with(self.x - other.x)

    def __neg__(self):
        return self._with(-self.x)

    def __rmul__(self, number):
        return self._with((number.unsqueeze(-1) if isinstance(number, Tensor) else number) * self.x)

    def __mul__(self, other):
        return self._product(F.geometric_product, other)

    def __xor__(self, other):
        return self._product(F.outer_product, other)

    def __and__(self, other):
        return self._product(F.regressive_product, other)

    def __lshift__(self, other):
        return self._product(F.left_contraction, other)

    def __or__(self, other):
        return self._product(F.fat_inner_product, other)

    def right_contraction(self, other):
        return self._product(F.right_contraction, other)

    def hestenes(self, other):
        return self._product(F.hestenes_inner_product, other)

    def scalar_product(self, other):
        return self._product(F.scalar_product, other)

    def commutator(self, other):
        return self._product(F.commutator, other)

    def anticommutator(self, other):
        return self._product(F.anticommutator, other)

    def projective_join(self, other):
        return self._product(F.projective_join, other)

    def __invert__(self):
        return self._map(F.reverse)

    hat = property(lambda self: self._map(F.grade_involute))
    bar = property(lambda self: self._map(F.clifford_conjugate))
    right = property(lambda self: self._map(F.right_complement))
    left = property(lambda self: self._map(F.left_complement))
    dual = property(lambda self: self._map(F.dual))
    undual = property(lambda self: self._map(F.undual))
    polarity = property(lambda self: self._map(F.polarity))
    unpolarity = property(lambda self: self._map(F.unpolarity))
    hodge = property(lambda self: self._map(F.hodge_dual))

    def grade(self, *grades):
        return self._map(F.grade_project, [k for k in grades if 0 <= k <= self.algebra.dim])

    @property
    def parts(self):
        """The grades, along a new first axis."""
        return self._with(torch.stack([self.grade(k).x for k in range(self.algebra.dim + 1)]))

    def sum(self):
        """Sum over the first axis."""
        return self._with(self.x.sum(0))

    def expand(self, other):
        return self._with(self.x.expand_as(other.x))

    @property
    def zero(self):
        return self._with(torch.zeros_like(self.x))

    @property
    def norm_squared(self):
        return F.norm_squared(self.x, self.algebra)

    def inner(self, other):
        return F.inner_product(self.x, other.x, self.algebra)


class Setting:
    """An algebra with its constants, the first argument of every identity."""

    def __init__(self, algebra: Algebra, dtype: torch.dtype = torch.float64) -> None:
        self.algebra, self.n, self.dtype = algebra, algebra.dim, dtype

    def element(self, x: Tensor) -> Element:
        return Element(x, self.algebra)

    @functools.cached_property
    def one(self) -> Element:
        one = torch.zeros(self.algebra.num_blades, dtype=self.dtype)
        one[self.algebra.index("1")[0]] = 1.0
        return self.element(one)

    @functools.cached_property
    def generators(self) -> list[Element]:
        identity = torch.eye(self.algebra.num_blades, dtype=self.dtype)
        return [self.element(identity[self.algebra.blade_masks.index(1 << i)]) for i in range(self.n)]

    @functools.cached_property
    def whole(self) -> Element:
        """The pseudoscalar ``e_1 ^ ... ^ e_n``, with the sign that the basis gives to its last blade."""
        x = torch.zeros(self.algebra.num_blades, dtype=self.dtype)
        x[self.algebra.blade_masks.index(2**self.n - 1)] = 1.0
        return self.element(x)

    @functools.cached_property
    def blades(self) -> Element:
        return self.element(torch.eye(self.algebra.num_blades, dtype=self.dtype))

    def coordinates(self, v: Element) -> Tensor:
        """Components of vectors in the order of the metric, shape ``(..., n)``."""
        return v.x[..., [self.algebra.blade_masks.index(1 << i) for i in range(self.n)]]

    @functools.cached_property
    def metric(self) -> Tensor:
        return torch.tensor(self.algebra.metric, dtype=self.dtype)

    @functools.cached_property
    def grades(self) -> Tensor:
        return torch.tensor(self.algebra.grades)


Sides = Iterator[tuple[Element | Tensor, Element | Tensor]]


@dataclass(frozen=True)
class Identity:
    """An identity: a generator of pairs of sides, whose parameters name their operands.

    ``a, b, c, d`` are multivectors, ``u, v, w`` vectors, ``B, C`` bivectors.
    """

    sides: Callable[..., Sides]
    where: Callable[[Algebra], bool]
    degree: int

    @property
    def operands(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.sides).parameters)[1:]

    def __str__(self) -> str:
        return self.sides.__name__

    def check(self, algebra: Algebra, values: list[Tensor], dtype: torch.dtype = torch.float64) -> None:
        setting = Setting(algebra, dtype)
        compared = False
        for left, right in self.sides(setting, *map(setting.element, values)):
            left, right = (side.x if isinstance(side, Element) else side for side in (left, right))
            left, right = torch.broadcast_tensors(left, right)
            named = algebra if left.dim() and left.shape[-1] == algebra.num_blades else None
            assert_identity(left, right, algebra=named, context=f"{self} in {algebra!r}")
            compared = True
        assert compared, f"{self} compares nothing in {algebra!r}"


class Catalogue(list[Identity]):
    """Identities, added by decorating their functions."""

    def __call__(
        self,
        sides: Callable[..., Sides] | None = None,
        *,
        where: Callable[[Algebra], bool] = lambda algebra: True,
        degree: int | None = None,
    ) -> Callable[..., Sides]:
        if sides is None:
            return lambda function: self(function, where=where, degree=degree)
        self.append(Identity(sides, where, len(inspect.signature(sides).parameters) - 1 if degree is None else degree))
        return sides


def regular(algebra: Algebra) -> bool:
    """Whether the metric has an inverse."""
    return algebra.r == 0


def _random_algebras(count: int, seed: int = 0) -> Iterator[Algebra]:
    """Algebras of 6 to 8 generators in shuffled order; every eighth has squares other than 1, -1 and 0.

    Powers of four: products by matrices multiply with square roots of the metric, polarity divides by it, and both
    are exact then.
    """
    draw = random.Random(seed)
    for index in range(count):
        values = (4, -4, 0.25, 0, 1) if index % 8 == 7 else (1, 1, -1, -1, 0)
        yield Algebra(metric=draw.choices(values, k=6 + index % 3))


SMALL = list_algebras(5)
LARGE = tuple(_random_algebras(30))
OTHERS = (
    Algebra(metric=(2, -4, 0)),
    Algebra(metric=(1, 0, -1, 1)),
    Algebra(metric=(-1, 1, 0, 0, 0.5)),
    *(Algebra.from_name(name) for name in ("2DPGA", "3DPGA", "STAP")),
)
EVERY = (*SMALL, *OTHERS, *LARGE)


@functools.cache
def _integers(algebra: Algebra, operand: str) -> Tensor:
    """A batch of one operand with integers from -4 to 4; the first element of each is sparse."""
    generator = torch.Generator().manual_seed(ord(operand))
    x = torch.randint(-4, 5, (4 if algebra.dim <= 5 else 2, algebra.num_blades), generator=generator).double()
    grades = torch.tensor(algebra.grades)
    if operand in "uvw":
        return torch.where(grades == 1, x, 0.0)
    return torch.where(grades == 2, x, 0.0) if operand in "BC" else x


def _check_everywhere(identity: Identity) -> None:
    """Check an identity on integers in every algebra, in double and where that is exact in single precision."""
    checked = 0
    for algebra in EVERY:
        if not identity.where(algebra):
            continue
        checked += 1
        values = [_integers(algebra, operand) for operand in identity.operands]
        identity.check(algebra, values)
        # integers from -4 to 4: partial sums stay below 2^24
        if algebra.dim <= 6 and identity.degree <= 3:
            identity.check(algebra, [x.float() for x in values], torch.float32)
    assert checked > 5, f"{identity} was checked in {checked} algebras only"


_STRATEGIES = {
    **dict.fromkeys("abcd", multivectors),
    **dict.fromkeys("uvw", functools.partial(vectors, nonnull=False)),
    **dict.fromkeys("BC", bivectors),
}


def _check_drawn(identity: Identity) -> None:
    """Check an identity on cases that hypothesis draws, and shrinks when they fail."""

    @given(st.data())
    def run(data: st.DataObject) -> None:
        algebra = data.draw(algebras().filter(identity.where), label="algebra")
        identity.check(
            algebra, [data.draw(_STRATEGIES[operand](algebra), label=operand) for operand in identity.operands]
        )

    run()


def _assert_fails(identity: Identity, chosen: tuple[Algebra, ...]) -> None:
    """Assert that a formula, which looks like an identity, is none in each of these algebras."""
    for algebra in chosen:
        try:
            identity.check(algebra, [_integers(algebra, operand) for operand in identity.operands])
        except AssertionError as failure:
            assert "the sides differ" in str(failure)  # noqa: PT017  # the absence of a failure is the failure
        else:
            raise AssertionError(f"{identity} holds in {algebra!r}, though it should not")


def _each(catalogue: Catalogue, check: Callable[[Identity], None]) -> Callable[..., None]:
    @pytest.mark.parametrize("identity", catalogue, ids=str)
    def test(identity):
        check(identity)

    return test


def everywhere(catalogue: Catalogue) -> Callable[..., None]:
    """Return the test of every identity on integers in every algebra."""
    return _each(catalogue, _check_everywhere)


def drawn(catalogue: Catalogue) -> Callable[..., None]:
    """Return the test of every identity on cases that hypothesis draws."""
    return _each(catalogue, _check_drawn)


def failing(catalogue: Catalogue, *chosen: Algebra) -> Callable[..., None]:
    """Return the test that none of the formulas holds in any of these algebras."""
    return _each(catalogue, functools.partial(_assert_fails, chosen=chosen))


def floats(algebra: Algebra, *leading: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Normal multivectors."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*leading, algebra.num_blades, generator=generator, dtype=torch.float64).to(dtype)


def check_cases(
    *strategies: Callable[[Algebra], SearchStrategy[Tensor]], where: Callable[[Algebra], bool] = lambda algebra: True
) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Run ``test(algebra, *values)`` on drawn algebras and values."""

    def decorate(test: Callable[..., None]) -> Callable[[], None]:
        @given(st.data())
        def run(data: st.DataObject) -> None:
            algebra = data.draw(algebras().filter(where), label="algebra")
            names = list(inspect.signature(test).parameters)[1:]
            test(
                algebra,
                *(data.draw(draw(algebra), label=name) for name, draw in zip(names, strategies, strict=True)),
            )

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return decorate


def pairs(count: int) -> Iterator[tuple[int, int]]:
    """Every ordered pair of indices."""
    return itertools.product(range(count), repeat=2)
