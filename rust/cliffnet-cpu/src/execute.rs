//! Runs an operation on tensors, tile by tile.

use std::ops::Range;

use crate::dtype::{BFloat16, DType, Float16, Storage};
use crate::geometry::{Geometry, Offsets};
use crate::isa::Isa;
use crate::kernel::{Compute, Planes, PlanesMut};
use crate::matrix_program::MatrixProgram;
use crate::operation::Operation;
use crate::pack::{pack, unpack};
use crate::program::Route;
use crate::scratch::with_scratch;

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
    let planes_bytes: usize = sizes.iter().map(|&size| buffer(size)).sum();
    with_scratch(planes_bytes + 3 * buffer(words), |scratch| {
        let mut table: Option<[[i64; TILE]; N]> = None;
        let mut first = lanes.start;
        while first < lanes.end {
            let count = (lanes.end - first).min(width as i64) as usize;
            let offsets = geometry.offsets(first, count, &mut table);
            let mut planes = [PlanesMut { start: std::ptr::null_mut(), stride: 0 }; N];
            let mut free = scratch;
            // SAFETY: scratch holds `sizes` planes of `width` lanes each, one operand after the other, then three
            // buffers of `words` planes; tensor addresses are covered by the contract of execute; kernels touch at
            // most `width` lanes of each plane, and a plane in a tensor is used only when the tile is full.
            unsafe {
                for (operand, planes) in planes.iter_mut().enumerate() {
                    let shape = [count, sizes[operand], width];
                    let (Operand { data, blade_stride }, offsets) = (operands[operand], offsets[operand]);
                    *planes = if let Some(base) = in_place::<S>(offsets, count, width) {
                        let start = data.cast::<S::Compute>().offset(base as isize);
                        PlanesMut { start, stride: blade_stride as isize }
                    } else {
                        if operand < operation.inputs() {
                            pack::<S>(isa, data.cast::<S>(), blade_stride, offsets, shape, free.cast());
                        }
                        PlanesMut { start: free.cast(), stride: width as isize }
                    };
                    free = free.add(buffer(sizes[operand]));
                }
                for index in 0..operation.steps().len() {
                    run_step::<S::Compute, N>(isa, operation, index, &planes, count, (free, buffer(words)));
                }
                for operand in operation.inputs()..N {
                    let (Operand { data, blade_stride }, offsets) = (operands[operand], offsets[operand]);
                    if in_place::<S>(offsets, count, width).is_none() {
                        let shape = [count, sizes[operand], width];
                        let source = planes[operand].start.cast_const();
                        unpack::<S>(isa, source, shape, data.cast::<S>(), blade_stride, offsets);
                    }
                }
            }
            first += count as i64;
        }
    });
}

/// Runs one step of an operation on the planes of its operands; `buffers` is where the words of matrices go, and the bytes
/// of each of the three.
///
/// # Safety
/// The planes are valid for `count` lanes, rounded up to whole vectors, of as many blades as the operation says, and the
/// buffers for three times as many bytes.
#[inline(always)]
pub(crate) unsafe fn run_step<T: Compute, const N: usize>(
    isa: Isa,
    operation: &Operation,
    index: usize,
    planes: &[PlanesMut<T>; N],
    count: usize,
    (free, bytes): (*mut u8, usize),
) {
    let step = &operation.steps()[index];
    let (left, right, out) = (planes[step.left].read(), planes[step.right].read(), planes[step.out]);
    let adds = !operation.is_first(index);
    // SAFETY: passed on from the caller.
    unsafe {
        match step.program.route() {
            Route::Terms(terms) => T::term_kernel(isa, count)(terms, left, right, out, adds),
            Route::Leaf(program) => {
                let (kernel, lanes) = T::leaf_kernel(isa, program);
                kernel(program, count.div_ceil(lanes), left, right, out, adds);
            }
            Route::Matrix(program) => {
                let buffers = std::array::from_fn(|i| free.add(i * bytes).cast());
                multiply_matrices::<T>(isa, program, buffers, left, right, out, adds);
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
