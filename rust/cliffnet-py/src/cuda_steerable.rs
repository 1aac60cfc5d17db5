//! Products with one weight for each channel and path, and their gradients, on CUDA devices.

use std::sync::{Arc, LazyLock, RwLock};

use cliffnet_cuda::weighted::{self, Chunks};
use cliffnet_cuda::{Form, Key, Operation, Source, Step, Work, bilinear};
use cliffnet_plan::Plan;

use crate::bilinear::{ById, kept};
use crate::cuda::{Accelerator, exactly, storage};
use crate::cuda_bilinear::plans;
use crate::cuda_call::{Blades, Call};
use crate::operator::Arguments;
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;

pub(crate) const PRODUCT: &str = "steerable_product";
pub(crate) const BACKWARD: &str = "steerable_product_backward";

/// Names, for the table of kernels, of the parts of the backward operator.
const GRADIENTS: &str = "steerable_product_backward: operands";
const BY_WEIGHT: &str = "steerable_product_backward: weight";
const SUM: &str = "sum of chunks";

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
        weight: Some(plan.path_count()),
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
    let blades = Blades { inputs: &[plan.out_size(), left, right], weight: Some(paths), outputs: &[left, right] };
    let mut call = Call::new(torch, arguments, &blades)?;
    let device = call.device;
    let channels = call.leading.last().copied().unwrap_or_default();
    let lanes = call.all_lanes();
    let rows = lanes.count() / channels.max(1);
    let chunks = Chunks::new(rows, channels);
    let sums = channels * paths as i64;
    let by_weight = Tensor::empty_on(torch, &[channels, paths as i64], &[paths.max(1) as i64, 1], call.code, device)?;
    let partials = partial_sums(torch, &call, chunks.count * sums)?;
    let partial_address = partials.data()? as u64;
    let key = |operator, form| Key::new(operator, &[id], form);
    // SAFETY: sizes were checked against the plan, strides and addresses come from tensors on one device, the partial sums
    // have an element for each chunk, channel and path, and torch keeps memory that is freed for later work on the stream.
    unsafe {
        let form = call.form(&lanes);
        let chunked =
            |lanes: &cliffnet_cuda::Lanes| [lanes.parameters(), chunks.parameters(partial_address).to_vec()].concat();
        let count = chunks.count * channels;
        if weighted::is_one_pass(plan, form.storage) {
            let work = Work { count, parameters: &chunked(&lanes) };
            accelerator.run(key(BACKWARD, form), device, work, || weighted::backward_source(plan, gradients, form))?;
        } else {
            accelerator.run_lanes(key(GRADIENTS, form), device, &lanes, || bilinear::source(gradients, form))?;
            let lanes = call.lanes(&[0, 1, 2]);
            let form = call.form(&lanes);
            let work = Work { count, parameters: &chunked(&lanes) };
            accelerator.run(key(BY_WEIGHT, form), device, work, || weighted::weight_source(plan, form))?;
        }
        let storage = storage(call.dtype);
        let parameters = [partial_address, by_weight.data()? as u64, sums as u64, chunks.count as u64];
        let key = Key::new(SUM, &[], Form { storage, rank: 0, vectors: 0 });
        let work = Work { count: sums, parameters: &parameters };
        accelerator.run(key, device, work, || weighted::sum_source(storage))?;
    }
    call.outputs.push(by_weight);
    Ok(call.outputs)
}

/// Memory for sums, in the type that is computed in.
fn partial_sums<'t>(torch: &'t TorchFunctions, call: &Call<'t>, count: i64) -> Result<Tensor<'t>, String> {
    use cliffnet_cpu::DType::{F32, F64};
    let compute = if call.dtype == F64 { F64 } else { F32 };
    let code = torch.dtypes.iter().find(|(_, dtype)| *dtype == compute).map_or(call.code, |(code, _)| *code);
    Tensor::empty_on(torch, &[count], &[1], code, call.device)
}
