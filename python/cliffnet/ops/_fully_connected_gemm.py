"""Products from all channels to all channels on CUDA devices: products of pairs of blades, then matrix products.

The products of pairs by all paths are made for a slice of rows at a time, side by side for each blade of the output, so
that one matrix product sums over paths and channels at once. Blades of the output that the same paths reach share it.
The memory for them does not grow with the number of rows.
"""

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet._graphs import kept_constant
from cliffnet.algebra import plan_from_terms, plan_sizes, plan_terms
from cliffnet.ops._bilinear import bilinear_backward
from cliffnet.ops._pair_products import pair_products

WORKSPACE = 64 << 20
"""Bytes of the products of pairs at a time."""


class Run(NamedTuple):
    """Neighbouring blades of the output that the same paths reach."""

    start: int
    size: int
    first: int
    """First of their pairs: ``size`` times one for each path."""
    weights: slice
    """Where the weights of the paths are among those of all runs."""


class Pairs(NamedTuple):
    """The products of pairs by a weighted plan, sorted by blade of the output, then by path."""

    plan: int
    number: int
    runs: tuple[Run, ...]
    unreached: tuple[int, ...]
    paths: tuple[int, ...]
    """The path of each weight of all runs."""


@kept_constant
def pairs_of(plan: int) -> Pairs:
    """Return the products of pairs by a weighted plan."""
    terms, sizes = plan_terms(plan), plan_sizes(plan)
    pairs = sorted(set(zip(terms.out, terms.path, strict=True)))
    number = {pair: index for index, pair in enumerate(pairs)}
    rows = zip(terms.out, terms.path, terms.left, terms.right, terms.coefficient, strict=True)
    unweighted = tuple((number[out, path], left, right, factor) for out, path, left, right, factor in rows)
    blades = [tuple(path for _, path in row) for _, row in itertools.groupby(pairs, key=lambda pair: pair[0])]
    reached = sorted({out for out, _ in pairs})
    # neighbours have the same difference of blade and rank
    keys = [(blade - rank, paths) for rank, (blade, paths) in enumerate(zip(reached, blades, strict=True))]
    runs: list[Run] = []
    all_paths: list[int] = []
    first = 0
    for (_, paths), row in itertools.groupby(range(len(keys)), key=keys.__getitem__):
        ranks = list(row)
        weights = slice(len(all_paths), len(all_paths) + len(paths))
        runs.append(Run(reached[ranks[0]], len(ranks), first, weights))
        all_paths.extend(paths)
        first += len(ranks) * len(paths)
    return Pairs(
        plan_from_terms((sizes.left, sizes.right, len(pairs)), unweighted),
        len(pairs),
        tuple(runs),
        tuple(sorted(set(range(sizes.out)) - set(reached))),
        tuple(all_paths),
    )


def connected_products(left: Tensor, right: Tensor, weight: Tensor, plan: int) -> Tensor:
    """Return what :func:`cliffnet.reference.fully_connected_product` does, blade-major.

    Half precision is added up in single precision from products of pairs that are rounded.
    """
    pairs = pairs_of(plan)
    leading = torch.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left, right = (_rows(x, leading) for x in (left, right))
    out = left.new_empty(plan_sizes(plan).out, left.shape[0], weight.shape[0])
    for blade in pairs.unreached:
        out[blade].zero_()
    weights = _weights(weight, pairs)
    for part in _parts(left, pairs):
        lines = _pair_lines(left[part], right[part], pairs)
        for run in pairs.runs:
            blades, shared = _columns(lines, run), _shared(weights, run)
            torch.bmm(blades, shared.expand(run.size, -1, -1), out=out[run.start : run.start + run.size, part])
    return out.view(out.shape[0], *leading, weight.shape[0]).movedim(0, -1)


def connected_gradients(
    cotangent: Tensor, left: Tensor, right: Tensor, weight: Tensor, by_left: Tensor, by_right: Tensor, plan: int
) -> Tensor:
    """Do what :func:`cliffnet.reference.fully_connected_product_backward` does.

    Parameters
    ----------
    cotangent, left, right, weight, plan
        As there.
    by_left, by_right : Tensor
        Where the gradients go.

    Returns
    -------
    Tensor
        The gradient of the weights.
    """
    pairs, leading = pairs_of(plan), by_left.shape[:-2]
    cotangent, left, right, *targets = (_rows(x, leading) for x in (cotangent, left, right, by_left, by_right))
    weights = _weights(weight, pairs)
    # sums of half precision over all rows need more digits
    sums = torch.zeros_like(weights, dtype=torch.promote_types(weights.dtype, torch.float32))
    for part in _parts(left, pairs):
        given = cotangent[part].movedim(-1, 0)
        given = given if given.stride(-1) == 1 else given.contiguous()
        lines = _pair_lines(left[part], right[part], pairs)
        for run in pairs.runs:
            blades, of_run = _columns(lines, run), given[run.start : run.start + run.size]
            total = _shared(sums, run)
            for one, other in zip(blades, of_run, strict=True):
                if total.dtype == one.dtype:
                    total.addmm_(one.mT, other)
                else:
                    total.add_(one.mT @ other)
            # the products of pairs are done with: their gradients take their place
            torch.bmm(of_run, _shared(weights, run).mT.expand(run.size, -1, -1), out=blades)
        gradients = bilinear_backward.dispatched(lines.mT, left[part], right[part], pairs.plan)
        for target, gradient in zip(targets, gradients, strict=True):
            target[part] = gradient
    return _by_path(sums, pairs, weight)


def _rows(x: Tensor, leading: torch.Size) -> Tensor:
    return x.expand(*leading, *x.shape[-2:]).reshape(math.prod(leading), *x.shape[-2:])


def _weights(weight: Tensor, pairs: Pairs) -> Tensor:
    """Return the weights of the paths of each run, (paths, C_in, C_out)."""
    matrices = weight.permute(2, 1, 0).contiguous().unbind(0)
    if not pairs.paths:
        return weight.new_empty(0, weight.shape[1], weight.shape[0])
    return torch.stack([matrices[path] for path in pairs.paths])


def _by_path(sums: Tensor, pairs: Pairs, weight: Tensor) -> Tensor:
    """Return sums in the order of the runs as a tensor like the weights."""
    found: list[Tensor | None] = [None] * weight.shape[2]
    for path, one in zip(pairs.paths, sums.unbind(0), strict=True):
        other = found[path]
        found[path] = one if other is None else other + one
    zero = sums.new_zeros(sums.shape[1:])
    if not found:
        return torch.zeros_like(weight)
    return torch.stack([zero if one is None else one for one in found]).permute(2, 1, 0).to(weight.dtype)


def _parts(rows: Tensor, pairs: Pairs) -> list[slice]:
    """Cut the rows so that the products of pairs of a part fit in the workspace."""
    size = max(pairs.number * rows.shape[1] * rows.element_size(), 1)
    step = max(WORKSPACE // size, 1)
    return [slice(start, min(start + step, rows.shape[0])) for start in range(0, rows.shape[0], step)]


def _pair_lines(left: Tensor, right: Tensor, pairs: Pairs) -> Tensor:
    """Return the products of pairs, (rows, pairs, channels)."""
    return pair_products.dispatched(left, right, pairs.plan).mT  # type: ignore[no-any-return]


def _columns(lines: Tensor, run: Run) -> Tensor:
    """Return the products that belong to each blade of a run, (blades, rows, paths * channels), in their memory."""
    paths = run.weights.stop - run.weights.start
    part = lines[:, run.first : run.first + run.size * paths]
    return part.view(lines.shape[0], run.size, paths * lines.shape[2]).transpose(0, 1)


def _shared(weights: Tensor, run: Run) -> Tensor:
    """Return the weights that the blades of a run share, (paths * C_in, C_out), in their memory."""
    return weights[run.weights].flatten(0, 1)
