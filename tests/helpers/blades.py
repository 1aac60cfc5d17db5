"""Random blades and versors, as products of vectors."""

import torch
from torch import Tensor

from cliffnet import Algebra
from cliffnet import functional as F


def random_vectors(algebra: Algebra, *leading: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Normal vectors on ``algebra.vectors``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*leading, algebra.dim, generator=generator, dtype=torch.float64).to(dtype)


def wedge(vectors: Tensor, algebra: Algebra) -> Tensor:
    """Outer product of vectors ``(..., k, n)`` as full multivectors."""
    return _product(vectors, algebra, F.outer_product)


def versor(vectors: Tensor, algebra: Algebra) -> Tensor:
    """Geometric product of vectors ``(..., k, n)`` as full multivectors."""
    return _product(vectors, algebra, F.geometric_product)


def _product(vectors, algebra, product):
    result = torch.zeros(*vectors.shape[:-2], algebra.num_blades, dtype=vectors.dtype)
    result[..., algebra.index("1")[0]] = 1
    for vector in vectors.unbind(-2):
        result = product(result, F.change_layout(vector, algebra.vectors, algebra.full), algebra)
    return result
