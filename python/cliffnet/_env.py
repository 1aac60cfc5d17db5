"""Every environment variable cliffnet reads, in one table.

Variables change speed, messages and where files go; none changes the mathematics.
"""

import os
from typing import NamedTuple


class Variable(NamedTuple):
    """One environment variable."""

    name: str
    default: str
    meaning: str


BACKEND = Variable(
    "CLIFFNET_BACKEND", "", "which backend runs the operators: reference, rust or cuda (default: the best)"
)
ISA = Variable(
    "CLIFFNET_ISA", "", "instruction set of the CPU kernels: scalar, avx2, avx512 or neon (default: detected)"
)
CACHE_DIR = Variable(
    "CLIFFNET_CACHE_DIR", "", "folder for generated data and compiled kernels (default: the cache folder of the user)"
)
AUTOTUNE = Variable(
    "CLIFFNET_AUTOTUNE",
    "",
    "1: choose the threads of the blocks of each CUDA kernel by measuring, at its first large call (default: a table)",
)
HYPOTHESIS_PROFILE = Variable(
    "CLIFFNET_HYPOTHESIS_PROFILE", "ci", "how many cases property tests draw: fast, ci or thorough"
)


def read(variable: Variable) -> str:
    """Return the value of a variable, or its default when unset or empty."""
    return os.environ.get(variable.name, "") or variable.default
