"""Baselines without equivariance: a pre-norm transformer over objects and a plain MLP over all of them."""

import torch
from torch import Tensor, nn

from cliffnet.errors import ConfigError, ShapeError

__all__ = ["MLP", "Transformer"]


class Transformer(nn.Module):
    """Pre-norm transformer over an unordered set of objects.

    ``x += attention(norm(x)); x += mlp(norm(x))`` per block, with a linear layer before and after.
    There is no norm behind the last block, so that the residual stream can carry large coordinates through.

    Parameters
    ----------
    in_channels, out_channels : int
        Features per object.
    hidden_channels : int
        Width.
    num_blocks : int
        Depth.
    num_heads : int
        Attention heads; must divide ``hidden_channels``.
    mlp_ratio : int
        Width of the hidden layer of each block, in units of ``hidden_channels``.

    Notes
    -----
    Commutes with permutations of the objects, with nothing else.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden_channels: int = 384,
        num_blocks: int = 10,
        num_heads: int = 8,
        mlp_ratio: int = 2,
    ) -> None:
        super().__init__()
        if hidden_channels % num_heads:
            raise ConfigError(f"{hidden_channels} channels cannot be split among {num_heads} heads; give a multiple")
        self.linear_in = nn.Linear(in_channels, hidden_channels)
        self.blocks = nn.ModuleList(_Block(hidden_channels, num_heads, mlp_ratio) for _ in range(num_blocks))
        self.linear_out = nn.Linear(hidden_channels, out_channels)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(..., objects, in_channels)`` to ``(..., objects, out_channels)``."""
        hidden = self.linear_in(inputs)
        for block in self.blocks:
            hidden = block(hidden)
        outputs: Tensor = self.linear_out(hidden)
        return outputs


class _Block(nn.Module):
    def __init__(self, channels: int, num_heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm_attention = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.attention_out = nn.Linear(channels, channels)
        self.norm_mlp = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, mlp_ratio * channels), nn.GELU(), nn.Linear(mlp_ratio * channels, channels)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        qkv = self.qkv(self.norm_attention(hidden)).unflatten(-1, (3, self.num_heads, -1))
        query, key, value = qkv.movedim(-2, -4).unbind(-2)  # each (..., heads, objects, head channels)
        attended = nn.functional.scaled_dot_product_attention(query, key, value)
        hidden = hidden + self.attention_out(attended.transpose(-2, -3).flatten(-2))
        return hidden + torch.as_tensor(self.mlp(self.norm_mlp(hidden)))


class MLP(nn.Module):
    """Multilayer perceptron on the features of all objects side by side.

    Parameters
    ----------
    num_objects : int
        The one number of objects it can take.
    in_channels, out_channels : int
        Features per object.
    hidden_channels : int
        Width.
    num_hidden_layers : int
        Depth.

    Notes
    -----
    Commutes with nothing, not even with permutations of the objects.
    """

    def __init__(
        self,
        num_objects: int,
        in_channels: int,
        out_channels: int,
        hidden_channels: int = 384,
        num_hidden_layers: int = 2,
    ) -> None:
        super().__init__()
        self.num_objects = num_objects
        layers: list[nn.Module] = []
        width = num_objects * in_channels
        for _ in range(num_hidden_layers):
            layers += [nn.Linear(width, hidden_channels), nn.GELU()]
            width = hidden_channels
        self.layers = nn.Sequential(*layers, nn.Linear(width, num_objects * out_channels))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(..., objects, in_channels)`` to ``(..., objects, out_channels)``.

        Raises
        ------
        ShapeError
            If the number of objects is not the one the network was built for.
        """
        if inputs.shape[-2] != self.num_objects:
            raise ShapeError(f"this MLP was built for {self.num_objects} objects and was given {inputs.shape[-2]}")
        outputs: Tensor = self.layers(inputs.flatten(-2))
        unflattened: Tensor = outputs.unflatten(-1, (self.num_objects, -1))
        return unflattened
