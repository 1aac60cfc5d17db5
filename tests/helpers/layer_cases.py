"""Gates, invariants of classes and layer norms, each with its formula spelt out in plain torch."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet import Algebra, Partition
from cliffnet import functional as F

ALGEBRAS = [Algebra(3), Algebra(1, 3), Algebra(2, 0, 1), Algebra(3, 0, 1), Algebra(metric=(0.5, -2.0))]
ACTIVATIONS = {
    "identity": lambda s: s,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "silu": torch.nn.functional.silu,
    "tanh": torch.tanh,
    "gelu": torch.nn.functional.gelu,
    "gelu_tanh": lambda s: torch.nn.functional.gelu(s, approximate="tanh"),
    "gelu_divide": lambda s: torch.nn.functional.gelu(s, approximate="tanh") / s,
    "normal_cdf": torch.special.ndtr,
    "step": lambda s: (s > 0).to(s.dtype) + 0.0 * s,
}


class LayerCase(NamedTuple):
    """A function of tensors in one algebra, and its formula."""

    name: str
    algebra: Algebra
    sizes: tuple[int, ...]
    function: Callable[..., Tensor]
    formula: Callable[..., Tensor]

    def operands(self, *leading: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple[Tensor, ...]:
        """Return random operands that require gradients."""
        generator = torch.Generator().manual_seed(seed)
        shapes = [(*leading, size) for size in self.sizes]
        found = [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]
        return tuple(operand.requires_grad_() for operand in found)


def _squares(x: Tensor, partition: Partition) -> Tensor:
    algebra = partition.algebra
    reverse = [(-1) ** (grade * (grade - 1) // 2) for grade in algebra.grades]
    eye = torch.eye(algebra.num_blades, dtype=torch.float64)
    measure = F.geometric_product(eye, eye, algebra)[:, 0] * torch.tensor(reverse)
    classes = torch.tensor(partition.class_of_blades())
    columns = [(x * x * measure.to(x.dtype))[..., classes == index].sum(-1) for index in range(len(partition))]
    return torch.stack(columns, -1)


def _spread(values: Tensor, partition: Partition) -> Tensor:
    return values[..., list(partition.class_of_blades())]


def _norm(square: Tensor) -> Tensor:
    return (square * square + 1e-16) ** 0.25


def _layer_norm(x: Tensor, algebra: Algebra) -> Tensor:
    mean = _squares(x, Partition.by_grade(algebra)).abs().sum(-1).mean(-1)
    return 0.7 * x / mean.clamp_min(0.5).sqrt()[..., None, None]


def _norm_layer_norm(x: Tensor, algebra: Algebra) -> Tensor:
    return x / (_norm(_squares(x, Partition.whole(algebra))).squeeze(-1).mean(-1) + 0.1)[..., None, None]


def invariant_cases(algebra: Algebra, partition: Partition) -> list[LayerCase]:
    """Return the invariants of the classes of a partition."""
    size = algebra.num_blades
    name = f"{algebra}-{len(partition)} classes"
    return [
        LayerCase(
            f"class_squares-{name}",
            algebra,
            (size,),
            lambda x: F.class_squares(x, partition),
            lambda x: _squares(x, partition),
        ),
        LayerCase(
            f"class_norms-{name}",
            algebra,
            (size,),
            lambda x: F.class_norms(x, partition, epsilon=1e-2),
            lambda x: (_squares(x, partition) ** 2 + 1e-2) ** 0.25,
        ),
        LayerCase(
            f"class_inner_products-{name}",
            algebra,
            (size, size),
            lambda x, y: F.class_inner_products(x, y, partition),
            lambda x, y: (_squares(x + y, partition) - _squares(x - y, partition)) / 4,
        ),
        LayerCase(
            f"gate-{name}",
            algebra,
            (size, len(partition)),
            lambda x, s: F.gate(x, s, "silu", partition=partition),
            lambda x, s: x * _spread(torch.nn.functional.silu(s), partition),
        ),
    ]


def norm_cases(algebra: Algebra) -> list[LayerCase]:
    """Return both layer norms."""
    size = (algebra.num_blades,)
    return [
        LayerCase(
            f"layer_norm-{algebra}",
            algebra,
            size,
            lambda x: F.layer_norm(x, algebra, epsilon=0.5, gain=0.7),
            lambda x: _layer_norm(x, algebra),
        ),
        LayerCase(
            f"layer_norm by norm-{algebra}",
            algebra,
            size,
            lambda x: F.layer_norm(x, algebra, by="norm", epsilon=0.1),
            lambda x: _norm_layer_norm(x, algebra),
        ),
    ]


def gate_cases(algebra: Algebra, activation: str) -> list[LayerCase]:
    """Return the gates by one tensor for all blades, and by the scalar part."""
    function = ACTIVATIONS[activation]
    return [
        LayerCase(
            f"gate by {activation}-{algebra}",
            algebra,
            (algebra.num_blades, 1),
            lambda x, s: F.gate(x, s, activation),
            lambda x, s: x * function(s),
        ),
        LayerCase(
            f"scalar_gate by {activation}-{algebra}",
            algebra,
            (algebra.num_blades,),
            lambda x: F.scalar_gate(x, activation),
            lambda x: x * function(x[..., :1]),
        ),
    ]


def _partitions(algebra: Algebra) -> list[Partition]:
    return [Partition.by_grade(algebra), Partition.by_parity(algebra), Partition.whole(algebra)]


LAYER_CASES = [
    *(case for algebra in ALGEBRAS for part in _partitions(algebra) for case in invariant_cases(algebra, part)),
    *(case for algebra in ALGEBRAS for case in norm_cases(algebra)),
    *(case for activation in ACTIVATIONS for case in gate_cases(Algebra(3, 0, 1), activation)),
]
"""Every function in every algebra."""

FEW_LAYER_CASES = [
    *invariant_cases(Algebra(1, 3), Partition.by_grade(Algebra(1, 3)))[:2],
    invariant_cases(Algebra(2, 0, 1), Partition.by_parity(Algebra(2, 0, 1)))[3],
    *norm_cases(Algebra(2, 0, 1)),
    *norm_cases(Algebra(1, 3))[:1],
    *gate_cases(Algebra(2), "gelu"),
    *gate_cases(Algebra(2), "gelu_tanh"),
]
"""For checks that take long."""
