"""The CUDA kernels that are checked without a GPU, and the compiler that comes with torch."""

import re
import sys
from typing import NamedTuple

import torch

from cliffnet import Algebra, Partition, _rust
from cliffnet.ops._cuda import compiler_places

ALGEBRAS = [Algebra(2), Algebra(3), Algebra(1, 3), Algebra(3, 0, 1), Algebra(4, 1), Algebra(5), Algebra(6)]
PRODUCTS = ("bilinear", "bilinear_backward", "bilinear_double_backward")
WEIGHTED = ("steerable_product", "steerable_product_backward")
DTYPES = ("float32", "float64", "bfloat16", "float16")
ARCHITECTURES = (80, 90, 100)

PLACES = compiler_places(torch.version.cuda, sys.path) if torch.version.cuda else []
"""Where the compiler is; torch without CUDA has none."""


class Usage(NamedTuple):
    """What the compiler says of a kernel."""

    registers: int
    spilled: int


def plan_of(operator: str, algebra: Algebra) -> int:
    """Return the plan of the geometric product, weighted by grade where the operator has weights."""
    if operator in WEIGHTED:
        return Partition.by_grade(algebra).product_plan()
    return algebra.product_plan("geometric_product")


def compiled(operator: str, algebra: Algebra, dtype: str, architecture: int, vectors: bool) -> Usage:
    """Compile a kernel; return what it takes of the device."""
    # a weight, whose number depends on the operator, is never read in vectors
    mask = {"steerable_product": 0b1011, "steerable_product_backward": 0b110111}.get(operator, 0xFF)
    source = _rust.cuda_source(operator, plan_of(operator, algebra), dtype, 2, mask if vectors else 0)
    cubin, log = _rust.cuda_compile(PLACES, *source, architecture)
    assert bytes(cubin[:4]) == b"\x7fELF"
    registers = max(map(int, re.findall(r"Used (\d+) registers", log)))
    spilled = max(map(int, re.findall(r"(\d+) bytes spill stores", log)))
    return Usage(registers, spilled)
