//! Gates of classes with parameters on CUDA devices.

use std::sync::Arc;

use cliffnet_cpu::Response;
use cliffnet_cuda::class_gates::ClassGate;
use cliffnet_cuda::{Classes, Form, Function, Key, Source, Work};

use crate::class_gate;
use crate::cuda::{Accelerator, exactly};
use crate::cuda_call::{Blades, Call};
use crate::cuda_layers::{classes, invariant_function, invariant_number};
use crate::cuda_sums::PartialSums;
use crate::operator::Arguments;
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;

pub(crate) const FORWARD: &str = "class_gate";
pub(crate) const BACKWARD: &str = "class_gate_backward";

/// The gates that a kernel applies.
struct Gates {
    classes: Arc<Classes>,
    scalar: Option<(usize, usize)>,
    invariant: Function,
    response: Function,
}

impl Gates {
    /// The gates of plan, class of the scalar, invariant and response.
    fn new([plan, scalar, invariant, response]: [i64; 4]) -> Result<Self, String> {
        let classes = classes(plan)?;
        let scalar = match usize::try_from(scalar) {
            Err(_) => None,
            Ok(class) => {
                let blade = classes.only_blade(class);
                Some((class, blade.ok_or_else(|| format!("class {class} is not a class of a single blade"))?))
            }
        };
        let response = Function(match class_gate::response(response)? {
            Response::Sigmoid => "response::sigmoid",
            Response::Reciprocal => "response::reciprocal",
        });
        Ok(Self { classes, scalar, invariant: invariant_function(invariant)?, response })
    }

    fn kernel(&self) -> ClassGate<'_> {
        let Self { classes, scalar, invariant, response } = self;
        ClassGate { classes, scalar: *scalar, invariant: *invariant, response: *response }
    }
}

/// The kernel of an operator for plan, class of the scalar, invariant and response; the invariant is 3 for a norm without an
/// epsilon.
pub(crate) fn source(operator: &str, numbers: &[i64], form: Form) -> Result<Source, String> {
    let gates = Gates::new(exactly(operator, numbers)?)?;
    Ok(if operator == BACKWARD { gates.kernel().backward_source(form) } else { gates.kernel().source(form) })
}

/// The numbers that kernels depend on, and the epsilon of the invariant.
fn numbers(arguments: &Arguments<'_>, first: usize) -> Result<([i64; 4], u64), String> {
    let (invariant, epsilon) = invariant_number(arguments.integer(first + 2)?, arguments.float(first + 3)?)?;
    let (plan, scalar) = (arguments.integer(first)?, arguments.integer(first + 1)?.max(-1));
    Ok(([plan, scalar, invariant, arguments.integer(first + 4)?], epsilon))
}

/// `class_gate`.
pub(crate) fn forward<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    let (numbers, epsilon) = numbers(arguments, 3)?;
    let gates = Gates::new(numbers)?;
    let (size, count) = (gates.classes.size(), gates.classes.len());
    let call = Call::new(torch, arguments, &Blades { inputs: &[size], weights: &[count; 2], outputs: &[size] })?;
    let lanes = call.all_lanes();
    let form = call.form(&lanes);
    let parameters = [&lanes.parameters()[..], &[epsilon]].concat();
    let work = Work { count: lanes.count(), parameters: &parameters };
    // SAFETY: sizes were checked against the classes, strides and addresses come from tensors on one device, and torch keeps
    // memory that is freed for later work on the same stream.
    unsafe {
        accelerator.run(Key::new(FORWARD, &numbers, form), call.device, work, || gates.kernel().source(form))?;
    }
    Ok(call.outputs)
}

/// `class_gate_backward`.
pub(crate) fn backward<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    let (numbers, epsilon) = numbers(arguments, 4)?;
    let gates = Gates::new(numbers)?;
    let (size, count) = (gates.classes.size(), gates.classes.len());
    let blades = Blades { inputs: &[size; 2], weights: &[count; 2], outputs: &[size] };
    let mut call = Call::new(torch, arguments, &blades)?;
    let lanes = call.all_lanes();
    let form = call.form(&lanes);
    let sums = PartialSums::new(torch, &call, count, 2)?;
    let parameters = [&lanes.parameters()[..], &sums.parameters()?, &[epsilon]].concat();
    let work = Work { count: sums.threads(), parameters: &parameters };
    // SAFETY: as above; the memory of the partial sums has room for two numbers a chunk, channel and class.
    unsafe {
        let key = Key::new(BACKWARD, &numbers, form);
        accelerator.run(key, call.device, work, || gates.kernel().backward_source(form))?;
        for part in 0..2 {
            let sum = sums.add_up(torch, accelerator, part)?;
            call.outputs.push(sum);
        }
    }
    Ok(call.outputs)
}
