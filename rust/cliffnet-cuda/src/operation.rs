//! What to compute on every lane: products between operands of one operation.

use std::sync::Arc;

use cliffnet_plan::Plan;

/// One product of an operation: `operands[out] += plan(operands[left], operands[right])`, where the plan has paths with
/// the weights in another operand.
#[derive(Clone, Debug)]
pub struct Step {
    /// The product.
    pub plan: Arc<Plan>,
    /// Number of the left operand.
    pub left: usize,
    /// Number of the right operand.
    pub right: usize,
    /// Number of the operand written.
    pub out: usize,
    /// Number of the operand whose "blades" are the weights of the paths.
    pub weight: Option<usize>,
}

/// Products of several operands that are read once and written once: the first `inputs` operands are read, the others
/// are sums of the steps that write them.
#[derive(Clone, Debug)]
pub struct Operation {
    inputs: usize,
    sizes: Vec<usize>,
    steps: Vec<Step>,
}

impl Operation {
    /// The operation of `steps` on `inputs` inputs and `outputs` outputs, which come after the inputs.
    ///
    /// # Errors
    /// When the steps do not fit together, with a sentence about it.
    pub fn new(inputs: usize, outputs: usize, steps: Vec<Step>) -> Result<Self, &'static str> {
        let mut sizes = vec![None; inputs + outputs];
        for step in &steps {
            let reads = [Some(step.left), Some(step.right), step.weight];
            if reads.iter().flatten().any(|&read| read >= inputs) || !(inputs..inputs + outputs).contains(&step.out) {
                return Err("a step reads an output or writes an input");
            }
            let plan = &step.plan;
            if step.weight.is_some() != plan.is_weighted() && !plan.terms().is_empty() {
                return Err("a plan has paths and no weights, or weights and no paths");
            }
            let used = [
                (Some(step.left), plan.left_size()),
                (Some(step.right), plan.right_size()),
                (Some(step.out), plan.out_size()),
                (step.weight, plan.path_count()),
            ];
            for (operand, size) in used.into_iter().filter_map(|(operand, size)| Some((operand?, size))) {
                if *sizes[operand].get_or_insert(size) != size {
                    return Err("two steps disagree on the blades of an operand");
                }
            }
        }
        if sizes[inputs..].contains(&None) {
            return Err("an output is not written by any step");
        }
        let sizes = sizes.into_iter().map(Option::unwrap_or_default).collect();
        Ok(Self { inputs, sizes, steps })
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Blades of each operand, inputs first.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// The inputs that these outputs depend on, ascending.
    pub(crate) fn reads(&self, outputs: &[usize]) -> Vec<usize> {
        let steps = self.steps.iter().filter(|step| outputs.contains(&step.out));
        let mut reads: Vec<_> =
            steps.flat_map(|step| [Some(step.left), Some(step.right), step.weight]).flatten().collect();
        reads.sort_unstable();
        reads.dedup();
        reads
    }

    /// The outputs in groups; no two groups depend on the same input.
    pub(crate) fn parts(&self) -> Vec<Vec<usize>> {
        let mut parts: Vec<Vec<usize>> = Vec::new();
        for output in self.inputs..self.sizes.len() {
            let reads = self.reads(&[output]);
            let (mut together, apart): (Vec<_>, Vec<_>) =
                parts.into_iter().partition(|part| self.reads(part).iter().any(|read| reads.contains(read)));
            parts = apart;
            together.push(vec![output]);
            parts.push(together.concat());
        }
        parts
    }

    /// Terms of all products.
    pub(crate) fn terms(&self) -> usize {
        self.steps.iter().map(|step| step.plan.terms().len()).sum()
    }

    /// The products, in the order they are added.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}
