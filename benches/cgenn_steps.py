"""Training steps of CGENN's and GLGENN's networks, against the repositories' own code with the same weights and batch.

``python -m benches.cgenn_steps TASK SIDE`` prints the peak memory of a step in bytes; see :mod:`benches.peak_memory`.
"""

import argparse
import copy
import gc
import importlib.util
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest import mock

import torch
from torch import Tensor

from benches import cgenn_sides, peak_memory
from benches.gatr_sides import ReferenceUnavailableError
from benches.gatr_step import DisagreementError, relative_difference
from benches.report import Bar, Row
from benches.timing import Quantiles, interleaved
from cliffnet.interop.reference import convert_reference_state

NAME = "cgenn-steps"
_BARS = {
    "CGENN hull": Bar(at_least_ratio=10),
    "CGENN n-body": Bar(at_least_ratio=7),
    "GLGENN hull": Bar(at_least_ratio=8),
    "Lorentz net": Bar(at_least_ratio=6),
}
_MEMORY_BAR = Bar(at_least_ratio=3)
_ALLOCATOR = "freed memory returned"
_MEBIBYTE = 2**20
# compared in double precision: in single precision a smooth norm near zero, whose slope reaches 3e3, leaves 1e-3
_TOLERANCE = 1e-9
_COMPARED_SAMPLES = 4
_NO_RIVAL = "clifra 1.4.4 has products and norms, but neither path weights nor a network of this family"


@contextmanager
def _double_precision() -> Iterator[None]:
    """Make float64 the default type, which the repositories' tables take, and keep them from rounding to float32."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with mock.patch.object(Tensor, "float", Tensor.double):
            yield
    finally:
        torch.set_default_dtype(before)


@_double_precision()
def check_agreement(task: cgenn_sides.Task) -> str:
    """Compare loss and gradients in double precision, ours carried back to their parameters; return what was found."""
    theirs = task.build_reference()
    ours = task.build_ours(theirs.state_dict())
    batch = task.draw(_COMPARED_SAMPLES)
    losses = [task.our_loss(ours, batch), task.their_loss(theirs, batch)]
    for loss in losses:
        loss.backward()
    named = {name: value for name, value in theirs.named_parameters() if value.grad is not None}
    state = theirs.state_dict()
    parameters = state | {name: state[name].detach().requires_grad_() for name in named}
    converted = convert_reference_state(task.source, task.class_name, task.options, parameters)
    gradients = {name: value.grad for name, value in ours.named_parameters() if value.grad is not None}
    found = torch.autograd.grad(
        [converted[name] for name in gradients],
        [parameters[name] for name in named],
        list(gradients.values()),
        materialize_grads=True,
        allow_unused=True,
    )
    expected = [value.grad for value in named.values()]
    loss_difference = relative_difference([losses[0].detach()], [losses[1].detach()])
    gradient_difference = relative_difference(list(found), expected)
    text = f"float64 differs by {loss_difference:.1e} in the loss, by {gradient_difference:.1e} in the gradients"
    if not max(loss_difference, gradient_difference) < _TOLERANCE:
        raise DisagreementError(f"the networks disagree, {text}")
    return text


def _rows_of(name: str, task: cgenn_sides.Task, size: int, rounds: int, memory_repeats: int) -> list[Row]:
    cases = (f"{name}, batch {size}, step", f"{name}, batch {size}, peak memory")
    rival = task.family.repository
    try:
        theirs = task.build_reference()
    except ReferenceUnavailableError as error:
        return [
            Row(NAME, cases[0], "ms", baseline=rival, bar=_BARS[name], note=str(error)),
            Row(NAME, cases[1], "MiB", baseline=rival, bar=_MEMORY_BAR, note=str(error)),
        ]
    ours = task.build_ours(theirs.state_dict())
    count = sum(parameter.numel() for parameter in ours.parameters())
    note = f"{count} parameters; {check_agreement(task)}; {_NO_RIVAL}"
    if importlib.util.find_spec("opt_einsum") is None:
        note = f"without opt_einsum, which the reference profits from; {note}"
    calls = {side: cgenn_sides.step_of(side, task, net, size) for side, net in (("ours", ours), ("reference", theirs))}
    times = interleaved(calls, rounds=rounds, sample_seconds=0.0)
    peaks = {
        side: [
            peak_memory.measure_module(["benches.cgenn_steps", name, side, "--batch", str(size)], _ALLOCATOR)
            / _MEBIBYTE
            for _ in range(memory_repeats)
        ]
        for side in peak_memory.SIDES
    }
    baselines = times["reference"].median * 1e3, statistics.median(peaks["reference"])
    return [
        Row(NAME, cases[0], "ms", times["ours"].scaled(1e3), rival, baselines[0], _BARS[name], note),
        Row(NAME, cases[1], "MiB", Quantiles.of(peaks["ours"]), rival, baselines[1], _MEMORY_BAR, note),
    ]


def rows(
    *, names: Sequence[str] = tuple(_BARS), size: int | None = None, rounds: int = 10, memory_repeats: int = 3
) -> list[Row]:
    """Measure time and peak memory of steps; without a clone of a reference, say that it was not measured."""
    measured = []
    for name in names:
        task = cgenn_sides.TASKS[name]
        measured += _rows_of(name, task, task.size if size is None else size, rounds, memory_repeats)
    return measured


def measure_here(name: str, side: str, size: int) -> int:
    """Return the bytes that the training steps of one side add to this process."""
    task = cgenn_sides.TASKS[name]
    # both sides import both networks and have the same weights: neither is in the peak
    net = theirs = task.build_reference()
    if side == "ours":
        net = task.build_ours(theirs.state_dict())
    # nor is the code that a step runs
    cgenn_sides.step_of(side, task, copy.deepcopy(net), 2)()
    gc.collect()
    before = peak_memory.resident_bytes()
    return peak_memory.peak_of(cgenn_sides.step_of(side, task, net, size)) - before


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.cgenn_steps", description=__doc__)
    parser.add_argument("task", choices=list(cgenn_sides.TASKS))
    parser.add_argument("side", choices=peak_memory.SIDES)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(measure_here(options.task, options.side, options.batch))


if __name__ == "__main__":
    main()
