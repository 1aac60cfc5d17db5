"""The MLP of blocks: what it takes together is what its layers compute one after the other."""

import pytest
import torch

from cliffnet import Algebra, Partition, nn
from cliffnet.errors import ConfigError
from helpers.precise import assert_close


@pytest.mark.parametrize("blocks", ["cgenn", "glgenn"])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_layers_one_by_one(blocks, num_layers):
    torch.manual_seed(0)
    mlp = nn.CEMLP(3, 4, 2, num_layers, partition=Partition.by_grade(Algebra(2, 0, 1)), blocks=blocks).double()
    for layer in mlp.layers:
        if isinstance(layer, nn.MVLayerNorm):
            torch.nn.init.uniform_(layer.gain, -1.0, 2.0)
    x = torch.randn(5, 3, 8, dtype=torch.float64, requires_grad=True)
    inputs = (x, *mlp.parameters())
    found, expected = mlp(x), mlp.layers(x)
    assert_close(found, expected)
    weight = torch.randn_like(found)
    for one, other in zip(
        torch.autograd.grad(found, inputs, weight), torch.autograd.grad(expected, inputs, weight), strict=True
    ):
        assert_close(one, other)


@pytest.mark.parametrize("strength", ["x", True, float("nan"), [0.0]])
def test_strengths_of_normalisations_are_numbers(strength):
    partition = Partition.by_grade(Algebra(2))
    with pytest.raises(ConfigError, match=r"initial is .*; give a number"):
        nn.ClassNormalization(3, partition=partition, initial=strength)
    with pytest.raises(ConfigError, match=r"normalization is .*; give a number, or None"):
        nn.SteerableProductLayer(3, partition=partition, normalization=strength)
    with pytest.raises(ConfigError, match=r"normalization is .*; give a number, or None"):
        nn.FullyConnectedProductLayer(3, 2, partition=partition, normalization=strength)
    assert nn.ClassNormalization(3, partition=partition, initial=float("inf")).strength.isposinf().all()
