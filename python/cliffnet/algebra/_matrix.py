"""Where each blade stands in the matrix of a multivector."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from cliffnet._graphs import kept_constant
from cliffnet.algebra._tables import metric_and_blades
from cliffnet.algebra._words import Word, generator_words, has_real_words


class MatrixShape(NamedTuple):
    """The form of the matrices of an algebra: one square matrix of ``size`` rows.

    It is made of square pieces of ``2^qubits`` rows: ``2^null`` by ``2^null`` of them, lower triangular in the order of
    subsets of the null generators, and ``blocks`` (1 or 2) such matrices side by side on the diagonal.
    """

    qubits: int
    blocks: int
    null: int
    is_complex: bool
    # the rest follows from these; stored, since the compiler of torch 2.11 does not trace properties of named tuples
    size: int
    columns: int
    words: int

    @classmethod
    def of(cls, qubits: int, blocks: int, null: int, is_complex: bool) -> "MatrixShape":
        """Return the form with the numbers that follow.

        ``columns`` counts those of one piece, over all blocks; ``words`` the places for a coefficient: parts, subsets
        of null generators, words, blocks.
        """
        words = (1 + is_complex) << null + qubits << qubits + (blocks == 2)
        return cls(qubits, blocks, null, is_complex, blocks << qubits + null, blocks << qubits, words)


class Place(NamedTuple):
    """The place of a blade in the list of words and the factor with which it enters there."""

    position: int
    factor: float


def _other_generator(positive: int, negative: int) -> bool:
    """Return the sign of a further generator (True: negative) that leads to real matrices where one does."""
    return (positive - negative - 1) % 8 in (0, 2)


def _words(squares: Sequence[float]) -> tuple[MatrixShape, list[tuple[Word, int]]]:
    """Return the shape and, by generator, a word and a set of null generators.

    A null generator is ``W e``: ``W`` anticommutes with every other generator and commutes with ``e``, of which there
    is one for each null generator and which anticommute. Only an even number of generators has such a ``W``, the
    product of all; an odd number gets a further generator that no multivector uses.
    """
    negatives = [square < 0 for square in squares if square]
    null = len(squares) - len(negatives)
    if null and len(negatives) % 2:
        negatives.append(_other_generator(negatives.count(False), negatives.count(True)))
    words = generator_words(negatives)
    everything = Word(0, 0)
    for word in words:
        everything = everything.times(word)
    is_real = has_real_words(negatives.count(False), negatives.count(True))
    shape = MatrixShape.of(len(words) // 2, 2 if any(word.block for word in words) else 1, null, not is_real)
    rest = iter(words)
    elements: list[tuple[Word, int]] = []
    bit = 1
    for square in squares:
        elements.append((next(rest), 0) if square else (everything, bit))
        bit <<= square == 0.0
    return shape, elements


@kept_constant
def matrix_shape(layout: str) -> MatrixShape:
    """Return the form of the matrices of the algebra of a layout."""
    return _words(metric_and_blades(layout)[0])[0]


@kept_constant
def matrix_places(layout: str) -> tuple[Place, ...]:
    """Return the place of each blade of a layout among the words, ordered by part, null set, x, block and z."""
    squares, (masks, signs) = metric_and_blades(layout)
    shape, elements = _words(squares)
    places = []
    for mask, sign in zip(masks, signs, strict=True):
        product, subset, scale = Word(0, 0), 0, 1.0
        for generator, square in enumerate(squares):
            if mask >> generator & 1:
                word, null = elements[generator]
                product = product.times(word)
                subset |= null
                scale *= abs(square) or 1.0
        position = product.phase % 2
        for digit, base in (
            (subset, 1 << shape.null),
            (product.x, 1 << shape.qubits),
            (product.block, shape.blocks),
            (product.z, 1 << shape.qubits),
        ):
            position = position * base + digit
        places.append(Place(position, math.copysign(math.sqrt(scale), sign * (1 - (product.phase & 2)))))
    return tuple(places)


@kept_constant
def matrix_entries(layout: str) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return, row by row, which transformed word stands in each entry of the matrix, and its factor (0, 1 or -1).

    Transformed words are ordered by null set, x, block and column: piece ``S`` has entry ``(column ^ x, column)``.
    The piece in row ``U`` and column ``T`` is that of ``S``, the rest of ``U`` without ``T``, with the sign of
    ``e_S e_T``.
    """
    shape = matrix_shape(layout)
    side = 1 << shape.qubits
    positions, factors = [], []
    for row in range(shape.size):
        rest, i = divmod(row, side)
        block, upper = rest // (1 << shape.null), rest % (1 << shape.null)
        for column in range(shape.size):
            rest, j = divmod(column, side)
            same, lower = rest // (1 << shape.null) == block, rest % (1 << shape.null)
            piece = upper & ~lower
            fits = same and not lower & ~upper
            positions.append((((piece * side) + (i ^ j)) * shape.blocks + block) * side + j if fits else 0)
            factors.append(float(reorder_sign(piece, lower)) if fits else 0.0)
    return tuple(positions), tuple(factors)


@kept_constant
def matrix_pieces(layout: str) -> tuple[int, ...]:
    """Return, by transformed word, the entry of the matrix (row times size plus column) to read it from."""
    shape = matrix_shape(layout)
    side, subsets = 1 << shape.qubits, 1 << shape.null
    return tuple(
        ((block * subsets + piece) * side + (j ^ x)) * shape.size + block * subsets * side + j
        for piece in range(subsets)
        for x in range(side)
        for block in range(shape.blocks)
        for j in range(side)
    )


def reorder_sign(left: int, right: int) -> int:
    """Return the sign that sorts the generators of two blades into ascending order."""
    swaps = 0
    while left := left >> 1:
        swaps += (left & right).bit_count()
    return -1 if swaps & 1 else 1


def matrix_type(squares: Sequence[float]) -> str:
    """Name the matrix algebra, such as ``M4(C)``, ``2M2(H)``, or ``M2(C) x Lambda(1)`` with a null generator."""
    negative, null = sum(square < 0 for square in squares), sum(square == 0 for square in squares)
    count = len(squares) - null
    kind = (count - 2 * negative) % 8
    field = "RRRCHHHC"[kind]
    blocks = 2 if kind % 4 == 1 else 1
    dimension = (1 << count) // blocks // {"R": 1, "C": 2, "H": 4}[field]
    name = f"{'2' if blocks == 2 else ''}M{math.isqrt(dimension)}({field})"
    return f"{name} x Lambda({null})" if null else name
