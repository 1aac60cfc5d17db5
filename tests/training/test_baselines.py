"""The baselines: shapes, permutations, gradients, refusals."""

import pytest
import torch

from cliffnet.errors import ConfigError, ShapeError
from cliffnet.models.baselines import MLP, Transformer


def test_transformer_commutes_with_permutations():
    net = Transformer(7, 3, hidden_channels=16, num_blocks=2, num_heads=4).double()
    x = torch.randn(2, 5, 7, dtype=torch.float64)
    order = torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(net(x)[:, order], net(x[:, order]))
    assert net(x).shape == (2, 5, 3)
    assert net(x[0]).shape == (5, 3)


def test_transformer_mixes_objects_but_not_samples():
    net = Transformer(7, 3, hidden_channels=16, num_blocks=1, num_heads=2)
    x = torch.randn(2, 4, 7, requires_grad=True)
    net(x)[0, 0].sum().backward()
    assert x.grad[0, 3].abs().sum() > 0
    assert x.grad[1].abs().sum() == 0


def test_all_parameters_of_both_take_part():
    for net in (Transformer(7, 3, 16, 1, 2), MLP(4, 7, 3, 16)):
        net(torch.randn(8, 4, 7)).square().sum().backward()
        dead = [name for name, parameter in net.named_parameters() if parameter.grad is None]
        assert not dead


def test_refusals():
    with pytest.raises(ConfigError, match="cannot be split among 3 heads"):
        Transformer(7, 3, hidden_channels=16, num_heads=3)
    with pytest.raises(ShapeError, match="built for 4 objects and was given 6"):
        MLP(4, 7, 3)(torch.randn(2, 6, 7))
