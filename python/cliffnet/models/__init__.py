"""Networks, one paper a file."""

from cliffnet.models.axial_gatr import AxialGATr
from cliffnet.models.gatr import GATr, GATrBlock, GATrConfig
from cliffnet.nn.config import Compatibility, MLPConfig, SelfAttentionConfig

__all__ = [
    "AxialGATr",
    "Compatibility",
    "GATr",
    "GATrBlock",
    "GATrConfig",
    "MLPConfig",
    "SelfAttentionConfig",
]
