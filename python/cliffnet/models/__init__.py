"""Networks, one paper a file."""

from cliffnet.models._gatr_block import GATrBlock
from cliffnet.models.axial_gatr import AxialGATr
from cliffnet.models.baselines import MLP, Transformer
from cliffnet.models.charged_nbody import ChargedNBodyNet
from cliffnet.models.convex_hull import ConvexHullNet
from cliffnet.models.egnn import EGNN, EGNNLayer, VelocityEGNN
from cliffnet.models.gatr import GATr, GATrConfig
from cliffnet.models.invariant_regression import InvariantRegressionNet
from cliffnet.models.lorentz_tagging import LorentzTaggingNet
from cliffnet.models.signed_volume import SignedVolumeNet
from cliffnet.nn.config import BlockConfig, Compatibility, MLPConfig, SelfAttentionConfig

__all__ = [
    "EGNN",
    "MLP",
    "AxialGATr",
    "BlockConfig",
    "ChargedNBodyNet",
    "Compatibility",
    "ConvexHullNet",
    "EGNNLayer",
    "GATr",
    "GATrBlock",
    "GATrConfig",
    "InvariantRegressionNet",
    "LorentzTaggingNet",
    "MLPConfig",
    "SelfAttentionConfig",
    "SignedVolumeNet",
    "Transformer",
    "VelocityEGNN",
]
