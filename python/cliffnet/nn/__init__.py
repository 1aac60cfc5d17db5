"""Equivariant layers on multivectors ``(..., channels, blades)`` and invariant scalars ``(..., channels)``."""

from cliffnet.nn.activation import ScalarGatedNonlinearity, gate
from cliffnet.nn.attention import CrossAttention, SelfAttention
from cliffnet.nn.attention_functions import geometric_attention, join_attention, scalar_product_attention
from cliffnet.nn.cemlp import CEMLP
from cliffnet.nn.class_layers import ClassNormalization, MVLayerNorm, MVSiLU
from cliffnet.nn.config import BlockConfig, Compatibility, MLPConfig, SelfAttentionConfig
from cliffnet.nn.dropout import GradeDropout
from cliffnet.nn.graph_convolution import EquivariantGraphConvolution
from cliffnet.nn.linear import EquivariantLinear
from cliffnet.nn.mlp import GeometricBilinear, GeometricMLP, equivariant_join
from cliffnet.nn.mv_linear import MVLinear
from cliffnet.nn.normalization import EquivariantLayerNorm, invariant_square
from cliffnet.nn.positional_encoding import RotaryPositionalEncoding
from cliffnet.nn.product_layers import FullyConnectedProductLayer, SteerableProductLayer

__all__ = [
    "CEMLP",
    "BlockConfig",
    "ClassNormalization",
    "Compatibility",
    "CrossAttention",
    "EquivariantGraphConvolution",
    "EquivariantLayerNorm",
    "EquivariantLinear",
    "FullyConnectedProductLayer",
    "GeometricBilinear",
    "GeometricMLP",
    "GradeDropout",
    "MLPConfig",
    "MVLayerNorm",
    "MVLinear",
    "MVSiLU",
    "RotaryPositionalEncoding",
    "ScalarGatedNonlinearity",
    "SelfAttention",
    "SelfAttentionConfig",
    "SteerableProductLayer",
    "equivariant_join",
    "gate",
    "geometric_attention",
    "invariant_square",
    "join_attention",
    "scalar_product_attention",
]
