"""Look-ups whose result is a constant of a compiled graph."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def constant_in_graphs(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Make ``torch.compile`` call the function while tracing and keep its result.

    What ``torch.compiler.assume_constant_result`` does, without importing the compiler (about a second) to do it.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


def kept_constant(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Keep the results of a function of hashable positional arguments, and take them as constants in graphs."""
    keep = functools.cache(function)

    # the compiler cannot look into functools.cache, so the mark goes on a plain function around it
    @constant_in_graphs
    @functools.wraps(function)
    def look_up(*arguments: _Arguments.args, **keywords: _Arguments.kwargs) -> _Result:
        return keep(*arguments, **keywords)

    return look_up
