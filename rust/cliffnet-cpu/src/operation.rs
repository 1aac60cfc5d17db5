//! What to compute on every lane: products between operands of one operation.

use std::sync::Arc;

use crate::program::Program;

/// One product of an operation: `operands[out] (+)= program(operands[left], operands[right])`.
#[derive(Clone, Debug)]
pub struct Step {
    /// The product.
    pub program: Arc<Program>,
    /// Number of the left operand.
    pub left: usize,
    /// Number of the right operand.
    pub right: usize,
    /// Number of the operand written.
    pub out: usize,
}

/// Products of several operands that are read once and written once: the first `inputs` operands are read, the others
/// are sums of the steps that write them.
///
/// A product is one step, its two gradients are two steps over three inputs, and the derivatives of those four steps
/// over five.
#[derive(Clone, Debug)]
pub struct Operation {
    inputs: usize,
    sizes: Vec<usize>,
    steps: Vec<Step>,
    work: usize,
}

/// Why steps do not make up an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationError {
    /// A step reads an output or writes an input.
    Direction,
    /// Two steps disagree on the number of blades of an operand.
    Size,
    /// No step writes an output.
    Unwritten,
}

impl std::fmt::Display for OperationError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Direction => "a step reads an output or writes an input",
            Self::Size => "two steps disagree on the blades of an operand",
            Self::Unwritten => "an output is not written by any step",
        })
    }
}

impl std::error::Error for OperationError {}

impl Operation {
    /// The operation of `steps` on `inputs` inputs and `outputs` outputs, which come after the inputs.
    ///
    /// # Errors
    /// When the steps do not fit together. Inputs that no step reads have no blades.
    pub fn new(inputs: usize, outputs: usize, steps: Vec<Step>) -> Result<Self, OperationError> {
        let mut sizes = vec![None; inputs + outputs];
        for step in &steps {
            if step.left >= inputs || step.right >= inputs || !(inputs..inputs + outputs).contains(&step.out) {
                return Err(OperationError::Direction);
            }
            let program = &step.program;
            let used =
                [(step.left, program.left_size()), (step.right, program.right_size()), (step.out, program.out_size())];
            for (operand, size) in used {
                if *sizes[operand].get_or_insert(size) != size {
                    return Err(OperationError::Size);
                }
            }
        }
        if sizes[inputs..].contains(&None) {
            return Err(OperationError::Unwritten);
        }
        let sizes: Vec<usize> = sizes.into_iter().map(Option::unwrap_or_default).collect();
        let work = steps.iter().map(|step| step.program.work()).sum::<usize>() + sizes.iter().sum::<usize>();
        Ok(Self { inputs, sizes, steps, work })
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Blades of each operand, inputs first.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// The products, in the order they run.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Multiply-adds and elements touched per lane.
    pub fn work(&self) -> usize {
        self.work
    }

    /// Whether `steps()[index]` is the first to write its operand; later ones add.
    pub(crate) fn is_first(&self, index: usize) -> bool {
        self.steps[..index].iter().all(|step| step.out != self.steps[index].out)
    }

    /// Whether a step multiplies matrices.
    pub(crate) fn has_matrices(&self) -> bool {
        self.steps.iter().any(|step| step.program.is_matrix())
    }
}
