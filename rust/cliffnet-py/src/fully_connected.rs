//! Products from all input channels to all output channels by weighted plans:
//!
//! * `fully_connected_product(left, right, weight, plan)`;
//! * `fully_connected_product_backward(cotangent, left, right, weight, plan)`: the gradients of the three tensors.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};

use cliffnet_cpu::{
    Axis, ChannelOperand, DType, FullyConnected, Geometry, Lines, SlotProgram, WeightOperand, selected_isa, tile_lanes,
};
use cliffnet_plan::PlanId;

use crate::operator::{Arguments, Prepared, operator};
use crate::plans::unknown;
use crate::shape::{broadcast, broadcast_stride, is_blade_major, output_strides};
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;
use crate::work::{Work, is_small, parallel};

/// Bytes that the unweighted products of a tile may take: they are written and read again at once.
const SLOT_BYTES: usize = 1 << 16;

/// Partial sums of the gradient of the weights.
const MOST_BLOCKS: i64 = 16;

/// How many blocks of rows have a sum of their own; it must not depend on the number of threads.
///
/// Two at least, for two threads; more where all sums together stay below a quarter of an operand.
fn blocks(tiles: i64, call: &Call<5>) -> i64 {
    let operand = call.geometry.lanes().saturating_mul((call.inputs * call.program.left_size()) as i64);
    let weights = (call.inputs * call.outputs * call.program.path_count()) as i64;
    (operand / (4 * weights)).clamp(2, MOST_BLOCKS).min(tiles)
}

type Programs = HashMap<(i64, usize), Arc<SlotProgram>>;

static PROGRAMS: LazyLock<RwLock<Programs>> = LazyLock::new(RwLock::default);

/// The program of a plan with slots that suit so many input channels, compiled on first use.
fn program(id: i64, inputs: usize) -> Result<Arc<SlotProgram>, String> {
    let most = (SLOT_BYTES / (256 * inputs.max(1))).max(1);
    let key = (id, 1 << most.ilog2());
    if let Some(found) = PROGRAMS.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Ok(Arc::clone(found));
    }
    let plan = PlanId::from_i64(id).and_then(cliffnet_plan::get_or_recover).ok_or_else(|| unknown(id))?;
    let made = SlotProgram::new(&plan, key.1).ok_or_else(|| {
        format!("plan {id} has no weights or too many; a fully connected product takes weighted plans")
    })?;
    let mut programs = PROGRAMS.write().unwrap_or_else(PoisonError::into_inner);
    Ok(Arc::clone(programs.entry(key).or_insert_with(|| Arc::new(made))))
}

/// Sizes and strides of a tensor whose last axes are those of channels and blades.
#[derive(Clone, Copy)]
struct Multivectors<'a> {
    sizes: &'a [i64],
    strides: &'a [i64],
}

impl<'a> Multivectors<'a> {
    fn new(tensor: &'a Tensor<'_>, blades: usize) -> Result<Self, String> {
        let (sizes, strides) = tensor.shape()?;
        match sizes {
            [.., _, last] if *last == blades as i64 => Ok(Self { sizes, strides }),
            _ => Err(format!("expected a tensor of shape (..., channels, {blades}), got {sizes:?}")),
        }
    }

    fn leading(self) -> &'a [i64] {
        &self.sizes[..self.sizes.len() - 2]
    }

    fn channels(self) -> i64 {
        self.sizes[self.sizes.len() - 2]
    }

    /// Stride of one of `rank` leading axes: 0 where it broadcasts.
    fn step(self, axis: usize, rank: usize) -> i64 {
        let last = self.sizes.len() - 1;
        broadcast_stride(&self.sizes[..last], &self.strides[..last], axis, rank)
    }
}

/// Everything that the work of a call needs: the tensors of `N` operands, inputs first.
struct Call<const N: usize> {
    program: Arc<SlotProgram>,
    inputs: usize,
    outputs: usize,
    dtype: DType,
    geometry: Geometry<N>,
    operands: [ChannelOperand; N],
    weight: WeightOperand,
}

// SAFETY: the operands point into tensors that outlive the work; threads write to disjoint elements.
unsafe impl<const N: usize> Sync for Call<N> {}
// SAFETY: as above; nothing is tied to a thread.
unsafe impl<const N: usize> Send for Call<N> {}

impl<const N: usize> Call<N> {
    fn fully_connected(&self) -> Result<FullyConnected<'_>, String> {
        let isa = selected_isa().map_err(ToString::to_string)?;
        let Self { program, inputs, outputs, dtype, .. } = self;
        Ok(FullyConnected { program, inputs: *inputs, outputs: *outputs, dtype: *dtype, isa })
    }

    /// Multiply-adds of one row, forward.
    fn work_per_row(&self) -> i64 {
        self.program.work(self.inputs, self.outputs) as i64
    }
}

/// The call on checked tensors and its outputs, allocated.
///
/// `channels_and_blades` has the sizes of each of the `N` operands, of which the first `inputs` are arguments; the
/// weight comes after them. Outputs have the broadcast leading shape, and are blade-major if an input of that shape is.
fn call<'t, const N: usize>(
    torch: &'t TorchFunctions,
    arguments: &Arguments<'t>,
    inputs: usize,
) -> Result<(Call<N>, Vec<Tensor<'t>>), String> {
    let weight = arguments.tensor(inputs)?;
    let (weight_sizes, weight_strides) = weight.shape()?;
    let &[output_channels, input_channels, paths] = weight_sizes else {
        return Err(format!("expected weights of shape (C_out, C_in, paths), got {weight_sizes:?}"));
    };
    let program = program(arguments.integer(inputs + 1)?, input_channels as usize)?;
    if paths != program.path_count() as i64 {
        return Err(format!("the weights have {paths} paths, but the plan has {}", program.path_count()));
    }
    let left = (input_channels, program.left_size());
    let right = (input_channels, program.right_size());
    let out = (output_channels, program.out_size());
    let all = if N == 3 { vec![left, right, out] } else { vec![out, left, right, left, right] };
    let (code, dtype) = weight.dtype()?;
    let mut given = Vec::with_capacity(inputs);
    let mut operands = [ChannelOperand { data: std::ptr::null_mut(), channel_stride: 0, blade_stride: 0 }; N];
    for (index, &(channels, blades)) in all[..inputs].iter().enumerate() {
        let tensor = arguments.tensor(index)?;
        if tensor.dtype()?.0 != code {
            return Err("the operands have different dtypes".to_owned());
        }
        let shape = Multivectors::new(tensor, blades)?;
        if shape.channels() != channels {
            return Err(format!("operand {index} has {} channels, expected {channels}", shape.channels()));
        }
        operands[index] = operand(tensor, shape.strides)?;
        given.push(shape);
    }
    let leading = broadcast(given.iter().map(|shape| shape.leading()))?;
    let rank = leading.len();
    let blade_major =
        given.iter().any(|shape| shape.leading() == &leading[..] && is_blade_major(shape.sizes, shape.strides));
    let mut results = Vec::with_capacity(N - inputs);
    let mut result_strides = Vec::with_capacity(N - inputs);
    for (operand_of, &(channels, blades)) in operands.iter_mut().zip(&all).skip(inputs) {
        let mut sizes = leading.clone();
        sizes.extend([channels, blades as i64]);
        let strides = output_strides(&sizes, blade_major);
        let result = Tensor::empty(torch, &sizes, &strides, code)?;
        *operand_of = operand(&result, &strides)?;
        results.push(result);
        result_strides.push(strides);
    }
    let geometry = Geometry::new((0..rank).map(|axis| Axis {
        size: leading[axis],
        strides: std::array::from_fn(|index| match given.get(index) {
            Some(shape) => shape.step(axis, rank),
            None => result_strides[index - inputs][axis],
        }),
    }));
    if !geometry.is_walkable() {
        return Err("more than 64 leading axes".to_owned());
    }
    let weight =
        WeightOperand { data: weight.data()?, strides: [weight_strides[0], weight_strides[1], weight_strides[2]] };
    let (inputs, outputs) = (input_channels as usize, output_channels as usize);
    Ok((Call { program, inputs, outputs, dtype, geometry, operands, weight }, results))
}

fn operand(tensor: &Tensor<'_>, strides: &[i64]) -> Result<ChannelOperand, String> {
    let last = strides.len() - 1;
    Ok(ChannelOperand { data: tensor.data()?, channel_stride: strides[last - 1], blade_stride: strides[last] })
}

/// Whether there is nothing to add up: then every output is zero.
fn is_void<const N: usize>(call: &Call<N>) -> bool {
    let Call { program, inputs, outputs, geometry, .. } = call;
    geometry.lanes() == 0
        || *inputs == 0
        || *outputs == 0
        || program.left_size() == 0
        || program.right_size() == 0
        || program.out_size() == 0
}

/// Zeros in new tensors without gaps.
fn fill_with_zeros(outputs: &[Tensor<'_>], dtype: DType) -> Result<(), String> {
    for output in outputs {
        let elements: i64 = output.shape()?.0.iter().product();
        if elements > 0 {
            // SAFETY: the output was just allocated with that many elements; all-zero bits are zeros.
            unsafe { output.data()?.write_bytes(0, elements as usize * dtype.size()) };
        }
    }
    Ok(())
}

/// `rows` in tiles, and the range of rows of some of them.
fn tiles(rows: i64, dtype: DType) -> (i64, impl Fn(Range<i64>) -> Range<i64>) {
    let tile = tile_lanes(dtype);
    ((rows + tile - 1) / tile, move |tiles| tiles.start * tile..(tiles.end * tile).min(rows))
}

fn product<'t>(torch: &'t TorchFunctions, arguments: &Arguments<'t>) -> Result<Prepared<'t>, String> {
    let (call, outputs) = call::<3>(torch, arguments, 2)?;
    if is_void(&call) {
        fill_with_zeros(&outputs, call.dtype)?;
        return Ok(Prepared { outputs, work: None });
    }
    let (count, rows_of) = tiles(call.geometry.lanes(), call.dtype);
    let work_per_tile = tile_lanes(call.dtype) * call.work_per_row();
    let work = Work::new(is_small(count, work_per_tile), move |torch| {
        // the whole call, not its fields, is what threads may share
        let call = &call;
        let product = call.fully_connected()?;
        // SAFETY: sizes were checked against the plan, strides and pointers come from tensors that the caller keeps
        // alive, outputs were allocated above; chunks are disjoint ranges of rows.
        let panel = unsafe { product.panel(call.weight) };
        parallel(torch, count, work_per_tile, &|chunk| {
            let Call { geometry, operands, .. } = call;
            // SAFETY: as above.
            unsafe { product.product(geometry, *operands, &panel, rows_of(chunk)) };
        })
    });
    Ok(Prepared { outputs, work: Some(work) })
}

fn gradients<'t>(torch: &'t TorchFunctions, arguments: &Arguments<'t>) -> Result<Prepared<'t>, String> {
    let (call, mut outputs) = call::<5>(torch, arguments, 3)?;
    let weight = arguments.tensor(3)?;
    let sizes = weight.shape()?.0.to_vec();
    let strides = output_strides(&sizes, false);
    let by_weight = Tensor::empty(torch, &sizes, &strides, weight.dtype()?.0)?;
    let target = WeightOperand { data: by_weight.data()?, strides: [strides[0], strides[1], strides[2]] };
    outputs.push(by_weight);
    if is_void(&call) {
        fill_with_zeros(&outputs, call.dtype)?;
        return Ok(Prepared { outputs, work: None });
    }
    let (count, rows_of) = tiles(call.geometry.lanes(), call.dtype);
    let blocks = blocks(count, &call);
    let work_per_block = tile_lanes(call.dtype) * 3 * call.work_per_row() * count / blocks;
    let target = Target(target);
    let work = Work::new(is_small(blocks, work_per_block), move |torch| {
        let (call, target) = (&call, target);
        let product = call.fully_connected()?;
        // SAFETY: as for the product; chunks of blocks are disjoint, and each block has its own sums.
        let panel = unsafe { product.transposed_panel(call.weight) };
        let sums: Vec<Mutex<Option<Lines>>> = (0..blocks).map(|_| Mutex::new(None)).collect();
        parallel(torch, blocks, work_per_block, &|chunk| {
            let Call { geometry, operands, .. } = call;
            for block in chunk {
                let mut sum = product.sums();
                let rows = rows_of(block * count / blocks..(block + 1) * count / blocks);
                // SAFETY: as above.
                unsafe { product.gradients(geometry, *operands, &panel, &mut sum, rows) };
                *sums[block as usize].lock().unwrap_or_else(PoisonError::into_inner) = Some(sum);
            }
        })?;
        let sums = sums.into_iter().filter_map(|sum| sum.into_inner().unwrap_or_else(PoisonError::into_inner));
        // SAFETY: the gradient was allocated above, and all blocks are done.
        unsafe { product.write_sums(sums.collect(), target.0) };
        Ok(())
    });
    Ok(Prepared { outputs, work: Some(work) })
}

/// The gradient of the weights, for the thread that writes it.
#[derive(Clone, Copy)]
struct Target(WeightOperand);

// SAFETY: it points into a tensor that outlives the work, which one thread at a time holds.
unsafe impl Send for Target {}

operator!(
    /// `fully_connected_product(left, right, weight, plan)`.
    PRODUCT,
    "fully_connected_product",
    [left: Tensor, right: Tensor, weight: Tensor, plan: Integer],
    1,
    product
);

operator!(
    /// `fully_connected_product_backward(cotangent, left, right, weight, plan)`.
    BACKWARD,
    "fully_connected_product_backward",
    [cotangent: Tensor, left: Tensor, right: Tensor, weight: Tensor, plan: Integer],
    3,
    gradients
);
