"""Squares of generators: from a signature or given one by one, checked."""

import math
from collections.abc import Iterable
from numbers import Integral

from cliffnet.errors import SignatureError

MAX_DIM = 62


def check_squares(p: int, q: int, r: int, metric: Iterable[float] | None) -> tuple[float, ...]:
    """Return the squares of the generators: ``r`` null ones, ``p`` positive, ``q`` negative, or those given.

    Raises
    ------
    SignatureError
        If a count is no natural number, a square not finite, both forms are given or there are over 62 generators.
    """
    if metric is None:
        for name, count in (("p", p), ("q", q), ("r", r)):
            if isinstance(count, bool) or not isinstance(count, Integral):
                raise SignatureError(
                    f"{name} is {count!r}, expected an integer; use Algebra(metric=...) for a list of squares"
                )
            if count < 0:
                raise SignatureError(f"{name} is {count}, expected a number of generators of at least 0")
        _check_count(p + q + r)
        return (0.0,) * int(r) + (1.0,) * int(p) + (-1.0,) * int(q)
    if (p, q, r) != (0, 0, 0):
        raise SignatureError("both a signature and a metric were given; give one of them")
    try:
        squares = tuple(float(square) + 0.0 for square in metric)
    except (TypeError, ValueError) as error:
        raise SignatureError(f"the metric is {metric!r}, expected a sequence of numbers") from error
    if not all(map(math.isfinite, squares)):
        raise SignatureError(f"the metric is {squares}, expected finite squares")
    _check_count(len(squares))
    return squares


def _check_count(dim: int) -> None:
    if dim > MAX_DIM:
        raise SignatureError(f"{dim} generators were asked for, expected at most {MAX_DIM}")
