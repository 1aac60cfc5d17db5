//! Products with one weight for each channel and path, and their gradients, on CUDA devices.

use std::sync::{Arc, LazyLock, RwLock};

use cliffnet_cuda::weighted::{Weighted, backward_source, is_one_pass, weight_source};
use cliffnet_cuda::{Form, Key, Lanes, Source, Work, bilinear};

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

static WEIGHTED: LazyLock<ById<Weighted>> = LazyLock::new(RwLock::default);

/// What the operators of a plan compute.
pub(crate) fn weighted(id: i64) -> Result<Arc<Weighted>, String> {
    kept(&WEIGHTED, id, || {
        let plans = plans(id)?;
        if !plans[0].is_weighted() && !plans[0].terms().is_empty() {
            return Err(format!("plan {id} has no weights; a steerable product needs them"));
        }
        Ok(Weighted::new(plans)?)
    })
}

/// The kernel of an operator for a plan, its only number: of the backward operator, the first one.
pub(crate) fn source(operator: &str, numbers: &[i64], form: Form) -> Result<Source, String> {
    let [id] = exactly(operator, numbers)?;
    let weighted = weighted(id)?;
    Ok(match operator {
        PRODUCT => bilinear::source(&weighted.product, form),
        _ if is_one_pass(&weighted.plan, form.storage) => backward_source(&weighted, form),
        _ => bilinear::source(&weighted.gradients, form),
    })
}

/// Launches the product of operands left, right, weight and result of a call.
///
/// # Safety
/// As [`Accelerator::run`], with operands of the sizes of the plan of this id.
pub(crate) unsafe fn launch_product(
    accelerator: &Accelerator,
    call: &Call<'_>,
    (weighted, id): (&Weighted, i64),
    operands: [usize; 4],
) -> Result<(), String> {
    let lanes = call.lanes(&operands);
    let form = call.form(&lanes);
    let key = Key::new(PRODUCT, &[id], form);
    // SAFETY: passed on from the caller.
    unsafe { accelerator.run_lanes(key, call.device, &lanes, || bilinear::source(&weighted.product, form)) }
}

/// Launches the gradients of operands cotangent, left, right, weight, by left and by right of a call, and fills the
/// partial sums of those by weights.
///
/// # Safety
/// As [`launch_product`].
pub(crate) unsafe fn launch_gradients(
    accelerator: &Accelerator,
    call: &Call<'_>,
    (weighted, id): (&Weighted, i64),
    operands: [usize; 6],
    sums: &PartialSums<'_>,
) -> Result<(), String> {
    let (device, plan) = (call.device, &weighted.plan);
    let lanes = call.lanes(&operands);
    let form = call.form(&lanes);
    let key = |operator, form| Key::new(operator, &[id], form);
    let chunks = sums.parameters()?;
    let chunked = |lanes: &Lanes| [&lanes.parameters()[..], &chunks].concat();
    // SAFETY: passed on from the caller; the partial sums have an element for each chunk, channel and path.
    unsafe {
        if is_one_pass(plan, form.storage) {
            let work = Work { count: sums.threads(), parameters: &chunked(&lanes) };
            return accelerator.run(key(BACKWARD, form), device, work, || backward_source(weighted, form));
        }
        accelerator.run_lanes(key(GRADIENTS, form), device, &lanes, || bilinear::source(&weighted.gradients, form))?;
        let lanes = call.lanes(&operands[..3]);
        let form = call.form(&lanes);
        let work = Work { count: sums.threads(), parameters: &chunked(&lanes) };
        accelerator.run(key(BY_WEIGHT, form), device, work, || weight_source(plan, form))
    }
}

/// `steerable_product`.
pub(crate) fn product<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    let id = arguments.integer(3)?;
    let weighted = weighted(id)?;
    let plan = &weighted.plan;
    let blades = Blades {
        inputs: &[plan.left_size(), plan.right_size()],
        weights: &[plan.path_count()],
        outputs: &[plan.out_size()],
    };
    let call = Call::new(torch, arguments, &blades)?;
    // SAFETY: sizes were checked against the plan, strides and addresses come from tensors on one device, and torch keeps
    // memory that is freed for later work on the same stream.
    unsafe { launch_product(accelerator, &call, (&*weighted, id), [0, 1, 2, 3])? };
    Ok(call.outputs)
}

/// `steerable_product_backward`.
pub(crate) fn backward<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    let id = arguments.integer(4)?;
    let weighted = weighted(id)?;
    let plan = &weighted.plan;
    let (left, right, paths) = (plan.left_size(), plan.right_size(), plan.path_count());
    let blades = Blades { inputs: &[plan.out_size(), left, right], weights: &[paths], outputs: &[left, right] };
    let mut call = Call::new(torch, arguments, &blades)?;
    let sums = PartialSums::new(torch, &call, paths, 1)?;
    // SAFETY: as in the product.
    unsafe {
        launch_gradients(accelerator, &call, (&*weighted, id), [0, 1, 2, 3, 4, 5], &sums)?;
        call.outputs.push(sums.add_up(torch, accelerator, 0)?);
    }
    Ok(call.outputs)
}
