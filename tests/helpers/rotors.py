"""Bivectors, rotors and an exponential that shares nothing with the library's but the table of the product."""

import torch
from torch import Tensor

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.algebra import plan_terms
from helpers.multivectors import SIGNED_BASIS

SIGNATURES = tuple((p, q, n - p - q) for n in range(6) for p in range(n + 1) for q in range(n + 1 - p))
# every signature with at most five generators, and metrics and bases that nobody would guess
ALGEBRAS = (
    *(Algebra(*signature) for signature in SIGNATURES),
    Algebra(metric=(2, -3, 0, 0.5)),
    Algebra(metric=(-0.25, 4, 1.5, -2, 3)),
    Algebra(3, 0, 1, basis=SIGNED_BASIS),
)
WIDE = (Algebra(6), Algebra(3, 3), Algebra(2, 2, 2), Algebra(5, 1, 1), Algebra(metric=(2, 1, -3, 1, 0.5, 1)))
CLOSE = {torch.float64: 1e-13, torch.float32: 2e-6}


def bivectors(algebra: Algebra, *leading: int, length: float = 3.0, seed: int = 0, dtype=torch.float64) -> Tensor:
    """Random bivectors whose coefficients have magnitudes that sum to less than ``length``, for metrics of ones."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(*leading, algebra.bivectors.size, generator=generator, dtype=torch.float64)
    shares = torch.rand(*leading, 1, generator=generator, dtype=torch.float64)
    largest = max((abs(square) for square in algebra.metric), default=1.0)
    return (length / max(1.0, largest) * shares * values / values.abs().sum(-1, keepdim=True).clamp(min=1e-9)).to(dtype)


def rotors(algebra: Algebra, *leading: int, length: float = 3.0, seed: int = 0, dtype=torch.float64) -> Tensor:
    """Exponentials of such bivectors, full multivectors."""
    given = bivectors(algebra, *leading, length=length, seed=seed, dtype=dtype)
    return F.exp(given, algebra, layout=algebra.bivectors, out_layout=algebra.full)


def exponential(a: Tensor, algebra: Algebra) -> Tensor:
    """The exponential of full multivectors, in double precision, by matrices of left multiplication."""
    terms = plan_terms(algebra.product_plan("geometric_product"))
    matrix = torch.zeros(*a.shape, algebra.num_blades, dtype=torch.float64)
    for out, left, right, coefficient in zip(terms.out, terms.left, terms.right, terms.coefficient, strict=True):
        matrix[..., out, right] += coefficient * a[..., left].double()
    return torch.linalg.matrix_exp(matrix)[..., algebra.index("1")[0]]


def full(values: Tensor, algebra: Algebra, layout=None) -> Tensor:
    """Bivectors, or values on another layout, as full multivectors."""
    return F.change_layout(values, algebra.bivectors if layout is None else layout, algebra.full)


def bivector(algebra: Algebra, **coefficients: float) -> Tensor:
    """A bivector by the names of its blades, on ``algebra.bivectors``."""
    values = torch.zeros(algebra.bivectors.size, dtype=torch.float64)
    for name, coefficient in coefficients.items():
        position, sign = algebra.bivectors.index(name)
        values[position] = sign * coefficient
    return values


def deviation(found: Tensor, expected: Tensor) -> float:
    """The worst difference of coefficients, relative to the largest of an element, or to one."""
    difference = (found.double() - expected.double()).abs().amax(-1)
    return float((difference / expected.double().abs().amax(-1).clamp(min=1.0)).max())


def is_unit(versor: Tensor, algebra: Algebra, layout=None, sign: float = 1.0, tolerance: float = 1e-12) -> bool:
    """Whether ``V reverse(V)`` is the sign and nothing else."""
    values = full(versor, algebra, layout) if layout is not None else versor
    product = F.geometric_product(values, F.reverse(values, algebra), algebra)
    product[..., algebra.index("1")[0]] -= sign
    return bool((product.abs().amax(-1) <= tolerance * values.abs().amax(-1) ** 2).all())


# on algebras of at least four generators with metrics that have them
SPECIAL = {
    "zero": (Algebra(4, 1), {}),
    "simple": (Algebra(4, 1), {"e12": 0.7}),
    "small": (Algebra(4, 1), {"e12": 1e-9, "e34": 2e-9}),
    "isoclinic": (Algebra(4, 1), {"e12": 0.4, "e34": 0.4}),
    "anti-isoclinic": (Algebra(4), {"e12": 0.4, "e34": -0.4}),
    "boost": (Algebra(1, 3), {"e12": 0.8}),
    "boost and rotation": (Algebra(3, 1), {"e12": 0.6, "e34": 0.5}),
    "null": (Algebra(3, 1), {"e12": 0.5, "e24": 0.5}),
    "translation": (Algebra(3, 0, 1), {"e01": 0.5, "e02": -0.3}),
    "screw": (Algebra(3, 0, 1), {"e12": 0.9, "e03": 0.5}),
    "ideal and not simple": (Algebra(1, 1, 3), {"e14": 0.5, "e25": 0.5}),
    "complex pair": (Algebra(2, 2), {"e12": 0.5, "e34": 0.3, "e13": 0.4, "e24": -0.7}),
    "exterior": (Algebra(0, 0, 4), {"e12": 0.5, "e34": 0.3}),
}
# too long for the logarithm to lead back
LARGE = {
    "rotations": (Algebra(5), {"e12": 9.0, "e34": 4.0, "e15": 2.0}),
    "boost as large as the rotation": (Algebra(3, 1), {"e12": 5.0, "e34": 5.0}),
    "boost": (Algebra(1, 1), {"e12": -5.0}),
    "complex pair": (Algebra(2, 3), {"e12": 3.0, "e34": 3.0, "e13": 2.0, "e24": -5.0, "e25": 1.0}),
}
