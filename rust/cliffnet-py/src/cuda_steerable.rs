//! Products with one weight for each channel and path, and their gradients, on CUDA devices.

use std::sync::{Arc, LazyLock, RwLock};

use cliffnet_cuda::weighted;
use cliffnet_cuda::{Form, Key, Lanes, Operation, Source, Step, Work, bilinear};
use cliffnet_plan::Plan;

use crate::bilinear::{ById, kept};
use crate::cuda::{Accelerator, exactly};
use crate::cuda_bilinear::plans;
use crate::cuda_call::{Blades, Call};
use crate::cuda_sums::PartialSums;
use crate::operator::Arguments;
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;

pub(crate) const PRODUCT: &str = "steerable_product";
pub(crate) const BACKWARD: &str = "steerable_product_backward";

/// Names, for the table of kernels, of the parts of the backward operator.
const GRADIENTS: &str = "steerable_product_backward: operands";
const BY_WEIGHT: &str = "steerable_product_backward: weight";

/// A plan and what its operators compute on every lane.
struct Weighted {
    plan: Arc<Plan>,
    product: Operation,
    /// The gradients by left and right.
    gradients: Operation,
}

static OPERATIONS: LazyLock<ById<Weighted>> = LazyLock::new(RwLock::default);

fn operations(id: i64) -> Result<Arc<Weighted>, String> {
    kept(&OPERATIONS, id, || {
        let [plan, by_left, by_right] = plans(id)?;
        if !plan.is_weighted() && !plan.terms().is_empty() {
            return Err(format!("plan {id} has no weights; a steerable product needs them"));
        }
        let step = |plan: &Arc<Plan>, [left, right, weight, out]: [usize; 4]| Step {
            plan: Arc::clone(plan),
            left,
            right,
            out,
            weight: Some(weight),
        };
        let product = Operation::new(3, 1, vec![step(&plan, [0, 1, 2, 3])])?;
        let steps = vec![step(&by_left, [0, 2, 3, 4]), step(&by_right, [1, 0, 3, 5])];
        Ok(Weighted { product, gradients: Operation::new(4, 2, steps)?, plan })
    })
}

/// The kernel of an operator for a plan, its only number: of the backward operator, the first one.
pub(crate) fn source(operator: &str, numbers: &[i64], form: Form) -> Result<Source, String> {
    let [id] = exactly(operator, numbers)?;
    let Weighted { plan, product, gradients } = &*operations(id)?;
    Ok(match operator {
        PRODUCT => bilinear::source(product, form),
        _ if weighted::is_one_pass(plan, form.storage) => weighted::backward_source(plan, gradients, form),
        _ => bilinear::source(gradients, form),
    })
}

/// `steerable_product`.
pub(crate) fn product<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    let id = arguments.integer(3)?;
    let operations = operations(id)?;
    let plan = &operations.plan;
    let blades = Blades {
        inputs: &[plan.left_size(), plan.right_size()],
        weights: &[plan.path_count()],
        outputs: &[plan.out_size()],
    };
    let call = Call::new(torch, arguments, &blades)?;
    let lanes = call.all_lanes();
    let form = call.form(&lanes);
    // SAFETY: sizes were checked against the plan, strides and addresses come from tensors on one device, and torch keeps
    // memory that is freed for later work on the same stream.
    unsafe {
        accelerator.run_lanes(Key::new(PRODUCT, &[id], form), call.device, &lanes, || {
            bilinear::source(&operations.product, form)
        })?;
    }
    Ok(call.outputs)
}

/// `steerable_product_backward`.
pub(crate) fn backward<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    let id = arguments.integer(4)?;
    let operations = operations(id)?;
    let Weighted { plan, gradients, .. } = &*operations;
    let (left, right, paths) = (plan.left_size(), plan.right_size(), plan.path_count());
    let blades = Blades { inputs: &[plan.out_size(), left, right], weights: &[paths], outputs: &[left, right] };
    let mut call = Call::new(torch, arguments, &blades)?;
    let device = call.device;
    let lanes = call.all_lanes();
    let sums = PartialSums::new(torch, &call, paths, 1)?;
    let key = |operator, form| Key::new(operator, &[id], form);
    // SAFETY: sizes were checked against the plan, strides and addresses come from tensors on one device, the partial sums
    // have an element for each chunk, channel and path, and torch keeps memory that is freed for later work on the stream.
    unsafe {
        let form = call.form(&lanes);
        let chunks = sums.parameters()?;
        let chunked = |lanes: &Lanes| [&lanes.parameters()[..], &chunks].concat();
        if weighted::is_one_pass(plan, form.storage) {
            let work = Work { count: sums.threads(), parameters: &chunked(&lanes) };
            accelerator.run(key(BACKWARD, form), device, work, || weighted::backward_source(plan, gradients, form))?;
        } else {
            accelerator.run_lanes(key(GRADIENTS, form), device, &lanes, || bilinear::source(gradients, form))?;
            let lanes = call.lanes(&[0, 1, 2]);
            let form = call.form(&lanes);
            let work = Work { count: sums.threads(), parameters: &chunked(&lanes) };
            accelerator.run(key(BY_WEIGHT, form), device, work, || weighted::weight_source(plan, form))?;
        }
        call.outputs.push(sums.add_up(torch, accelerator, 0)?);
    }
    Ok(call.outputs)
}
