//! A product of matrices in the order the kernels run it.

use cliffnet_plan::{Division, MatrixProduct, MatrixStep, Source};

/// The gather or scatter between the blades of a tensor and the words of a representation.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    /// Index of a blade by position of the word; each occurs once, so all are below the number of words.
    pub(crate) blades: Vec<u32>,
    pub(crate) single: Vec<f32>,
    pub(crate) double: Vec<f64>,
}

impl Words {
    fn new(sources: &[Source]) -> Self {
        Self {
            blades: sources.iter().map(|source| u32::from(source.blade)).collect(),
            single: sources.iter().map(|source| source.factor as f32).collect(),
            double: sources.iter().map(|source| source.factor).collect(),
        }
    }
}

/// One product of two matrices. The sum so far is negated or conjugated first where the step says so, which spares
/// kernels for products that are subtracted or conjugated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// First word of the left matrix.
    pub(crate) left: u32,
    /// First word of the right matrix.
    pub(crate) right: u32,
    pub(crate) negates_sum: bool,
    pub(crate) conjugates_sum: bool,
    pub(crate) conjugates_right: bool,
}

/// All products that make up one matrix of the result.
#[derive(Clone, Debug)]
pub(crate) struct Sum {
    /// First word of the matrix.
    pub(crate) out: u32,
    pub(crate) steps: Vec<Step>,
    /// Whether the sum has to be negated and conjugated after the last step.
    pub(crate) is_negative: bool,
    pub(crate) is_conjugate: bool,
}

/// A product of matrices compiled for the CPU.
#[derive(Clone, Debug)]
pub(crate) struct MatrixProgram {
    pub(crate) division: Division,
    /// Rows of each matrix, a power of two, at least [`MIN_ROWS`].
    pub(crate) rows: usize,
    /// Words that are transformed together: rows times blocks, at most [`MAX_LENGTH`].
    pub(crate) length: usize,
    pub(crate) left: Words,
    pub(crate) right: Words,
    pub(crate) out: Words,
    pub(crate) sums: Vec<Sum>,
}

/// Fewest rows that the kernels take, by components of a number.
const fn min_rows(division: Division) -> usize {
    match division {
        Division::Real | Division::Complex => 4,
        Division::Quaternion => 2,
    }
}

/// Most words that the kernels transform together.
const MAX_LENGTH: usize = 64;

impl MatrixProgram {
    /// Compiles a product; `None` if its matrices are too small or too large for the kernels.
    pub(crate) fn new(product: &MatrixProduct) -> Option<Self> {
        let length = product.rows * product.blocks;
        if product.rows < min_rows(product.division) || length > MAX_LENGTH {
            return None;
        }
        let components = product.division.components();
        let first_word = |piece: usize| {
            let (set, block) = (piece / product.blocks, piece % product.blocks);
            (set * components * product.rows * length + block * product.rows) as u32
        };
        let sums = product.steps.chunk_by(|a, b| a.out == b.out).map(|steps| sum(steps, first_word)).collect();
        Some(Self {
            division: product.division,
            rows: product.rows,
            length,
            left: Words::new(&product.left),
            right: Words::new(&product.right),
            out: Words::new(&product.out),
            sums,
        })
    }

    /// Words of each operand.
    pub(crate) fn word_count(&self) -> usize {
        self.out.blades.len()
    }

    /// Words between two components of the same number.
    pub(crate) fn component_stride(&self) -> usize {
        self.rows * self.length
    }

    /// Multiply-adds per lane, each butterfly counted as one.
    pub(crate) fn work(&self) -> usize {
        let steps: usize = self.sums.iter().map(|sum| sum.steps.len()).sum();
        let products = steps * self.rows.pow(3) * self.division.components().pow(2);
        let stages = 1 + self.length.ilog2() as usize;
        products + 3 * stages * self.word_count()
    }
}

/// The steps of one matrix of the result. Each is to be added to a sum that is negated and conjugated as its product is;
/// so between two steps the sum changes by what differs.
fn sum(steps: &[MatrixStep], first_word: impl Fn(usize) -> u32) -> Sum {
    let (mut is_negative, mut is_conjugate) = (false, false);
    let mut compiled = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        compiled.push(Step {
            left: first_word(step.left),
            right: first_word(step.right),
            negates_sum: index > 0 && is_negative != step.is_negative,
            conjugates_sum: index > 0 && is_conjugate != step.conjugates_out,
            conjugates_right: step.conjugates_right,
        });
        (is_negative, is_conjugate) = (step.is_negative, step.conjugates_out);
    }
    let out = steps.first().map_or(0, |step| first_word(step.out));
    Sum { out, steps: compiled, is_negative, is_conjugate }
}
