"""How well exponentials, logarithms, square roots and normalised rotors come out, over all 55 signatures with n <= 5.

Bivectors are random, with coefficients whose magnitudes sum to less than 3, so that every logarithm is the principal
one. The exponential is compared with that of the dense matrix of left multiplication in double precision; the others
are round trips. An error is the largest difference of coefficients over the largest coefficient, at least one; for
``normalize`` over its square, for the norm is a difference of squares. A figure is the worst of all elements and
signatures. Not a time: the baseline is the matrix exponential in the precision measured, where that is not the one that
everything is compared with.
"""

import torch
from torch import Tensor

from benches.report import Bar, Row
from benches.timing import Quantiles
from cliffnet import Algebra
from cliffnet import functional as F

NAME = "exp-log"
SIGNATURES = tuple((p, q, n - p - q) for n in range(1, 6) for p in range(n + 1) for q in range(n + 1 - p))
_BASELINE = "matrix exponential"
_BARS = {torch.float64: 1e-12, torch.float32: 5e-6}


def bivectors(algebra: Algebra, size: int, dtype: torch.dtype) -> Tensor:
    """Random full bivectors inside the principal domain of the logarithm."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(size, algebra.bivectors.size, generator=generator, dtype=torch.float64)
    length = 3 * torch.rand(size, 1, generator=generator, dtype=torch.float64)
    values = length * values / values.abs().sum(-1, keepdim=True).clamp(min=1e-30)
    return F.change_layout(values, algebra.bivectors, algebra.full).to(dtype)


def matrix_exponential(bivector: Tensor, algebra: Algebra) -> Tensor:
    """The exponential as the column of one of a matrix exponential."""
    return torch.linalg.matrix_exp(F.left_matrix(bivector, algebra))[..., algebra.index("1")[0]]


def error(found: Tensor, expected: Tensor, power: int = 1) -> float:
    """The worst difference of coefficients, relative to a power of the largest, or to one."""
    difference = (found.double() - expected.double()).abs().amax(-1)
    return float((difference / expected.double().abs().amax(-1).clamp(min=1.0) ** power).max())


def _errors(algebra: Algebra, size: int, dtype: torch.dtype) -> dict[str, float]:
    given = bivectors(algebra, size, dtype)
    rotor = F.exp(given, algebra)
    root = F.sqrt(rotor, algebra)
    exact = matrix_exponential(given.double(), algebra)
    return {
        "exp": error(rotor, exact),
        "log(exp(B)) = B": error(F.log(rotor, algebra), given),
        "sqrt(R)^2 = R": error(F.geometric_product(root, root, algebra), rotor),
        "normalize(3 R) = R": error(F.normalize(3 * rotor, algebra), rotor, power=2),
        _BASELINE: error(matrix_exponential(given, algebra), exact),
    }


def rows(*, size: int = 200, signatures: tuple[tuple[int, int, int], ...] = SIGNATURES) -> list[Row]:
    """Measure the worst error of each function in double and single precision."""
    measured: list[Row] = []
    for dtype, limit in _BARS.items():
        errors = {algebra: _errors(algebra, size, dtype) for algebra in (Algebra(*s) for s in signatures)}
        worst = {
            what: max((found[what], str(at)) for at, found in errors.items()) for what in next(iter(errors.values()))
        }
        rival, _ = worst.pop(_BASELINE)
        measured += [
            Row(
                NAME,
                f"{what}, {str(dtype).removeprefix('torch.')}, worst of {len(errors)} signatures, {where}",
                "",
                Quantiles(ours, ours, ours),
                _BASELINE if rival else "",
                rival or None,
                Bar(at_most=limit),
            )
            for what, (ours, where) in worst.items()
        ]
    return measured
