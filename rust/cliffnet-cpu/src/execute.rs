//! Runs an operation on tensors, tile by tile.

use std::ops::Range;

use crate::dtype::{BFloat16, DType, Float16, Storage};
use crate::geometry::{Geometry, Offsets};
use crate::isa::Isa;
use crate::kernel::{Compute, Planes, PlanesMut};
use crate::leaf_kernel::LeafRun;
use crate::matrix_program::MatrixProgram;
use crate::operation::Operation;
use crate::pack::{pack, unpack};
use crate::program::{Program, Route};
use crate::scratch::with_scratch;
use crate::stream::{fence, is_streamed, prefetch, unpack_streamed};

/// The memory of one operand: its first element and the stride, in elements, between blades.
#[derive(Clone, Copy, Debug)]
pub struct Operand {
    /// First element; written through only where the operand is an output.
    pub data: *mut u8,
    /// Stride between blades.
    pub blade_stride: i64,
}

/// Lanes of one tile: chunks of work should start at multiples of it.
pub fn tile_lanes(dtype: DType) -> i64 {
    match dtype {
        DType::F64 => f64::TILE as i64,
        DType::F32 | DType::BF16 | DType::F16 => f32::TILE as i64,
    }
}

/// Runs `operation` on lanes `lanes` of `geometry`.
///
/// # Safety
/// `N` is the number of operands of `operation`. For every operand, every lane of `geometry` and every blade, the
/// addresses given by the strides lie inside live tensors of `dtype`; distinct (lane, blade) pairs of an output have
/// distinct addresses that no other thread touches; an output overlaps no other operand; `isa` is available; `lanes`
/// lies within the lanes of `geometry`.
pub unsafe fn execute<const N: usize>(
    operation: &Operation,
    dtype: DType,
    isa: Isa,
    geometry: &Geometry<N>,
    operands: [Operand; N],
    lanes: Range<i64>,
) {
    debug_assert_eq!(operation.sizes().len(), N);
    // SAFETY: the contract is passed on unchanged, with the element type named by `dtype`.
    unsafe {
        match dtype {
            DType::F32 => run_tiles::<f32, 64, N>(operation, isa, geometry, operands, lanes),
            DType::F64 => run_tiles::<f64, 32, N>(operation, isa, geometry, operands, lanes),
            DType::BF16 => run_tiles::<BFloat16, 64, N>(operation, isa, geometry, operands, lanes),
            DType::F16 => run_tiles::<Float16, 64, N>(operation, isa, geometry, operands, lanes),
        }
    }
}

/// Bytes of all operands of an operation between two of its steps: a part of the second cache. Shorter turns, which the
/// first cache would hold, cost more in starting kernels than they save.
const SHARED_BYTES: usize = 128 << 10;

/// Bytes between two buffers of the matrix route, so that words of the same number do not compete for a cache set.
const GAP: usize = 5 * 64;

/// [`execute`] for one element type; `TILE` is `S::Compute::TILE`, repeated because array lengths need a constant.
///
/// Products of matrices run one vector of lanes at a time: the matrices of many lanes would not fit in the cache.
///
/// # Safety
/// As [`execute`].
unsafe fn run_tiles<S: Storage, const TILE: usize, const N: usize>(
    operation: &Operation,
    isa: Isa,
    geometry: &Geometry<N>,
    operands: [Operand; N],
    lanes: Range<i64>,
) {
    const { assert!(TILE == S::Compute::TILE) };
    let sizes = operation.sizes();
    let width = if operation.has_matrices() { S::Compute::matrix_kernels(isa).lanes } else { TILE };
    let words = if operation.has_matrices() { sizes.iter().copied().max().unwrap_or(0) } else { 0 };
    let buffer = |blades: usize| (blades * width * size_of::<S::Compute>() + GAP) / 64 * 64;
    let (inputs, outputs) = sizes.split_at(operation.inputs());
    let is_streamed = is_streamed(geometry.lanes() * (outputs.iter().sum::<usize>() * size_of::<S>()) as i64);
    let staging_bytes = if is_streamed { buffer(outputs.iter().copied().max().unwrap_or(0)) } else { 0 };
    let planes_bytes: usize = sizes.iter().map(|&size| buffer(size)).sum();
    with_scratch(staging_bytes + planes_bytes + 3 * buffer(words), |staging| {
        let mut table: Option<[[i64; TILE]; N]> = None;
        let mut first = lanes.start;
        while first < lanes.end {
            let count = (lanes.end - first).min(width as i64) as usize;
            let offsets = geometry.offsets(first, count, &mut table);
            let mut planes = [PlanesMut { start: std::ptr::null_mut(), stride: 0 }; N];
            let mut free = staging.wrapping_add(staging_bytes);
            let mut tiles = (geometry.uniform_lanes(first).min(lanes.end - first) as usize / width).max(1);
            // SAFETY: scratch holds room for an output where those are streamed, then `sizes` planes of `width` lanes
            // each, one operand after the other, then three buffers of `words` planes; tensor addresses are covered by
            // the contract of execute; kernels touch at most `width` lanes of each plane, or all lanes of `tiles` tiles
            // that follow each other, and a plane in a tensor is used only when the tile is full.
            unsafe {
                for (operand, planes) in planes.iter_mut().enumerate() {
                    let shape = [count, sizes[operand], width];
                    let (Operand { data, blade_stride }, offsets) = (operands[operand], offsets[operand]);
                    let is_input = operand < inputs.len();
                    if is_input && is_streamed {
                        prefetch::<S>(data.cast(), blade_stride, offsets, [count, sizes[operand]]);
                    }
                    let place = in_place::<S>(offsets, count, width).filter(|_| is_input || !is_streamed);
                    *planes = if let Some(base) = place {
                        let start = data.cast::<S::Compute>().offset(base as isize);
                        PlanesMut { start, stride: blade_stride as isize }
                    } else {
                        if is_input {
                            pack::<S>(isa, data.cast::<S>(), blade_stride, offsets, shape, free.cast());
                        }
                        tiles = 1;
                        PlanesMut { start: free.cast(), stride: width as isize }
                    };
                    free = free.add(buffer(sizes[operand]));
                }
                let buffers = std::array::from_fn(|i| free.wrapping_add(i * buffer(words)).cast());
                run_steps(operation, isa, planes, [count, tiles], buffers);
                for operand in inputs.len()..N {
                    let (Operand { data, blade_stride }, offsets) = (operands[operand], offsets[operand]);
                    let shape = [count, sizes[operand], width];
                    let source = planes[operand].start.cast_const();
                    if is_streamed {
                        unpack_streamed::<S>(isa, source, shape, data.cast(), blade_stride, offsets, staging.cast());
                    } else if in_place::<S>(offsets, count, width).is_none() {
                        unpack::<S>(isa, source, shape, data.cast::<S>(), blade_stride, offsets);
                    }
                }
            }
            first += (count * tiles) as i64;
        }
        if is_streamed {
            fence();
        }
    });
}

/// All steps on `tiles` tiles of `count` lanes that follow each other.
///
/// # Safety
/// The planes are those of the operands, valid for all these lanes, or for whole vectors if there is one tile; the
/// buffers are those of [`multiply_matrices`].
#[inline(always)]
pub(crate) unsafe fn run_steps<T: Compute, const N: usize>(
    operation: &Operation,
    isa: Isa,
    planes: [PlanesMut<T>; N],
    [count, tiles]: [usize; 2],
    buffers: [*mut T; 3],
) {
    // one product reads everything once; several find in the cache what the first has read
    let bytes = operation.sizes().iter().sum::<usize>() * count * size_of::<T>();
    let together = if operation.steps().len() == 1 { tiles } else { (SHARED_BYTES / bytes.max(1)).clamp(1, tiles) };
    for first in (0..tiles).step_by(together) {
        let shape = [count, together.min(tiles - first)];
        for (index, step) in operation.steps().iter().enumerate() {
            // SAFETY: lanes of a later tile come right after those of the one before; the rest is passed on.
            unsafe {
                let [left, right, out] = [step.left, step.right, step.out].map(|i| planes[i].skip(first * count));
                run_step(&step.program, isa, [left, right, out], shape, !operation.is_first(index), buffers);
            }
        }
    }
}

/// One step on `tiles` tiles of `count` lanes that follow each other.
///
/// # Safety
/// As [`run_steps`], for planes of the left operand, the right operand and the output.
#[inline(always)]
unsafe fn run_step<T: Compute>(
    program: &Program,
    isa: Isa,
    planes: [PlanesMut<T>; 3],
    [count, tiles]: [usize; 2],
    adds: bool,
    buffers: [*mut T; 3],
) {
    let tile = |index: usize| {
        // SAFETY: lanes of a later tile come right after those of the one before.
        let [left, right, out] = planes.map(|planes| unsafe { planes.skip(index * count) });
        (left.read(), right.read(), out)
    };
    // SAFETY: passed on from the caller; a leaf kernel takes any number of vectors, the others one tile.
    unsafe {
        match program.route() {
            Route::Leaf(program) => {
                let (kernel, lanes) = T::leaf_kernel(isa, program);
                let (left, right, out) = tile(0);
                kernel(LeafRun { program, vectors: (count * tiles).div_ceil(lanes), left, right, out, adds });
            }
            Route::Terms(terms) => {
                let kernel = T::term_kernel(isa, count);
                for (left, right, out) in (0..tiles).map(tile) {
                    kernel(terms, left, right, out, adds);
                }
            }
            Route::Matrix(program) => {
                for (left, right, out) in (0..tiles).map(tile) {
                    multiply_matrices::<T>(isa, program, buffers, left, right, out, adds);
                }
            }
        }
    }
}

/// One product of matrices on one vector of lanes.
///
/// # Safety
/// The planes are valid for a vector of lanes and as many blades as `program` has words, and so is each of `buffers`.
unsafe fn multiply_matrices<T: Compute>(
    isa: Isa,
    program: &MatrixProgram,
    [left_words, right_words, out_words]: [*mut T; 3],
    left: Planes<T>,
    right: Planes<T>,
    out: PlanesMut<T>,
    adds: bool,
) {
    let kernels = T::matrix_kernels(isa);
    // SAFETY: the caller vouches for planes and buffers; the words of the left operand are no longer needed once they
    // are multiplied.
    unsafe {
        (kernels.analyse)(&program.left, program.length, left, left_words);
        (kernels.analyse)(&program.right, program.length, right, right_words);
        (kernels.multiply)(program, left_words, right_words, out_words);
        if !adds {
            return (kernels.synthesise)(&program.out, program.length, out_words, out);
        }
        let width = kernels.lanes;
        let product = PlanesMut { start: left_words, stride: width as isize };
        (kernels.synthesise)(&program.out, program.length, out_words, product);
        for blade in 0..program.word_count() {
            let target = out.start.offset(blade as isize * out.stride);
            for lane in 0..width {
                *target.add(lane) += *left_words.add(blade * width + lane);
            }
        }
    }
}

/// The offset of the first lane when a full tile lies lane after lane in memory, in the type of the arithmetic.
#[inline(always)]
fn in_place<S: Storage>(offsets: Offsets<'_>, count: usize, tile: usize) -> Option<i64> {
    match offsets {
        Offsets::Uniform { base, stride: 1 } if S::IS_COMPUTE && count == tile => Some(base),
        _ => None,
    }
}
