"""How close numbers of an algebra must be: against the size of the operands, by residuals, or exactly."""

import numpy as np
import torch
from torch import Tensor

from cliffnet import Algebra
from cliffnet import functional as F
from families.golden import MalformedFileError, Measure

# Bars by dtype: polynomials in the coefficients, functions of a bivector or rotor, residuals of inverses.
PRODUCTS = {torch.float64: 1e-12, torch.float32: 2e-5}
FUNCTIONS = {torch.float64: 1e-11, torch.float32: 5e-5}
RESIDUALS = {torch.float64: 1e-12, torch.float32: 1e-3}
LARGEST_INVERSE_IN_SINGLE_PRECISION = 1e3


def scaled(ours: Tensor, theirs: np.ndarray, scale: Tensor | float, bar: float) -> Measure:
    """Measure ``max|ours - theirs| / scale``, with one scale for everything or one for each row."""
    recorded = torch.from_numpy(theirs).double()
    if ours.shape != recorded.shape or recorded.numel() == 0:
        return Measure(0.0, bar)  # shapes are compared before measures are
    sizes = torch.as_tensor(scale).detach().cpu().double().clamp_min(torch.finfo(torch.float64).tiny)
    sizes = sizes.unsqueeze(-1) if 0 < sizes.dim() < recorded.dim() else sizes
    return Measure(float(((ours.detach().cpu().double() - recorded).abs() / sizes).max()), bar)


def product(ours: Tensor, theirs: np.ndarray, operands: tuple[Tensor, ...]) -> Measure:
    """Measure against the product of the l1 norms of the operands, row by row."""
    sizes = [operand.detach().double().abs().sum(-1) for operand in operands]
    return scaled(ours, theirs, torch.stack(sizes).prod(0), PRODUCTS[ours.dtype])


def relative(ours: Tensor, theirs: np.ndarray, slack: float = 0.0) -> Measure:
    """Measure ``max|ours - theirs| / max|theirs|``, where theirs may be off by ``slack``."""
    size = float(np.abs(theirs).max(initial=0.0)) or 1.0
    return scaled(ours, theirs, size, FUNCTIONS[ours.dtype] + slack / size)


def exact(ours: Tensor, theirs: np.ndarray) -> Measure:
    """Measure ``max|ours - theirs|``, which must be zero."""
    return scaled(ours, theirs, 1.0, 0.0)


def inverse(a: Tensor, ours: Tensor, theirs: np.ndarray, recorded_residual: float, algebra: Algebra) -> Measure:
    """Measure ``max|a b - 1|`` for our inverse ``b``, after asking the same of theirs."""
    bars = {dtype: bar + 100.0 * recorded_residual for dtype, bar in RESIDUALS.items()}
    recorded = torch.from_numpy(theirs).double()
    if recorded.shape != a.shape:
        return Measure(0.0, 0.0)
    if a.dtype == torch.float64 and not (residual := _residual(a.cpu(), recorded, algebra)) <= bars[torch.float64]:
        raise MalformedFileError(f"the recorded inverse is none: its residual is {residual:.1e}")
    judged = torch.ones(a.shape[:-1], dtype=torch.bool)
    if ours.dtype == torch.float32:
        judged = recorded.abs().amax(-1) <= LARGEST_INVERSE_IN_SINGLE_PRECISION
    return Measure(_residual(a.detach().cpu()[judged], ours.detach().cpu()[judged], algebra), bars[ours.dtype])


def _residual(a: Tensor, b: Tensor, algebra: Algebra) -> float:
    one = torch.zeros(algebra.num_blades, dtype=a.dtype)
    one[algebra.blade_masks.index(0)] = 1.0
    errors = F.geometric_product(a, b, algebra) - one
    return float(errors.abs().max()) if errors.numel() else 0.0
