//! A weighted plan compiled for the CPU.

use cliffnet_plan::Plan;

use crate::weighted::WeightedTerms;

/// A weighted plan compiled for the CPU.
#[derive(Clone, Debug)]
pub struct WeightedProgram {
    sizes: [usize; 3],
    paths: usize,
    terms: WeightedTerms,
}

impl WeightedProgram {
    /// Compiles a weighted plan. Returns `None` for terms without weights.
    pub fn new(plan: &Plan) -> Option<Self> {
        if !plan.is_weighted() && !plan.terms().is_empty() {
            return None;
        }
        let sizes = [plan.left_size(), plan.right_size(), plan.out_size()];
        Some(Self { sizes, paths: plan.path_count(), terms: WeightedTerms::new(plan) })
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
}
