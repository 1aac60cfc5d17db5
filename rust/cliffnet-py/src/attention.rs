//! Queries, keys and values of attention in the layout that torch's attention reads:
//!
//! * `attention_features(multivectors, scalars, weights, comparison, query_heads, key_heads, value_heads, width, epsilon)`:
//!   features of each token's heads, (..., heads, features) for queries, keys and values;
//! * `attention_features_backward(queries, keys, values, multivectors, scalars, weights, comparison, ...)`: the gradients
//!   of the three tensors;
//! * `attention_values(values, comparison, channels, scalars)`: values back to multivectors and scalars.
//!
//! Tensors without scalars, and weights that are all ones, are given as empty tensors of one axis.

use std::ops::Range;
use std::sync::Arc;

use cliffnet_cpu::{
    Comparison, DType, Geometry, Packing, PackingTask, Streams, TOKEN_OPERANDS, TokenShape, Tokens, pack_tokens,
    read_numbers, selected_isa, write_numbers,
};

use crate::attention_arguments::{Operand, Operands, Setting, comparison, geometry, setting, size};
use crate::cuda_attention;
use crate::operator::{Arguments, Prepared, operator};
use crate::shape::{is_blade_major, output_strides};
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;
use crate::work::{Work, is_small, parallel};

const NOWHERE: Tokens = Tokens { data: std::ptr::null_mut(), strides: [0, 0] };

/// What the chunks of a call share.
struct Call {
    comparison: Arc<Comparison>,
    shape: TokenShape,
    geometry: Geometry<TOKEN_OPERANDS>,
    tokens: [Tokens; TOKEN_OPERANDS],
    weights: Vec<f64>,
    task: Task,
    dtype: DType,
}

// SAFETY: the pointers lead to tensors that outlive the work; chunks write to disjoint elements.
unsafe impl Sync for Call {}
// SAFETY: as above; nothing is tied to a thread.
unsafe impl Send for Call {}

#[derive(Clone, Copy)]
enum Task {
    Pack,
    PullBack { weights: *mut u8 },
    Unpack,
}

/// Blocks of tokens whose gradients of weights are summed apart: a fixed number, so that the sum does not depend on
/// threads.
const BLOCKS: i64 = 64;

impl Call {
    /// The work of the call; None where there is nothing to do.
    fn work(self) -> Result<Option<Work>, String> {
        let tokens = self.geometry.lanes();
        let isa = selected_isa().map_err(ToString::to_string)?;
        let width = self.shape.heads.iter().sum::<usize>() * self.shape.channels * (self.comparison.blades() + 8);
        let block = (tokens + BLOCKS - 1) / BLOCKS;
        let blocks = if block == 0 { 0 } else { (tokens + block - 1) / block };
        let work_per_block = block * width as i64;
        let lanes = self.weights.len();
        Ok(Some(Work::new(is_small(blocks, work_per_block), move |torch| {
            let call = self;
            let mut sums = vec![0.0_f64; lanes * blocks as usize];
            let start = Sums(sums.as_mut_ptr());
            parallel(torch, blocks, work_per_block, &|chunk: Range<i64>| {
                for index in chunk {
                    let sums = start.of(index as usize * lanes);
                    let range = index * block..((index + 1) * block).min(tokens);
                    let packing = call.packing(if lanes == 0 { std::ptr::null_mut() } else { sums });
                    // SAFETY: shapes were checked against the heads and the comparison, tensors are kept alive by the
                    // caller, what is written was allocated by prepare, and blocks are disjoint ranges of tokens.
                    unsafe { pack_tokens(&packing, call.dtype, isa, range) };
                }
            })?;
            if let Task::PullBack { weights } = call.task
                && lanes > 0
            {
                let totals: Vec<f64> = (0..lanes).map(|lane| sums.iter().skip(lane).step_by(lanes).sum()).collect();
                // SAFETY: the gradient of the weights was allocated with as many elements.
                unsafe { write_numbers(call.dtype, weights, &totals) };
            }
            Ok(())
        })))
    }

    fn packing(&self, weights: *mut f64) -> Packing<'_> {
        let [multivectors, scalars, queries, keys, values, by_multivectors, by_scalars] = self.tokens;
        Packing {
            comparison: &self.comparison,
            shape: self.shape,
            geometry: &self.geometry,
            streams: Streams { multivectors, scalars, features: [queries, keys, values] },
            weights: &self.weights,
            direction: match self.task {
                Task::Pack => PackingTask::Forward,
                Task::PullBack { .. } => {
                    PackingTask::Backward { multivectors: by_multivectors, scalars: by_scalars, weights }
                }
                Task::Unpack => PackingTask::Unpack,
            },
        }
    }
}

/// Partial sums of the gradients of weights, a part for each block.
struct Sums(*mut f64);

// SAFETY: each block writes to its own part.
unsafe impl Sync for Sums {}

impl Sums {
    fn of(&self, offset: usize) -> *mut f64 {
        self.0.wrapping_add(offset)
    }
}

/// Refuses tensors, the first of the arguments, that are not on the CPU.
fn check_on_cpu(arguments: &Arguments<'_>, tensors: usize) -> Result<(), String> {
    (0..tensors).try_for_each(|index| arguments.tensor(index)?.dtype().map(drop))
}

/// The weights of the distances (heads, channels) as numbers; none for weights without elements.
fn numbers(weights: &Tensor<'_>, dtype: DType) -> Result<Vec<f64>, String> {
    let (&[heads, channels], &[by_head, by_channel]) = weights.shape()? else { return Ok(Vec::new()) };
    let (data, bytes) = (weights.data()?, dtype.size() as i64);
    let mut numbers = Vec::with_capacity((heads * channels) as usize);
    for row in 0..heads {
        for column in 0..channels {
            let offset = (row * by_head + column * by_channel) * bytes;
            // SAFETY: the indices are within the sizes, so the strides lead to an element of the tensor.
            numbers.extend(unsafe { read_numbers(dtype, data.offset(offset as isize), 1) });
        }
    }
    Ok(numbers)
}

fn contiguous<'t>(torch: &'t TorchFunctions, sizes: &[i64], code: i32) -> Result<Tensor<'t>, String> {
    Tensor::empty(torch, sizes, &output_strides(sizes, false), code)
}

fn places(operands: &Operands<'_>) -> [Tokens; TOKEN_OPERANDS] {
    std::array::from_fn(|index| operands[index].as_ref().map_or(NOWHERE, |operand| operand.tokens))
}

fn prepare_features<'t>(torch: &'t TorchFunctions, arguments: &Arguments<'t>) -> Result<Prepared<'t>, String> {
    check_on_cpu(arguments, 3)?;
    let Setting { comparison, shape, code, dtype, has_scalars, .. } = setting(arguments, 0)?;
    let weights = numbers(arguments.tensor(2)?, dtype)?;
    let (multivectors, scalars) = (arguments.tensor(0)?, arguments.tensor(1)?);
    let sizes = multivectors.shape()?.0;
    let mut outputs = Vec::with_capacity(3);
    for role in 0..3 {
        let mut sizes = sizes.to_vec();
        let rank = sizes.len();
        sizes[rank - 2..].copy_from_slice(&[shape.heads[role] as i64, shape.widths[role] as i64]);
        outputs.push(contiguous(torch, &sizes, code)?);
    }
    let operands = [
        Some(Operand::of(multivectors, 2)?),
        if has_scalars { Some(Operand::of(scalars, 1)?) } else { None },
        Some(Operand::of(&outputs[0], 2)?),
        Some(Operand::of(&outputs[1], 2)?),
        Some(Operand::of(&outputs[2], 2)?),
        None,
        None,
    ];
    let (geometry, tokens) = (geometry(&operands)?, places(&operands));
    let work = Call { comparison, shape, geometry, tokens, weights, task: Task::Pack, dtype }.work()?;
    Ok(Prepared { outputs, work })
}

fn prepare_backward<'t>(torch: &'t TorchFunctions, arguments: &Arguments<'t>) -> Result<Prepared<'t>, String> {
    check_on_cpu(arguments, 6)?;
    let setting = setting(arguments, 3)?;
    let [queries, keys, values] = setting.cotangents(arguments)?;
    let Setting { comparison, shape, code, dtype, has_scalars, .. } = setting;
    let weights = numbers(arguments.tensor(5)?, dtype)?;
    let (multivectors, scalars) = (arguments.tensor(3)?, arguments.tensor(4)?);
    let (sizes, strides) = multivectors.shape()?;
    let scalar_sizes = scalars.shape()?.0;
    let outputs = vec![
        Tensor::empty(torch, sizes, &output_strides(sizes, is_blade_major(sizes, strides)), code)?,
        contiguous(torch, scalar_sizes, code)?,
        contiguous(torch, arguments.tensor(5)?.shape()?.0, code)?,
    ];
    let operands = [
        Some(Operand::of(multivectors, 2)?),
        None,
        Some(queries),
        Some(keys),
        Some(values),
        Some(Operand::of(&outputs[0], 2)?),
        if has_scalars { Some(Operand::of(&outputs[1], 1)?) } else { None },
    ];
    let (geometry, tokens) = (geometry(&operands)?, places(&operands));
    let task = Task::PullBack { weights: outputs[2].data()? };
    let work = Call { comparison, shape, geometry, tokens, weights, task, dtype }.work()?;
    Ok(Prepared { outputs, work })
}

fn prepare_values<'t>(torch: &'t TorchFunctions, arguments: &Arguments<'t>) -> Result<Prepared<'t>, String> {
    let values = arguments.tensor(0)?;
    let (code, dtype) = values.dtype()?;
    let comparison = comparison(arguments.integer(1)?)?;
    let channels = size(arguments.integer(2)?, "the number of channels")?;
    let scalars = size(arguments.integer(3)?, "the number of scalars")?;
    let sizes = values.shape()?.0;
    let &[ref leading @ .., heads, width] = sizes else { return Err("values have too few axes".to_owned()) };
    let blades = comparison.blades();
    if (width as usize) < blades * channels + scalars {
        return Err(format!("values of shape {sizes:?} are too narrow for {channels} channels and {scalars} scalars"));
    }
    let mut shape = leading.to_vec();
    shape.extend([heads * channels as i64, blades as i64]);
    let multivectors = Tensor::empty(torch, &shape, &output_strides(&shape, true), code)?;
    shape.truncate(leading.len());
    shape.push(heads * scalars as i64);
    let outputs = vec![multivectors, contiguous(torch, &shape, code)?];
    let operands = [
        Some(Operand::of(&outputs[0], 2)?),
        Some(Operand::of(&outputs[1], 1)?),
        None,
        None,
        Some(Operand::of(values, 2)?),
        None,
        None,
    ];
    let heads = [0, 0, heads as usize];
    let shape = TokenShape { heads, channels, scalars, widths: [0, 0, width as usize], epsilon: 1.0 };
    let (geometry, tokens) = (geometry(&operands)?, places(&operands));
    let work = Call { comparison, shape, geometry, tokens, weights: Vec::new(), task: Task::Unpack, dtype }.work()?;
    Ok(Prepared { outputs, work })
}

operator!(
    /// `attention_features(multivectors, scalars, weights, comparison, query_heads, key_heads, value_heads, width, epsilon)`.
    FEATURES,
    "attention_features",
    [
        multivectors: Tensor,
        scalars: Tensor,
        weights: Tensor,
        comparison: Integer,
        query_heads: Integer,
        key_heads: Integer,
        value_heads: Integer,
        width: Integer,
        epsilon: Float
    ],
    3,
    prepare_features,
    cuda_attention::features
);

operator!(
    /// `attention_features_backward(queries, keys, values, multivectors, ...)`.
    FEATURES_BACKWARD,
    "attention_features_backward",
    [
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        multivectors: Tensor,
        scalars: Tensor,
        weights: Tensor,
        comparison: Integer,
        query_heads: Integer,
        key_heads: Integer,
        value_heads: Integer,
        width: Integer,
        epsilon: Float
    ],
    3,
    prepare_backward,
    cuda_attention::backward
);

operator!(
    /// `attention_values(values, comparison, channels, scalars)`.
    VALUES,
    "attention_values",
    [values: Tensor, comparison: Integer, channels: Integer, scalars: Integer],
    2,
    prepare_values,
    cuda_attention::values
);
