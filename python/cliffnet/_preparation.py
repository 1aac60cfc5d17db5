"""Making the CUDA kernels of an algebra or a partition ahead of their first use.

A kernel is compiled when an operator first needs it, which CUDA forbids while a graph is captured. What is needed
depends on the operator, its plan, the dtype and how operands lie, not on sizes: so functions are called on a few
multivectors in both memory formats, forward and backward, and what they need is there afterwards.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cliffnet import functional as F
from cliffnet import ops
from cliffnet.algebra import Algebra, Partition
from cliffnet.errors import BackendUnavailableError, ConfigError
from cliffnet.models import GATr
from cliffnet.ops import MadeKernel

_BATCH, _CHANNELS, _OUT_CHANNELS = 2, 4, 2
_MAX_JOBS = 4
_FORMATS: tuple[Callable[[Tensor], Tensor], ...] = (torch.clone, F.to_blade_major)

_PRODUCTS = (
    "geometric_product",
    "outer_product",
    "left_contraction",
    "right_contraction",
    "scalar_product",
    "fat_inner_product",
    "hestenes_inner_product",
    "commutator",
    "anticommutator",
    "regressive_product",
)

Mode = Callable[[], AbstractContextManager[object]]


class _Workload(NamedTuple):
    """A function with the shapes of what it takes."""

    function: Callable[..., Any]
    multivectors: int
    """How many of the tensors are multivectors, which come first and in either memory format."""
    shapes: tuple[tuple[int, ...], ...]


def _of_algebra(name: str, algebra: Algebra) -> _Workload:
    rows = (_BATCH, _CHANNELS, algebra.num_blades)
    if name in _PRODUCTS:
        product = getattr(F, name)
        return _Workload(lambda a, b: product(a, b, algebra), 2, (rows, rows))
    if name == "equivariant_linear":
        maps = algebra.equivariant_maps()
        weight = (_OUT_CHANNELS, _CHANNELS, len(maps))
        return _Workload(lambda x, w, b: F.equivariant_linear(x, w, maps, b), 1, (rows, weight, (_OUT_CHANNELS,)))
    if name == "layer_norm":
        return _Workload(lambda x: F.layer_norm(x, algebra), 1, (rows,))
    if name == "scalar_gate":
        return _Workload(lambda x: F.scalar_gate(x, algebra=algebra), 1, (rows,))
    return _gatr(algebra)


def _gatr(algebra: Algebra) -> _Workload:
    """Return a transformer of one block, which has every kind of layer."""
    # the weights that it draws and does not use are not to change what the caller draws next
    with torch.random.fork_rng(devices=[]):
        net = GATr(1, 1, 8, 1, 1, 8, num_blocks=1, algebra=algebra)
    names = [name for name, _ in net.named_parameters()]
    shapes = [tuple(value.shape) for value in net.parameters()]

    def run(multivectors: Tensor, scalars: Tensor, *weights: Tensor) -> Any:
        parameters = dict(zip(names, weights, strict=True))
        buffers = {name: value.to(multivectors) for name, value in net.named_buffers() if value.is_floating_point()}
        return torch.func.functional_call(net, parameters | buffers, (multivectors, scalars))

    return _Workload(run, 1, ((_BATCH, _CHANNELS, 1, algebra.num_blades), (_BATCH, _CHANNELS, 1), *shapes))


_OF_ALGEBRA = ("geometric_product", "equivariant_linear", "layer_norm", "scalar_gate")


def _of_partition(name: str, partition: Partition) -> _Workload:
    rows = (_BATCH, _CHANNELS, partition.algebra.num_blades)
    classes, paths = (_CHANNELS, len(partition)), (_CHANNELS, len(partition.paths()))
    if name == "equivariant_linear":
        maps = partition.projections()
        weight = (_OUT_CHANNELS, _CHANNELS, len(maps))
        return _Workload(lambda x, w, b: F.equivariant_linear(x, w, maps, b), 1, (rows, weight, (_OUT_CHANNELS,)))
    if name == "fully_connected_product":
        return _Workload(partial(_call, F.fully_connected_product, partition), 2, (rows, rows, (_OUT_CHANNELS, *paths)))
    if name in ("steerable_product", "gated_steerable_product"):
        return _Workload(partial(_call, getattr(F, name), partition), 2, (rows, rows, paths))
    if name == "class_gate":
        return _Workload(partial(_call, F.class_gate, partition), 1, (rows, classes, classes))
    if name == "class_normalization":
        return _Workload(partial(_call, F.class_normalization, partition), 1, (rows, classes))
    return _Workload(partial(_call, F.class_norms, partition), 1, (rows,))


def _call(function: Callable[..., Any], partition: Partition, *tensors: Tensor) -> Any:
    return function(*tensors, partition)


_OF_PARTITION = (
    "steerable_product",
    "gated_steerable_product",
    "fully_connected_product",
    "equivariant_linear",
    "class_gate",
    "class_normalization",
    "class_norms",
)


def preparable(subject: Algebra | Partition) -> tuple[str, ...]:
    """Return the names that :func:`prepare` takes for an algebra or a partition."""
    if isinstance(subject, Partition):
        return _OF_PARTITION
    return (*_PRODUCTS, *_OF_ALGEBRA[1:], "gatr")


def prepare(
    subject: Algebra | Partition,
    *,
    device: torch.device | str | int = "cuda",
    dtype: torch.dtype | Sequence[torch.dtype] = torch.float32,
    functions: Sequence[str] | None = None,
    derivatives: int = 1,
    architecture: int | None = None,
    jobs: int | None = None,
    advance: Callable[[int, int], object] = lambda done, total: None,
) -> list[MadeKernel]:
    """Compile and load the CUDA kernels that an algebra or a partition needs, ahead of their first use.

    While a CUDA graph is captured, a kernel that was not there before is refused
    (:class:`~cliffnet.errors.KernelCompileError`). Sizes do not matter, for no kernel depends on them; operands that
    are broadcast or sliced in unusual ways may need others, which a run of the same code before the capture makes.

    Parameters
    ----------
    subject : Algebra or Partition
        Whose functions: products, linear maps and norms of an algebra, or weighted products and gates of a partition.
    device : torch.device, str or int
        A CUDA device.
    dtype : torch.dtype or sequence of torch.dtype
        Of the tensors to come.
    functions : sequence of str, optional
        Names of functions of :mod:`cliffnet.functional`, or ``"gatr"`` for all of the transformer in this algebra. The
        geometric product, linear maps, layer norm and gates of an algebra, or all functions of a partition, if omitted.
    derivatives : int
        0 for the functions alone, 1 for their gradients too, 2 for the gradients of those.
    architecture : int, optional
        Compile for this compute capability, such as 90 for 9.0, into the folder of compiled kernels, without a device.
    jobs : int, optional
        Kernels made at a time.
    advance : callable
        Called after each step with the number of steps done and of all.

    Returns
    -------
    list of MadeKernel
        The kernels that were new to this process.

    Raises
    ------
    BackendUnavailableError
        If there is no CUDA device, or a library is missing.
    ConfigError
        If there is no such function.
    KernelCompileError
        If the compiler refuses a kernel.
    """
    names = _chosen(subject, functions)
    if derivatives not in (0, 1, 2):
        raise ConfigError(f"derivatives is {derivatives!r}, expected 0, 1 or 2")
    dtypes = [dtype] if isinstance(dtype, torch.dtype) else list(dtype)
    build = (
        partial(_of_partition, partition=subject)
        if isinstance(subject, Partition)
        else partial(_of_algebra, algebra=subject)
    )
    with _place(device, architecture) as (target, mode, place):
        before = len(ops.kernels_made(place))
        steps = [
            partial(_run, mode, build(name), form, target, one, derivatives)
            for name in names
            for one in dtypes
            for form in (_FORMATS if name != "gatr" else _FORMATS[:1])
        ]
        with ThreadPoolExecutor(jobs or min(_MAX_JOBS, os.cpu_count() or 1)) as pool:
            futures = [pool.submit(step) for step in steps]
            try:
                for done, future in enumerate(futures, start=1):
                    future.result()
                    advance(done, len(steps))
            finally:
                pool.shutdown(cancel_futures=True)
        return ops.kernels_made(place)[before:]


def _chosen(subject: Algebra | Partition, functions: Sequence[str] | None) -> Sequence[str]:
    known = preparable(subject)
    if functions is None:
        return _OF_PARTITION if isinstance(subject, Partition) else _OF_ALGEBRA
    unknown = [name for name in functions if name not in known]
    if unknown:
        kind = "a partition" if isinstance(subject, Partition) else "an algebra"
        raise ConfigError(f"there is no {', '.join(unknown)} to prepare for {kind}; choose from {', '.join(known)}")
    return functions


@contextmanager
def _place(device: torch.device | str | int, architecture: int | None) -> Iterator[tuple[torch.device, Mode, str]]:
    """Yield where tensors are to be, a mode to call functions in, and the name of the place."""
    if architecture is not None:
        with ops.compiling_for(architecture) as mode:
            yield torch.device("cpu"), mode, "offline"
        return
    target = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
    if target.type != "cuda":
        raise BackendUnavailableError(f"kernels are made for CUDA devices, not for {target}")
    if not torch.cuda.is_available():
        raise BackendUnavailableError(
            "no CUDA device was found; to compile without one, name its architecture, such as 90"
        )
    ops.cuda_info()
    yield target, nullcontext, "cuda"


def _run(
    mode: Mode,
    workload: _Workload,
    form: Callable[[Tensor], Tensor],
    device: torch.device,
    dtype: torch.dtype,
    derivatives: int,
) -> None:
    """Call a function on a few numbers, and differentiate it by all operands and by each multivector alone."""
    with mode():
        tensors = [torch.zeros(shape, device=device, dtype=dtype) for shape in workload.shapes]
        tensors = [form(x) if index < workload.multivectors else x for index, x in enumerate(tensors)]
        with torch.no_grad():
            workload.function(*tensors)
        if derivatives:
            everything = tuple(range(len(tensors)))
            alone = [(index,) for index in range(workload.multivectors)] if workload.multivectors > 1 else []
            for wanted in (everything, *alone):
                _differentiate(workload.function, tensors, wanted, derivatives)


def _differentiate(
    function: Callable[..., Any], tensors: Sequence[Tensor], wanted: Sequence[int], derivatives: int
) -> None:
    operands = [x.detach().requires_grad_(index in wanted) for index, x in enumerate(tensors)]
    leaves = [operands[index] for index in wanted]
    results = function(*operands)
    results = [results] if isinstance(results, Tensor) else [result for result in results if result is not None]
    # of the format of the results, as upstream gradients mostly are
    upstream = [torch.zeros_like(result).requires_grad_(derivatives > 1) for result in results]
    gradients = torch.autograd.grad(results, leaves, upstream, create_graph=derivatives > 1, allow_unused=True)
    if derivatives > 1:
        seconds = [gradient for gradient in gradients if gradient is not None and gradient.requires_grad]
        torch.autograd.grad(seconds, [*leaves, *upstream], [torch.zeros_like(x) for x in seconds], allow_unused=True)
