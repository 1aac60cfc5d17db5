"""Networks, one paper a file."""

from cliffnet.models._gatr_block import GATrBlock
from cliffnet.models.axial_gatr import AxialGATr
from cliffnet.models.baselines import MLP, Transformer
from cliffnet.models.egnn import EGNN, EGNNLayer, VelocityEGNN
from cliffnet.models.gatr import GATr, GATrConfig
from cliffnet.nn.config import Compatibility, MLPConfig, SelfAttentionConfig

__all__ = [
    "EGNN",
    "MLP",
    "AxialGATr",
    "Compatibility",
    "EGNNLayer",
    "GATr",
    "GATrBlock",
    "GATrConfig",
    "MLPConfig",
    "SelfAttentionConfig",
    "Transformer",
    "VelocityEGNN",
]
