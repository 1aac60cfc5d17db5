"""One base for every operator: its fake, its autograd forms, its transforms and its registration.

An operator takes tensors, then integers, and returns one tensor. From its derivative rules this base makes

* the registration with ``torch.library`` (fake, autograd, vmap, autocast), for compiled graphs and unusual tensors;
* an ``autograd.Function`` with ``setup_context``, ``vmap`` and ``jvp``, which ``torch.func`` uses;
* an old-style ``autograd.Function``, the fastest form for plain eager tensors;

and a router that picks among them. Three forms are needed because no single one is right everywhere: the registered
form gives zero tangents in forward mode, a Function with ``jvp`` is refused by ``torch.compile``, and one without it
gives wrong gradients for ``compile(func.grad(f))``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from cliffnet import _rust
from cliffnet._log import warn_once
from cliffnet.errors import CliffnetInternalError, DTypeError, ShapeError
from cliffnet.ops._backend import active_backend

_functorch_active: Callable[[], bool] = torch._C._are_functorch_transforms_active
_is_legacy_batched: Callable[[Tensor], bool] = torch._C._functorch.is_legacy_batchedtensor
_dispatch_modes: Callable[[], int] = torch._C._len_torch_dispatch_stack
_function_modes: Callable[[], int] = torch._C._len_torch_function_stack
_is_compiling: Callable[[], bool] = torch.compiler.is_compiling
_is_autocasting: Callable[[], bool] = torch._C._is_any_autocast_enabled
_is_profiling: Callable[[], bool] = torch._C._autograd._profiler_enabled
_grad_enabled: Callable[[], bool] = torch.is_grad_enabled
_PLAIN = (Tensor, torch.nn.Parameter)
_HALF = (torch.bfloat16, torch.float16)

Gradients = tuple[Tensor | None, ...]


class Operator(ABC):
    """A differentiable operator ``cliffnet::name``.

    Attributes
    ----------
    name : str
        Name in the namespace ``cliffnet``.
    schema : str
        Schema without the name: tensors first, then integers.
    tensors : int
        Number of tensor arguments.
    """

    name: str
    schema: str
    tensors: int

    def __init__(self) -> None:
        self._library = torch.library.Library("cliffnet", "FRAGMENT")
        self._native = active_backend() == "rust"
        kernel_name = f"{self.name}_kernel"
        for name in (self.name, kernel_name):
            if not self._native:
                self._library.define(f"{name}{self.schema}")
                self._library.impl(name, self._declared_reference, "CPU")
            for device in ("CUDA", "XPU", "MPS"):
                self._library.impl(name, self._fallback, device)
        self.raw: Callable[..., Tensor] = getattr(torch.ops.cliffnet, self.name).default
        self._kernel: Callable[..., Tensor] = getattr(torch.ops.cliffnet, kernel_name).default
        self._direct = self.direct() if self._native and _rust.has_direct_calls() else None
        self._eager = _eager_function(self)
        self._functional = _functional_function(self)
        self._register()

    def direct(self) -> Callable[..., Tensor] | None:
        """Return the kernel as a function of plain CPU tensors that skips the dispatcher, if there is one."""
        return None

    @abstractmethod
    def fake(self, *arguments: Any) -> Tensor:
        """Return an empty tensor with the shape, dtype and strides of the result."""

    @abstractmethod
    def reference(self, *arguments: Any) -> Tensor:
        """Return the result in plain torch."""

    @abstractmethod
    def gradients(self, cotangent: Tensor, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        """Return the gradient of each tensor argument, or None where it is not needed."""

    @abstractmethod
    def tangent(self, tangents: Gradients, arguments: tuple[Any, ...]) -> Tensor:
        """Return the tangent of the result; at least one tangent is given."""

    @abstractmethod
    def batched(self, batch_axes: tuple[int | None, ...], arguments: tuple[Any, ...]) -> tuple[Tensor, int]:
        """Return the result for arguments with a batch axis, and where the result has it."""

    def _fallback(self, *arguments: Any) -> Tensor:
        """Run the reference on a device without a kernel, and say so once."""
        warn_once(f"cliffnet has no {arguments[0].device.type} kernels; the slower reference backend is used there")
        return self._declared_reference(*arguments)

    def _declared_reference(self, *arguments: Any) -> Tensor:
        """Run the reference; lay the result out as the fake promised, which compiled graphs rely on."""
        result, declared = self.reference(*arguments), self.fake(*arguments)
        return result if result.stride() == declared.stride() else declared.copy_(result)

    def _register(self) -> None:
        name = f"cliffnet::{self.name}"

        def backward(context: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
            return _backward(self, context, cotangent)

        def setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
            ctx.save_for_backward(*inputs[: self.tensors])
            ctx.constants = inputs[self.tensors :]

        def vmap(info: Any, batch_axes: tuple[int | None, ...], *arguments: Any) -> tuple[Tensor, int]:
            return self.batched(batch_axes, arguments)

        for operator in (name, f"{name}_kernel"):
            torch.library.register_fake(operator, self.fake, lib=self._library)
        torch.library.register_autograd(name, backward, setup_context=setup, lib=self._library)
        torch.library.register_vmap(name, vmap, lib=self._library)
        for device in ("cpu", "cuda"):
            torch.library.register_autocast(name, device, torch.float32, lib=self._library)

    def __call__(self, *arguments: Any) -> Tensor:
        """Run the operator in the form that the surroundings ask for."""
        if _is_compiling():
            if _functorch_active():
                return self.reference(*arguments)
            return self.raw(*arguments)
        if _functorch_active() or forward_ad._current_level >= 0:
            # whatever mode is active: the registered form would drop tangents without a word
            arguments = _autocasted(arguments)
            result: Tensor = (
                self._functional.apply(*arguments) if _functorch_active() else self._eager.apply(None, *arguments)
            )
            return result
        if _dispatch_modes() or _function_modes() or _is_autocasting():
            return self.raw(*arguments)
        needs_grad = False
        direct = None if _is_profiling() else self._direct
        for tensor in arguments[: self.tensors]:
            if type(tensor) not in _PLAIN:
                return self.raw(*arguments)
            if tensor.requires_grad:
                needs_grad = True
            if tensor.is_neg():
                direct = None
        if needs_grad and _grad_enabled():
            if any(map(_is_legacy_batched, arguments[: self.tensors])):
                return self.raw(*arguments)
            result = self._eager.apply(direct, *arguments)
            return result
        if direct is not None:
            try:
                return direct(*arguments)
            except ShapeError:
                # a tensor of another device or without memory of its own: the dispatcher knows what to do
                pass
        return self._dispatched(*arguments)

    def _dispatched(self, *arguments: Any) -> Tensor:
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


def is_undisturbed() -> bool:
    """Tell whether plain tensors mean plain eager code: no compiler, transform, mode, profiler or autocast."""
    return not (
        _is_compiling()
        or _functorch_active()
        or _dispatch_modes()
        or _function_modes()
        or _is_autocasting()
        or _is_profiling()
        or forward_ad._current_level >= 0
    )


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
    return error


def _backward(operator: Operator, context: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
    # the eager form has one argument in front of those of the operator
    first = len(context.needs_input_grad) - operator.tensors - len(context.constants)
    needed = tuple(context.needs_input_grad[first : first + operator.tensors])
    gradients = operator.gradients(cotangent, (*context.saved_tensors, *context.constants), needed)
    return (*gradients, *(None for _ in context.constants))


def _jvp(operator: Operator, context: Any, *tangents: Tensor | None) -> Tensor:
    return operator.tangent(tangents[: operator.tensors], (*context.saved_tensors, *context.constants))


def _eager_function(operator: Operator) -> Any:
    class Eager(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, direct: Callable[..., Tensor] | None, *arguments: Any) -> Tensor:
            tensors = arguments[: operator.tensors]
            context.save_for_backward(*tensors)
            context.save_for_forward(*tensors)
            context.constants = arguments[operator.tensors :]
            if direct is not None:
                try:
                    return direct(*arguments)
                except ShapeError:
                    pass
            return operator._dispatched(*arguments)

        @staticmethod
        def backward(context: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
            return None, *_backward(operator, context, cotangent)

        @staticmethod
        def jvp(context: Any, direct: None, *tangents: Tensor | None) -> Tensor:
            return _jvp(operator, context, *tangents)

    return Eager


def _functional_function(operator: Operator) -> Any:
    class Functional(torch.autograd.Function):
        @staticmethod
        def forward(*arguments: Any) -> Tensor:
            return operator.raw(*arguments)

        @staticmethod
        def setup_context(context: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
            tensors = inputs[: operator.tensors]
            context.save_for_backward(*tensors)
            context.save_for_forward(*tensors)
            context.constants = inputs[operator.tensors :]

        @staticmethod
        def backward(context: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
            return _backward(operator, context, cotangent)

        @staticmethod
        def jvp(context: Any, *tangents: Tensor | None) -> Tensor:
            return _jvp(operator, context, *tangents)

        @staticmethod
        def vmap(info: Any, batch_axes: tuple[int | None, ...], *arguments: Any) -> tuple[Tensor, int]:
            return operator.batched(batch_axes, arguments)

    return Functional
