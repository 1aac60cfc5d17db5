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
JOINED = ("product_and_join", "product_and_join_backward")
NAMES = (*PRODUCTS, *WEIGHTED, *JOINED)
DTYPES = ("float32", "float64", "bfloat16", "float16")
ARCHITECTURES = (80, 90, 100)

PLACES = compiler_places(torch.version.cuda, sys.path) if torch.version.cuda else []
"""Where the compiler is; torch without CUDA has none."""


class Usage(NamedTuple):
    """What the compiler says of a kernel."""

    registers: int
    spilled: int


def numbers_of(operator: str, algebra: Algebra) -> list[int]:
    """Return the plan of the geometric product, by grade where the operator has weights, and what follows it."""
    product = algebra.product_plan("geometric_product")
    if operator in WEIGHTED:
        return [Partition.by_grade(algebra).product_plan()]
    if operator in JOINED:
        return [product, algebra.product_plan("regressive_product")]
    return [product]


def compiled(operator: str, algebra: Algebra, dtype: str, architecture: int, vectors: bool) -> Usage:
    """Compile a kernel; return what it takes of the device."""
    # a weight, whose number depends on the operator, is never read in vectors
    masks = {
        "steerable_product": 0b1011,
        "steerable_product_backward": 0b110111,
        "product_and_join": 0b1101111,
        "product_and_join_backward": 0b11110111111,
    }
    mask = masks.get(operator, 0xFF)
    source = _rust.cuda_source(operator, numbers_of(operator, algebra), dtype, 2, mask if vectors else 0)
    cubin, log = _rust.cuda_compile(PLACES, *source, architecture)
    assert bytes(cubin[:4]) == b"\x7fELF"
    registers = max(map(int, re.findall(r"Used (\d+) registers", log)))
    spilled = max(map(int, re.findall(r"(\d+) bytes spill stores", log)))
    return Usage(registers, spilled)
