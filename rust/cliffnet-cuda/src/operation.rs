//! What to compute on every lane: products between operands of one operation.

use std::sync::Arc;

use cliffnet_plan::Plan;

/// One product of an operation: `operands[out] += plan(operands[left], operands[right])`.
#[derive(Clone, Debug)]
pub struct Step {
    /// The product, without weights.
    pub plan: Arc<Plan>,
    /// Number of the left operand.
    pub left: usize,
    /// Number of the right operand.
    pub right: usize,
    /// Number of the operand written.
    pub out: usize,
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
            if step.left >= inputs || step.right >= inputs || !(inputs..inputs + outputs).contains(&step.out) {
                return Err("a step reads an output or writes an input");
            }
            if step.plan.is_weighted() {
                return Err("a step has weights");
            }
            let plan = &step.plan;
            for (operand, size) in
                [(step.left, plan.left_size()), (step.right, plan.right_size()), (step.out, plan.out_size())]
            {
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

    /// The products, in the order they are added.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}
