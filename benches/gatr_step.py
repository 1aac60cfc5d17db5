"""Training step of GATr on n-body data, against the GATr repository's own code with the same weights and batch."""

import statistics

import torch
from torch import Tensor, nn

from benches import gatr_sides, peak_memory
from benches.report import Bar, Row
from benches.timing import Quantiles, interleaved
from cliffnet.interop.reference import convert_reference_state

NAME = "gatr-step"
_EAGER_BAR, _MEMORY_BAR, _COMPILED_BAR = (Bar(at_least_ratio=ratio) for ratio in (4, 3, 1.5))
_MEBIBYTE = 2**20
# why these are no baselines
_OTHERS = "rotorch's GATr calls kingdon's add_operator, which kingdon has not up to 3.0.0; clifra 1.4.0 has no GATr"
# float32 rounding through ten blocks and back leaves about 1e-6; a wrong term leaves far more than this
_TOLERANCE = 1e-4


class DisagreementError(AssertionError):
    """The two sides do not compute the same function, so their times must not be compared."""


def relative_difference(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """Return the norm of all differences over the norm of all values."""
    difference = sum((a - b).double().square().sum().item() for a, b in zip(ours, theirs, strict=True))
    return (difference / sum(b.double().square().sum().item() for b in theirs)) ** 0.5


def check_agreement(ours: nn.Module, theirs: nn.Module, size: gatr_sides.Size) -> str:
    """Compare loss and gradients, ours carried back to the reference's parameters; return what was found."""
    batch = gatr_sides.make_batch(size)
    losses = [gatr_sides.loss_of(net, batch) for net in (ours, theirs)]
    for loss in losses:
        loss.backward()
    parameters = {name: value.detach().requires_grad_() for name, value in theirs.state_dict().items()}
    converted = convert_reference_state("gatr", "gatr.nets.GATr", size.reference_options(), parameters)
    gradients = {name: value.grad for name, value in ours.named_parameters() if value.grad is not None}
    outputs = [converted[name] for name in gradients]
    named = {name: value for name, value in theirs.named_parameters() if value.grad is not None}
    inputs = [parameters[name] for name in named]
    pulled_back = torch.autograd.grad(outputs, inputs, list(gradients.values()), allow_unused=True)
    expected = [value.grad for value in named.values()]
    found = [torch.zeros_like(b) if a is None else a for a, b in zip(pulled_back, expected, strict=True)]
    loss_difference = relative_difference([losses[0].detach()], [losses[1].detach()])
    gradient_difference = relative_difference(found, expected)
    for net in (ours, theirs):
        net.zero_grad(set_to_none=True)
    text = f"relative differences {loss_difference:.1e} in the loss, {gradient_difference:.1e} in the gradients"
    if not max(loss_difference, gradient_difference) < _TOLERANCE:
        raise DisagreementError(f"the networks disagree, {text}")
    return text


def rows(*, size: gatr_sides.Size | None = None, rounds: int = 10, memory_repeats: int = 3) -> list[Row]:
    """Measure time and peak memory of a step; without a clone of the reference, say that it was not measured."""
    size = gatr_sides.Size() if size is None else size
    cases = {f"{size}, step": ("ms", _EAGER_BAR), f"{size}, step, both compiled": ("ms", _COMPILED_BAR)}
    memory_cases = {allocator: f"{size}, peak memory, {allocator}" for allocator in peak_memory.ALLOCATORS}
    cases |= dict.fromkeys(memory_cases.values(), ("MiB", _MEMORY_BAR))
    try:
        package = gatr_sides.import_reference()
    except gatr_sides.ReferenceUnavailableError as error:
        return [
            Row(NAME, case, unit, baseline="GATr repository", bar=bar, note=str(error))
            for case, (unit, bar) in cases.items()
        ]
    rival = f"GATr {package.__version__}"
    theirs = gatr_sides.build_reference(size)
    ours = gatr_sides.build_ours(size, theirs.state_dict())
    count = sum(parameter.numel() for parameter in ours.parameters())
    note = f"{count} parameters; {check_agreement(ours, theirs, size)}"
    batch = gatr_sides.make_batch(size)
    calls = {"ours": gatr_sides.training_step(ours, batch), "theirs": gatr_sides.training_step(theirs, batch)}
    eager, compiled, *_ = cases
    times = interleaved(calls, rounds=rounds, sample_seconds=0.0)
    baseline = times["theirs"].median * 1e3
    measured = [Row(NAME, eager, "ms", times["ours"].scaled(1e3), rival, baseline, _EAGER_BAR, note)]
    measured.append(compiled_row(compiled, {"ours": ours, "theirs": theirs}, batch, rival, rounds))
    for allocator, case in memory_cases.items():
        peaks = {
            side: [peak_memory.measure(side, size, allocator) / _MEBIBYTE for _ in range(memory_repeats)]
            for side in peak_memory.SIDES
        }
        baseline = statistics.median(peaks["reference"])
        measured.append(Row(NAME, case, "MiB", Quantiles.of(peaks["ours"]), rival, baseline, _MEMORY_BAR, note))
    return measured


def compiled_row(case: str, nets: dict[str, nn.Module], batch: tuple[Tensor, Tensor], rival: str, rounds: int) -> Row:
    """Compare both networks under ``torch.compile``; where the reference does not compile, ours with its eager step."""
    calls, note = {}, _OTHERS
    for side, net in nets.items():
        step = gatr_sides.training_step(torch.compile(net), batch)
        try:
            step()
        except Exception as error:
            # whatever class the compiler raises, the row tells it
            note = f"{side} not compiled: {type(error).__name__}; {_OTHERS}"
            step = gatr_sides.training_step(net, batch)
        calls[side] = step
    times = interleaved(calls, rounds=rounds, sample_seconds=0.0)
    ours, baseline = times["ours"].scaled(1e3), times["theirs"].median * 1e3
    return Row(NAME, case, "ms", ours, rival, baseline, _COMPILED_BAR, note)
