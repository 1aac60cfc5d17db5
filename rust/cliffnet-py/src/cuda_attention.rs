//! Features of attention on CUDA devices.

use std::sync::Arc;

use cliffnet_cuda::attention::{self, Comparison, OPERANDS, Tokens};
use cliffnet_cuda::weighted::Chunks;
use cliffnet_cuda::{Axis, Form, Key, Lanes, Source, Work};
use cliffnet_plan::{Plan, PlanId};

use crate::attention_arguments::{Operand, Operands, Setting, comparison, geometry, setting, size};
use crate::cuda::{Accelerator, device, exactly, storage};
use crate::cuda_sums::{Elements, PartialSums};
use crate::operator::Arguments;
use crate::plans::unknown;
use crate::shape::{is_blade_major, output_strides};
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;

pub(crate) const FEATURES: &str = "attention_features";
pub(crate) const BACKWARD: &str = "attention_features_backward";
/// Name, for the table of kernels, of the part of the backward operator that sums over tokens.
pub(crate) const BY_WEIGHTS: &str = "attention_features_backward: weights";

/// The plan of a comparison.
fn plan(id: i64) -> Result<Arc<Plan>, String> {
    // what is none is refused there
    comparison(id)?;
    PlanId::from_i64(id).and_then(cliffnet_plan::get_or_recover).ok_or_else(|| unknown(id))
}

fn kernel(operator: &str, plan: &Plan, form: Form) -> Source {
    let comparison = Comparison::of(plan);
    match operator {
        FEATURES => attention::features_source(&comparison, form),
        BY_WEIGHTS => attention::weights_source(&comparison, form),
        _ => attention::gradients_source(&comparison, form),
    }
}

/// Whether an operator has its kernels here.
pub(crate) fn has(operator: &str) -> bool {
    [FEATURES, BACKWARD, BY_WEIGHTS].contains(&operator)
}

/// The kernel of an operator for the plan of a comparison, its only number.
pub(crate) fn source(operator: &str, numbers: &[i64], form: Form) -> Result<Source, String> {
    let [id] = exactly(operator, numbers)?;
    let plan = plan(id)?;
    Ok(kernel(operator, &plan, form))
}

/// What the kernels of a call share.
struct Call {
    elements: Elements,
    comparison: i64,
    plan: Arc<Plan>,
    lanes: Lanes,
    tokens: Tokens,
}

impl Call {
    /// The operands of a call; what does not belong to the operands is zero in `tokens`.
    fn new(elements: Elements, comparison: i64, operands: &Operands<'_>, mut tokens: Tokens) -> Result<Self, String> {
        // refuses leading axes that differ
        geometry(operands)?;
        let leading = operands.iter().flatten().map(|operand| operand.leading).next().unwrap_or(&[]);
        let axes = leading.iter().enumerate().map(|(axis, &size)| Axis {
            size,
            strides: operands
                .iter()
                .map(|operand| operand.as_ref().map_or(0, |operand| operand.strides[axis]))
                .collect(),
        });
        let places = operands.iter().map(|operand| {
            let (address, blade_stride) =
                operand.as_ref().map_or((0, 0), |operand| (operand.tokens.data as u64, operand.tokens.strides[1]));
            cliffnet_cuda::Operand { address, blade_stride, blades: 1 }
        });
        tokens.strides =
            std::array::from_fn(|index| operands[index].as_ref().map_or(0, |operand| operand.tokens.strides[0]));
        let lanes = Lanes::new(axes, places.collect());
        Ok(Self { elements, comparison, plan: plan(comparison)?, lanes, tokens })
    }

    /// Runs a kernel whose parameters end in `more`.
    ///
    /// # Safety
    /// The operands are those that the kernel takes, with heads, channels and widths as `tokens` says, on one device.
    unsafe fn run(
        &self,
        accelerator: &Accelerator,
        operator: &'static str,
        count: i64,
        more: &[u64],
    ) -> Result<(), String> {
        let storage = storage(self.elements.dtype);
        let form = Form { storage, rank: self.lanes.rank(), vectors: 0 };
        let key = Key::new(operator, &[self.comparison], form);
        let parameters = [&self.lanes.parameters()[..], &self.tokens.parameters(), more].concat();
        let work = Work { count, parameters: &parameters };
        // SAFETY: the caller vouches for the operands, and torch keeps memory that is freed for later work on the stream.
        unsafe { accelerator.run(key, self.elements.device, work, || kernel(operator, &self.plan, form)) }
    }

    fn busiest(&self) -> i64 {
        self.tokens.busiest(self.lanes.count())
    }
}

/// The sizes of tokens, and their weights.
fn tokens(setting: &Setting, weights: &Tensor<'_>) -> Result<Tokens, String> {
    let shape = setting.shape;
    let (address, weight_strides) = match weights.shape()?.1 {
        &[head, channel] if setting.has_weights => (weights.data()? as u64, [head, channel]),
        _ => (0, [0; 2]),
    };
    Ok(Tokens {
        strides: [0; OPERANDS],
        heads: shape.heads.map(|heads| heads as i64),
        widths: shape.widths.map(|width| width as i64),
        channels: shape.channels as i64,
        scalars: shape.scalars as i64,
        weights: address,
        weight_strides,
        epsilon: shape.epsilon,
    })
}

/// A new contiguous tensor.
fn contiguous<'t>(torch: &'t TorchFunctions, sizes: &[i64], elements: Elements) -> Result<Tensor<'t>, String> {
    Tensor::empty_on(torch, sizes, &output_strides(sizes, false), elements.code, elements.device)
}

/// `attention_features`.
pub(crate) fn features<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    let setting = setting(arguments, 0)?;
    let elements = Elements { device: device(arguments)?, code: setting.code, dtype: setting.dtype };
    let (multivectors, scalars, weights) = (arguments.tensor(0)?, arguments.tensor(1)?, arguments.tensor(2)?);
    let mut sizes = multivectors.shape()?.0.to_vec();
    let last = sizes.len() - 1;
    let mut outputs = Vec::with_capacity(3);
    for (&heads, &width) in setting.shape.heads.iter().zip(&setting.shape.widths) {
        sizes[last - 1..].copy_from_slice(&[heads as i64, width as i64]);
        outputs.push(contiguous(torch, &sizes, elements)?);
    }
    let operands = [
        Some(Operand::of(multivectors, 2)?),
        if setting.has_scalars { Some(Operand::of(scalars, 1)?) } else { None },
        Some(Operand::of(&outputs[0], 2)?),
        Some(Operand::of(&outputs[1], 2)?),
        Some(Operand::of(&outputs[2], 2)?),
        None,
        None,
    ];
    let call = Call::new(elements, arguments.integer(3)?, &operands, tokens(&setting, weights)?)?;
    // SAFETY: shapes were checked against heads and comparison, and the features were allocated for them.
    unsafe { call.run(accelerator, FEATURES, call.busiest(), &[])? };
    Ok(outputs)
}

/// `attention_features_backward`.
pub(crate) fn backward<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    let setting = setting(arguments, 3)?;
    let elements = Elements { device: device(arguments)?, code: setting.code, dtype: setting.dtype };
    let (multivectors, scalars, weights) = (arguments.tensor(3)?, arguments.tensor(4)?, arguments.tensor(5)?);
    let (sizes, strides) = multivectors.shape()?;
    let strides = output_strides(sizes, is_blade_major(sizes, strides));
    let by_multivectors = Tensor::empty_on(torch, sizes, &strides, elements.code, elements.device)?;
    let by_scalars = contiguous(torch, scalars.shape()?.0, elements)?;
    let [queries, keys, values] = setting.cotangents(arguments)?;
    let operands = [
        Some(Operand::of(multivectors, 2)?),
        None,
        Some(queries),
        Some(keys),
        Some(values),
        Some(Operand::of(&by_multivectors, 2)?),
        if setting.has_scalars { Some(Operand::of(&by_scalars, 1)?) } else { None },
    ];
    let call = Call::new(elements, arguments.integer(6)?, &operands, tokens(&setting, weights)?)?;
    // SAFETY: shapes were checked against heads and comparison, and the gradients were allocated for them.
    unsafe { call.run(accelerator, BACKWARD, call.busiest(), &[])? };
    let by_weights = if setting.has_weights {
        let [heads, channels] = [setting.shape.heads[0], setting.shape.channels].map(|size| size as i64);
        let chunks = Chunks::new(call.lanes.count(), heads * channels);
        let sums = PartialSums::of(torch, elements, chunks, [heads, channels], 1)?;
        // SAFETY: as above; the kernel fills the partial sums, one for each chunk, head and channel.
        unsafe {
            call.run(accelerator, BY_WEIGHTS, sums.threads(), &sums.parameters()?)?;
            sums.add_up(torch, accelerator, 0)?
        }
    } else {
        contiguous(torch, weights.shape()?.0, elements)?
    };
    Ok(vec![by_multivectors, by_scalars, by_weights])
}

/// `attention_values`: what the backward operator does with values.
pub(crate) fn values<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    let values = arguments.tensor(0)?;
    let (code, dtype) = values.element_type()?;
    let elements = Elements { device: device(arguments)?, code, dtype };
    let id = arguments.integer(1)?;
    let blades = comparison(id)?.blades() as i64;
    let channels = size(arguments.integer(2)?, "the number of channels")? as i64;
    let scalars = size(arguments.integer(3)?, "the number of scalars")? as i64;
    let sizes = values.shape()?.0;
    let &[ref leading @ .., heads, width] = sizes else { return Err("values have too few axes".to_owned()) };
    if width < blades * channels + scalars {
        return Err(format!("values of shape {sizes:?} are too narrow for {channels} channels and {scalars} scalars"));
    }
    let mut shape = leading.to_vec();
    shape.extend([heads * channels, blades]);
    let multivectors = Tensor::empty_on(torch, &shape, &output_strides(&shape, true), code, elements.device)?;
    shape.truncate(leading.len());
    shape.push(heads * scalars);
    let outputs = vec![multivectors, contiguous(torch, &shape, elements)?];
    let operands = [
        None,
        None,
        None,
        None,
        Some(Operand::of(values, 2)?),
        Some(Operand::of(&outputs[0], 2)?),
        Some(Operand::of(&outputs[1], 1)?),
    ];
    let tokens = Tokens {
        strides: [0; OPERANDS],
        heads: [0, 0, heads],
        widths: [0, 0, width],
        channels,
        scalars,
        weights: 0,
        weight_strides: [0; 2],
        epsilon: 1.0,
    };
    let call = Call::new(elements, id, &operands, tokens)?;
    // SAFETY: shapes were checked against heads and comparison, and the results were allocated for them.
    unsafe { call.run(accelerator, BACKWARD, call.busiest(), &[])? };
    Ok(outputs)
}
