"""Gates, invariants of classes and norms over channels, with their gradients: each one pass over memory.

Every operator saves its arguments only. ``plan`` is a plan of the squares of classes of blades; numbers name
activations and invariants as in :mod:`cliffnet.reference`.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cliffnet import reference
from cliffnet.algebra import plan_sizes
from cliffnet.ops._bilinear import empty_results
from cliffnet.ops._operator import Gradients, Operator

_is_compiling: Callable[[], bool] = torch.compiler.is_compiling


def _classes(plan: int) -> int:
    return 1 if plan < 0 else plan_sizes(plan).out // 2


def _summed_to(gradient: Tensor, operand: Tensor) -> Tensor:
    return gradient if gradient.shape == operand.shape else gradient.sum_to_size(operand.shape)


class _ClassInvariants(Operator):
    name = "class_invariants"
    schema = "(Tensor x, int plan, int invariant, float epsilon) -> Tensor"
    tensors = 1

    def fake(self, x: Tensor, plan: int, invariant: int, epsilon: float) -> Tensor:
        return empty_results((x,), (_classes(plan),))[0]

    def reference(self, *arguments: Any) -> Tensor:
        return reference.class_invariants(*arguments)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        (cotangent,) = cotangents
        return (None if cotangent is None else class_invariants_backward(cotangent, *arguments),)


class _ClassInvariantsBackward(Operator):
    name = "class_invariants_backward"
    schema = "(Tensor cotangent, Tensor x, int plan, int invariant, float epsilon) -> Tensor"
    tensors = 2

    def fake(self, cotangent: Tensor, x: Tensor, *options: Any) -> Tensor:
        return empty_results((cotangent, x), (x.shape[-1],))[0]

    def reference(self, *arguments: Any) -> Tensor:
        return reference.class_invariants_backward(*arguments)


class _Gate(Operator):
    name = "gate"
    schema = "(Tensor x, Tensor gates, int plan, int activation) -> Tensor"
    tensors = 2

    def __call__(self, *arguments: Any) -> Tensor:
        # a formula, which the compiler fuses with its neighbours: quicker than a kernel that it cannot see into
        result: Tensor = self.reference(*arguments) if _is_compiling() else super().__call__(*arguments)
        return result

    def fake(self, x: Tensor, gates: Tensor, plan: int, activation: int) -> Tensor:
        return empty_results((x, gates), (x.shape[-1],))[0]

    def reference(self, *arguments: Any) -> Tensor:
        return reference.gate(*arguments)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        (cotangent,) = cotangents
        if cotangent is None:
            return None, None
        x, gates, plan, activation = arguments
        if not needed[1]:
            # the map is linear in x, and its own transpose
            return _summed_to(self(cotangent, gates, plan, activation), x), None
        by_x, by_gates = gate_backward(cotangent, *arguments)
        return _summed_to(by_x, x) if needed[0] else None, _summed_to(by_gates, gates)


class _GateBackward(Operator):
    name = "gate_backward"
    schema = "(Tensor cotangent, Tensor x, Tensor gates, int plan, int activation) -> (Tensor, Tensor)"
    tensors = 3

    def fake(self, cotangent: Tensor, x: Tensor, gates: Tensor, plan: int, activation: int) -> tuple[Tensor, ...]:
        return empty_results((cotangent, x, gates), (x.shape[-1], gates.shape[-1]))

    def reference(self, *arguments: Any) -> tuple[Tensor, Tensor]:
        return reference.gate_backward(*arguments)


class _SelfGate(Operator):
    name = "self_gate"
    schema = "(Tensor x, int blade, int activation) -> Tensor"
    tensors = 1
    is_remade = True

    def __call__(self, *arguments: Any) -> Tensor:
        # a formula, which the compiler fuses with its neighbours: quicker than a kernel that it cannot see into
        result: Tensor = self.reference(*arguments) if _is_compiling() else super().__call__(*arguments)
        return result

    def fake(self, x: Tensor, blade: int, activation: int) -> Tensor:
        return empty_results((x,), (x.shape[-1],))[0]

    def reference(self, *arguments: Any) -> Tensor:
        return reference.self_gate(*arguments)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        (cotangent,) = cotangents
        return (None if cotangent is None else self_gate_backward(cotangent, *arguments),)


class _SelfGateBackward(Operator):
    name = "self_gate_backward"
    schema = "(Tensor cotangent, Tensor x, int blade, int activation) -> Tensor"
    tensors = 2

    def fake(self, cotangent: Tensor, x: Tensor, blade: int, activation: int) -> Tensor:
        return empty_results((cotangent, x), (x.shape[-1],))[0]

    def reference(self, *arguments: Any) -> Tensor:
        return reference.self_gate_backward(*arguments)


class _ChannelNorm(Operator):
    name = "channel_norm"
    schema = "(Tensor x, int plan, int invariant, float epsilon, int scaling, float floor, float gain) -> Tensor"
    tensors = 1
    is_remade = True

    def fake(self, x: Tensor, *options: Any) -> Tensor:
        return empty_results((x,), (x.shape[-1],))[0]

    def reference(self, *arguments: Any) -> Tensor:
        return reference.channel_norm(*arguments)

    def gradients(self, cotangents: Gradients, arguments: tuple[Any, ...], needed: tuple[bool, ...]) -> Gradients:
        (cotangent,) = cotangents
        return (None if cotangent is None else channel_norm_backward(cotangent, *arguments),)


class _ChannelNormBackward(Operator):
    name = "channel_norm_backward"
    schema = (
        "(Tensor cotangent, Tensor x, int plan, int invariant, float epsilon, int scaling, float floor, float gain)"
        " -> Tensor"
    )
    tensors = 2

    def fake(self, cotangent: Tensor, x: Tensor, *options: Any) -> Tensor:
        return empty_results((cotangent, x), (x.shape[-1],))[0]

    def reference(self, *arguments: Any) -> Tensor:
        return reference.channel_norm_backward(*arguments)


class_invariants = _ClassInvariants()
class_invariants_backward = _ClassInvariantsBackward()
gate = _Gate()
gate_backward = _GateBackward()
self_gate = _SelfGate()
self_gate_backward = _SelfGateBackward()
channel_norm = _ChannelNorm()
channel_norm_backward = _ChannelNormBackward()
