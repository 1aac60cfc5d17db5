"""Blades as Pauli words: the matrices of a Clifford algebra without a matrix.

A word is ``i^phase X^x Z^z`` on some qubits, with ``x`` and ``z`` bit masks: column ``j`` of its matrix holds
``i^phase (-1)^|z & j|`` in row ``j ^ x``. Words multiply by ``X^a Z^b X^c Z^d = (-1)^|b & c| X^(a^c) Z^(b^d)``.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Word(NamedTuple):
    """``i^phase X^x Z^z``, with opposite signs in two blocks where ``block`` is 1."""

    x: int
    z: int
    phase: int = 0
    block: int = 0

    def times(self, other: "Word") -> "Word":
        """Return the product of two words."""
        phase = self.phase + other.phase + 2 * _parity(self.z & other.x)
        return Word(self.x ^ other.x, self.z ^ other.z, phase % 4, self.block ^ other.block)

    def anticommutes(self, other: "Word") -> bool:
        """Tell whether ``a b = -b a``; else they commute."""
        return bool(_parity(self.x & other.z) ^ _parity(self.z & other.x))

    @property
    def is_negative(self) -> bool:
        """Whether a word of phase 0 or 1 squares to -1; else to +1."""
        return bool(_parity(self.x & self.z) ^ (self.phase & 1))


def _parity(bits: int) -> int:
    return bits.bit_count() & 1


def has_real_words(positive: int, negative: int) -> bool:
    """Tell whether Cl(p, q) is made of real matrices, one block or two."""
    return (positive - negative) % 8 in (0, 1, 2)


def generator_words(negative: Sequence[bool]) -> tuple[Word, ...]:
    """Return anticommuting words with the given signs of their squares; their products are linearly independent.

    The words are found greedily: by Witt's theorem on quadratic forms over two elements no choice is wrong, as long as
    the product of all words so far is not chosen. The last one of an odd number is that product, up to a central
    factor: ``i`` where the pseudoscalar squares to -1, and otherwise opposite signs in two blocks.

    References
    ----------
    Leopardi, A generalized FFT for Clifford algebras, Bull. Belg. Math. Soc. 11 (2005).
    """
    count = len(negative)
    qubits = count // 2
    is_real = has_real_words(count - sum(negative[: 2 * qubits]) - count % 2, sum(negative[: 2 * qubits]))
    words: list[Word] = []
    product = Word(0, 0)
    for is_negative in negative[: 2 * qubits]:
        word = next(
            candidate
            for x in range(1 << qubits)
            for z in range(1 << qubits)
            for candidate in (Word(x, z, 0 if is_real else _parity(x & z) ^ is_negative),)
            if candidate.is_negative == is_negative
            and all(candidate.anticommutes(other) for other in words)
            and (x, z) != (product.x, product.z)
        )
        words.append(word)
        product = product.times(word)
    if count % 2:
        words.append(_last_word(product, negative[-1]))
    return tuple(words)


def _last_word(product: Word, is_negative: bool) -> Word:
    """Return the last of an odd number of generators from the product of the others."""
    squares_negative = bool(_parity(product.x & product.z) ^ (product.phase & 1))
    if squares_negative == is_negative:
        return Word(product.x, product.z, product.phase % 2, 1)
    return Word(product.x, product.z, (product.phase + 1) % 2)
