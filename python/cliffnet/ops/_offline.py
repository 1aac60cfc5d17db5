"""CUDA kernels of operators that are called with CPU tensors: compiled for an architecture, or run in a stand-in."""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cliffnet import _rust
from cliffnet.errors import BackendUnavailableError
from cliffnet.ops._backend import active_backend
from cliffnet.ops._cuda import cache_folder, compiler_places
from cliffnet.ops._operator import OPERATORS, Operator, _translated

_ONE_AT_A_TIME = threading.Lock()


class MadeKernel(NamedTuple):
    """A CUDA kernel that was new to this process.

    Attributes
    ----------
    operator : str
        Whose kernel it is, or the part of an operator.
    dtype : str
        Element type, such as ``"float32"``.
    threads : int
        Threads of a block.
    architecture : int
        Ten times the major plus the minor compute capability that it was compiled for.
    is_compiled : bool
        Whether it had to be compiled; otherwise it was on disk.
    seconds : float
        How long that took.
    """

    operator: str
    dtype: str
    threads: int
    architecture: int
    is_compiled: bool
    seconds: float


def kernels_made(place: str = "cuda") -> list[MadeKernel]:
    """Return the kernels that this process has made so far.

    Parameters
    ----------
    place : {"cuda", "host", "offline"}
        For CUDA devices, for their stand-in on the processor, or for an architecture.
    """
    return [MadeKernel(*facts) for facts in _rust.kernels_made(place)]


class HostOperators(TorchDispatchMode):
    """Runs our operators on CPU tensors as on CUDA devices: kernels of ``cliffnet_host``, or compositions."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation of torch as it is, and one of ours there."""
        namespace, _, name = func._schema.name.partition("::")
        if namespace != "cliffnet":
            return func(*args, **(kwargs or {}))
        name = name.removesuffix("_kernel")
        kernel, operator = getattr(torch.ops.cliffnet_host, name, None), OPERATORS.get(name)
        if kernel is not None:
            try:
                return kernel.default(*args)
            except RuntimeError as error:
                raise _translated(error) from None
        if operator is not None and type(operator).composed is not Operator.composed:
            with self:
                return operator.declared_composition(*args)
        return func(*args, **(kwargs or {}))


@contextmanager
def compiling_for(architecture: int) -> Iterator[Callable[[], HostOperators]]:
    """Have kernels compiled for an architecture into the cache, on any machine with NVRTC, and nothing run.

    Parameters
    ----------
    architecture : int
        Ten times the major plus the minor compute capability, such as 90.

    Yields
    ------
    callable
        Returns a mode, one for each thread, in which calls with CPU tensors compile. Their results have no values.

    Raises
    ------
    BackendUnavailableError
        If this torch has no CUDA, NVRTC is missing or does not know the architecture, or the cache cannot be written.
    """
    if active_backend() != "rust" or torch.version.cuda is None:
        raise BackendUnavailableError("this torch has no CUDA, or the native kernels are not in use")
    folder = _writable_folder()
    with _ONE_AT_A_TIME:
        _rust.register_offline(compiler_places(torch.version.cuda, sys.path), folder, architecture)
        try:
            yield HostOperators
        finally:
            _rust.end_offline()


def _writable_folder() -> str:
    """Return the folder of compiled kernels, made where it is not there."""
    folder = cache_folder()
    if folder is None:
        raise BackendUnavailableError("there is no folder for compiled kernels: set CLIFFNET_CACHE_DIR")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        is_writable = os.access(folder, os.W_OK)
    except OSError:
        is_writable = False
    if not is_writable:
        raise BackendUnavailableError(
            f"compiled kernels cannot be kept in {folder}: set CLIFFNET_CACHE_DIR to a folder that can be written"
        )
    return folder
