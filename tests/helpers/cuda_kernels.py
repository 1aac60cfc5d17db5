"""The CUDA kernels that are checked without a GPU, and the compiler that comes with torch."""

import re
import sys
from typing import NamedTuple

import torch

from cliffnet import Algebra, Partition, _rust, reference
from cliffnet.algebra import class_squares_plan
from cliffnet.nn.attention_features import comparison_plan
from cliffnet.ops._cuda import compiler_places
from cliffnet.ops._fully_connected_gemm import pairs_of

ALGEBRAS = [Algebra(2), Algebra(3), Algebra(1, 3), Algebra(3, 0, 1), Algebra(4, 1), Algebra(5), Algebra(6)]
PRODUCTS = ("bilinear", "bilinear_backward", "bilinear_double_backward")
WEIGHTED = ("steerable_product", "steerable_product_backward")
PAIRS = ("pair_products",)
JOINED = ("product_and_join", "product_and_join_backward")
GATED = (
    "gated_steerable_product: sums",
    "gated_steerable_product",
    "gated_steerable_product_backward: sums",
    "gated_steerable_product_backward",
    "gated_steerable_product_backward: gates",
    "gated_steerable_product_backward: scalars",
)
BY_CLASSES = (
    "class_invariants",
    "class_invariants_backward",
    "gate",
    "gate_backward",
    "self_gate",
    "self_gate_backward",
    "channel_norm: summands",
    "channel_norm: factors",
    "channel_norm",
    "channel_norm_backward: summands",
    "channel_norm_backward: factors",
    "channel_norm_backward",
    "class_gate",
    "class_gate_backward",
)
ATTENTION = ("attention_features", "attention_features_backward", "attention_features_backward: weights")
NAMES = (*PRODUCTS, *PAIRS, *WEIGHTED, *JOINED, *GATED, *BY_CLASSES, *ATTENTION)
DTYPES = ("float32", "float64", "bfloat16", "float16")
ARCHITECTURES = (80, 90, 100)

PLACES = compiler_places(torch.version.cuda, sys.path) if torch.version.cuda else []
"""Where the compiler is; torch without CUDA has none."""


class Usage(NamedTuple):
    """What the compiler says of a kernel."""

    registers: int
    spilled: int


def numbers_of(operator: str, algebra: Algebra) -> list[int]:
    """Return what a kernel depends on: plans, by grade where there are weights or classes, and costly options."""
    partition = Partition.by_grade(algebra)
    squares, smooth_root, gelu = class_squares_plan(partition), 2, list(reference.ACTIVATIONS).index("gelu")
    if operator in WEIGHTED:
        return [partition.product_plan()]
    if operator in ATTENTION:
        return [comparison_plan(algebra)]
    if operator in PAIRS:
        return [pairs_of(partition.product_plan()).plan]
    if operator in GATED:
        return [partition.product_plan(), gelu, 0, squares]
    if operator.endswith("factors"):
        return [reference.INVERSE_ROOT]
    if operator.startswith("self_gate"):
        return [algebra.num_blades, 0, gelu]
    if operator.startswith("gate"):
        return [squares, gelu]
    if operator.startswith("class_gate"):
        return [squares, 0, smooth_root, reference.SIGMOID]
    if operator in BY_CLASSES:
        return [squares, smooth_root]
    product = algebra.product_plan("geometric_product")
    if operator in JOINED:
        return [product, algebra.product_plan("regressive_product")]
    return [product]


def compiled(operator: str, algebra: Algebra, dtype: str, architecture: int, vectors: bool) -> Usage:
    """Compile a kernel; return what it takes of the device."""
    # operands whose numbers depend on the operator, or on classes, are never read in vectors
    masks = {
        "steerable_product": 0b1011,
        "steerable_product_backward": 0b110111,
        "pair_products": 0b011,
        "gated_steerable_product: sums": 0b011,
        "gated_steerable_product": 0b1011,
        "gated_steerable_product_backward: sums": 0b0111,
        "gated_steerable_product_backward": 0b110111,
        "class_invariants": 0b01,
        "class_invariants_backward": 0b110,
        "gate": 0b101,
        "gate_backward": 0b01011,
        "class_gate": 0b1001,
        "class_gate_backward": 0b10011,
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
