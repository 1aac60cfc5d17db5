//! A plan compiled for the CPU.

use cliffnet_plan::{MatrixProduct, Plan};

use crate::leaf_program::LeafProgram;
use crate::matrix_program::MatrixProgram;
use crate::terms::Terms;

/// A plan compiled for the CPU: its terms one by one, or products of matrices where those are quicker.
#[derive(Clone, Debug)]
pub struct Program {
    left_size: usize,
    right_size: usize,
    out_size: usize,
    work: usize,
    route: Route,
}

#[derive(Clone, Debug)]
pub(crate) enum Route {
    Terms(Terms),
    Leaf(LeafProgram),
    Matrix(MatrixProgram),
}

impl Program {
    /// Compiles an unweighted plan: to products of matrices wherever it has them in a size that the kernels take. Those
    /// were measured to be quicker than terms for every type of matrix, from 1.5 times in the most degenerate metrics
    /// of six generators on.
    ///
    /// Returns `None` for a weighted plan, which no kernel of this crate runs.
    pub fn new(plan: &Plan) -> Option<Self> {
        plan.matrix_product()
            .and_then(|product| Self::by_matrices(plan, &product))
            .or_else(|| Self::by_blocks(plan))
            .or_else(|| Self::by_terms(plan))
    }

    /// Compiles an unweighted plan to its terms, whatever is quicker.
    pub fn by_terms(plan: &Plan) -> Option<Self> {
        if plan.is_weighted() {
            return None;
        }
        let terms = Terms::new(plan);
        Some(Self::of(plan, terms.len(), Route::Terms(terms)))
    }

    /// Compiles an unweighted plan to products of blocks, if its terms fall into blocks.
    pub fn by_blocks(plan: &Plan) -> Option<Self> {
        if plan.is_weighted() {
            return None;
        }
        LeafProgram::new(plan).map(|program| Self::of(plan, plan.terms().len(), Route::Leaf(program)))
    }

    fn by_matrices(plan: &Plan, product: &MatrixProduct) -> Option<Self> {
        let program = MatrixProgram::new(product)?;
        Some(Self::of(plan, program.work(), Route::Matrix(program)))
    }

    fn of(plan: &Plan, work: usize, route: Route) -> Self {
        Self { left_size: plan.left_size(), right_size: plan.right_size(), out_size: plan.out_size(), work, route }
    }

    /// Blades of the left operand.
    pub fn left_size(&self) -> usize {
        self.left_size
    }

    /// Blades of the right operand.
    pub fn right_size(&self) -> usize {
        self.right_size
    }

    /// Blades of the output.
    pub fn out_size(&self) -> usize {
        self.out_size
    }

    /// Multiply-adds per lane.
    pub fn work(&self) -> usize {
        self.work
    }

    /// Whether the program multiplies matrices.
    pub fn is_matrix(&self) -> bool {
        matches!(self.route, Route::Matrix(_))
    }

    /// Whether the program multiplies blocks.
    pub fn is_blocks(&self) -> bool {
        matches!(self.route, Route::Leaf(_))
    }

    pub(crate) fn route(&self) -> &Route {
        &self.route
    }
}
