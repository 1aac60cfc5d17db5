"""Marking functions whose result is a constant of a compiled graph."""

from collections.abc import Callable
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])


def constant_in_graphs(function: _Function) -> _Function:
    """Tell ``torch.compile`` to call the function while tracing and to keep its result.

    What ``torch.compiler.assume_constant_result`` does, without importing the compiler (about a second) to do it.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function
