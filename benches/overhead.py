"""What one eager call of a product costs when there is next to nothing to compute."""

import torch

from benches.report import Bar, Row
from benches.timing import interleaved
from cliffnet import Algebra
from cliffnet import functional as F

NAME = "overhead"


def rows(*, rounds: int = 40, sample_seconds: float = 0.02) -> list[Row]:
    """Measure the call without and with a recorded gradient; the gradient itself is not computed."""
    algebra = Algebra(3, 0, 1)
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(16, algebra.num_blades, generator=generator) for _ in range(2))
    measured: list[Row] = []
    for requires_grad, limit in ((False, 3.0), (True, 10.0)):
        a, b = (value.clone().requires_grad_(requires_grad) for value in (left, right))
        calls = {
            "ours": lambda a=a, b=b: F.geometric_product(a, b, algebra),
            "torch.mul": lambda a=a, b=b: torch.mul(a, b),
        }
        times = interleaved(calls, rounds=rounds, sample_seconds=sample_seconds, warm_up=200)
        measured.append(
            Row(
                NAME,
                f"{algebra}, 16 x 16 float32, eager call, {'with' if requires_grad else 'without'} grad",
                "us",
                times["ours"].scaled(1e6),
                "torch.mul",
                times["torch.mul"].median * 1e6,
                Bar(at_most=limit),
            )
        )
    return measured
