"""Layers over a partition commute with all isometries, and with the generalised Lipschitz group where classes allow."""

import pytest
import torch

from cliffnet import Algebra, Partition
from cliffnet import functional as F
from cliffnet.nn import (
    CEMLP,
    ClassNormalization,
    FullyConnectedProductLayer,
    MVLayerNorm,
    MVLinear,
    MVSiLU,
    SteerableProductLayer,
)
from cliffnet.testing import assert_equivariant

pytestmark = pytest.mark.usefixtures("double_precision")

ALGEBRAS = [Algebra(3), Algebra(2, 0, 1), Algebra(1, 3), Algebra(3, 0, 1), Algebra(metric=(1, 0, -2, 0))]
PARTITIONS = {
    "grade": Partition.by_grade,
    "mod 4": lambda algebra: Partition.by_grade_mod(algebra, 4),
    "parity": Partition.by_parity,
    "custom": lambda algebra: Partition(algebra, [[1, 2], [0], range(3, algebra.dim + 1)]),
}
LAYERS = {
    "linear": lambda partition: MVLinear(3, 4, partition=partition),
    "linear without bias": lambda partition: MVLinear(3, 4, partition=partition, bias=False),
    "normalization": lambda partition: ClassNormalization(3, partition=partition),
    "product": lambda partition: SteerableProductLayer(3, partition=partition),
    "product alone": lambda partition: SteerableProductLayer(
        3, partition=partition, first_order=False, normalization=None
    ),
    "full product": lambda partition: FullyConnectedProductLayer(3, 2, partition=partition),
    "gate by squares": lambda partition: MVSiLU(3, partition=partition),
    "gate by norms": lambda partition: MVSiLU(3, partition=partition, invariant="norm"),
    "layer norm": lambda partition: MVLayerNorm(3, algebra=partition.algebra),
    "mlp": lambda partition: CEMLP(3, 4, 2, partition=partition),
}
SHAPE = (2, 5, 3)


def _randomized(layer):
    # biases and gates start at values that would hide a fault
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0.0, 0.5)
    return layer


@pytest.mark.parametrize("make_layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("make_partition", PARTITIONS.values(), ids=PARTITIONS)
@pytest.mark.parametrize("algebra", ALGEBRAS, ids=str)
def test_layers_commute_with_isometries(algebra, make_partition, make_layer):
    layer = _randomized(make_layer(make_partition(algebra)))
    assert_equivariant(layer, algebra, "isometries", inputs=[SHAPE])


@pytest.mark.parametrize("make_layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("name", ["mod 4", "parity"])
@pytest.mark.parametrize("algebra", [Algebra(6), Algebra(5, 1), Algebra(4, 1, 1)], ids=str)
def test_classes_modulo_4_commute_with_elements_that_mix_grades(algebra, name, make_layer):
    layer = _randomized(make_layer(PARTITIONS[name](algebra)))
    assert_equivariant(layer, algebra, "generalized_lipschitz", inputs=[SHAPE])


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "layer norm"])
def test_grades_do_not_commute_with_elements_that_mix_them(name):
    algebra = Algebra(6)
    layer = _randomized(LAYERS[name](Partition.by_grade(algebra)))
    assert_equivariant(layer, algebra, "pin", inputs=[SHAPE])
    with pytest.raises(AssertionError, match="g is a turn that mixes grades"):
        assert_equivariant(layer, algebra, "generalized_lipschitz", inputs=[SHAPE])


def _element(algebra):
    """Return 0.8 + 0.6 I."""
    element = torch.zeros(1, algebra.num_blades)
    element[0, 0], element[0, -1] = 0.8, 0.6
    return element


def test_the_published_element_of_six_dimensions():
    algebra = Algebra(6)
    layer = _randomized(CEMLP(3, 4, 2, partition=PARTITIONS["mod 4"](algebra)))
    assert_equivariant(layer, algebra, _element(algebra), inputs=[SHAPE])
    layer = _randomized(MVLinear(3, 4, partition=Partition.by_grade(algebra)))
    with pytest.raises(AssertionError, match="relative error"):
        assert_equivariant(layer, algebra, _element(algebra), inputs=[SHAPE])


@pytest.mark.parametrize("name", ["linear", "product alone"])
def test_in_four_dimensions_the_same_element_keeps_parity_alone(name):
    # its product with its reverse is no scalar
    algebra = Algebra(4)
    layer = _randomized(LAYERS[name](PARTITIONS["parity"](algebra)))
    assert_equivariant(layer, algebra, _element(algebra), inputs=[SHAPE])
    layer = _randomized(LAYERS[name](PARTITIONS["mod 4"](algebra)))
    with pytest.raises(AssertionError, match="relative error"):
        assert_equivariant(layer, algebra, _element(algebra), inputs=[SHAPE])


@pytest.mark.parametrize("algebra", [Algebra(1, 3), Algebra(2, 0, 1)], ids=str)
def test_broken_layers_are_found(algebra):
    partition = Partition.by_grade(algebra)
    layer = _randomized(MVLinear(3, 3, partition=partition))
    blades = torch.eye(algebra.num_blades)

    def weight_of_one_blade(x):
        return layer(x) * (1 + 1e-6 * blades[1])

    def bias_of_a_vector(x):
        return layer(x) + 1e-6 * blades[2]

    def euclidean_norm(x):
        return x / (1 + x.norm(dim=-1, keepdim=True))

    def gate_of_a_coefficient(x):
        return F.gate(x, x[..., 1:2], "sigmoid")

    for broken in (weight_of_one_blade, bias_of_a_vector, euclidean_norm, gate_of_a_coefficient):
        with pytest.raises(AssertionError, match="relative error"):
            assert_equivariant(broken, algebra, "isometries", inputs=[SHAPE])
