"""Gates of classes by their own invariants, with parameters for each channel and class: see the reference."""

from typing import Any

from torch import Tensor

from cliffnet import reference
from cliffnet.ops._bilinear import empty_results
from cliffnet.ops._operator import Gradients, Operator

_OPTIONS = "int plan, int scalar, int invariant, float epsilon, int response"


class _ClassGate(Operator):
    name = "class_gate"
    schema = f"(Tensor x, Tensor scale, Tensor shift, {_OPTIONS}) -> Tensor"
    tensors = 3

    def fake(self, x: Tensor, *arguments: Any) -> Tensor:
        return empty_results((x,), (x.shape[-1],))[0]

    def reference(self, *arguments: Any) -> Tensor:
        return reference.class_gate(*arguments)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        (cotangent,) = cotangents
        if cotangent is None:
            return None, None, None
        found = class_gate_backward(cotangent, *arguments)
        return tuple(one if is_needed else None for one, is_needed in zip(found, needed, strict=True))


class _ClassGateBackward(Operator):
    name = "class_gate_backward"
    schema = f"(Tensor cotangent, Tensor x, Tensor scale, Tensor shift, {_OPTIONS}) -> (Tensor, Tensor, Tensor)"
    tensors = 4

    def fake(self, cotangent: Tensor, x: Tensor, scale: Tensor, shift: Tensor, *options: Any) -> tuple[Tensor, ...]:
        (by_x,) = empty_results((cotangent, x), (x.shape[-1],))
        return by_x, scale.new_empty(scale.shape), shift.new_empty(shift.shape)

    def reference(self, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
        return reference.class_gate_backward(*arguments)


class_gate = _ClassGate()
class_gate_backward = _ClassGateBackward()
