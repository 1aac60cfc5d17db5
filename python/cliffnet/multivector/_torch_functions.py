"""The functions of torch that accept multivectors: those of the batch axes."""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from cliffnet.errors import ShapeError
from cliffnet.multivector._base import check_broadcast
from cliffnet.multivector._functions import Functions

_Handler = Callable[..., Any]
_M = TypeVar("_M", bound=Functions)


def on_common_layout(multivectors: Sequence[Any], name: str) -> tuple[list[Tensor], Functions]:
    """Return the coefficients on one layout, and a multivector of that layout."""
    for entry in multivectors:
        if not isinstance(entry, Functions):
            raise TypeError(
                f"torch.{name} of multivectors got a {type(entry).__name__} among them; expected multivectors"
            )
        multivectors[0]._check_same_algebra(entry)
    layout = functools.reduce(operator.or_, (entry.layout for entry in multivectors))
    moved = [entry.change_layout(layout) for entry in multivectors]
    return [entry.tensor for entry in moved], moved[0]


def stack(tensors: Sequence[Any], dim: int = 0) -> Functions:
    """Stack along a new batch axis."""
    values, like = on_common_layout(tensors, "stack")
    for entry in values:
        if entry.shape != values[0].shape:
            raise ShapeError(
                f"torch.stack got multivectors of batch shapes {tuple(values[0].shape[:-1])} and "
                f"{tuple(entry.shape[:-1])}; expected one shape"
            )
    return like._make(torch.stack(values, like._axis(dim, like.ndim + 1)), like.layout)


def cat(tensors: Sequence[Any], dim: int = 0) -> Functions:
    """Join along a batch axis."""
    values, like = on_common_layout(tensors, "cat")
    return like._make(torch.cat(values, like._axis(dim)), like.layout)


def where(condition: Tensor, input: Any, other: Any) -> Functions:
    """Choose whole multivectors by a condition of the batch shape."""
    like = input if isinstance(input, Functions) else other
    if isinstance(condition, Functions) or not isinstance(like, Functions):
        raise TypeError("torch.where chooses between multivectors by a tensor of booleans of the batch shape")
    choices = [like._operand(input), like._operand(other)]
    check_broadcast(choices[0].shape, choices[1].shape)
    check_broadcast(condition.shape, torch.broadcast_shapes(choices[0].shape, choices[1].shape))
    (first, second), common = on_common_layout(choices, "where")
    return common._make(torch.where(condition.unsqueeze(-1), first, second), common.layout)


def reduce(
    function: Callable[..., Tensor],
    input: _M,
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: torch.dtype | None = None,
) -> _M:
    """Reduce over batch axes, all of them if none is named."""
    dims = range(input.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    axes = [input._axis(axis) for axis in dims]
    values: Tensor = input.tensor if dtype is None else input.to(dtype).tensor
    # without axes torch would reduce over all of them
    return input._make(function(values, axes, keepdim) if axes else values.clone(), input.layout)


def _operator(method: str) -> _Handler:
    """Return the handler of a tensor's operator with a multivector on its right, as a method of the multivector."""

    def apply(tensor: Any, multivector: Any) -> Any:
        return getattr(multivector, method)(tensor)

    return apply


_OPERATORS = {
    "add": Tensor.add,
    "sub": Tensor.sub,
    "mul": Tensor.mul,
    "truediv": Tensor.div,
    "xor": Tensor.__xor__,
    "or": Tensor.__or__,
    "and": Tensor.__and__,
    "lshift": Tensor.__lshift__,
    "rshift": Tensor.__rshift__,
}

_HANDLERS: dict[Any, _Handler] = {
    torch.stack: stack,
    torch.cat: cat,
    torch.concat: cat,
    torch.concatenate: cat,
    torch.where: where,
    torch.sum: functools.partial(reduce, torch.sum),
    torch.mean: functools.partial(reduce, torch.mean),
    **{function: _operator(f"__r{name}__") for name, function in _OPERATORS.items()},
    Tensor.eq: _operator("__eq__"),
    Tensor.__eq__: _operator("__eq__"),
    Tensor.ne: _operator("__ne__"),
}

# For a multivector on the left the interpreter asks the multivector, but the compiler asks the tensor's reflected
# operator first. These are compared one by one: it does not find Python functions among the keys of a dictionary.
_REFLECTED: tuple[tuple[Any, _Handler], ...] = (
    (Tensor.__rsub__, _operator("__sub__")),
    (Tensor.__rdiv__, _operator("__truediv__")),
    (Tensor.bitwise_xor, _operator("__xor__")),
    (Tensor.bitwise_or, _operator("__or__")),
    (Tensor.bitwise_and, _operator("__and__")),
    (Tensor.__rlshift__, _operator("__lshift__")),
    (Tensor.__rrshift__, _operator("__rshift__")),
)


def _handler(function: Any) -> _Handler | None:
    if torch.compiler.is_compiling():
        for reflected, handler in _REFLECTED:
            if function is reflected:
                return handler
    return _HANDLERS.get(function)


def torch_function(function: Any, arguments: Sequence[Any], keywords: dict[str, Any]) -> Any:
    """Run a function of torch on multivectors, or say what to do instead.

    Raises
    ------
    TypeError
        For every function that is not one of the batch axes.
    """
    handler = _handler(function)
    if "axis" in keywords:
        # torch takes NumPy's name as well
        keywords["dim"] = keywords.pop("axis")
    result = NotImplemented if handler is None else handler(*arguments, **keywords)
    if result is NotImplemented:
        name = getattr(function, "__name__", str(function))
        raise TypeError(
            f"{name} does not act on multivectors: it would treat their coefficients as separate numbers; "
            f"take mv.tensor for that, mv.map(function) to keep the layout, or a method of the multivector. "
            "torch.stack, cat, where, sum and mean act on batch axes"
        )
    return result
