"""Timing of rival calls in interleaved rounds, so that a change of the machine's speed meets all of them."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Call = Callable[[], object]


@dataclass(frozen=True)
class Quantiles:
    """Median and 20th and 80th percentile of repeated measurements."""

    median: float
    p20: float
    p80: float

    @classmethod
    def of(cls, values: list[float]) -> "Quantiles":
        """Summarise measurements."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        fifths = statistics.quantiles(values, n=5, method="inclusive")
        return cls(statistics.median(values), fifths[0], fifths[-1])

    def scaled(self, factor: float) -> "Quantiles":
        """Return the same in another unit."""
        return Quantiles(self.median * factor, self.p20 * factor, self.p80 * factor)


def time_calls(call: Call, repeats: int) -> float:
    """Return the seconds one call takes, averaged over ``repeats`` calls in a row."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def interleaved(
    calls: Mapping[str, Call],
    *,
    rounds: int,
    sample_seconds: float = 0.02,
    warm_up: int = 2,
    measure: Callable[[Call, int], float] = time_calls,
) -> dict[str, Quantiles]:
    """Time rival calls in turn and return the quantiles of each in seconds.

    Parameters
    ----------
    calls : mapping of str to callable
        What to time.
    rounds : int
        How often each is sampled; one round samples every call once, in an order that turns with the rounds.
    sample_seconds : float
        A sample is the mean of as many calls as take about this long; 0 makes it a single call.
    warm_up : int
        Untimed calls of each beforehand; allocators, caches and thread pools fill then.
    measure : callable
        Returns the seconds one call takes, averaged over a number of calls in a row.

    Returns
    -------
    dict of str to Quantiles
        Over the rounds.
    """
    repeats: dict[str, int] = {}
    for name, call in calls.items():
        if warm_up:
            measure(call, warm_up)
        once = measure(call, 1)
        # a first guess from one call overestimates short calls, so guess again from many
        guess = measure(call, max(1, int(0.2 * sample_seconds / once)))
        repeats[name] = max(1, round(sample_seconds / guess))
    samples: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    collecting = gc.isenabled()
    gc.disable()
    try:
        for index in range(rounds):
            turn = index % len(names)
            for name in names[turn:] + names[:turn]:
                samples[name].append(measure(calls[name], repeats[name]))
    finally:
        if collecting:
            gc.enable()
    return {name: Quantiles.of(values) for name, values in samples.items()}
