"""Blades of one grade seen from their vectors, without a metric.

Coefficients stand here for ascending products of the generators, in grade-then-lexicographic order: the layouts of the
Euclidean algebra of the same dimension, in which lengths and angles of these functions are meant.
"""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor

from cliffnet._graphs import kept_constant
from cliffnet.algebra import Algebra, Layout, layout_of_key
from cliffnet.functional._constants import constant
from cliffnet.functional._layouts import multiply


class Gather(NamedTuple):
    """Where the entries of a matrix stand among coefficients, and their signs; 0 where there is none."""

    indices: tuple[int, ...]
    signs: tuple[float, ...]


def euclidean(layout: Layout) -> Layout:
    """Return the layout of the same blades, in ascending order of generators, in the Euclidean algebra."""
    return layout_of_key(_euclidean(layout.key))


def euclidean_grade(layout: Layout, grade: int) -> Layout:
    """Return the layout of one grade of the Euclidean algebra; empty where there is no such grade."""
    return layout_of_key(_euclidean_grade(layout.key, str(grade)))


@kept_constant
def _euclidean(key: str) -> str:
    layout = layout_of_key(key)
    return Algebra(layout.algebra.dim).layout_of_masks(layout.blade_masks).key


@kept_constant
def _euclidean_grade(key: str, grade: str) -> str:
    algebra = Algebra(layout_of_key(key).algebra.dim)
    return algebra.layout(grades=(int(grade),) if int(grade) in range(algebra.dim + 1) else ()).key


def _dim_and_grade(key: str) -> tuple[int, int]:
    layout = layout_of_key(key)
    return layout.algebra.dim, layout.grades[0]


def _subsets(dim: int, size: int) -> list[tuple[int, ...]]:
    return list(itertools.combinations(range(dim), size))


@kept_constant
def _contraction_gather(key: str) -> Gather:
    """Return the matrix of ``e_K -> e_K _| a``, rows ``K`` of one grade less and columns the generators."""
    dim, grade = _dim_and_grade(key)
    position = {subset: index for index, subset in enumerate(_subsets(dim, grade))}
    indices, signs = [], []
    for subset in _subsets(dim, grade - 1):
        for vector in range(dim):
            absent = vector not in subset
            indices.append(position[tuple(sorted((*subset, vector)))] if absent else 0)
            signs.append((-1.0) ** sum(other > vector for other in subset) if absent else 0.0)
    return Gather(tuple(indices), tuple(signs))


@kept_constant
def _wedge_gather(key: str) -> Gather:
    """Return the matrix of ``v -> v ^ a``, rows the blades of one grade more and columns the generators."""
    dim, grade = _dim_and_grade(key)
    position = {subset: index for index, subset in enumerate(_subsets(dim, grade))}
    indices, signs = [], []
    for subset in _subsets(dim, grade + 1):
        for vector in range(dim):
            present = vector in subset
            indices.append(position[tuple(other for other in subset if other != vector)] if present else 0)
            signs.append((-1.0) ** sum(other < vector for other in subset) if present else 0.0)
    return Gather(tuple(indices), tuple(signs))


@kept_constant
def _echelon_gather(key: str) -> Gather:
    """Return for every blade ``K`` the vectors of ``a`` that are, within ``K``, ``a_K`` times its generators."""
    dim, grade = _dim_and_grade(key)
    subsets = _subsets(dim, grade)
    position = {subset: index for index, subset in enumerate(subsets)}
    indices, signs = [], []
    for subset in subsets:
        for place, left_out in enumerate(subset):
            rest = tuple(other for other in subset if other != left_out)
            for vector in range(dim):
                absent = vector not in rest
                sign = (-1.0) ** (sum(other > vector for other in rest) + grade - 1 - place)
                indices.append(position[tuple(sorted((*rest, vector)))] if absent else 0)
                signs.append(sign if absent else 0.0)
    return Gather(tuple(indices), tuple(signs))


def _gathered(a: Tensor, gather: Gather, dim: int) -> Tensor:
    indices = constant(gather.indices, torch.int64, a.device)
    entries: Tensor = a.index_select(-1, indices) * constant(gather.signs, a.dtype, a.device)
    matrix: Tensor = entries.unflatten(-1, (-1, dim))
    return matrix


def pluecker_defect(a: Tensor, layout: Layout) -> Tensor:
    """Return the largest coefficient of all ``(e_K _| a) ^ a``, shape ``(...)``: zero for blades and only for them.

    The layout is that of one grade of a Euclidean algebra; ``K`` runs over the blades of one grade less.
    """
    dim, grade = layout.algebra.dim, layout.grades[0]
    if grade in (0, 1, dim - 1, dim):
        # all of these grades are blades
        return torch.zeros_like(a.sum(-1))
    contracted = _gathered(a, _contraction_gather(layout.key), dim)
    wedged = _gathered(a, _wedge_gather(layout.key), dim)
    defect: Tensor = contracted @ wedged.mT
    return defect.abs().amax((-2, -1))


class Factors(NamedTuple):
    """Euclidean orthonormal vectors ``(..., k, n)`` of blades, and the length ``(...)``; signed where k is 0."""

    length: Tensor
    vectors: Tensor


def factors(a: Tensor, layout: Layout) -> Factors:
    """Factor blades on the layout of one grade of a Euclidean algebra: ``a = length * v_1 ^ ... ^ v_k``.

    The rows that are contracted from ``a`` by the largest blade ``e_K`` are in echelon form: the unit matrix in the
    columns ``K``. So they are far from dependent, and their outer product is ``a / a_K``. A zero blade gets the vectors
    of its first blade.
    """
    dim, grade = layout.algebra.dim, layout.grades[0]
    if grade == 0:
        return Factors(a.squeeze(-1), a.new_zeros((*a.shape[:-1], 0, dim)))
    gather, count = _echelon_gather(layout.key), a.shape[-1]
    largest = a.detach().abs().argmax(-1, keepdim=True)
    table = constant(gather.indices, torch.int64, a.device).reshape(count, grade * dim)
    signs = constant(gather.signs, a.dtype, a.device).reshape(count, grade * dim)
    pivot = a.gather(-1, largest)
    is_zero = pivot == 0
    # not indexed with a tensor, which torch.func refuses where gradients are taken element by element
    shape, chosen = (*a.shape[:-1], grade * dim), largest.flatten()
    rows = a.gather(-1, table.index_select(0, chosen).reshape(shape)) * signs.index_select(0, chosen).reshape(shape)
    first = torch.eye(grade, dim, dtype=a.dtype, device=a.device).flatten()
    rows = (rows / pivot.where(~is_zero, 1.0)).where(~is_zero, first)
    orthogonal, triangular = torch.linalg.qr(rows.unflatten(-1, (grade, dim)).mT)
    diagonal = triangular.diagonal(dim1=-2, dim2=-1)
    signs_of_rows = torch.ones_like(diagonal).where(diagonal >= 0, -1.0)
    # the first vector takes the sign of the blade, which leaves a positive length
    first_only = torch.arange(grade, device=a.device) == 0
    signs_of_rows = signs_of_rows * torch.ones_like(diagonal).where((pivot >= 0) | ~first_only, -1.0)
    length = pivot.squeeze(-1).abs() * diagonal.abs().prod(-1)
    return Factors(length, orthogonal.mT * signs_of_rows.unsqueeze(-1))


def wedge_of(vectors: Tensor, layout: Layout) -> Tensor:
    """Return the coefficients of the outer product of vectors ``(..., k, n)``, given a layout of the algebra."""
    one, result = euclidean_grade(layout, 1), vectors.new_ones((*vectors.shape[:-2], 1))
    for index in range(vectors.shape[-2]):
        before, after = euclidean_grade(layout, index), euclidean_grade(layout, index + 1)
        result = multiply("outer_product", result, vectors[..., index, :], before, one, after)
    return result
