//! A weighted plan compiled for the CPU.

use cliffnet_plan::Plan;

use crate::isa::Isa;
use crate::straight_line::StraightLineCompute;
use crate::vectorize::Vectorize;
use crate::weighted::{WeightedCompute, WeightedKernels, WeightedTerms};

/// A type that weighted products and what surrounds them are computed in.
pub(crate) trait ProductCompute: WeightedCompute + StraightLineCompute + Vectorize + Into<f64> {}

impl<T: WeightedCompute + StraightLineCompute + Vectorize + Into<f64>> ProductCompute for T {}

/// A weighted plan compiled for the CPU.
#[derive(Clone, Debug)]
pub struct WeightedProgram {
    sizes: [usize; 3],
    paths: usize,
    content_hash: u128,
    terms: WeightedTerms,
}

impl WeightedProgram {
    /// Compiles a weighted plan. Returns `None` for terms without weights.
    pub fn new(plan: &Plan) -> Option<Self> {
        if !plan.is_weighted() && !plan.terms().is_empty() {
            return None;
        }
        let sizes = [plan.left_size(), plan.right_size(), plan.out_size()];
        Some(Self {
            sizes,
            paths: plan.path_count(),
            content_hash: plan.content_hash(),
            terms: WeightedTerms::new(plan),
        })
    }

    /// Blades of the left operand, the right operand and the output.
    pub fn sizes(&self) -> [usize; 3] {
        self.sizes
    }

    /// Number of weights of a channel.
    pub fn paths(&self) -> usize {
        self.paths
    }

    /// Multiply-adds and elements touched per lane of the product.
    pub fn work(&self) -> usize {
        self.terms.work() + self.sizes.iter().sum::<usize>()
    }

    pub(crate) fn terms(&self) -> &WeightedTerms {
        &self.terms
    }

    /// The kernels that run the program: straight-line code where there is some for the plan.
    pub(crate) fn kernels<T: ProductCompute>(&self, isa: Isa) -> WeightedKernels<T> {
        T::straight_line(self.content_hash, isa).unwrap_or_else(|| T::interpreter(isa))
    }
}
