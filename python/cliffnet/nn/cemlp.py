"""Multilayer perceptron of multivectors: linear map, gate, product and norm."""

import itertools
from typing import Any

from torch import Tensor, nn

from cliffnet import functional as F
from cliffnet.algebra import Partition
from cliffnet.nn.class_layers import ClassNormalization, MVLayerNorm, MVSiLU
from cliffnet.nn.config import BlockConfig, check_channels, check_partition
from cliffnet.nn.mv_linear import MVLinear
from cliffnet.nn.product_layers import SteerableProductLayer


class CEMLP(nn.Module):
    """Clifford-equivariant MLP: blocks of :class:`MVLinear`, :class:`MVSiLU`, product layer and norm.

    Parameters
    ----------
    in_channels, hidden_channels, out_channels : int
        Multivector channels at the input, between blocks and at the output.
    num_layers : int
        Number of blocks.
    partition : Partition
        The classes.
    blocks : BlockConfig, dict or {"cgenn", "glgenn"}, optional
        What the blocks are made of. CGENN's end in a layer norm; GLGENN's have no biases and no first-order terms and
        end in a class normalisation.

    Notes
    -----
    Equivariant under every isometry of the generators: ``f(g.x) = g.f(x)``.

    References
    ----------
    Ruhe et al., Clifford Group Equivariant Neural Networks, 2023, section 5; arXiv:2305.11141. Filimoshina and
    Shirokov, GLGENN, 2025; arXiv:2506.09625.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, Partition, nn
    >>> mlp = nn.CEMLP(2, 8, 1, partition=Partition.by_grade(Algebra(1, 3)))
    >>> mlp(torch.randn(10, 2, 16)).shape
    torch.Size([10, 1, 16])
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        out_channels: int,
        num_layers: int = 2,
        *,
        partition: Partition,
        blocks: BlockConfig | dict[str, Any] | str | None = None,
    ) -> None:
        super().__init__()
        check_channels(hidden_channels=hidden_channels, num_layers=num_layers)
        self.partition, self.blocks = check_partition(partition), BlockConfig.cast(blocks)
        widths = [in_channels, *[hidden_channels] * (num_layers - 1), out_channels]
        self.layers = nn.Sequential()
        for inputs, outputs in itertools.pairwise(widths):
            self.layers.extend(block_layers(inputs, outputs, partition, self.blocks))

    @property
    def first(self) -> MVLinear:
        """The linear map at the input."""
        layer = self.layers[0]
        assert isinstance(layer, MVLinear)
        return layer

    def after_first(self, x: Tensor) -> Tensor:
        """Do what lies between the linear map at the input and :meth:`scale`.

        Callers may work out that map in their own way, and sum results before they are scaled.
        """
        norm: MVLayerNorm | None = None
        for layer in itertools.islice(self.layers, 1, None):
            if isinstance(layer, MVLayerNorm):
                norm, x = layer, layer.divide(x)
            elif norm is not None and isinstance(layer, MVLinear):
                # the factors of a norm go into the weights that follow, which are smaller than the activations
                weight = layer.weight * norm.gain.unsqueeze(-1)
                norm, x = None, F.equivariant_linear(x, weight, layer.maps, layer.bias)
            else:
                x = layer(x)
        return x

    def scale(self, x: Tensor) -> Tensor:
        """Scale each channel by the factor of the last norm, where that is a layer norm."""
        last = self.layers[-1]
        return last.scale(x) if isinstance(last, MVLayerNorm) else x

    def forward(self, x: Tensor) -> Tensor:
        """Map multivectors ``(..., in_channels, B)`` to ``(..., out_channels, B)``."""
        return self.scale(self.after_first(self.first(x)))


def block_layers(in_channels: int, out_channels: int, partition: Partition, blocks: BlockConfig) -> list[nn.Module]:
    """Return the layers of one block: linear map, gate, product and norm."""
    norm: nn.Module = MVLayerNorm(out_channels, algebra=partition.algebra)
    if blocks.output_norm == "class":
        norm = ClassNormalization(out_channels, partition=partition)
    return [
        MVLinear(in_channels, out_channels, partition=partition, bias=blocks.bias),
        MVSiLU(out_channels, partition=blocks.gate_partition(partition)),
        product_layer(out_channels, partition, blocks),
        norm,
    ]


def product_layer(channels: int, partition: Partition, blocks: BlockConfig) -> SteerableProductLayer:
    """Return the product layer of a block."""
    return SteerableProductLayer(
        channels, partition=partition, first_order=blocks.first_order, normalization=blocks.normalization
    )
