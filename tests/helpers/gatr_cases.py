"""Calls of the operators of GATr, each with its twin in plain torch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cliffnet import Algebra, ops, reference
from cliffnet.nn.attention_features import comparison_plan, volume_blade


class Case(NamedTuple):
    """An operator, its twin, and tensors and numbers to call both with."""

    name: str
    operator: Callable[..., Any]
    twin: Callable[..., Any]
    tensors: Callable[..., tuple[Tensor, ...]]
    numbers: tuple[Any, ...]

    def call(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return what the operator makes of these tensors."""
        return _as_tuple(self.operator(*tensors, *self.numbers))

    def expected(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return what the twin makes of them."""
        return _as_tuple(self.twin(*tensors, *self.numbers))


def _as_tuple(result: Any) -> tuple[Tensor, ...]:
    return result if isinstance(result, tuple) else (result,)


def _random(*shape: int, dtype: torch.dtype, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()


def _product_and_join(algebra: Algebra, channels: int) -> Case:
    def tensors(*leading: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
        factors = _random(*leading, 4 * channels, algebra.num_blades, dtype=dtype, seed=1)
        return factors, _random(*leading[:1], *(1,) * len(leading), algebra.num_blades, dtype=dtype, seed=2)

    plans = (algebra.product_plan("geometric_product"), algebra.product_plan("projective_join"))
    numbers = (*plans, volume_blade(algebra))
    name = f"product_and_join-{algebra}-{channels}"
    return Case(name, ops.product_and_join, reference.product_and_join, tensors, numbers)


def _attention_features(algebra: Algebra, heads: tuple[int, int, int], channels: int, scalars: int) -> Case:
    def tensors(*leading: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
        mv = _random(*leading, sum(heads) * channels, algebra.num_blades, dtype=dtype, seed=1)
        extra = _random(*leading, sum(heads) * scalars, dtype=dtype, seed=2) if scalars else torch.empty(0, dtype=dtype)
        weights = _random(heads[0], channels, dtype=dtype, seed=3) if heads[0] else torch.empty(0, dtype=dtype)
        return mv, extra, weights

    numbers = (comparison_plan(algebra), *heads, 24, 0.01)
    name = f"attention_features-{algebra}-{heads}-{channels}-{scalars}"
    return Case(name, ops.attention_features, reference.attention_features, tensors, numbers)


def _attention_values(algebra: Algebra) -> Case:
    def tensors(*leading: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
        return (_random(*leading, 2, 3 * algebra.num_blades + 4, dtype=dtype, seed=1),)

    numbers = (comparison_plan(algebra), 3, 2)
    return Case(f"attention_values-{algebra}", ops.attention_values, reference.attention_values, tensors, numbers)


CASES = [
    _product_and_join(Algebra(3, 0, 1), 2),
    _product_and_join(Algebra(3, 0, 1), 17),
    _product_and_join(Algebra(1, 3), 3),
    _product_and_join(Algebra(2), 1),
    _attention_features(Algebra(3, 0, 1), (2, 1, 1), 2, 3),
    _attention_features(Algebra(3, 0, 1), (3, 3, 3), 4, 0),
    _attention_features(Algebra(2, 0, 1), (0, 1, 1), 3, 1),
    _attention_features(Algebra(1, 3), (2, 1, 1), 9, 2),
    _attention_values(Algebra(3, 0, 1)),
]
"""Every operator in several algebras and sizes."""

FEW = [CASES[0], CASES[4], CASES[8]]
"""One of each operator, for checks that take seconds."""
