"""What the first product of an algebra costs in a fresh process: tables, plan and kernel included."""

import os
import subprocess
import sys
from collections.abc import Sequence

from benches.report import Bar, Row
from benches.timing import Quantiles

NAME = "first-product"
_SIGNATURES = ((3, 0, 1), (4, 2, 0), (8, 0, 0), (10, 0, 0))

_SCRIPT = """
import sys, time, torch
import cliffnet
from cliffnet import functional as F
signature = tuple(map(int, sys.argv[1:4]))
left, right = (torch.randn(1, 2 ** sum(signature)) for _ in range(2))
start = time.perf_counter()
algebra = cliffnet.Algebra(*signature)
F.geometric_product(left, right, algebra)
middle = time.perf_counter()
F.geometric_product(left, right, algebra)
print(middle - start, time.perf_counter() - middle)
"""


def first_and_second(signature: tuple[int, int, int]) -> tuple[float, float]:
    """Return the seconds of the first product, with its algebra, and of the second, in a new process."""
    # compiled files are part of an installed package, so let them be written and found
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-P", "-c", _SCRIPT, *map(str, signature)]
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    first, second = map(float, output.split())
    return first, second


def rows(*, signatures: Sequence[tuple[int, int, int]] = _SIGNATURES, repeats: int = 5, warm_up: int = 1) -> list[Row]:
    """Measure each algebra in ``repeats`` processes, after ``warm_up`` others; bars up to eight generators."""
    measured = []
    for signature in signatures:
        for _ in range(warm_up):
            first_and_second(signature)
        first, second = zip(*(first_and_second(signature) for _ in range(repeats)), strict=True)
        bar = Bar(at_most=50.0) if sum(signature) <= 8 else None
        title = f"Cl({','.join(map(str, signature if signature[2] else signature[:2]))})"
        milliseconds = Quantiles.of(list(first)).scaled(1e3)
        measured.append(
            Row(NAME, title, "ms", milliseconds, "second product", Quantiles.of(list(second)).median * 1e3, bar)
        )
    return measured
