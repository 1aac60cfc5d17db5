"""Gates, invariants of classes and layer norms as functions: invariance, equivariance, refusals."""

import pytest
import torch

from cliffnet import Algebra, Partition
from cliffnet import functional as F
from cliffnet.errors import AlgebraMismatchError, ConfigError, DTypeError, ShapeError

ALGEBRAS = [Algebra(3), Algebra(1, 3), Algebra(2, 0, 1), Algebra(3, 0, 1), Algebra(4, 1)]
PARTITIONS = [Partition.by_grade, lambda algebra: Partition.by_grade_mod(algebra, 4), Partition.by_parity]


@pytest.fixture(params=ALGEBRAS, ids=str)
def algebra(request):
    return request.param


@pytest.fixture
def versor(algebra):
    """A product of three vectors, which reverses orientation."""
    generator = torch.Generator().manual_seed(3)
    vectors = torch.zeros(3, algebra.num_blades, dtype=torch.float64)
    vectors[:, list(algebra.grade_indices(1))] = torch.randn(3, algebra.dim, generator=generator, dtype=torch.float64)
    # far from null
    vectors[:, algebra.blade_masks.index(1 << algebra.metric.index(1.0))] += 3.0
    product = F.geometric_product(vectors[0], vectors[1], algebra)
    return F.geometric_product(product, vectors[2], algebra)


def multivectors(algebra, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(5, 4, algebra.num_blades, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("make", PARTITIONS)
def test_invariants_do_not_change(algebra, versor, make):
    partition = make(algebra)
    x, y = multivectors(algebra), multivectors(algebra, 1)
    moved_x, moved_y = (F.sandwich(versor, value, algebra) for value in (x, y))
    functions = [
        lambda a, b: F.class_squares(a, partition),
        lambda a, b: F.class_norms(a, partition, epsilon=1e-3),
        lambda a, b: F.class_inner_products(a, b, partition),
    ]
    for function in functions:
        torch.testing.assert_close(function(moved_x, moved_y), function(x, y), rtol=1e-8, atol=1e-7)


@pytest.mark.parametrize("make", PARTITIONS)
def test_functions_commute_with_versors(algebra, versor, make):
    partition = make(algebra)
    gates = torch.randn(5, 4, len(partition), dtype=torch.float64)
    functions = [
        lambda x: F.gate(x, gates, "tanh", partition=partition),
        lambda x: F.gate(x, gates[..., :1], "sigmoid"),
        lambda x: F.scalar_gate(x, "gelu", algebra=algebra),
        lambda x: F.layer_norm(x, algebra),
        lambda x: F.layer_norm(x, algebra, by="norm", epsilon=0.1),
    ]
    x = multivectors(algebra)
    for function in functions:
        moved = F.sandwich(versor, function(x), algebra)
        torch.testing.assert_close(function(F.sandwich(versor, x, algebra)), moved, rtol=1e-7, atol=1e-7)


def test_squares_of_classes_sum_to_the_squared_norm(algebra):
    x = multivectors(algebra)
    for make in PARTITIONS:
        squares = F.class_squares(x, make(algebra))
        torch.testing.assert_close(squares.sum(-1), F.norm_squared(x, algebra))


def test_scalar_gate_finds_the_scalar_of_a_custom_basis():
    algebra = Algebra(2, basis=("e1", "1", "e2", "e12"))
    x = torch.randn(3, 4)
    torch.testing.assert_close(F.scalar_gate(x, "relu", algebra=algebra), x * x[:, 1:2].relu())


def test_refusals():
    algebra = Algebra(3)
    partition = Partition.by_grade(algebra)
    x = torch.randn(2, 4, 8)
    with pytest.raises(AlgebraMismatchError, match=r"Partition\.by_grade"):
        F.class_squares(x, algebra)
    with pytest.raises(ShapeError, match="did you mean"):
        F.class_norms(torch.randn(2, 16), partition)
    with pytest.raises(ConfigError, match="at least 0"):
        F.class_norms(x, partition, epsilon=-1.0)
    with pytest.raises(ConfigError, match="did you mean 'sigmoid'"):
        F.gate(x, x[..., :1], "sigmoyd")
    with pytest.raises(ShapeError, match="last axis of 4"):
        F.gate(x, x[..., :3], partition=partition)
    with pytest.raises(ShapeError, match="do not broadcast"):
        F.gate(x, torch.randn(3, 1))
    with pytest.raises(DTypeError, match="dtypes"):
        F.gate(x, x[..., :1].double())
    with pytest.raises(DTypeError, match="float32"):
        F.scalar_gate(torch.ones(2, 8, dtype=torch.int64))
    with pytest.raises(ShapeError, match="at least one blade"):
        F.scalar_gate(torch.ones(2, 0))
    with pytest.raises(ShapeError, match="channels"):
        F.layer_norm(torch.randn(8), algebra)
    with pytest.raises(ConfigError, match="'square' or 'norm'"):
        F.layer_norm(x, algebra, by="median")
    with pytest.raises(ConfigError, match="positive"):
        F.layer_norm(x, algebra, epsilon=0.0)
    with pytest.raises(AlgebraMismatchError, match="expected an Algebra"):
        F.layer_norm(x, partition)
