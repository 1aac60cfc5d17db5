"""Geometric products of large algebras: as matrices, which is how they run, against the same products term by term."""

from collections.abc import Sequence

import torch

from benches.report import Bar, Row
from benches.timing import interleaved
from cliffnet import Algebra, _rust, ops
from cliffnet.algebra import has_matrices, plan_terms

NAME = "matrix-route"

# every type of matrix at six generators, then the growth with their number
ALGEBRAS = (
    Algebra(3, 3),
    Algebra(6),
    Algebra(5, 0, 1),
    Algebra(4, 1, 1),
    Algebra(3, 2, 1),
    Algebra(4, 0, 2),
    Algebra(8),
    Algebra(10),
)
LARGE = Algebra(8)


def direct_plan(algebra: Algebra) -> int:
    """Return a plan of the geometric product that lists its terms."""
    size = algebra.num_blades
    terms = plan_terms(algebra.product_plan("geometric_product"))
    return _rust.plan_from_terms((size, size, size), 0, tuple(terms))


def rows(
    *, algebras: Sequence[Algebra] = ALGEBRAS, batch: int = 256, rounds: int = 15, sample_seconds: float = 0.02
) -> list[Row]:
    """Measure both routes of each algebra, after comparing their results."""
    measured = [_ratio(algebra, batch, rounds, sample_seconds) for algebra in algebras]
    left, right = _operands(LARGE, 1024)
    plan, direct = LARGE.product_plan("geometric_product"), direct_plan(LARGE)
    times = interleaved(
        {"ours": lambda: ops.bilinear(left, right, plan), "terms": lambda: ops.bilinear(left, right, direct)},
        rounds=rounds,
        sample_seconds=sample_seconds,
    )
    case = f"{LARGE}, 1024 products, float32"
    baseline = times["terms"].median * 1e3
    measured.append(Row(NAME, case, "ms", times["ours"].scaled(1e3), "term by term", baseline, Bar(at_most=9.0)))
    return measured


def _operands(algebra: Algebra, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(2, batch, algebra.num_blades, generator=generator)
    return left, right


def _ratio(algebra: Algebra, batch: int, rounds: int, sample_seconds: float) -> Row:
    left, right = _operands(algebra, batch)
    plan, direct = algebra.product_plan("geometric_product"), direct_plan(algebra)
    assert has_matrices(plan)
    expected = ops.bilinear(left, right, direct)
    assert (ops.bilinear(left, right, plan) - expected).norm() < 1e-5 * expected.norm()
    times = interleaved(
        {"ours": lambda: ops.bilinear(left, right, plan), "terms": lambda: ops.bilinear(left, right, direct)},
        rounds=rounds,
        sample_seconds=sample_seconds,
    )
    case = f"{algebra}, {algebra.matrix_type}, {batch} products, float32"
    baseline = times["terms"].median * 1e6
    return Row(NAME, case, "us", times["ours"].scaled(1e6), "term by term", baseline, Bar(at_least_ratio=1.0))
