"""Training steps of GATr's and CGENN's networks on a CUDA device, against the repositories' own code.

The networks, batches and losses are those of ``gatr-step`` and ``cgenn-steps``, where loss and gradients of both sides
are compared on the CPU before anything is timed.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benches import cgenn_sides, cgenn_steps, cuda_device, gatr_sides, gatr_step
from benches.gatr_sides import ReferenceUnavailableError
from benches.report import Bar, Row
from benches.timing import Call

NAME = "cuda-steps"
_EAGER, _COMPILED = Bar(at_least_ratio=5), Bar(at_least_ratio=2)
TASKS = ("GATr n-body", "CGENN hull", "CGENN n-body")


class Side(NamedTuple):
    """A network, and what makes its training step, on the device."""

    net: nn.Module
    step: Callable[[nn.Module], Call]


def on_device(batch: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Return a batch on a device."""
    return {name: value.to(device) for name, value in batch.items()}


def _gatr(device: torch.device, size: gatr_sides.Size) -> tuple[dict[str, Side], str]:
    theirs = gatr_sides.build_reference(size)
    ours = gatr_sides.build_ours(size, theirs.state_dict())
    note = gatr_step.check_agreement(ours, theirs, size)
    inputs, targets = (value.to(device) for value in gatr_sides.make_batch(size))

    def step(net: nn.Module) -> Call:
        return gatr_sides.training_step(net, (inputs, targets))

    return {"ours": Side(ours.to(device), step), "reference": Side(theirs.to(device), step)}, note


def _cgenn(device: torch.device, task: cgenn_sides.Task, size: int) -> tuple[dict[str, Side], str]:
    theirs = task.build_reference()
    ours = task.build_ours(theirs.state_dict())
    note = cgenn_steps.check_agreement(task)
    batch = on_device(task.draw(size), device)
    return {
        "ours": Side(ours.to(device), lambda net: cgenn_sides.training_step(net, task.our_loss, batch)),
        "reference": Side(theirs.to(device), lambda net: cgenn_sides.training_step(net, task.their_loss, batch)),
    }, note


def sides_of(name: str, device: torch.device, size: gatr_sides.Size | int | None) -> tuple[dict[str, Side], str]:
    """Return both sides of a task, and how far apart they are."""
    if name == TASKS[0]:
        return _gatr(device, size if isinstance(size, gatr_sides.Size) else gatr_sides.Size())
    task = cgenn_sides.TASKS[name]
    return _cgenn(device, task, size if isinstance(size, int) else task.size)


def step_rows(
    name: str, sides: dict[str, Side], note: str, device: torch.device, rounds: int, compiles: bool = True
) -> list[Row]:
    """Measure the eager steps and the compiled ones; a side that does not compile keeps its eager step."""
    note = f"{note}; {cuda_device.describe(device)}"
    eager = {side: step(net) for side, (net, step) in sides.items()}
    measured = [_row(f"{name}, step", eager, _EAGER, note, device, rounds)]
    if not compiles:
        return measured
    compiled: dict[str, Call] = {}
    for side, (net, make) in sides.items():
        torch._dynamo.reset()
        compiled[side] = make(torch.compile(net))
        try:
            compiled[side]()
        except Exception as error:
            # whatever class the compiler raises, the row tells it
            note = f"{side} not compiled: {type(error).__name__}; {note}"
            compiled[side] = eager[side]
    return [*measured, _row(f"{name}, step, both compiled", compiled, _COMPILED, note, device, rounds)]


def _row(case: str, calls: dict[str, Call], bar: Bar, note: str, device: torch.device, rounds: int) -> Row:
    found = cuda_device.times(calls, device, rounds=rounds, sample_seconds=0.0)
    return Row(NAME, case, "ms", found["ours"].scaled(1e3), "reference", found["reference"].median * 1e3, bar, note)


def rows(
    *,
    device: torch.device | None = None,
    names: tuple[str, ...] = TASKS,
    size: gatr_sides.Size | int | None = None,
    rounds: int = 20,
    compiles: bool = True,
) -> list[Row]:
    """Measure steps; without a device or a clone of a reference, say that they were not measured."""
    device = device or cuda_device.device_or_none()
    measured: list[Row] = []
    for name in names:
        cases = {f"{name}, step": _EAGER, f"{name}, step, both compiled": _COMPILED}
        if device is None:
            measured += cuda_device.unmeasured(NAME, dict(cases), unit="ms", baseline="reference")
            continue
        try:
            sides, note = sides_of(name, device, size)
        except ReferenceUnavailableError as error:
            measured += [
                Row(NAME, case, "ms", baseline="reference", bar=bar, note=str(error)) for case, bar in cases.items()
            ]
            continue
        measured += step_rows(name, sides, note, device, rounds, compiles)
    return measured
