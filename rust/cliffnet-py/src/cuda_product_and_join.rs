//! Products on one half of the channels and oriented joins on the other, on CUDA devices.
//!
//! The factor of a lane is the only weight of the joins, whose terms have one path.

use std::sync::{Arc, LazyLock, RwLock};

use cliffnet_cuda::{Axis, Form, Key, Lanes, Operand, Operation, Source, Step, bilinear};
use cliffnet_plan::Plan;

use crate::bilinear::kept;
use crate::cuda::{Accelerator, device, exactly, storage};
use crate::cuda_bilinear::{plans, step};
use crate::operator::Arguments;
use crate::product_and_join::{self, ByPlans, Layout, lay_out};
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;

pub(crate) const FORWARD: &str = "product_and_join";
pub(crate) const BACKWARD: &str = "product_and_join_backward";

static OPERATIONS: LazyLock<ByPlans<Operation>> = LazyLock::new(RwLock::default);

/// A step whose product is multiplied by the number in operand `factor`.
fn scaled_step(plan: &Plan, [left, right, out, factor]: [usize; 4]) -> Result<Step, String> {
    let [left_size, right_size, out_size] = [plan.left_size(), plan.right_size(), plan.out_size()];
    let plan = Plan::from_terms(left_size, right_size, out_size, 1, plan.terms().to_vec());
    Ok(Step { plan: Arc::new(plan.map_err(|error| error.to_string())?), left, right, out, weight: Some(factor) })
}

/// The forward and the backward operation of two plans; operands as on the CPU.
fn operations(product: i64, join: i64) -> Result<Arc<[Operation; 2]>, String> {
    kept(&OPERATIONS, [product, join], || {
        let [product, by_left, by_right] = plans(product)?;
        let [join, join_by_left, join_by_right] = plans(join)?;
        let forward = vec![step(&product, [0, 1, 5]), scaled_step(&join, [2, 3, 6, 4])?];
        let backward = vec![
            step(&by_left, [0, 3, 7]),
            step(&by_right, [2, 0, 8]),
            scaled_step(&join_by_left, [1, 5, 9, 6])?,
            scaled_step(&join_by_right, [4, 1, 10, 6])?,
        ];
        Ok([Operation::new(5, 2, forward)?, Operation::new(7, 4, backward)?])
    })
}

/// The kernel of an operator for the plans of product and join.
pub(crate) fn source(operator: &str, numbers: &[i64], form: Form) -> Result<Source, String> {
    let [product, join] = exactly(operator, numbers)?;
    Ok(bilinear::source(&operations(product, join)?[usize::from(operator == BACKWARD)], form))
}

/// Allocates the output and launches the forward (`N` = 7) or the backward pass (`N` = 11).
fn launch<'t, const N: usize>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    let is_backward = N == product_and_join::BACKWARD;
    let first = usize::from(is_backward);
    let plans = [arguments.integer(first + 2)?, arguments.integer(first + 3)?];
    let operations = operations(plans[0], plans[1])?;
    let operation = &operations[first];
    let device = device(arguments)?;
    let Layout { output, dtype, axes, operands } = lay_out::<N>(torch, arguments, device, operation.sizes())?;
    let operands = operands.iter().zip(operation.sizes()).map(|(operand, &blades)| Operand {
        address: operand.data as u64,
        blade_stride: operand.blade_stride,
        blades,
    });
    let axes = axes.into_iter().map(|axis| Axis { size: axis.size, strides: axis.strides.to_vec() });
    let lanes = Lanes::new(axes, operands.collect());
    let storage = storage(dtype);
    let form = Form { storage, rank: lanes.rank(), vectors: lanes.vectors(storage.size()) };
    let key = Key::new(if is_backward { BACKWARD } else { FORWARD }, &plans, form);
    // SAFETY: sizes were checked against the operation, strides and addresses come from tensors on one device, and torch
    // keeps memory that is freed for later work on the same stream.
    unsafe { accelerator.run_lanes(key, device, &lanes, || bilinear::source(operation, form))? };
    Ok(vec![output])
}

/// `product_and_join`.
pub(crate) fn forward<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    launch::<{ product_and_join::FORWARD }>(torch, accelerator, arguments)
}

/// `product_and_join_backward`.
pub(crate) fn backward<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    launch::<{ product_and_join::BACKWARD }>(torch, accelerator, arguments)
}
