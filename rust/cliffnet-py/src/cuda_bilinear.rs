//! Products by unweighted plans and their derivatives on CUDA devices.

use std::sync::{Arc, LazyLock, RwLock};

use cliffnet_cuda::{Axis, Form, Key, Lanes, Operand, Operation, Source, Step, bilinear};
use cliffnet_plan::{Plan, PlanId};

use crate::bilinear::{ById, kept};
use crate::cuda::{Accelerator, device, storage};
use crate::operator::Arguments;
use crate::plans::unknown;
use crate::shape::{broadcast, broadcast_stride, is_blade_major, output_strides};
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;

static PRODUCTS: LazyLock<ById<Operation>> = LazyLock::new(RwLock::default);
static BACKWARDS: LazyLock<ById<Operation>> = LazyLock::new(RwLock::default);
static DOUBLE_BACKWARDS: LazyLock<ById<Operation>> = LazyLock::new(RwLock::default);

const PRODUCT: &str = "bilinear";
const BACKWARD: &str = "bilinear_backward";
const DOUBLE_BACKWARD: &str = "bilinear_double_backward";

fn plan(id: PlanId) -> Result<Arc<Plan>, String> {
    cliffnet_plan::get_or_recover(id).ok_or_else(|| unknown(id.as_i64()))
}

/// The product, and its gradients by the left and the right operand.
fn plans(id: i64) -> Result<[Arc<Plan>; 3], String> {
    let id = PlanId::from_i64(id).ok_or_else(|| unknown(id))?;
    let product = plan(id)?;
    let (left, right) = cliffnet_plan::gradients(id).ok_or_else(|| unknown(id.as_i64()))?;
    Ok([product, plan(left)?, plan(right)?])
}

fn step(plan: &Arc<Plan>, [left, right, out]: [usize; 3]) -> Step {
    Step { plan: Arc::clone(plan), left, right, out }
}

fn operation(name: &str, id: i64) -> Result<Arc<Operation>, String> {
    let made = |inputs, outputs, steps| Operation::new(inputs, outputs, steps).map_err(str::to_owned);
    match name {
        PRODUCT => kept(&PRODUCTS, id, || made(2, 1, vec![step(&plans(id)?[0], [0, 1, 2])])),
        BACKWARD => kept(&BACKWARDS, id, || {
            let [_, by_left, by_right] = plans(id)?;
            made(3, 2, vec![step(&by_left, [0, 2, 3]), step(&by_right, [1, 0, 4])])
        }),
        DOUBLE_BACKWARD => kept(&DOUBLE_BACKWARDS, id, || {
            let [product, by_left, by_right] = plans(id)?;
            let steps = vec![
                step(&product, [0, 4, 5]),
                step(&product, [3, 1, 5]),
                step(&by_left, [2, 1, 6]),
                step(&by_right, [0, 2, 7]),
            ];
            made(5, 3, steps)
        }),
        _ => Err(format!("{name} has no CUDA kernel")),
    }
}

/// The kernel of an operator for a plan.
pub(crate) fn source(operator: &str, plan: i64, form: Form) -> Result<Source, String> {
    Ok(bilinear::source(&*operation(operator, plan)?, form))
}

/// Allocates the outputs and launches the operation of the plan that follows the tensors.
fn launch<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
    operator: &'static str,
    inputs: usize,
) -> Result<Vec<Tensor<'t>>, String> {
    let plan = arguments.integer(inputs)?;
    let operation = operation(operator, plan)?;
    let call = Call::new(torch, arguments, inputs, operation.sizes())?;
    let form = call.form();
    // SAFETY: sizes were checked against the operation, strides and addresses come from tensors on one device, and torch
    // keeps memory that is freed for later work on the same stream.
    unsafe {
        accelerator.run(Key { operator, plan, form }, device(arguments)?, &call.lanes, || {
            bilinear::source(&operation, form)
        })?;
    }
    Ok(call.outputs)
}

/// `bilinear`.
pub(crate) fn product<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    launch(torch, accelerator, arguments, PRODUCT, 2)
}

/// `bilinear_backward`.
pub(crate) fn backward<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    launch(torch, accelerator, arguments, BACKWARD, 3)
}

/// `bilinear_double_backward`.
pub(crate) fn double_backward<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    launch(torch, accelerator, arguments, DOUBLE_BACKWARD, 5)
}

/// Multivector operands with common leading axes: inputs, and new outputs of the broadcast leading shape, which are
/// blade-major if an input of that shape is.
struct Call<'t> {
    dtype: cliffnet_cpu::DType,
    lanes: Lanes,
    outputs: Vec<Tensor<'t>>,
}

impl<'t> Call<'t> {
    /// The first `inputs` arguments, and outputs; `blades` counts the blades of each.
    ///
    /// # Errors
    /// When the inputs do not fit that or each other.
    fn new(
        torch: &'t TorchFunctions,
        arguments: &Arguments<'t>,
        inputs: usize,
        blades: &[usize],
    ) -> Result<Self, String> {
        let device = device(arguments)?;
        let (code, dtype) = arguments.tensor(0)?.element_type()?;
        let mut shapes: Vec<(&[i64], &[i64])> = Vec::with_capacity(blades.len());
        let mut operands = Vec::with_capacity(blades.len());
        for (index, &count) in blades[..inputs].iter().enumerate() {
            let tensor = arguments.tensor(index)?;
            let shape = tensor.shape()?;
            if tensor.element_type()?.0 != code {
                return Err("the operands have different dtypes".to_owned());
            }
            match shape.0.last() {
                None => return Err("expected tensors with a blade axis, got a 0-dimensional tensor".to_owned()),
                Some(&given) if given != count as i64 => {
                    return Err(format!(
                        "the last axis of operand {index} is {given}, but the plan has {count} blades"
                    ));
                }
                Some(_) => operands.push(operand(tensor, shape.1, count)?),
            }
            shapes.push(shape);
        }
        let leading = broadcast(shapes.iter().map(|(sizes, _)| &sizes[..sizes.len() - 1]))?;
        let rank = leading.len();
        let blade_major = shapes
            .iter()
            .any(|(sizes, strides)| sizes[..sizes.len() - 1] == leading[..] && is_blade_major(sizes, strides));
        let mut outputs = Vec::with_capacity(blades.len() - inputs);
        let mut output_steps = Vec::with_capacity(blades.len() - inputs);
        for &count in &blades[inputs..] {
            let mut sizes = leading.clone();
            sizes.push(count as i64);
            let strides = output_strides(&sizes, blade_major);
            let output = Tensor::empty_on(torch, &sizes, &strides, code, device)?;
            operands.push(operand(&output, &strides, count)?);
            outputs.push(output);
            output_steps.push(strides);
        }
        let axes = (0..rank).map(|axis| {
            let inputs = shapes.iter().map(|(sizes, strides)| broadcast_stride(sizes, strides, axis, rank));
            let outputs = output_steps.iter().map(|strides| strides[axis]);
            Axis { size: leading[axis], strides: inputs.chain(outputs).collect() }
        });
        Ok(Self { dtype, lanes: Lanes::new(axes, operands), outputs })
    }

    /// How the operands lie.
    fn form(&self) -> Form {
        let storage = storage(self.dtype);
        Form { storage, rank: self.lanes.rank(), vectors: self.lanes.are_vectors(storage.size()) }
    }
}

fn operand(tensor: &Tensor<'_>, strides: &[i64], blades: usize) -> Result<Operand, String> {
    Ok(Operand { address: tensor.data()? as u64, blade_stride: strides[strides.len() - 1], blades })
}
