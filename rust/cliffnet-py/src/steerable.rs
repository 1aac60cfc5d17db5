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
use crate::operands::{Operands, clear};
use crate::operator::{Arguments, Prepared, operator};
use crate::plans::unknown;
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;
use crate::work::{Work, is_small, parallel};

static PROGRAMS: LazyLock<ById<WeightedProgram>> = LazyLock::new(RwLock::default);

/// The program of a weighted plan, compiled on first use.
fn program(id: i64) -> Result<Arc<WeightedProgram>, String> {
    kept(&PROGRAMS, id, || {
        let plan = PlanId::from_i64(id).and_then(cliffnet_plan::get_or_recover).ok_or_else(|| unknown(id))?;
        WeightedProgram::new(&plan).ok_or_else(|| format!("plan {id} has no weights; a steerable product needs them"))
    })
}

/// What the chunks of a call read.
struct Shared<const N: usize> {
    program: Arc<WeightedProgram>,
    dtype: DType,
    isa: Isa,
    weights: Weights,
    geometry: Geometry<N>,
    operands: [Operand; N],
}

// SAFETY: the operands point into tensors that outlive the work; chunks write to disjoint elements.
unsafe impl<const N: usize> Sync for Shared<N> {}

impl<const N: usize> Shared<N> {
    fn new(program: &Arc<WeightedProgram>, operands: &Operands<'_, N>, weight: &Tensor<'_>) -> Result<Self, String> {
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

    fn call(&self) -> WeightedCall<'_> {
        WeightedCall { program: &self.program, dtype: self.dtype, isa: self.isa, weights: &self.weights }
    }
}

/// The number of channels, where the weight has the shape (channels, paths).
fn channels<const N: usize>(
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

/// How lanes are divided among the partial sums of the gradients by weights: independent of the number of threads.
#[derive(Clone, Copy)]
struct Blocks {
    count: i64,
    /// Lanes of every block but the last, whole tiles.
    lanes: i64,
}

impl Blocks {
    fn new(lanes: i64, channels: i64, tile: i64) -> Self {
        let tiles = (lanes + tile - 1) / tile;
        let fewest = (BLOCK_ROWS * channels + tile - 1) / tile;
        let per_block = ((tiles + BLOCKS - 1) / BLOCKS).max(fewest);
        Self { count: (tiles + per_block - 1) / per_block, lanes: per_block * tile }
    }
}

/// Memory that the blocks of a call write their partial sums to.
struct Partials {
    words: Vec<u64>,
    start: *mut u8,
    /// Bytes of each.
    bytes: usize,
}

// SAFETY: each block writes to its own part.
unsafe impl Sync for Partials {}

impl Partials {
    fn new(count: i64, bytes: usize) -> Self {
        let words_each = bytes.div_ceil(size_of::<u64>());
        let mut words = vec![0; words_each * count as usize];
        Self { start: words.as_mut_ptr().cast(), words, bytes: words_each * size_of::<u64>() }
    }

    /// The part of a block.
    fn of(&self, block: i64) -> *mut u8 {
        debug_assert!((block as usize + 1) * self.bytes <= self.words.len() * size_of::<u64>());
        self.start.wrapping_add(block as usize * self.bytes)
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
    let blocks = Blocks::new(lanes, channels, tile_lanes(dtype));
    let work_per_block = blocks.lanes.min(lanes) * 3 * program.work() as i64;
    let work = Work::new(is_small(blocks.count, work_per_block), move |torch| {
        let shape = [channels as usize, paths];
        let partials = Partials::new(blocks.count, partial_bytes(dtype, shape));
        parallel(torch, blocks.count, work_per_block, &|chunk| {
            for block in chunk {
                let lanes = block * blocks.lanes..((block + 1) * blocks.lanes).min(lanes);
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
        unsafe { add_partials(dtype, partials.start, blocks.count as usize, partials.bytes, shape, target) };
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
    prepare
);

operator!(
    /// `steerable_product_backward(cotangent, left, right, weight, plan)`.
    BACKWARD,
    "steerable_product_backward",
    [cotangent: Tensor, left: Tensor, right: Tensor, weight: Tensor, plan: Integer],
    3,
    prepare_backward
);
