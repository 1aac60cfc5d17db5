//! Products with one weight for each channel and path, and their gradients:
//!
//! * `steerable_product(left, right, weight, plan)`;
//! * `steerable_product_backward(cotangent, left, right, weight, plan)`: the three gradients in one pass over memory.

use std::sync::{Arc, LazyLock, RwLock};

use cliffnet_cpu::{
    DType, Geometry, Isa, Operand, WeightMatrix, WeightedCall, WeightedProgram, Weights, add_partials,
    execute_weighted, execute_weighted_backward, partial_bytes, selected_isa, tile_lanes,
};
use cliffnet_plan::PlanId;

use crate::bilinear::{ById, kept};
use crate::cuda_steerable;
use crate::operands::{Operands, clear};
use crate::operator::{Arguments, Prepared, operator};
use crate::plans::unknown;
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;
use crate::work::{Work, is_small, parallel};

static PROGRAMS: LazyLock<ById<WeightedProgram>> = LazyLock::new(RwLock::default);

/// The program of a weighted plan, compiled on first use.
pub(crate) fn program(id: i64) -> Result<Arc<WeightedProgram>, String> {
    kept(&PROGRAMS, id, || {
        let plan = PlanId::from_i64(id).and_then(cliffnet_plan::get_or_recover).ok_or_else(|| unknown(id))?;
        WeightedProgram::new(&plan).ok_or_else(|| format!("plan {id} has no weights; a steerable product needs them"))
    })
}

/// What the chunks of a call read.
pub(crate) struct Shared<const N: usize> {
    program: Arc<WeightedProgram>,
    dtype: DType,
    isa: Isa,
    weights: Weights,
    pub(crate) geometry: Geometry<N>,
    pub(crate) operands: [Operand; N],
}

// SAFETY: the operands point into tensors that outlive the work; chunks write to disjoint elements.
unsafe impl<const N: usize> Sync for Shared<N> {}

impl<const N: usize> Shared<N> {
    pub(crate) fn new(
        program: &Arc<WeightedProgram>,
        operands: &Operands<'_, N>,
        weight: &Tensor<'_>,
    ) -> Result<Self, String> {
        operands.have_memory()?;
        let isa = selected_isa().map_err(ToString::to_string)?;
        let (sizes, strides) = weight.shape()?;
        let matrix = WeightMatrix { data: weight.data()?, channel_stride: strides[0], path_stride: strides[1] };
        // SAFETY: sizes and strides come from a tensor that is alive.
        let weights = unsafe { Weights::new(operands.dtype, matrix, sizes[0] as usize, sizes[1] as usize) };
        Ok(Self {
            program: Arc::clone(program),
            dtype: operands.dtype,
            isa,
            weights,
            geometry: operands.geometry.clone(),
            operands: operands.memory,
        })
    }

    pub(crate) fn call(&self) -> WeightedCall<'_> {
        WeightedCall { program: &self.program, dtype: self.dtype, isa: self.isa, weights: &self.weights }
    }
}

/// The number of channels, where the weight has the shape (channels, paths).
pub(crate) fn channels<const N: usize>(
    program: &WeightedProgram,
    operands: &Operands<'_, N>,
    weight: &Tensor<'_>,
) -> Result<i64, String> {
    if weight.dtype()?.0 != operands.code {
        return Err("the weight has another dtype than the operands".to_owned());
    }
    let channels = *operands.leading.last().ok_or("expected operands with an axis of channels")?;
    let (given, paths) = (weight.shape()?.0, program.paths());
    if given != [channels, paths as i64] {
        return Err(format!("the weight has shape {given:?}, expected [{channels}, {paths}]: channels and paths"));
    }
    Ok(channels)
}

fn prepare<'t>(torch: &'t TorchFunctions, arguments: &Arguments<'t>) -> Result<Prepared<'t>, String> {
    let program = program(arguments.integer(3)?)?;
    let operands = Operands::<3>::new(torch, arguments, 2, program.sizes())?;
    let weight = arguments.tensor(2)?;
    channels(&program, &operands, weight)?;
    let lanes = operands.geometry.lanes();
    if lanes == 0 || program.sizes().contains(&0) || program.paths() == 0 {
        operands.outputs.iter().try_for_each(|output| clear(output, operands.dtype))?;
        return Ok(Prepared { outputs: operands.outputs, work: None });
    }
    let shared = Shared::new(&program, &operands, weight)?;
    let tile = tile_lanes(operands.dtype);
    let tiles = (lanes + tile - 1) / tile;
    let work_per_tile = tile * program.work() as i64;
    let work = Work::new(is_small(tiles, work_per_tile), move |torch| {
        parallel(torch, tiles, work_per_tile, &|chunk| {
            let lanes = chunk.start * tile..(chunk.end * tile).min(lanes);
            // SAFETY: sizes were checked against the program, strides and pointers come from tensors that the caller
            // keeps alive, outputs were allocated above; chunks are disjoint ranges of lanes.
            unsafe { execute_weighted(shared.call(), &shared.geometry, shared.operands, lanes) };
        })
    });
    Ok(Prepared { outputs: operands.outputs, work: Some(work) })
}

/// Most blocks that the gradients by weights are summed in.
const BLOCKS: i64 = 16;

/// Fewest rows of channels in a block.
const BLOCK_ROWS: i64 = 16;

/// How lanes or rows are divided among the partial sums of the gradients by weights: independent of the number of threads.
#[derive(Clone, Copy)]
pub(crate) struct Blocks {
    pub(crate) count: i64,
    /// Items of every block but the last.
    pub(crate) size: i64,
}

impl Blocks {
    /// Blocks of whole tiles of lanes.
    pub(crate) fn of_lanes(lanes: i64, channels: i64, tile: i64) -> Self {
        Self::new(lanes, BLOCK_ROWS * channels, tile)
    }

    /// Blocks of whole groups of rows.
    pub(crate) fn of_rows(rows: i64, group: i64) -> Self {
        Self::new(rows, BLOCK_ROWS, group)
    }

    fn new(items: i64, fewest: i64, unit: i64) -> Self {
        let whole = |items: i64| (items + unit - 1) / unit * unit;
        let size = whole((items + BLOCKS - 1) / BLOCKS).max(whole(fewest));
        Self { count: (items + size - 1) / size, size }
    }
}

/// Memory that the blocks of a call write their partial sums to.
pub(crate) struct Partials {
    words: Vec<u64>,
    start: *mut u8,
    /// Bytes of each.
    bytes: usize,
}

// SAFETY: each block writes to its own part.
unsafe impl Sync for Partials {}

impl Partials {
    pub(crate) fn new(count: i64, bytes: usize) -> Self {
        let words_each = bytes.div_ceil(size_of::<u64>());
        let mut words = vec![0; words_each * count as usize];
        Self { start: words.as_mut_ptr().cast(), words, bytes: words_each * size_of::<u64>() }
    }

    /// The part of a block.
    pub(crate) fn of(&self, block: i64) -> *mut u8 {
        debug_assert!((block as usize + 1) * self.bytes <= self.words.len() * size_of::<u64>());
        self.start.wrapping_add(block as usize * self.bytes)
    }

    /// Adds what lies `offset` bytes into the parts, in order, and writes the gradients `(channels, paths)` to `out`.
    ///
    /// # Safety
    /// Each part holds a sum in this shape there, and `out` is valid for as many elements of `dtype`.
    pub(crate) unsafe fn add_up(&self, dtype: DType, offset: usize, shape: [usize; 2], out: *mut u8) {
        let count = (self.words.len() * size_of::<u64>()).checked_div(self.bytes).unwrap_or(0);
        // SAFETY: passed on from the caller.
        unsafe { add_partials(dtype, self.start.add(offset), count, self.bytes, shape, out) };
    }
}

fn prepare_backward<'t>(torch: &'t TorchFunctions, arguments: &Arguments<'t>) -> Result<Prepared<'t>, String> {
    let program = program(arguments.integer(4)?)?;
    let [left, right, out] = program.sizes();
    let mut operands = Operands::<5>::new(torch, arguments, 3, [out, left, right, left, right])?;
    let weight = arguments.tensor(3)?;
    let channels = channels(&program, &operands, weight)?;
    let (dtype, lanes, paths) = (operands.dtype, operands.geometry.lanes(), program.paths());
    let by_weight = Tensor::empty(torch, &[channels, paths as i64], &[paths.max(1) as i64, 1], operands.code)?;
    if lanes == 0 || program.sizes().contains(&0) || paths == 0 {
        operands.outputs.push(by_weight);
        operands.outputs.iter().try_for_each(|output| clear(output, dtype))?;
        return Ok(Prepared { outputs: operands.outputs, work: None });
    }
    let shared = Shared::new(&program, &operands, weight)?;
    let target = by_weight.data()?;
    operands.outputs.push(by_weight);
    let blocks = Blocks::of_lanes(lanes, channels, tile_lanes(dtype));
    let work_per_block = blocks.size.min(lanes) * 3 * program.work() as i64;
    let work = Work::new(is_small(blocks.count, work_per_block), move |torch| {
        let shape = [channels as usize, paths];
        let partials = Partials::new(blocks.count, partial_bytes(dtype, shape));
        parallel(torch, blocks.count, work_per_block, &|chunk| {
            for block in chunk {
                let lanes = block * blocks.size..((block + 1) * blocks.size).min(lanes);
                // SAFETY: sizes were checked against the program, strides and pointers come from tensors that the
                // caller keeps alive, outputs were allocated above; blocks are disjoint ranges of lanes, and each has
                // a partial sum of its own.
                unsafe {
                    let partial = partials.of(block);
                    execute_weighted_backward(shared.call(), &shared.geometry, shared.operands, lanes, partial);
                }
            }
        })?;
        // SAFETY: every block has written its sum; the output was allocated in this shape.
        unsafe { partials.add_up(dtype, 0, shape, target) };
        Ok(())
    });
    Ok(Prepared { outputs: operands.outputs, work: Some(work) })
}

operator!(
    /// `steerable_product(left, right, weight, plan)`.
    PRODUCT,
    "steerable_product",
    [left: Tensor, right: Tensor, weight: Tensor, plan: Integer],
    1,
    prepare,
    cuda_steerable::product
);

operator!(
    /// `steerable_product_backward(cotangent, left, right, weight, plan)`.
    BACKWARD,
    "steerable_product_backward",
    [cotangent: Tensor, left: Tensor, right: Tensor, weight: Tensor, plan: Integer],
    3,
    prepare_backward,
    cuda_steerable::backward
);
