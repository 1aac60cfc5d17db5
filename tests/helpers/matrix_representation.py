"""Clifford algebras as matrices, built from Pauli matrices alone: an oracle that shares nothing with the library."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

_X = np.array([[0, 1], [1, 0]], dtype=complex)
_Y = np.array([[0, -1j], [1j, 0]])
_Z = np.array([[1, 0], [0, -1]], dtype=complex)


def _kron(factors: Sequence[NDArray]) -> NDArray:
    result = np.eye(1, dtype=complex)
    for factor in factors:
        result = np.kron(result, factor)
    return result


def anticommuting(count: int) -> list[NDArray]:
    """Matrices that anticommute and square to one (Jordan and Wigner's)."""
    qubits = max(1, (count + 1) // 2)
    words = []
    for index in range(count):
        at = index // 2
        words.append(_kron([_Z] * at + [_X if index % 2 == 0 else _Y] + [np.eye(2)] * (qubits - at - 1)))
    return words


class MatrixRepresentation:
    """The algebra of a diagonal metric; blades by grade, then lexicographically, as products of ascending generators.

    A null generator is ``(e + f) / 2`` with ``e^2 = 1`` and ``f^2 = -1``.
    """

    def __init__(self, squares: Sequence[int]) -> None:
        words = iter(anticommuting(sum(1 if square else 2 for square in squares)))
        self.generators = []
        for square in squares:
            if square:
                root = np.sqrt(abs(square)) * (1 if square > 0 else 1j)
                self.generators.append(root * next(words))
            else:
                self.generators.append((next(words) + 1j * next(words)) / 2)
        size = self.generators[0].shape[0] if squares else 1
        self.subsets = [
            subset for grade in range(len(squares) + 1) for subset in itertools.combinations(range(len(squares)), grade)
        ]
        self.grades = np.array([len(subset) for subset in self.subsets])
        blades = []
        for subset in self.subsets:
            matrix = np.eye(size, dtype=complex)
            for index in subset:
                matrix = matrix @ self.generators[index]
            blades.append(matrix)
        self.blades = np.stack(blades)
        self._coordinates = np.linalg.pinv(self.blades.reshape(len(blades), -1).T)

    @property
    def rank(self) -> int:
        """Dimension of the span of the blades."""
        return int(np.linalg.matrix_rank(self.blades.reshape(len(self.subsets), -1)))

    def matrix(self, coefficients: NDArray) -> NDArray:
        """The matrix of a multivector."""
        return np.einsum("...b,bij->...ij", coefficients, self.blades)

    def coefficients(self, matrix: NDArray) -> NDArray:
        """The integer multivector of a matrix."""
        values = np.einsum("bm,...m->...b", self._coordinates, matrix.reshape(*matrix.shape[:-2], -1))
        rounded = np.round(2 * values.real) / 2
        assert np.abs(values - rounded).max(initial=0) < 1e-6, "not a half-integer multivector"
        return rounded + 0.0

    def table(self, keeps: Callable[[int, int, int], bool]) -> NDArray:
        """The coefficients ``[out, left, right]`` of a product that keeps some (left, right, out) grades."""
        products = self.coefficients(np.einsum("aij,bjk->abik", self.blades, self.blades))
        kept = np.array(
            [[[keeps(int(r), int(s), int(t)) for t in self.grades] for s in self.grades] for r in self.grades]
        )
        return np.where(kept, products, 0.0).transpose(2, 0, 1)
