"""What the operator matrix runs over."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet import Algebra
from cliffnet import functional as F

ALGEBRAS = [
    Algebra(2),
    Algebra(3),
    Algebra(1, 3),
    Algebra(3, 0, 1),
    Algebra(4, 1),
    Algebra(0, 0, 2),
]
FUNCTIONS = {
    "geometric_product": F.geometric_product,
    "outer_product": F.outer_product,
    "left_contraction": F.left_contraction,
    "projective_join": F.projective_join,
    "commutator": F.commutator,
    "inner_product": F.inner_product,
}
HALF = [torch.bfloat16, torch.float16]


class Case(NamedTuple):
    """A function of two tensors in one algebra, and the same function in plain torch."""

    name: str
    algebra: Algebra
    function: Callable[[Tensor, Tensor], Tensor]
    oracle: Callable[[Tensor, Tensor], Tensor]

    def operands(self, *leading: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return two random operands that require gradients."""
        generator = torch.Generator().manual_seed(seed)
        shape = (*leading, self.algebra.num_blades)
        left, right = (torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for _ in range(2))
        return left.requires_grad_(), right.requires_grad_()


def _dense_oracle(name: str, algebra: Algebra) -> Callable[[Tensor, Tensor], Tensor]:
    """The function as an einsum with its dense table, read off from products of basis blades."""
    eye = torch.eye(algebra.num_blades, dtype=torch.float64)
    table = FUNCTIONS[name](eye[:, None], eye[None], algebra)
    if name == "inner_product":
        return lambda left, right: torch.einsum("...i,...j,ij->...", left, right, table.to(left.dtype))
    return lambda left, right: torch.einsum("...i,...j,ijk->...k", left, right, table.to(left.dtype))


def make_case(name: str, algebra: Algebra) -> Case:
    """Return the case of a function name and an algebra."""

    def function(left: Tensor, right: Tensor) -> Tensor:
        return FUNCTIONS[name](left, right, algebra)

    return Case(f"{name}-{algebra}", algebra, function, _dense_oracle(name, algebra))


CASES = [make_case(name, algebra) for name in FUNCTIONS for algebra in ALGEBRAS]
"""Every function in every algebra."""

FEW = [
    make_case("geometric_product", Algebra(3, 0, 1)),
    make_case("geometric_product", Algebra(1, 3)),
    make_case("inner_product", Algebra(3, 0, 1)),
]
"""For checks that take seconds each."""
