"""CGENN, GLGENN and EGNN: each class of the references belongs to one module, which rebuilds its cases."""

import importlib

from families.golden import Case, GoldenFile, UnsupportedError

_DATA = "families.cgenn_data"
_ALGEBRA = "families.cgenn_algebra"
_MODULES = "families.cgenn_modules"
_EGNN = "families.egnn"

# Of outputs and gradients in double precision.
BARS = (1e-12, 1e-10)

# Class in a file's meta -> module with ``run(golden) -> Case``; EGNN's networks are not listed.
CLASSES = {
    "ChargedParticlesSim.sample_trajectory": _DATA,
    "CosineAnnealingLR": _DATA,
    "O5Synthetic/OnSynthetic/hull volume/O3": _DATA,
    "CliffordAlgebra": _ALGEBRA,
    "CliffordAlgebra.rho": _ALGEBRA,
    "CliffordAlgebraQT": _ALGEBRA,
    "CEMLP": _MODULES,
    "ConvexHullCGMLP": _MODULES,
    "ConvexHullGLGMLP": _MODULES,
    "EGCL": _MODULES,
    "FullyConnectedSteerableGeometricProductLayer": _MODULES,
    "LorentzCGGNN": _MODULES,
    "MVLayerNorm": _MODULES,
    "MVLinear": _MODULES,
    "MVSiLU": _MODULES,
    "NBodyCGGNN": _MODULES,
    "NBodyGLGGNN": _MODULES,
    "NormalizationLayer": _MODULES,
    "O3CGMLP": _MODULES,
    "O5CGMLP": _MODULES,
    "O5GLGMLP": _MODULES,
    "OnGLGMLP": _MODULES,
    "QTGeometricProduct": _MODULES,
    "QTLinear": _MODULES,
    "QTNormalization": _MODULES,
    "SteerableGeometricProductLayer": _MODULES,
}


def run(golden: GoldenFile) -> Case:
    fallback = _EGNN if golden.source.lower().startswith("vgsatorras/egnn") else None
    module = CLASSES.get(golden.meta["class"], fallback)
    if module is None:
        raise UnsupportedError(f"class {golden.meta['class']!r}")
    case: Case = importlib.import_module(module).run(golden)
    case.bars = BARS
    return case
