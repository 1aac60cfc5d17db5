"""Gates and normalisation of classes by their own invariants, against their formulas in plain torch."""

import pytest
import torch

from cliffnet import Algebra, Partition
from cliffnet import functional as F
from cliffnet.errors import ConfigError, ShapeError
from helpers.precise import assert_close

ALGEBRAS = [Algebra(3), Algebra(1, 3), Algebra(2, 0, 1), Algebra(0, 0, 2), Algebra(metric=(0.5, -2.0)), Algebra(5)]
PARTITIONS = [
    partition
    for algebra in ALGEBRAS
    for partition in (Partition.by_grade(algebra), Partition.by_grade_mod(algebra, 4), Partition.whole(algebra))
]
every_partition = pytest.mark.parametrize("partition", PARTITIONS, ids=str)


def draw(partition, *leading, channels=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(*leading, channels, partition.algebra.num_blades, generator=generator, dtype=torch.float64)
    parameters = torch.randn(2, channels, len(partition), generator=generator, dtype=torch.float64)
    return [tensor.to(dtype).requires_grad_() for tensor in (x, *parameters)]


def norms(x, partition):
    return (F.class_squares(x, partition) ** 2 + 1e-16) ** 0.25


def spread(values, partition):
    return values[..., list(partition.class_of_blades())]


def gated(x, scale, shift, partition, invariant):
    values = F.class_squares(x, partition) if invariant == "square" else norms(x, partition)
    if (0,) in partition.classes:
        # the scalar is gated by itself
        values = torch.cat([x[..., :1], values[..., 1:]], dim=-1)
    return x * spread(torch.sigmoid(scale * values + shift), partition)


def normalized(x, strength, partition):
    return x / spread(torch.sigmoid(strength) * (norms(x, partition) - 1) + 1 + 1e-6, partition)


def with_gradients(function, tensors):
    value = function(*tensors)
    weight = torch.linspace(-1.0, 1.0, value.numel(), dtype=value.dtype).reshape(value.shape)
    return value, *torch.autograd.grad(value, tensors, weight)


@every_partition
@pytest.mark.parametrize("leading", [(), (37,), (2, 200)])
@pytest.mark.parametrize("form", [torch.clone, F.to_blade_major])
def test_values_and_gradients(partition, leading, form):
    x, *parameters = draw(partition, *leading)
    for invariant in ("square", "norm"):
        found = with_gradients(
            lambda x, *others, invariant=invariant: F.class_gate(form(x), *others, partition, invariant=invariant),
            (x, *parameters),
        )
        expected = with_gradients(
            lambda x, *others, invariant=invariant: gated(x, *others, partition, invariant), (x, *parameters)
        )
        assert_close(found, expected)
    found = with_gradients(lambda x, a: F.class_normalization(form(x), a, partition), (x, parameters[0]))
    expected = with_gradients(lambda x, a: normalized(x, a, partition), (x, parameters[0]))
    assert_close(found, expected)


@every_partition
def test_null_classes_get_no_gradient_through_their_invariants(partition):
    x, scale, shift = draw(partition, 5)
    (found,) = torch.autograd.grad(F.class_gate(x, scale, shift, partition).sum(), scale)
    measured = torch.zeros(len(partition), dtype=torch.bool)
    for blade, index in enumerate(partition.class_of_blades()):
        unit = torch.zeros(partition.algebra.num_blades)
        unit[blade] = 1.0
        measured[index] |= bool(F.class_squares(unit, partition)[index] != 0)
    assert bool((found[:, ~measured] == 0).all())
    assert bool((found[:, measured] != 0).all())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_single(dtype):
    partition = Partition.by_grade(Algebra(3))
    x, scale, shift = (tensor.detach() for tensor in draw(partition, 70, dtype=dtype))
    found = F.class_gate(x, scale, shift, partition)
    assert found.dtype == dtype
    assert torch.equal(found, F.class_gate(x.float(), scale.float(), shift.float(), partition).to(dtype))


def test_parameters_of_another_shape_are_refused():
    partition = Partition.by_grade(Algebra(2))
    x, scale, shift = draw(partition, 5)
    with pytest.raises(ShapeError, match=r"shift \(2, 3\)"):
        F.class_gate(x, scale, shift[:2], partition)
    with pytest.raises(ShapeError, match=r"strength \(3, 2\)"):
        F.class_normalization(x, scale[:, :2], partition)
    with pytest.raises(ConfigError, match="choose 'square' or 'norm'"):
        F.class_gate(x, scale, shift, partition, invariant="magnitude")
    with pytest.raises(ConfigError, match="at least 0"):
        F.class_normalization(x, scale, partition, epsilon=-1.0)
