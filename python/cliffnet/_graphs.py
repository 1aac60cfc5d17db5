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


class _Objects:
    """Kept objects as attributes, which graphs see also when they are added while tracing, unlike those of a dict."""


_OBJECTS = _Objects()


def kept_object(function: _Function) -> _Function:
    """Keep the objects that a function of strings returns, and look them up in graphs.

    A graph takes the name as a constant and finds the object as it would any global one; an object that were itself
    the constant would clash with the same object known to the graph by another way.
    """

    @kept_constant
    def name_of(*arguments: Any) -> str:
        found = function(*arguments)
        # an object never goes away again, so its identity is a name
        name = f"object_{id(found)}"
        setattr(_OBJECTS, name, found)
        return name

    @functools.wraps(function)
    def look_up(*arguments: Any) -> Any:
        return getattr(_OBJECTS, name_of(*arguments))

    return cast("_Function", look_up)
