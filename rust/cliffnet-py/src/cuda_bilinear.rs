//! Products by unweighted plans and their derivatives on CUDA devices.

use std::sync::{Arc, LazyLock, RwLock};

use cliffnet_cuda::{Form, Key, Operation, Source, Step, bilinear};
use cliffnet_plan::{Plan, PlanId};

use crate::bilinear::{ById, kept};
use crate::cuda::{Accelerator, exactly};
use crate::cuda_call::{Blades, Call};
use crate::operator::Arguments;
use crate::plans::unknown;
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
pub(crate) fn plans(id: i64) -> Result<[Arc<Plan>; 3], String> {
    let id = PlanId::from_i64(id).ok_or_else(|| unknown(id))?;
    let product = plan(id)?;
    let (left, right) = cliffnet_plan::gradients(id).ok_or_else(|| unknown(id.as_i64()))?;
    Ok([product, plan(left)?, plan(right)?])
}

pub(crate) fn step(plan: &Arc<Plan>, [left, right, out]: [usize; 3]) -> Step {
    Step { plan: Arc::clone(plan), left, right, out, weight: None }
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

/// The kernel of an operator for a plan, its only number.
pub(crate) fn source(operator: &str, numbers: &[i64], form: Form) -> Result<Source, String> {
    let [plan] = exactly(operator, numbers)?;
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
    let (reads, writes) = operation.sizes().split_at(inputs);
    let call = Call::new(torch, arguments, &Blades { inputs: reads, weights: &[], outputs: writes })?;
    let lanes = call.all_lanes();
    let form = call.form(&lanes);
    // SAFETY: sizes were checked against the operation, strides and addresses come from tensors on one device, and torch
    // keeps memory that is freed for later work on the same stream.
    unsafe {
        accelerator
            .run_lanes(Key::new(operator, &[plan], form), call.device, &lanes, || bilinear::source(&operation, form))?;
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
