"""Networks, one paper a file."""

from cliffnet.models.axial_gatr import AxialGATr
from cliffnet.models.baselines import MLP, Transformer
from cliffnet.models.gatr import GATr, GATrBlock, GATrConfig
from cliffnet.nn.config import Compatibility, MLPConfig, SelfAttentionConfig

__all__ = [
    "AxialGATr",
    "MLP",
    "Compatibility",
    "GATr",
    "GATrBlock",
    "GATrConfig",
    "MLPConfig",
    "SelfAttentionConfig",
    "Transformer",
]
