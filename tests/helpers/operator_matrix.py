"""Every operator with arguments to call it by: what the tests of ``tests/ops/test_operator_matrix.py`` run over.

An operator joins by one entry in ``OPERATORS``.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cliffnet import Algebra, Partition, reference
from cliffnet.algebra import class_squares_plan
from cliffnet.nn.attention_features import comparison_plan
from cliffnet.ops._attention import attention_features, attention_features_backward, attention_values
from cliffnet.ops._bilinear import bilinear, bilinear_backward, bilinear_double_backward
from cliffnet.ops._class_gate import class_gate, class_gate_backward
from cliffnet.ops._fully_connected import fully_connected_product, fully_connected_product_backward
from cliffnet.ops._fully_connected_gemm import pairs_of
from cliffnet.ops._gated_steerable import gated_steerable_product, gated_steerable_product_backward
from cliffnet.ops._layers import (
    channel_norm,
    channel_norm_backward,
    class_invariants,
    class_invariants_backward,
    gate,
    gate_backward,
    self_gate,
    self_gate_backward,
)
from cliffnet.ops._linear import equivariant_linear, equivariant_linear_backward
from cliffnet.ops._operator import Operator
from cliffnet.ops._pair_products import pair_products
from cliffnet.ops._product_and_join import product_and_join, product_and_join_backward
from cliffnet.ops._steerable import steerable_product, steerable_product_backward

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


def _pair(
    name: str, operators: tuple[Operator, Operator], out: Any, inputs: Any, weights: Shapes, numbers: tuple[Any, ...]
) -> list[OperatorCase]:
    """An operator and its backward operator, which takes the cotangent in front.

    ``out`` and ``inputs`` are what follows the batch axes in the result and in the tensors that have them; ``weights``
    are the shapes of the tensors that have not.
    """
    forward, backward = operators

    def shapes(*leading: int) -> Shapes:
        return (*((*leading, *rest) for rest in inputs), *weights)

    def shapes_of_backward(*leading: int) -> Shapes:
        return ((*leading, *out), *shapes(*leading))

    return [
        OperatorCase(f"{forward.name}-{name}", forward, shapes, numbers),
        OperatorCase(f"{backward.name}-{name}", backward, shapes_of_backward, numbers),
    ]


def _weighted_products() -> list[OperatorCase]:
    steerable = (steerable_product, steerable_product_backward)
    connected = (fully_connected_product, fully_connected_product_backward)
    cases = []
    for partition in (Partition.by_grade(Algebra(2)), Partition.by_grade(Algebra(1, 0, 1))):
        algebra, plan = partition.algebra, partition.product_plan()
        blades, paths = algebra.num_blades, len(partition.paths())
        rows = (3, blades)
        # two channels: a size that no batch has, for graphs take sizes that agree for one
        channels = (2, blades)
        cases += _pair(f"{algebra}", steerable, channels, (channels, channels), ((2, paths),), (plan,))
        cases += _pair(f"{algebra}", connected, (2, blades), (rows, rows), ((2, 3, paths),), (plan,))
    return cases


def _pair_products() -> list[OperatorCase]:
    partition = Partition.by_grade(Algebra(2))
    blades, plan = partition.algebra.num_blades, pairs_of(partition.product_plan()).plan
    return [OperatorCase("pair_products", pair_products, lambda *leading: ((*leading, 3, blades),) * 2, (plan,))]


def _gated_products() -> list[OperatorCase]:
    gated = (gated_steerable_product, gated_steerable_product_backward)
    # magnitudes of squares have a kink where a square of a metric of both signs vanishes, so a definite one
    partition = Partition.by_grade(Algebra(2, 0, 1))
    algebra, plan, squares = partition.algebra, partition.product_plan(), class_squares_plan(partition)
    rows, weight = (2, algebra.num_blades), (2, len(partition.paths()))
    normal_cdf = list(reference.ACTIVATIONS).index("normal_cdf")

    def pair(name: str, *around: float) -> list[OperatorCase]:
        return _pair(name, gated, rows, (rows, rows), (weight,), (plan, *around))

    return [
        *pair("norm", -1, 0, squares, 0.1),
        # the gradient by a gate sums terms in another order than the reference, which infinities of both signs show
        pair("gate", normal_cdf, 0, -1, 0.1)[0],
        pair("gate and norm", normal_cdf, 0, squares, 0.1)[0],
    ]


def _layers() -> list[OperatorCase]:
    algebra = Algebra(1, 1)
    partition = Partition.by_grade(algebra)
    blades, classes, squares = algebra.num_blades, len(partition), class_squares_plan(partition)
    invariants = (class_invariants, class_invariants_backward)
    smooth = (squares, reference.NORM, 1e-3)
    gates = (gate, gate_backward)
    sigmoid = list(reference.ACTIVATIONS).index("sigmoid")
    return [
        *_pair("norms", invariants, (classes,), ((blades,),), (), smooth),
        *_pair("sigmoid", gates, (blades,), ((blades,), (classes,)), (), (squares, sigmoid)),
        *_pair("sigmoid", (self_gate, self_gate_backward), (blades,), ((blades,),), (), (0, sigmoid)),
    ]


def _class_gates() -> list[OperatorCase]:
    algebra = Algebra(1, 0, 1)
    partition, operators = Partition.by_grade(algebra), (class_gate, class_gate_backward)
    rows, parameters = (2, algebra.num_blades), (2, len(partition))
    squares = class_squares_plan(partition)
    gate = (squares, 0, reference.SQUARE, 0.0, reference.SIGMOID)
    norm = (squares, -1, reference.NORM, 1e-3, reference.SIGMOID)
    division = (squares, -1, reference.NORM, 1e-3, reference.RECIPROCAL)
    return [
        *_pair("squares and scalar", operators, rows, (rows,), (parameters, parameters), gate),
        _pair("norms", operators, rows, (rows,), (parameters, parameters), norm)[0],
        _pair("division", operators, rows, (rows,), (parameters, parameters), division)[0],
    ]


def _rows() -> list[OperatorCase]:
    """Operators that take channels together."""
    algebra = Algebra(2, 0, 1)
    maps, blades = algebra.equivariant_maps(), algebra.num_blades
    table = maps.number
    linear = (equivariant_linear, equivariant_linear_backward)
    forward = _pair("bias", linear, (2, blades), ((3, blades),), ((2, 3, len(maps)), (2,)), (table,))[0]
    backward = _pair("all", linear, (2, blades), ((3, blades),), ((2, 3, len(maps)),), (table, 7))[1]
    squares = class_squares_plan(Partition.whole(algebra))
    norm = (squares, reference.NORM, 1e-3, reference.INVERSE, 0.1, 0.7)
    rows = (4, blades)
    products = (algebra.product_plan("geometric_product"), algebra.product_plan("projective_join"), blades - 1)
    return [
        forward,
        backward,
        *_pair("by norm", (channel_norm, channel_norm_backward), rows, (rows,), (), norm),
        *_pair("PGA", (product_and_join, product_and_join_backward), (2, blades), (rows, (1, blades)), (), products),
    ]


def _attention() -> list[OperatorCase]:
    comparison = comparison_plan(Algebra(3, 0, 1))
    heads, width = (2, 1, 1), 48

    def projections(*leading: int) -> Shapes:
        return ((*leading, 8, 16), (*leading, 4), (2, 2))

    def features(*leading: int) -> Shapes:
        cotangents = tuple((*leading, count, width) for count in heads)
        return (*cotangents, *projections(*leading))

    numbers = (comparison, *heads, width, 1e-3)
    return [
        OperatorCase("attention_features", attention_features, projections, numbers),
        OperatorCase("attention_features_backward", attention_features_backward, features, numbers),
        OperatorCase(
            "attention_values", attention_values, lambda *leading: ((*leading, 2, width),), (comparison, 2, 1)
        ),
    ]


OPERATORS = [
    *_products(),
    *_weighted_products(),
    *_pair_products(),
    *_gated_products(),
    *_layers(),
    *_class_gates(),
    *_rows(),
    *_attention(),
]
"""Every operator; a second entry of one is for arguments that take another road through it."""
