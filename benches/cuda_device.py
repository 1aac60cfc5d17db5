"""What the scripts about CUDA share: the device, or why there is none, its clock, its limits and its memory."""

import functools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from benches.report import Bar, Row
from benches.timing import Call, Quantiles, interleaved, time_calls

NO_DEVICE = "no CUDA device"


def device_or_none() -> torch.device | None:
    """Return the current CUDA device, where there is one."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else None


def unmeasured(name: str, cases: Mapping[str, Bar | None], unit: str = "us", baseline: str = "") -> list[Row]:
    """Return rows that say there is no device."""
    return [Row(name, case, unit, baseline=baseline, bar=bar, note=NO_DEVICE) for case, bar in cases.items()]


def describe(device: torch.device) -> str:
    """Return the name of a device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def time_by_events(call: Call, repeats: int) -> float:
    """Return the seconds that one call takes on the current stream, averaged over ``repeats`` calls in a row."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(repeats):
        call()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3 / repeats


def times(
    calls: Mapping[str, Call], device: torch.device, *, rounds: int, sample_seconds: float
) -> dict[str, Quantiles]:
    """Time rival calls in turn, by the clock of the device."""
    measure = time_by_events if device.type == "cuda" else time_calls
    return interleaved(calls, rounds=rounds, sample_seconds=sample_seconds, warm_up=3, measure=measure)


def copying(like: Tensor) -> Call:
    """Return a call that copies a tensor: it reads and writes each byte once, at the bandwidth that is the limit."""
    source, target = torch.empty_like(like), torch.empty_like(like)
    return functools.partial(target.copy_, source)


def peak_bytes(call: Call, device: torch.device) -> int:
    """Return the bytes that a call needs beyond what is allocated before it; 0 where nobody counts."""
    if device.type != "cuda":
        return 0
    call()
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    result = call()
    torch.cuda.synchronize(device)
    del result
    return torch.cuda.max_memory_allocated(device) - before


def random(shape: Sequence[int], count: int, device: torch.device, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Return random tensors, the same on every device."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).to(device, dtype) for _ in range(count)]
