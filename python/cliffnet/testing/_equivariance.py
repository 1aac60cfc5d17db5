"""The assertion that a function commutes with a group."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import ConfigError, ShapeError
from cliffnet.functional._checks import check_algebra
from cliffnet.multivector import Multivector
from cliffnet.testing._arguments import Argument, Input, dtype_and_device, make_arguments, on, other_value
from cliffnet.testing._groups import Group, GroupElement, group_elements, simple_elements
from cliffnet.testing._tolerance import equivariance_tolerance

OutputKind = Literal["multivector", "invariant"] | Layout

_MOVED = 1e-3


@dataclass(frozen=True)
class _Case:
    """A function with all that its calls share."""

    function: Callable[..., Any]
    algebra: Algebra
    arguments: Sequence[Argument]
    kinds: Sequence[OutputKind] | None
    seed: int

    def call(self, inputs: Sequence[Tensor], invariants: Sequence[Any]) -> list[tuple[str, OutputKind, Tensor]]:
        """Return name, kind and value of every output; the same random numbers are drawn in every call."""
        given = [argument.wrap(x) for argument, x in zip(self.arguments, inputs, strict=True)]
        devices = [x.device for x in inputs if x.device.type == "cuda"]
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            torch.manual_seed(self.seed)
            returned = self.function(*given, *invariants)
        return _named_outputs(returned, self.kinds, self.algebra)

    def move(self, element: GroupElement) -> list[Tensor]:
        return [element.apply(argument.value, argument.layout) for argument in self.arguments]


def assert_equivariant(
    function: Callable[..., Any],
    algebra: Algebra,
    group: Group | Tensor = "pin",
    *,
    inputs: Sequence[Input] = ((16,),),
    layouts: Sequence[Layout | None] | None = None,
    invariants: Sequence[Any] = (),
    outputs: Sequence[OutputKind] | None = None,
    tolerance: float | None = None,
    seed: int = 0,
) -> None:
    """Assert that a function commutes with a group, ``f(g.x, ...) = g.f(x, ...)``.

    Parameters
    ----------
    function : callable
        A module or function of multivector tensors ``(..., num_blades)``. It returns a tensor, or a tuple, list or
        mapping of tensors; entries that are None are left out.
    algebra : Algebra
        The algebra.
    group : {"pin", "spin", "isometries", "generalized_lipschitz"} or Tensor
        The group, see :func:`group_elements`, or invertible elements of your own.
    inputs : sequence
        One entry per multivector argument: the leading shape of normal numbers to draw (``(4, 3)`` for a batch of
        four with three channels), a function of a ``torch.Generator`` that draws them, for functions that accept
        only some multivectors, a tensor, or a :class:`Multivector`, which the function is called with then.
    layouts : sequence of Layout or None, optional
        Layouts of the arguments.
    invariants : sequence, optional
        Arguments that follow the multivectors and that the group leaves alone, such as scalar channels.
    outputs : sequence, optional
        Kind of each output: ``"multivector"``, a :class:`Layout` of multivectors, or ``"invariant"``. By default the
        first is multivectors and the others are invariants, as layers of ``cliffnet.nn`` return them; objects of
        :class:`Multivector` say by themselves what they are.
    tolerance : float, optional
        Error allowed relative to the largest value of the output; by default ``eps^(2/3)`` of the dtype, see
        :func:`equivariance_tolerance`.
    seed : int
        Seed of inputs and group elements, and of the random numbers drawn inside of each call, so that dropout draws
        the same mask twice.

    Raises
    ------
    AssertionError
        If the function does not commute with an element, which the message names, a simple one if any fails; if an
        output is not finite; or if an output does not vary with the inputs, or no element moves the inputs, in which
        case the check would prove nothing.
    ConfigError
        If the group is unknown or acts trivially on the algebra, or ``outputs`` does not fit what is returned.

    Notes
    -----
    Modules are called with inputs of the dtype and device of their parameters, functions with float64: there the
    rounding error is nine digits below any defect. Modules keep their mode; call ``.eval()`` before if the statistics
    of batches should not count.

    Examples
    --------
    >>> from cliffnet import Algebra, functional as F
    >>> algebra = Algebra(3, 0, 1)
    >>> assert_equivariant(lambda x, y: F.geometric_product(x, y, algebra), algebra, inputs=[(8,), (8,)])
    >>> assert_equivariant(lambda x: F.hodge_dual(x, algebra), algebra)
    Traceback (most recent call last):
    ...
    AssertionError: f(g.x) differs from g.f(x) in the output: relative error 2.0e+00 exceeds 3.7e-11 ...
      g is a reflection
      versor V = e1
      ...
    """
    __tracebackhide__ = True
    check_algebra(algebra)
    if not isinstance(inputs, Sequence):
        raise ConfigError(f"the inputs are {inputs!r}, expected one entry per argument, such as [(16,)]")
    generator = torch.Generator().manual_seed(seed)
    like = dtype_and_device(function, inputs)
    arguments = make_arguments(inputs, layouts, algebra, like, generator)
    case = _Case(function, algebra, arguments, outputs, seed)
    fixed = [on(value, like) for value in invariants]
    plain = case.call([argument.value for argument in arguments], fixed)
    for name, _, value in plain:
        if not value.isfinite().all():
            raise AssertionError(f"f(x) holds NaN or infinity in {name}, so nothing can be compared")
    others = case.call([argument.other for argument in arguments], [other_value(value, generator) for value in fixed])
    _refuse_constants(plain, others, tolerance)
    moves = False
    for element in group_elements(algebra, group, seed=seed):
        failure, moved = _check(case, element, fixed, plain, tolerance)
        moves = moves or moved
        if failure is not None:
            simple = (_check(case, one, fixed, plain, tolerance)[0] for one in simple_elements(algebra, group))
            raise AssertionError(next((message for message in simple if message is not None), failure))
    if not moves:
        raise AssertionError(
            "no element of the group moves the inputs, so every function passes; give inputs of grades it acts on"
        )


def _check(
    case: _Case,
    element: GroupElement,
    invariants: Sequence[Any],
    plain: Sequence[tuple[str, OutputKind, Tensor]],
    tolerance: float | None,
) -> tuple[str | None, bool]:
    """Return what is wrong for one element, if anything, and whether the element moves the inputs."""
    moved_inputs = case.move(element)
    moves = any(
        bool((moved - argument.value).abs().max() > _MOVED * argument.value.abs().max())
        for moved, argument in zip(moved_inputs, case.arguments, strict=True)
    )
    moved = case.call(moved_inputs, invariants)
    for (name, kind, before), (_, _, after) in zip(plain, moved, strict=True):
        layout = kind if isinstance(kind, Layout) else None
        expected = before if kind == "invariant" else element.apply(before, layout)
        if after.shape != expected.shape:
            return f"{name} has shape {tuple(before.shape)}, but for moved inputs {tuple(after.shape)}", moves
        difference = (after - expected).abs()
        scale = max(expected.abs().max().item(), before.abs().max().item())
        error = difference.max().item() / scale
        allowed = equivariance_tolerance(after.dtype) if tolerance is None else tolerance
        # written so that NaN fails
        if not error <= allowed:
            place = difference.nan_to_num(nan=torch.inf).argmax()
            return _message(element, name, kind, after, expected, place, error, allowed), moves
    return None, moves


def _message(
    element: GroupElement,
    name: str,
    kind: OutputKind,
    after: Tensor,
    expected: Tensor,
    place: Tensor,
    error: float,
    allowed: float,
) -> str:
    index = tuple(int(i) for i in torch.unravel_index(place, expected.shape))
    values = f"{after[index].item():.10g} and {expected[index].item():.10g}"
    head = f"f(g.x) differs from g.f(x) in {name}: relative error {error:.1e} exceeds {allowed:.1e}"
    if kind == "invariant":
        return f"{head} at {index}: {values}\n  g is a {element}"
    layout = kind if isinstance(kind, Layout) else element.algebra.full
    sides = [Multivector(side[index[:-1]], layout) for side in (after, expected)]
    return (
        f"{head} in component {layout.blade_names[index[-1]]} at {index[:-1]}: {values}\n  g is a {element}"
        f"\n  f(g.x) = {sides[0]}\n  g.f(x) = {sides[1]}"
    )


def _refuse_constants(
    plain: Sequence[tuple[str, OutputKind, Tensor]],
    other: Sequence[tuple[str, OutputKind, Tensor]],
    tolerance: float | None,
) -> None:
    for (name, _, first), (_, _, second) in zip(plain, other, strict=True):
        allowed = equivariance_tolerance(first.dtype) if tolerance is None else tolerance
        if first.numel() == 0:
            raise AssertionError(f"{name} is empty, shape {tuple(first.shape)}; nothing would be compared")
        if first.shape == second.shape and (first - second).abs().max() <= allowed * first.abs().max():
            raise AssertionError(
                f"{name} does not vary with the inputs, so the check would prove nothing; "
                "pass what it does depend on as inputs or invariants, or return the other outputs only"
            )


def _named_outputs(
    returned: Any, kinds: Sequence[OutputKind] | None, algebra: Algebra
) -> list[tuple[str, OutputKind, Tensor]]:
    if isinstance(returned, Tensor | Multivector):
        entries: list[tuple[str, Any]] = [("the output", returned)]
    elif isinstance(returned, Mapping):
        entries = [(f"output {key!r}", value) for key, value in returned.items()]
    elif isinstance(returned, Sequence):
        entries = [(f"output {index}", value) for index, value in enumerate(returned)]
    else:
        raise ConfigError(f"the function returned a {type(returned).__name__}, expected a tensor or several of them")
    if kinds is None:
        invariant: list[OutputKind] = ["invariant"]
        kinds = ["multivector", *invariant * (len(entries) - 1)]
    if len(kinds) != len(entries):
        raise ConfigError(f"the function returned {len(entries)} outputs, but {len(kinds)} kinds were given")
    found: list[tuple[str, OutputKind, Tensor]] = []
    for (name, entry), given in zip(entries, kinds, strict=True):
        if entry is None:
            continue
        is_wrapped = isinstance(entry, Multivector)
        value, kind = (entry.tensor, entry.layout) if is_wrapped else (entry, given)
        if not isinstance(value, Tensor):
            raise ConfigError(f"{name} is a {type(value).__name__}, expected a tensor or None")
        if not value.is_floating_point():
            raise ConfigError(f"{name} has dtype {value.dtype}, expected floating ones; compare what it is made from")
        if kind not in ("multivector", "invariant") and not isinstance(kind, Layout):
            raise ConfigError(f"the kind of {name} is {kind!r}, expected 'multivector', 'invariant' or a Layout")
        size = kind.size if isinstance(kind, Layout) else algebra.num_blades
        if kind != "invariant" and (value.dim() == 0 or value.shape[-1] != size):
            raise ShapeError(
                f"{name} has shape {tuple(value.shape)}, expected (..., {size}) as multivectors; "
                "say outputs=['invariant', ...] if the group leaves it alone"
            )
        found.append((name, kind, value))
    if not found:
        raise ConfigError("the function returned no tensor; return what should be compared")
    return found
