"""The functions of squares that exponentials and logarithms are made of, and their values on Study numbers.

Everything here takes plain scalars, has no singularity where the functions have none, and differentiates to any order:
each branch of a ``where`` sees only arguments on which it and its derivatives are finite.
"""

import math

import torch
from torch import Tensor

from cliffnet.functional._constants import constant

# terms of the power series that reach rounding for |z| < 2
_TERMS = {torch.float32: 8, torch.float64: 12}


def _coefficients(z: Tensor) -> list[Tensor]:
    """Return ``1 / (2 k)!`` and ``1 / (2 k + 1)!`` side by side, the highest ``k`` first."""
    return [
        constant((1 / math.factorial(2 * k), 1 / math.factorial(2 * k + 1)), z.dtype, z.device)
        for k in reversed(range(_TERMS[z.dtype]))
    ]


def _series(z: Tensor) -> tuple[Tensor, Tensor]:
    """Sum the power series of C and S by Horner's rule."""
    first, *rest = _coefficients(z)
    z = z.unsqueeze(-1)
    result = first.expand(*z.shape[:-1], 2)
    for coefficient in rest:
        result = torch.addcmul(coefficient, result, z)
    cosh, sinhc = result.unbind(-1)
    return cosh, sinhc


def cosh_sinhc(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``C(z) = cosh(sqrt z)`` and ``S(z) = sinh(sqrt z) / sqrt z``, entire functions of any real ``z``.

    For negative ``z`` they are ``cos`` and ``sin(x) / x`` of ``x = sqrt(-z)``.
    """
    near = z.abs() < 1
    small = torch.where(near, z, 0.0)
    large = torch.where(near, 1.0, z)
    circular = large < 0
    root = large.abs().sqrt()
    # the unused branch gets one, for cosh of a large angle would overflow
    angle, rapidity = torch.where(circular, root, 1.0), torch.where(circular, 1.0, root)
    cosh = torch.where(circular, angle.cos(), rapidity.cosh())
    sinhc = torch.where(circular, angle.sin(), rapidity.sinh()) / root
    cosh_series, sinhc_series = _series(small)
    return torch.where(near, cosh_series, cosh), torch.where(near, sinhc_series, sinhc)


def _study_series(s: Tensor, mu: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sum the power series of C and S at ``s + w`` with ``w^2 = mu`` by Horner's rule in Study numbers."""
    first, *rest = _coefficients(s)
    s, mu = s.unsqueeze(-1), mu.unsqueeze(-1)
    scalar = first.expand(*s.shape[:-1], 2)
    along = torch.zeros_like(scalar)
    for coefficient in rest:
        scalar, along = (
            torch.addcmul(torch.addcmul(coefficient, along, mu), scalar, s),
            torch.addcmul(scalar, along, s),
        )
    (cosh, sinhc), (cosh_along, sinhc_along) = scalar.unbind(-1), along.unbind(-1)
    return cosh, cosh_along, sinhc, sinhc_along


def cosh_sinhc_study(s: Tensor, mu: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Evaluate C and S of :func:`cosh_sinhc` at a Study number ``s + w`` with ``w^2 = mu``.

    Parameters
    ----------
    s, mu : Tensor
        Scalar part and the square of the rest, of any signs.

    Returns
    -------
    c0, c1, s0, s1 : Tensor
        ``C(s + w) = c0 + c1 w`` and ``S(s + w) = s0 + s1 w``.

    Notes
    -----
    The eigenvalues are ``z± = s ± sqrt(mu)``, and ``lambda± = (s ± sqrt(s^2 - mu)) / 2`` are the squares of the
    commuting simple summands: ``sqrt(z±) = sqrt(lambda+) ± sqrt(lambda-)``. Where ``mu`` is the larger of ``mu`` and
    ``s^2 - mu``, values at ``z±`` are averaged and divided by the difference ``z+ - z-``; elsewhere the addition
    theorems give the result from values at ``lambda±``. So both are real where they are used, no difference is divided
    by a small one, and around the origin the power series takes over.
    """
    near = (s.abs() < 1) & (mu.abs() < 1)
    by_eigenvalues = 2 * mu > s * s
    series = _study_series(torch.where(near, s, 0.0), torch.where(near, mu, 0.0))
    # away from the origin, with values of both forms where it is not
    s, mu = torch.where(near, 4.0, s), torch.where(near, 1.0, mu)
    by_eigenvalues = by_eigenvalues & ~near
    difference = torch.where(by_eigenvalues, mu, s * s - mu).sqrt().copysign(s)
    larger = torch.where(by_eigenvalues, s + difference, (s + difference) / 2)
    divisor = torch.where(by_eigenvalues, 1.0, larger)
    smaller = torch.where(by_eigenvalues, s - difference, mu / (4 * divisor))
    cosh, sinhc = cosh_sinhc(torch.stack((larger, smaller), -1))
    (c_1, c_2), (s_1, s_2) = cosh.unbind(-1), sinhc.unbind(-1)
    first, second = s_1 * c_2, c_1 * s_2
    away = (
        torch.where(by_eigenvalues, (c_1 + c_2) / 2, c_1 * c_2),
        torch.where(by_eigenvalues, (c_1 - c_2) / (2 * difference), s_1 * s_2 / 2),
        torch.where(by_eigenvalues, (s_1 + s_2) / 2, (larger * first - smaller * second) / difference),
        torch.where(by_eigenvalues, s_1 - s_2, second - first) / (2 * difference),
    )
    result = [torch.where(near, inner, outer) for inner, outer in zip(series, away, strict=True)]
    return result[0], result[1], result[2], result[3]
