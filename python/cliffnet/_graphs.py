"""Look-ups whose result is a constant of a compiled graph."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

_Function = TypeVar("_Function", bound=Callable[..., Any])


def constant_in_graphs(function: _Function) -> _Function:
    """Make ``torch.compile`` call the function while tracing and keep its result.

    What ``torch.compiler.assume_constant_result`` does, without importing the compiler (about a second) to do it.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


def kept_constant(function: _Function) -> _Function:
    """Keep the results of a function of hashable arguments, and take them as constants in graphs."""
    keep = functools.cache(function)

    # the compiler cannot look into functools.cache, so the mark goes on a plain function around it
    @constant_in_graphs
    @functools.wraps(function)
    def look_up(*arguments: Any) -> Any:
        return keep(*arguments)

    return cast("_Function", look_up)
