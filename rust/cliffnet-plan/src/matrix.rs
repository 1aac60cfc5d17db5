//! Geometric products of full multivectors as products of matrices.

use cliffnet_algebra::{Basis, Division, MatrixRepresentation, Metric, PieceProduct};

use crate::Slot;

/// Where one word comes from, or goes to: an index of a tensor's blades and a factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Source {
    /// Index of the blade, below the number of blades.
    pub blade: u16,
    /// The factor, finite and not zero.
    pub factor: f64,
}

/// One product of two matrices, `out += sign * left * right`, with the complex conjugate of what is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MatrixStep {
    /// Number of the matrix that is added to.
    pub out: usize,
    /// Number of the left matrix.
    pub left: usize,
    /// Number of the right matrix.
    pub right: usize,
    /// Whether the product is subtracted.
    pub is_negative: bool,
    /// Whether the entries of the product are conjugated before they are added.
    pub conjugates_out: bool,
    /// Whether the entries of the right matrix are conjugated.
    pub conjugates_right: bool,
}

/// A geometric product, or one of its gradients, by way of matrices:
///
/// 1. `words[p] = factor * operand[blade]` with the [`Source`] at each position `p`, for both operands;
/// 2. a Hadamard transform over the last `rows * blocks` words, so that position (set, component, x, block, j) holds
///    a component of the entry (row `j ^ x`, column `j`) of matrix number `set * blocks + block`;
/// 3. the [`steps`](Self::steps), starting from zero;
/// 4. the transform again, and `out[blade] = factor * words[p]`.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixProduct {
    /// The numbers in the entries.
    pub division: Division,
    /// Rows of each matrix, a power of two.
    pub rows: usize,
    /// Blocks, 1 or 2.
    pub blocks: usize,
    /// Sources of the left operand's words; each blade occurs once.
    pub left: Vec<Source>,
    /// Sources of the right operand's words; each blade occurs once.
    pub right: Vec<Source>,
    /// Targets of the result's words; each blade occurs once.
    pub out: Vec<Source>,
    /// The matrix products, those of one result together.
    pub steps: Vec<MatrixStep>,
}

impl MatrixProduct {
    /// The product of an algebra with the bases of output, left and right, seen so that `roles` are its slots.
    ///
    /// With A, B, C the matrices of left, right and output, the trilinear form is `<C, A B> = Re tr(C* A B)`. So the
    /// other slots are products with conjugate transposes, `A = C B*` and `B = A* C`, and in the other order of the
    /// operands `C* = B* A*`. Words are eigenvectors of the conjugate transpose, which thus is a sign of each word.
    pub(crate) fn new(metric: &Metric, bases: [&Basis; 3], roles: [Slot; 3]) -> Self {
        let representation = MatrixRepresentation::new(metric);
        let length = representation.rows() * representation.blocks();
        let is_transposed = match roles {
            [Slot::Left, Slot::Out, Slot::Right] => [false, false, true],
            [Slot::Right, Slot::Left, Slot::Out] => [false, true, false],
            [Slot::Out, Slot::Right, Slot::Left] => [true, true, true],
            [Slot::Right, Slot::Out, Slot::Left] => [true, true, false],
            [Slot::Left, Slot::Right, Slot::Out] => [true, false, true],
            _ => [false, false, false],
        };
        let [out, left, right] = std::array::from_fn(|i| {
            let [out, left, right] = bases;
            let (basis, is_output) = match roles[i] {
                Slot::Out => (out, true),
                Slot::Left => (left, false),
                Slot::Right => (right, false),
            };
            let mut sources = vec![Source { blade: 0, factor: 0.0 }; representation.word_count()];
            for (blade, (&mask, sign)) in (0..).zip(basis.masks().iter().zip(basis.signs())) {
                let place = representation.place(mask);
                // the transform is its own inverse up to its length
                let factor = if is_output { 1.0 / (place.factor * length as f64) } else { place.factor };
                let is_negated = is_transposed[i] && representation.is_transpose_negative(place.position);
                let factor = if is_negated { -sign * factor } else { sign * factor };
                sources[place.position] = Source { blade, factor };
            }
            sources
        });
        let mut steps: Vec<MatrixStep> =
            representation.piece_products().into_iter().map(|product| step(product, roles)).collect();
        steps.sort_unstable_by_key(|step| (step.out, step.is_negative, step.conjugates_out, step.left));
        Self {
            division: representation.division(),
            rows: representation.rows(),
            blocks: representation.blocks(),
            left,
            right,
            out,
            steps,
        }
    }

    /// Multiply-adds of the matrix products.
    pub fn multiplications(&self) -> usize {
        self.steps.len() * self.rows.pow(3) * self.division.components().pow(2)
    }
}

/// One product with its matrices in other roles. What is conjugated stays with the right matrix of the product.
fn step(product: PieceProduct, roles: [Slot; 3]) -> MatrixStep {
    let [out, left, right] = roles.map(|role| match role {
        Slot::Out => product.out,
        Slot::Left => product.left,
        Slot::Right => product.right,
    });
    // a conjugated left matrix: the conjugate of the product with the conjugated right matrix
    let conjugates_out = product.is_conjugate && roles[2] != Slot::Right;
    let conjugates_right = product.is_conjugate && roles[0] != Slot::Right;
    MatrixStep { out, left, right, is_negative: product.is_negative, conjugates_out, conjugates_right }
}
