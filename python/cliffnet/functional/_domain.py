"""Refusing arguments by their values, where values can be looked at."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor


def refuse(flag: Tensor, make_error: Callable[[], Exception]) -> None:
    """Raise an error if any entry of a flag is set, in plain eager code.

    Compiled graphs, transforms and fake tensors cannot look at values; there the caller's result has to say by itself,
    by NaN or infinity, that it is none.

    Parameters
    ----------
    flag : Tensor
        Boolean, any shape.
    make_error : callable
        Called only when the error is needed.
    """
    if are_known(flag) and flag.any():
        raise make_error()


def are_known(values: Tensor) -> bool:
    """Tell whether plain eager code may look at the values of a tensor."""
    return not (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or isinstance(values, FakeTensor)
        or values.is_meta
    )
