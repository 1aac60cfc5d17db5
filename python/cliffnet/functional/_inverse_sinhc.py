"""The function ``x / sinh x`` that takes the bivector part of a rotor to its logarithm, from cosine and sine together.

Scalars only; differentiable to any order inside the domain, NaN outside.
"""

import torch
from torch import Tensor

from cliffnet.functional._constants import constant

# squares of the positive Gauss-Legendre nodes of order 16 and their weights: the mean of 1 / (1 - y^2 t^2) over
# 0 < t < 1, which is atanh(y) / y, comes out to rounding for |y^2| <= 0.2
SQUARED_NODES = (
    0.00902737702564715,
    0.07930055981148665,
    0.20977936861551005,
    0.3817710533971156,
    0.5706358201621721,
    0.7493173785474033,
    0.8922219742137979,
    0.9789142101623511,
)
WEIGHTS = (
    0.18945061045506864,
    0.18260341504492364,
    0.16915651939500265,
    0.1495959888165767,
    0.12462897125553407,
    0.0951585116824926,
    0.062253523938647456,
    0.027152459411754176,
)


def atanhc_study(y: Tensor, along: Tensor, mu: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``atanh(sqrt Y) / sqrt Y`` of ``Y = y + along w`` with ``w^2 = mu``, as its parts along 1 and ``w``.

    The eigenvalues ``y ± along sqrt(mu)`` must not exceed 0.2 in magnitude.
    """
    nodes = constant(SQUARED_NODES, y.dtype, y.device)
    weights = constant(WEIGHTS, y.dtype, y.device)
    scalar, rest = 1 - nodes * y.unsqueeze(-1), nodes * along.unsqueeze(-1)
    scaled = weights / (scalar * scalar - mu.unsqueeze(-1) * (rest * rest))
    return (scaled * scalar).sum(-1), (scaled * rest).sum(-1)


def inverse_sinhc(square: Tensor, cosh: Tensor) -> Tensor:
    """Return ``x / sinh x`` from ``sinh(x)^2`` and ``cosh x``; for a negative square ``theta / sin theta``.

    Taking both keeps the accuracy near ``theta = 0`` and near ``theta = pi``, where one of them alone has lost it. NaN
    where no real ``x`` or more than one plane of rotation answers: ``cosh <= 0`` with a square that is not negative.
    """
    near = (cosh > 0) & (square.abs() < 0.5)
    small, cosine = torch.where(near, square, 0.0), torch.where(near, cosh, 1.0)
    halved = small / (1 + cosine) ** 2
    inner = 2 / (1 + cosine) * atanhc_study(halved, torch.zeros_like(halved), torch.zeros_like(halved))[0]
    circular, hyperbolic = ~near & (square < 0), ~near & (square > 0) & (cosh > 0)
    angle_root = torch.where(circular, -square, 1.0).sqrt()
    angle = torch.atan2(angle_root, torch.where(circular, cosh, 0.0)) / angle_root
    rapidity_root = torch.where(hyperbolic, square, 1.0).sqrt()
    rapidity = torch.asinh(rapidity_root) / rapidity_root
    outer = torch.where(circular, angle, torch.where(hyperbolic, rapidity, torch.nan))
    return torch.where(near, inner, outer)


def _near_identity(p: Tensor, mu: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Evaluate ``2 atanh(sqrt Y) / (sqrt Y (1 + P))`` with ``Y = G^2 / (1 + P)^2``, the squared half-angle tangent."""
    scalar = 1 + p
    # 1 / (1 + P) = a + b w, and Y = (g + 2 p w) (a + b w)^2
    norm = scalar * scalar - mu
    a, b = scalar / norm, -1 / norm
    square, along = a * a + mu * (b * b), 2 * (a * b)
    series, series_along = atanhc_study(g * square + 2 * mu * (p * along), g * along + 2 * (p * square), mu)
    return 2 * (a * series + mu * (b * series_along)), 2 * (a * series_along + b * series)


def _planes(p: Tensor, mu: Tensor, total: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return squared sines and cosines of the two commuting simple rotors, ``(..., 2)``, and how far squares differ."""
    difference = (total * total - 4 * mu).sqrt()
    dominant = (total + difference.copysign(total)) / 2
    other = mu / dominant
    # the plane with the larger square turns by less than a right angle, or is hyperbolic
    first, second = torch.maximum(dominant, other), torch.minimum(dominant, other)
    cosine = (1 + first).sqrt()
    return torch.stack((first, second), -1), torch.stack((cosine, p / cosine), -1), difference


def inverse_sinhc_study(p: Tensor, mu: Tensor, g: Tensor, eigen_squares: Tensor) -> tuple[Tensor, Tensor]:
    """Return the Study number that takes ``G = sinh B`` to ``B``, where ``P = p + w = cosh B`` and ``w^2 = mu``.

    Parameters
    ----------
    p, mu, g : Tensor
        Scalar part of P, square of the rest of it, and the scalar part of ``G^2 = g + 2 p w``.
    eigen_squares : Tensor
        Shape ``(..., 2)``: the eigenvalues of ``G^2`` that belong to ``p ± sqrt(mu)``; used where
        :func:`by_eigenvalues` holds.

    Returns
    -------
    scalar, along : Tensor
        ``B = (scalar + along w) G``; NaN outside the domain.

    Notes
    -----
    As for the exponential, either the eigenvalues of P and G lie apart or the squares of the two planes do, and near
    the identity, where neither may be, there is a smooth form.
    """
    near = (p > 0) & (g.abs() < 0.25) & (mu.abs() < 0.02)
    inner = _near_identity(*(torch.where(near, value, safe) for value, safe in ((p, 1.0), (mu, 0.0), (g, 0.0))))
    total = g - 2 * mu
    split = by_eigenvalues(mu, g) & ~near
    planes = ~near & ~split & (total * total > 4 * mu)
    squares, cosines, difference = _planes(
        torch.where(planes, p, 0.0), torch.where(planes, mu, 0.0), torch.where(planes, total, -0.5)
    )
    root = torch.where(split, mu, 1.0).sqrt()
    eigen_cosines = torch.where(split, p, 3.0).unsqueeze(-1) + torch.stack((root, -root), -1)
    by_split = split.unsqueeze(-1)
    factors = inverse_sinhc(
        torch.where(by_split, eigen_squares, squares), torch.where(by_split, eigen_cosines, cosines)
    )
    first, second = factors.unbind(-1)
    crossed_first, crossed_second = (factors * cosines).unbind(-1)
    weighted = first * squares[..., 0] * cosines[..., 1] - second * squares[..., 1] * cosines[..., 0]
    by_planes = weighted / difference, (crossed_second - crossed_first) / difference
    by_eigen = (first + second) / 2, (first - second) / (2 * root)
    scalar, along = (
        torch.where(near, smooth, torch.where(split, apart, torch.where(planes, plane, torch.nan)))
        for smooth, apart, plane in zip(inner, by_eigen, by_planes, strict=True)
    )
    return scalar, along


def by_eigenvalues(mu: Tensor, g: Tensor) -> Tensor:
    """Tell where eigenvalues lie further apart than the squared sines of the planes do."""
    total = g - 2 * mu
    return 8 * mu > total * total
