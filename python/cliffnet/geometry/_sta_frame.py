"""Which blades hold time, space, relative vectors and their duals in the two metrics of spacetime."""

from typing import NamedTuple

from torch import Tensor

from cliffnet.algebra import Algebra
from cliffnet.errors import AlgebraMismatchError
from cliffnet.geometry._coefficients import pick, place

ALGEBRA = Algebra.sta()
_OPPOSITE = Algebra.sta("-+++")
_TIME_LAST = Algebra(3, 1)


class Frame(NamedTuple):
    """Signed blade names: vectors (t, x, y, z), relative vectors ``s_i``, their duals ``I s_i``, and I."""

    time_square: float
    event: tuple[str, str, str, str]
    relative: tuple[str, str, str]
    dual: tuple[str, str, str]
    pseudoscalar: str


# In Cl(1,3) s_1 = g1 g0 = e21 and I s_1 = s_2 s_3 = g2 g0 g3 g0 = -g2 g3 = e43; with the
# opposite metric s_1 = g0 g1 and I s_1 = s_2 s_3 = +g2 g3.
_FRAMES = {
    ALGEBRA: Frame(1.0, ("e1", "e2", "e3", "e4"), ("e21", "e31", "e41"), ("e43", "e24", "e32"), "e1234"),
    _OPPOSITE: Frame(-1.0, ("e1", "e2", "e3", "e4"), ("e12", "e13", "e14"), ("e34", "e42", "e23"), "e1234"),
    _TIME_LAST: Frame(-1.0, ("e4", "e1", "e2", "e3"), ("e41", "e42", "e43"), ("e23", "e31", "e12"), "e4123"),
}


def frame(algebra: Algebra) -> Frame:
    """Return the blades of a spacetime algebra.

    Raises
    ------
    AlgebraMismatchError
        If it is not one of them.
    """
    known = _FRAMES.get(algebra)
    if known is None:
        raise AlgebraMismatchError(
            f"the algebra is {algebra!r}, expected Algebra.sta(), Algebra.sta('-+++') or Algebra(3, 1)"
        )
    return known


def _place(x: Tensor, names: tuple[str, ...], algebra: Algebra) -> Tensor:
    return place(dict(zip(names, x.unbind(-1), strict=True)), x[..., 0], algebra)


def place_event(event: Tensor, algebra: Algebra) -> Tensor:
    """Return ``t g0 + x g1 + y g2 + z g3``."""
    return _place(event, frame(algebra).event, algebra)


def take_event(x: Tensor, algebra: Algebra) -> Tensor:
    """Return the components (t, x, y, z)."""
    return pick(x, algebra, frame(algebra).event)


def place_relative_vector(vector: Tensor, algebra: Algebra) -> Tensor:
    """Return ``v_i s_i``."""
    return _place(vector, frame(algebra).relative, algebra)


def take_relative_vector(x: Tensor, algebra: Algebra) -> Tensor:
    """Return the components on ``s_i``."""
    return pick(x, algebra, frame(algebra).relative)


def place_pseudovector(vector: Tensor, algebra: Algebra) -> Tensor:
    """Return ``v_i I s_i``."""
    return _place(vector, frame(algebra).dual, algebra)


def take_pseudovector(x: Tensor, algebra: Algebra) -> Tensor:
    """Return the components on ``I s_i``."""
    return pick(x, algebra, frame(algebra).dual)
