//! Clifford algebras as matrices of real numbers, complex numbers or quaternions.

use crate::Metric;
use crate::blade::reorder_sign;

/// The numbers in the entries of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Division {
    /// Real numbers.
    Real,
    /// Complex numbers 1, i.
    Complex,
    /// Quaternions 1, i, j, k.
    Quaternion,
}

impl Division {
    /// Real components of a number.
    pub const fn components(self) -> usize {
        match self {
            Self::Real => 1,
            Self::Complex => 2,
            Self::Quaternion => 4,
        }
    }
}

/// Whether the product of two units, which is the unit of number `left ^ right` up to a sign, has a negative sign.
pub const fn is_unit_product_negative(left: usize, right: usize) -> bool {
    // i j = k, j k = i, k i = j; equal units square to -1
    matches!((left, right), (1, 1 | 3) | (2, 1 | 2) | (3, 2 | 3))
}

/// `unit X^x Z^z`, with opposite signs in two blocks where `block`: column `j` of the matrix `X^x Z^z` holds
/// `(-1)^|z & j|` in row `j ^ x`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Word {
    x: usize,
    z: usize,
    unit: usize,
    block: bool,
    negative: bool,
}

const fn is_odd(bits: usize) -> bool {
    bits.count_ones() % 2 == 1
}

impl Word {
    fn times(self, other: Self) -> Self {
        let negative = is_odd(self.z & other.x) ^ is_unit_product_negative(self.unit, other.unit);
        Self {
            x: self.x ^ other.x,
            z: self.z ^ other.z,
            unit: self.unit ^ other.unit,
            block: self.block ^ other.block,
            negative: self.negative ^ other.negative ^ negative,
        }
    }

    fn anticommutes(self, other: Self) -> bool {
        self.times(other).negative != other.times(self).negative
    }

    fn squares_to_minus_one(self) -> bool {
        self.times(self).negative
    }

    /// The same word whatever its sign.
    fn is_multiple_of(self, other: Self) -> bool {
        (self.x, self.z, self.unit, self.block) == (other.x, other.z, other.unit, other.block)
    }
}

/// Where the coefficient of a blade stands among the words, and the factor with which it enters there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Position of the word, below [`MatrixRepresentation::word_count`].
    pub position: usize,
    /// A sign times the square root of the magnitudes of the squares of the blade's generators.
    pub factor: f64,
}

/// One of the matrix products that make up a geometric product: `out += sign * left * right`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceProduct {
    /// Number of the matrix of the result, below [`MatrixRepresentation::piece_count`].
    pub out: usize,
    /// Number of the matrix of the left operand.
    pub left: usize,
    /// Number of the matrix of the right operand.
    pub right: usize,
    /// Whether the product is subtracted.
    pub is_negative: bool,
    /// Whether the complex conjugate of the entries of the right matrix enters.
    pub is_conjugate: bool,
}

/// The matrices of an algebra over a diagonal real metric.
///
/// The part without null generators is all matrices over the real numbers, the complex numbers or the quaternions, or
/// two such blocks, by p - q mod 8. Each blade is one [word](Self::place) on qubits, so a multivector becomes its
/// matrices by a signed permutation and a Walsh-Hadamard transform:
///
/// * positions of words run over (set of null generators, component, x, block, z), the last fastest;
/// * after the transform over (block, z), position (set, component, x, block, j) is a component of the entry
///   (row `j ^ x`, column `j`) of the matrix number `set * blocks + block`.
///
/// The product of two multivectors is the sum of [`piece_products`](Self::piece_products) of their matrices.
///
/// Reference: Leopardi, A generalized FFT for Clifford algebras, Bull. Belg. Math. Soc. 11 (2005).
#[derive(Clone, Debug)]
pub struct MatrixRepresentation {
    metric: Metric,
    division: Division,
    qubits: usize,
    is_double: bool,
    /// The words of the generators; of a null generator, that of [`hat`](Self::hat).
    generators: Vec<Word>,
    /// With the conjugation of entries or the exchange of blocks, where there is one, gives the grade involution.
    hat: Word,
}

impl MatrixRepresentation {
    /// The representation of the algebra of a metric.
    pub fn new(metric: &Metric) -> Self {
        let negatives: Vec<bool> =
            metric.squares().iter().filter(|&&square| square != 0.0).map(|&square| square < 0.0).collect();
        let negative = negatives.iter().filter(|&&negative| negative).count();
        let count = negatives.len();
        let kind = (count as i64 - 2 * negative as i64).rem_euclid(8);
        let division = match kind {
            0..=2 => Division::Real,
            3 | 7 => Division::Complex,
            _ => Division::Quaternion,
        };
        let is_double = kind % 4 == 1;
        let paired = count - usize::from(is_double);
        let qubits = match division {
            Division::Real | Division::Complex => paired / 2,
            Division::Quaternion => (paired - 2) / 2,
        };
        let mut words = generator_words(&negatives[..paired], qubits, division);
        if is_double {
            let product = words.iter().fold(Word::default(), |product, &word| product.times(word));
            words.push(Word { block: true, negative: false, ..product });
        }
        let hat = if metric.null_mask() == 0 { Word::default() } else { hat(&words, qubits, division) };
        let mut rest = words.into_iter();
        let generators =
            (0..metric.dim()).map(|i| if metric.is_null(i) { hat } else { rest.next().unwrap_or_default() }).collect();
        Self { metric: metric.clone(), division, qubits, is_double, generators, hat }
    }

    /// The numbers in the entries.
    pub fn division(&self) -> Division {
        self.division
    }

    /// Rows of one matrix, a power of two.
    pub fn rows(&self) -> usize {
        1 << self.qubits
    }

    /// Matrices of each set of null generators: 2 where the pseudoscalar of the others squares to +1 and is central.
    pub fn blocks(&self) -> usize {
        1 + usize::from(self.is_double)
    }

    /// Matrices in all.
    pub fn piece_count(&self) -> usize {
        self.blocks() << self.metric.null_mask().count_ones()
    }

    /// Words in all, as many as blades.
    pub fn word_count(&self) -> usize {
        1 << self.metric.dim()
    }

    /// The place of the blade with the given mask.
    ///
    /// # Panics
    /// If the mask names a generator beyond those of the metric.
    pub fn place(&self, mask: u64) -> Place {
        let null = mask & self.metric.null_mask();
        let regular = mask ^ null;
        // the blade is the word of its regular part, times that of hat for an odd number of null generators
        let mut word = Word { negative: reorder_sign(regular, null) < 0.0, ..Word::default() };
        for (i, &generator) in self.generators.iter().enumerate() {
            if regular >> i & 1 == 1 {
                word = word.times(generator);
            }
        }
        if null.count_ones() % 2 == 1 {
            word = word.times(self.hat);
        }
        let mut position = compressed(null, self.metric.null_mask());
        position = position * self.division.components() + word.unit;
        position = position << self.qubits | word.x;
        position = position * self.blocks() + usize::from(word.block);
        position = position << self.qubits | word.z;
        let scale = self.metric.magnitude_over(regular).sqrt();
        Place { position, factor: if word.negative { -scale } else { scale } }
    }

    /// Whether the word at a position is minus its own conjugate transpose.
    pub fn is_transpose_negative(&self, position: usize) -> bool {
        let z = position & (self.rows() - 1);
        let x = position >> self.qubits >> usize::from(self.is_double) & (self.rows() - 1);
        let unit = position >> (2 * self.qubits + usize::from(self.is_double)) & (self.division.components() - 1);
        is_odd(x & z) ^ (unit != 0)
    }

    /// The matrix products that make up the geometric product, grouped by the matrix of the result.
    pub fn piece_products(&self) -> Vec<PieceProduct> {
        let null = self.metric.null_mask().count_ones();
        let blocks = self.blocks();
        let mut products = Vec::new();
        for union in 0..1_usize << null {
            for block in 0..blocks {
                for left in (0..=union).filter(|left| left & !union == 0) {
                    let right = union ^ left;
                    let passes = is_odd(left);
                    let mut is_negative = reorder_sign(left as u64, right as u64) < 0.0;
                    is_negative ^= passes && is_odd(right) && self.hat.squares_to_minus_one();
                    products.push(PieceProduct {
                        out: union * blocks + block,
                        left: left * blocks + block,
                        right: right * blocks + (block ^ usize::from(passes && self.is_double)),
                        is_negative,
                        is_conjugate: passes && self.division == Division::Complex,
                    });
                }
            }
        }
        products
    }
}

/// The bits of `bits` at the set places of `mask`, side by side.
fn compressed(bits: u64, mask: u64) -> usize {
    let mut rest = mask;
    let mut result = 0;
    let mut place = 0;
    while rest != 0 {
        result |= (bits >> rest.trailing_zeros() & 1) << place;
        place += 1;
        rest &= rest - 1;
    }
    result as usize
}

/// Every word on the qubits.
fn all_words(qubits: usize, units: usize) -> impl Iterator<Item = Word> {
    let side = 1 << qubits;
    (0..side).flat_map(move |x| {
        (0..side).flat_map(move |z| (0..units).map(move |unit| Word { x, z, unit, ..Word::default() }))
    })
}

/// Anticommuting words with the given signs of their squares, whose products are linearly independent.
///
/// A greedy search: by Witt's theorem on quadratic forms over two elements, no choice that keeps the products
/// independent, of each other and of the central unit i, is wrong.
fn generator_words(negatives: &[bool], qubits: usize, division: Division) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::with_capacity(negatives.len());
    let mut product = Word::default();
    for &is_negative in negatives {
        let is_last = words.len() + 1 == negatives.len();
        let central = Word { unit: 1, ..Word::default() };
        let fits = |&word: &Word| {
            word.squares_to_minus_one() == is_negative
                && words.iter().all(|&other| word.anticommutes(other))
                && !word.is_multiple_of(product)
                && (division != Division::Complex || is_last || !word.is_multiple_of(product.times(central)))
        };
        let Some(word) = all_words(qubits, division.components()).find(fits) else {
            unreachable!("Cl(p, q) has as many anticommuting words as generators")
        };
        words.push(word);
        product = product.times(word);
    }
    words
}

/// The word that anticommutes with each generator, or commutes with it where conjugation of entries or exchange of
/// blocks already changes its sign.
fn hat(words: &[Word], qubits: usize, division: Division) -> Word {
    let is_changed = |word: &Word| word.block || (division == Division::Complex && word.unit == 1);
    let units = if division == Division::Quaternion { 4 } else { 1 };
    let fits = |&hat: &Word| words.iter().all(|word| hat.anticommutes(*word) != is_changed(word));
    let Some(word) = all_words(qubits, units).find(fits) else {
        unreachable!("the grade involution is inner up to conjugation or exchange of blocks")
    };
    word
}
