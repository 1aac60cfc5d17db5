"""How well ``F.inverse`` inverts random elements: the largest coefficient of ``a inverse(a) - 1``.

Coefficients of ``a`` are normal. Elements whose inverse is so large that rounding its coefficients alone spoils the
residual (``max|a| max|inverse(a)| > 1000``) are left out; with many null generators they are common, and the note says
how many they are. Residuals are computed in double precision from inverses in single precision, so that what is
measured is the inverse and not the product. Not a time: the baseline is LU of the dense matrix of left multiplication,
in the same precision.
"""

import torch
from torch import Tensor

from benches.report import Bar, Row
from benches.timing import Quantiles
from cliffnet import Algebra
from cliffnet import functional as F

NAME = "inverse"
_SIGNATURES = (*((p, q, n - p - q) for n in range(1, 6) for p in range(n + 1) for q in range(n + 1 - p)),)
_LARGEST_CONDITION = 1000.0
_LARGER = ((6, 0, 0), (3, 3, 0), (5, 0, 1), (7, 0, 0), (3, 2, 2), (8, 0, 0), (4, 4, 0), (7, 0, 1))


def _residuals(a: Tensor, inverse: Tensor, algebra: Algebra) -> Tensor:
    product = F.geometric_product(a.double(), inverse.double(), algebra)
    one = torch.zeros(algebra.num_blades, dtype=torch.float64).index_fill(0, torch.tensor(algebra.index("1")[0]), 1.0)
    return (product - one).abs().amax(-1)


def _measured(algebra: Algebra, size: int) -> tuple[float, float, float]:
    """Return the 99th percentile of ours and of LU, and the share of elements left out."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(size, algebra.num_blades, generator=generator)
    inverse, _ = F.inverse_ex(a, algebra)
    lu = torch.linalg.inv_ex(F.left_matrix(a, algebra)).inverse[..., algebra.index("1")[0]]
    kept = a.abs().amax(-1) * inverse.abs().amax(-1) <= _LARGEST_CONDITION
    ours, rival = (float(_residuals(a, found, algebra)[kept].quantile(0.99)) for found in (inverse, lu))
    return ours, rival, 1.0 - float(kept.float().mean())


def rows(*, size: int = 1000, larger: tuple[tuple[int, int, int], ...] = _LARGER) -> list[Row]:
    """Measure the 99th percentile in float32: the worst signature with n <= 5, and some with more generators."""
    small = {str(algebra): _measured(algebra, size) for algebra in (Algebra(*signature) for signature in _SIGNATURES)}
    worst = max(small, key=lambda name: small[name][0])
    cases = {f"worst of the signatures with n <= 5, {worst}": small[worst]}
    for signature in larger:
        algebra = Algebra(*signature)
        cases[str(algebra)] = _measured(algebra, max(200, size >> max(0, algebra.dim - 6)))
    left_out = ", ".join(f"{share:.0%} in {title}" for title, (_, _, share) in cases.items() if share > 0.01)
    return [
        Row(
            NAME,
            f"{title}, float32, 99th percentile of the residual",
            "",
            Quantiles(ours, ours, ours),
            "LU of the left matrix",
            baseline,
            Bar(at_most=1e-4),
            f"ill-conditioned elements left out: {left_out or 'at most 1%'}",
        )
        for title, (ours, baseline, _) in cases.items()
    ]
