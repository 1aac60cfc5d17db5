"""One base for every operator: its fake, its autograd forms, its transforms and its registration.

An operator takes tensors, then numbers, and returns one tensor or several. From its derivative rules the base makes

* the registration with ``torch.library`` (fake, autograd, vmap, autocast), for compiled graphs and unusual tensors;
* an old-style ``autograd.Function``, the fastest form that records derivatives;
* where torch allows it, a native function for plain eager tensors, which calls the other two where they are needed;

and a router that picks among them. Under ``torch.func`` and forward-mode differentiation the router runs
:meth:`Operator.composite` instead: the same result from operations that know all transforms. For most operators that
is the reference; the bilinear operator, of which the others are made, has an ``autograd.Function`` with
``setup_context``, ``vmap`` and ``jvp`` for it.

Several forms are needed because no single one is right everywhere: the registered form gives zero tangents in forward
mode, a Function with ``jvp`` is refused by ``torch.compile``, and one without it gives wrong gradients for
``compile(func.grad(f))``.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import forward_ad

from cliffnet import _rust, errors
from cliffnet._log import warn_once
from cliffnet.errors import CliffnetInternalError, DTypeError
from cliffnet.ops._backend import active_backend
from cliffnet.ops._cuda import cuda_operators
from cliffnet.ops._remade import keep, kept

_functorch_active: Callable[[], bool] = torch._C._are_functorch_transforms_active
_is_legacy_batched: Callable[[Tensor], bool] = torch._C._functorch.is_legacy_batchedtensor
_dispatch_modes: Callable[[], int] = torch._C._len_torch_dispatch_stack
_function_modes: Callable[[], int] = torch._C._len_torch_function_stack
_is_compiling: Callable[[], bool] = torch.compiler.is_compiling
_is_exporting: Callable[[], bool] = torch.compiler.is_exporting
_below_autograd: Callable[[], Any] = torch._C._AutoDispatchBelowAutograd
# true only in code that the compiler traces, and quicker to ask
_is_traced: Callable[[], bool] = torch.compiler.is_dynamo_compiling
_is_autocasting: Callable[[], bool] = torch._C._is_any_autocast_enabled
_grad_enabled: Callable[[], bool] = torch.is_grad_enabled
_NAMED = re.compile(r"cliffnet: \[(?P<name>\w+)\] (?P<message>.*)", re.DOTALL)
_PLAIN = (Tensor, torch.nn.Parameter)
_HALF = (torch.bfloat16, torch.float16)

OPERATORS: dict[str, "Operator"] = {}
"""Every operator by its name."""

Gradients = tuple[Tensor | None, ...]
Result = Any
"""One tensor, or a tuple of them where the schema returns several."""


class Operator(ABC):
    """A differentiable operator ``cliffnet::name``.

    Attributes
    ----------
    name : str
        Name in the namespace ``cliffnet``.
    schema : str
        Schema without the name: tensors first, then numbers.
    tensors : int
        Number of tensor arguments.
    is_remade : bool
        Whether steps that keep the results call the operator again in the backward pass rather than that they keep
        them, see :mod:`cliffnet.ops._remade`: for operators that are quick, next to what follows them.
    direct : callable
        Runs the operator on plain CPU tensors in plain eager code, derivatives included. For everything else, and for
        arguments that do not fit, it returns ``NotImplemented``. The compiler cannot trace it.
    """

    name: str
    schema: str
    tensors: int
    is_remade: bool = False
    direct: Callable[..., Result]

    def __init__(self) -> None:
        OPERATORS[self.name] = self
        self._library = torch.library.Library("cliffnet", "FRAGMENT")
        kernel_name, is_native = f"{self.name}_kernel", active_backend() == "rust"
        for name in (self.name, kernel_name):
            # the native part defines operators that it has kernels of, of some for CUDA devices alone
            if not torch._C._dispatch_has_kernel(f"cliffnet::{name}"):
                self._library.define(f"{name}{self.schema}")
            is_native = is_native and torch._C._dispatch_has_kernel_for_dispatch_key(f"cliffnet::{name}", "CPU")
            if not is_native:
                self._library.impl(name, self._declared_reference, "CPU")
            for device in ("CUDA", "XPU", "MPS"):
                if device != "CUDA" or self.name not in cuda_operators():
                    is_composed = device == "CUDA" and type(self).composed is not Operator.composed
                    self._library.impl(name, self.declared_composition if is_composed else self._fallback, device)
        self.raw: Callable[..., Result] = getattr(torch.ops.cliffnet, self.name).default
        self._kernel: Callable[..., Result] = getattr(torch.ops.cliffnet, kernel_name).default
        direct = _rust.direct_operator(self.name) if is_native else None
        function, forward = (_refuse, None) if direct is None else (direct.function(), direct.forward())
        self.direct = cast("Callable[..., Result]", function)
        self._record = _recording_function(self, cast("Callable[..., Result] | None", forward)).apply
        if direct is not None:
            direct.connect(self._record, self.dispatched)
        self._register()

    @abstractmethod
    def fake(self, *arguments: Any) -> Result:
        """Return empty tensors with the shape, dtype and strides of the result."""

    @abstractmethod
    def reference(self, *arguments: Any) -> Result:
        """Return the result in plain torch."""

    def composite(self, *arguments: Any) -> Result:
        """Return the result by operations that know every transform and every order of derivative."""
        return self.reference(*arguments)

    def composed(self, *arguments: Any) -> Result:
        """Return the result on CUDA devices by few kernels of torch and of other operators, without derivatives.

        Operators define it that have no CUDA kernel of their own; those without either run the reference there.
        """
        return self.reference(*arguments)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        """Return the gradient of each tensor argument, or None where it is not needed.

        ``cotangents`` has an entry for each tensor of the result, None where it has no influence. Without a rule of its
        own an operator is differentiated through :meth:`composite`.
        """
        return differentiate(self.composite, cotangents, arguments, needed, self.tensors)

    def _fallback(self, *arguments: Any) -> Result:
        """Run the reference on a device without a kernel, and say so once."""
        device = arguments[0].device.type
        warn_once(f"cliffnet has no {device} kernel of {self.name}; the slower reference backend is used there")
        return self._declared_reference(*arguments)

    def _declared_reference(self, *arguments: Any) -> Result:
        """Run the reference, laid out as the fake promised."""
        return self._declared(self.reference, arguments)

    def declared_composition(self, *arguments: Any) -> Result:
        """Run what CUDA devices run for :meth:`composed`: the composition, laid out as the fake promised."""
        return self._declared(self.composed, arguments)

    def _declared(self, function: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
        """Run a function; lay the result out as the fake promised, which compiled graphs rely on."""
        declared = self.fake(*arguments)
        strides = [one.stride() for one in ((declared,) if isinstance(declared, Tensor) else declared)]
        # its memory is free for the function
        del declared
        result = function(*arguments)
        if isinstance(result, Tensor):
            return _laid_out(result, strides[0])
        return tuple(_laid_out(one, stride) for one, stride in zip(result, strides, strict=True))

    def _register(self) -> None:
        name = f"cliffnet::{self.name}"

        def autograd(*arguments: Any) -> Result:
            if _grad_enabled() and any(tensor.requires_grad for tensor in arguments[: self.tensors]):
                return self._record(*arguments)
            if _is_exporting():
                # an exported program may be differentiated after all
                with _below_autograd():
                    return self.raw(*arguments)
            # compiled graphs are traced through here: they hold kernels, which cost less per call
            return self._kernel(*arguments)

        def vmap(info: Any, batch_axes: tuple[int | None, ...], *arguments: Any) -> tuple[Result, Any]:
            return self.batched(batch_axes, arguments)

        for operator in (name, f"{name}_kernel"):
            torch.library.register_fake(operator, self.fake, lib=self._library)
        self._library.impl(self.name, autograd, "Autograd")
        torch.library.register_vmap(name, vmap, lib=self._library)
        for device in ("cpu", "cuda"):
            torch.library.register_autocast(name, device, torch.float32, lib=self._library)

    def batched(self, batch_axes: tuple[int | None, ...], arguments: tuple[Any, ...]) -> tuple[Result, Any]:
        """Return the result for arguments with a batch axis, and where the result has it."""
        result = torch.vmap(self.composite, in_dims=batch_axes)(*arguments)
        return result, 0 if isinstance(result, Tensor) else (0,) * len(result)

    def transformed(self, *arguments: Any) -> Result:
        """Run under transforms of ``torch.func`` or with tangents."""
        return self.composite(*arguments)

    def __call__(self, *arguments: Any) -> Result:
        """Run the operator in the form that the surroundings ask for."""
        if not _is_traced():
            result = self.direct(*arguments)
            if result is not NotImplemented:
                return result
        return self.routed(*arguments)

    def routed(self, *arguments: Any) -> Result:
        """Run the operator where :attr:`direct` does not."""
        if _is_compiling():
            if _functorch_active():
                return self.reference(*arguments)
            return self.raw(*arguments)
        if _functorch_active() or forward_ad._current_level >= 0:
            # whatever mode is active: the registered form would drop tangents without a word
            return self.transformed(*_autocasted(arguments))
        tensors = arguments[: self.tensors]
        if (
            _dispatch_modes()
            or _function_modes()
            or _is_autocasting()
            or any(type(tensor) not in _PLAIN or _is_legacy_batched(tensor) for tensor in tensors)
        ):
            return self.raw(*arguments)
        if _grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            return self._record(*arguments)
        return self.dispatched(*arguments)

    def dispatched(self, *arguments: Any) -> Result:
        """Run the kernel through the dispatcher, without recording derivatives."""
        try:
            return self._kernel(*arguments)
        except NotImplementedError:
            for tensor in arguments[: self.tensors]:
                if tensor.layout is not torch.strided:
                    given = f"an operand is stored as {tensor.layout}"
                    raise DTypeError(f"{given}, expected a dense tensor; convert it with x.to_dense()") from None
            raise
        except RuntimeError as error:
            raise _translated(error) from None


def is_plain(tensors: Sequence[Tensor | None]) -> bool:
    """Tell whether tensors are plain ones in plain eager code that records derivatives."""
    return _grad_enabled() and _is_eager(tensors)


def _is_eager(tensors: Sequence[Tensor | None]) -> bool:
    return (
        not _is_compiling()
        and not _functorch_active()
        and forward_ad._current_level < 0
        and not _dispatch_modes()
        and not _function_modes()
        and not _is_autocasting()
        and all(tensor is None or type(tensor) in _PLAIN for tensor in tensors)
    )


def differentiate(
    function: Callable[..., Result],
    cotangents: Sequence[Tensor | None],
    arguments: tuple[Any, ...],
    needed: tuple[bool, ...],
    tensors: int,
) -> Gradients:
    """Return the gradients of a function of differentiable operations, differentiable themselves.

    Parameters
    ----------
    function : callable
        Takes the arguments, returns one tensor or several.
    cotangents : sequence of Tensor or None
        One for each tensor returned.
    arguments : tuple
        Tensors first, then numbers.
    needed : tuple of bool
        Which of the first ``tensors`` arguments need a gradient.
    tensors : int
        Number of tensors among the arguments.

    Returns
    -------
    tuple of Tensor or None
        One for each of the first ``tensors`` arguments.
    """
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        # aliases, so that gradients stop there and yet depend on the arguments where a graph is recorded
        operands = [
            argument.view_as(argument) if create_graph and argument.requires_grad else argument.detach()
            for argument in arguments[:tensors]
        ]
        for operand, is_needed in zip(operands, needed, strict=True):
            if is_needed and not operand.requires_grad:
                operand.requires_grad_()
        results = function(*operands, *arguments[tensors:])
        if isinstance(results, Tensor):
            results = (results,)
        used = [
            (result, cotangent)
            for result, cotangent in zip(results, cotangents, strict=True)
            if cotangent is not None and result.requires_grad
        ]
        wanted = [operand for operand, is_needed in zip(operands, needed, strict=True) if is_needed]
        found: list[Tensor | None] = [None] * len(wanted)
        if used and wanted:
            outputs, weights = zip(*used, strict=True)
            found = list(torch.autograd.grad(outputs, wanted, weights, create_graph=create_graph, allow_unused=True))
    gradients = iter(found)
    return tuple(next(gradients) if is_needed else None for is_needed in needed)


def _laid_out(result: Tensor, stride: Sequence[int]) -> Tensor:
    return result if result.stride() == stride else result.new_empty_strided(result.shape, stride).copy_(result)


def _autocasted(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Apply the autocast policy of every operator, single precision, where autocast is on."""
    if not _is_autocasting():
        return arguments
    return tuple(
        argument.float()
        if isinstance(argument, Tensor) and argument.dtype in _HALF and torch.is_autocast_enabled(argument.device.type)
        else argument
        for argument in arguments
    )


def _translated(error: RuntimeError) -> RuntimeError:
    """Return the error to raise for an error of native code: a defect of ours gets its own class."""
    message = str(error)
    if "cliffnet internal error" in message:
        return CliffnetInternalError(message.splitlines()[0] + "; please report this")
    named = _NAMED.search(message)
    if named:
        # torch's own class, where it is torch that refused
        kind = torch.OutOfMemoryError if named["name"] == "OutOfMemoryError" else getattr(errors, named["name"])
        found: RuntimeError = kind(named["message"])
        return found
    return error


def _refuse(*arguments: Any) -> Result:
    return NotImplemented


def _recording_function(operator: Operator, native_forward: Callable[..., Result] | None) -> Any:
    """Return the ``autograd.Function`` that saves the arguments; its forward may be the native twin of ours."""

    def record(context: Any, *arguments: Any) -> Result:
        tensors, context.constants = arguments[: operator.tensors], arguments[operator.tensors :]
        context.is_remade = operator.is_remade and _is_eager(tensors)
        keep(context, tensors)
        context.set_materialize_grads(False)
        return operator.dispatched(*arguments)

    class Recorded(torch.autograd.Function):
        forward = staticmethod(record if operator.is_remade or native_forward is None else native_forward)

        @staticmethod
        def remade(context: Any, tensors: tuple[Any, ...]) -> tuple[Tensor, ...]:
            result = operator(*tensors, *context.constants)
            return (result,) if isinstance(result, Tensor) else result

        @staticmethod
        def backward(context: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
            arguments = (*kept(context), *context.constants)
            gradients = operator.gradients(cotangents, arguments, context.needs_input_grad[: operator.tensors])
            return (*gradients, *(None for _ in context.constants))

    return Recorded
