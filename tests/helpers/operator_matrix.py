"""Every operator with arguments to call it by: what the tests of ``tests/ops/test_operator_matrix.py`` run over.

An operator joins by one entry in ``OPERATORS``.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cliffnet import Algebra
from cliffnet.ops._bilinear import bilinear, bilinear_backward, bilinear_double_backward
from cliffnet.ops._operator import Operator

Shapes = tuple[tuple[int, ...], ...]


class OperatorCase(NamedTuple):
    """An operator, the shapes of its tensors for given batch axes, and the numbers that follow them."""

    name: str
    operator: Operator
    shapes: Callable[..., Shapes]
    numbers: tuple[int | float, ...]
    dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.float64, torch.bfloat16, torch.float16)

    def tensors(self, *leading: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple[Tensor, ...]:
        """Return random tensors for the operator."""
        generator = torch.Generator().manual_seed(seed)
        shapes = self.shapes(*leading)
        return tuple(torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes)

    def function(self, *tensors: Tensor) -> Any:
        """Run the operator."""
        return self.operator(*tensors, *self.numbers)

    def oracle(self, *tensors: Tensor) -> Any:
        """Run the reference in plain torch."""
        return self.operator.reference(*tensors, *self.numbers)

    def is_batched(self, index: int) -> bool:
        """Tell whether a tensor has the batch axes (weights do not)."""
        return self.shapes(7, 5)[index][:2] == (7, 5)


def _products() -> list[OperatorCase]:
    cases = []
    for algebra in (Algebra(3), Algebra(3, 0, 1), Algebra(0, 1, 2)):
        blades = algebra.num_blades
        numbers = (algebra.product_plan("geometric_product"),)
        for operator in (bilinear, bilinear_backward, bilinear_double_backward):

            def shapes(*leading: int, count: int = operator.tensors, blades: int = blades) -> Shapes:
                return ((*leading, blades),) * count

            cases.append(OperatorCase(f"{operator.name}-{algebra}", operator, shapes, numbers))
    return cases


OPERATORS = _products()
"""Every operator; a second entry of one is for arguments that take another road through it."""
