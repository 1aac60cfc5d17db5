//! Runs a program on tensors, tile by tile.

use std::ops::Range;

use crate::dtype::{BFloat16, DType, Float16, Storage};
use crate::geometry::{Geometry, Offsets};
use crate::isa::Isa;
use crate::kernel::{Compute, Planes, PlanesMut};
use crate::matrix_program::MatrixProgram;
use crate::pack::{pack, unpack};
use crate::program::{Program, Route};
use crate::scratch::with_scratch;
use crate::terms::Terms;

/// The memory of one operation: the first element of each tensor and the stride, in elements, between blades.
#[derive(Clone, Copy, Debug)]
pub struct Buffers {
    /// First element of the left operand.
    pub left: *const u8,
    /// First element of the right operand.
    pub right: *const u8,
    /// First element of the output.
    pub out: *mut u8,
    /// Strides between blades of left, right, out.
    pub blade_strides: [i64; 3],
}

/// Lanes of one tile: chunks of work should start at multiples of it.
pub fn tile_lanes(dtype: DType) -> i64 {
    match dtype {
        DType::F64 => f64::TILE as i64,
        DType::F32 | DType::BF16 | DType::F16 => f32::TILE as i64,
    }
}

/// Runs `program` on lanes `lanes` of `geometry`.
///
/// # Safety
/// For every lane of `geometry` and every blade, the addresses given by the strides lie inside live tensors of
/// `dtype`; distinct (lane, blade) pairs of the output have distinct addresses that no other thread touches; the
/// output does not overlap an operand; `isa` is available; `lanes` lies within the lanes of `geometry`.
pub unsafe fn execute(
    program: &Program,
    dtype: DType,
    isa: Isa,
    geometry: &Geometry,
    buffers: Buffers,
    lanes: Range<i64>,
) {
    // SAFETY: the contract is passed on unchanged, with the element type named by `dtype`.
    unsafe {
        match dtype {
            DType::F32 => run_tiles::<f32, 64>(program, isa, geometry, buffers, lanes),
            DType::F64 => run_tiles::<f64, 32>(program, isa, geometry, buffers, lanes),
            DType::BF16 => run_tiles::<BFloat16, 64>(program, isa, geometry, buffers, lanes),
            DType::F16 => run_tiles::<Float16, 64>(program, isa, geometry, buffers, lanes),
        }
    }
}

/// [`execute`] for one element type; `TILE` is `S::Compute::TILE`, repeated because array lengths need a constant.
///
/// # Safety
/// As [`execute`].
unsafe fn run_tiles<S: Storage, const TILE: usize>(
    program: &Program,
    isa: Isa,
    geometry: &Geometry,
    buffers: Buffers,
    lanes: Range<i64>,
) {
    const { assert!(TILE == S::Compute::TILE) };
    // SAFETY: passed on from the caller.
    unsafe {
        match program.route() {
            Route::Terms(terms) => run_terms::<S, TILE>(program, terms, isa, geometry, buffers, lanes),
            Route::Matrix(matrix) => run_matrix::<S, TILE>(matrix, isa, geometry, buffers, lanes),
        }
    }
}

/// Runs the terms on tiles of `TILE` lanes.
///
/// # Safety
/// As [`execute`].
unsafe fn run_terms<S: Storage, const TILE: usize>(
    program: &Program,
    terms: &Terms,
    isa: Isa,
    geometry: &Geometry,
    buffers: Buffers,
    lanes: Range<i64>,
) {
    let sizes = [program.left_size(), program.right_size(), program.out_size()];
    let bytes = sizes.iter().sum::<usize>() * TILE * size_of::<S::Compute>();
    with_scratch(bytes, |scratch| {
        let left_planes = scratch.cast::<S::Compute>();
        let mut table: Option<[[i64; TILE]; 3]> = None;
        let mut first = lanes.start;
        while first < lanes.end {
            let count = (lanes.end - first).min(TILE as i64) as usize;
            let offsets = geometry.offsets(first, count, &mut table);
            let kernel = S::Compute::term_kernel(isa, count);
            // SAFETY: scratch holds `sizes` planes of TILE lanes each, one operand after the other; tensor addresses
            // are covered by the contract of execute; the kernel touches at most TILE lanes of each plane, and a
            // plane in a tensor is used only when the tile is full.
            unsafe {
                let right_planes = left_planes.add(sizes[0] * TILE);
                let out_planes = right_planes.add(sizes[1] * TILE);
                let [left_strides, right_strides, out_strides] = buffers.blade_strides;
                let left = gather::<S>(
                    isa,
                    buffers.left.cast(),
                    left_strides,
                    offsets[0],
                    [count, sizes[0], TILE],
                    left_planes,
                );
                let right = gather::<S>(
                    isa,
                    buffers.right.cast(),
                    right_strides,
                    offsets[1],
                    [count, sizes[1], TILE],
                    right_planes,
                );
                let shape = [count, sizes[2], TILE];
                scatter::<S>(isa, buffers.out.cast(), out_strides, offsets[2], shape, out_planes, |out| {
                    kernel(terms, left, right, out);
                });
            }
            first += count as i64;
        }
    });
}

/// Lines between two buffers of the matrix route, so that words of the same number do not compete for a cache set.
const GAP: usize = 5 * 64;

/// Runs a product of matrices, one vector of lanes at a time: the matrices of many lanes would not fit in the cache.
///
/// # Safety
/// As [`execute`].
unsafe fn run_matrix<S: Storage, const TILE: usize>(
    program: &MatrixProgram,
    isa: Isa,
    geometry: &Geometry,
    buffers: Buffers,
    lanes: Range<i64>,
) {
    let kernels = S::Compute::matrix_kernels(isa);
    let (width, words) = (kernels.lanes, program.word_count());
    let bytes = words * width * size_of::<S::Compute>() + GAP;
    with_scratch(3 * bytes, |scratch| {
        let mut table: Option<[[i64; TILE]; 3]> = None;
        let mut first = lanes.start;
        while first < lanes.end {
            let count = (lanes.end - first).min(width as i64) as usize;
            let offsets = geometry.offsets(first, count, &mut table);
            let shape = [count, words, width];
            // SAFETY: scratch holds three buffers of `words` vectors each. The blades of an operand are packed to
            // `planes`, whose contents are no longer needed once they are transformed, and so is the left operand when
            // the output is. Tensor addresses are covered by the contract of execute, and a plane in a tensor is used
            // only when the vector is full.
            unsafe {
                let planes = scratch.cast::<S::Compute>();
                let left = scratch.add(bytes).cast::<S::Compute>();
                let right = scratch.add(2 * bytes).cast::<S::Compute>();
                let [left_strides, right_strides, out_strides] = buffers.blade_strides;
                let operand = gather::<S>(isa, buffers.left.cast(), left_strides, offsets[0], shape, planes);
                (kernels.analyse)(&program.left, program.length, operand, left);
                let operand = gather::<S>(isa, buffers.right.cast(), right_strides, offsets[1], shape, planes);
                (kernels.analyse)(&program.right, program.length, operand, right);
                (kernels.multiply)(program, left, right, planes);
                scatter::<S>(isa, buffers.out.cast(), out_strides, offsets[2], shape, left, |out| {
                    (kernels.synthesise)(&program.out, program.length, planes, out);
                });
            }
            first += count as i64;
        }
    });
}

/// The offset of the first lane when a full tile lies lane after lane in memory, in the type of the arithmetic.
#[inline(always)]
fn in_place<S: Storage>(offsets: Offsets<'_>, count: usize, tile: usize) -> Option<i64> {
    match offsets {
        Offsets::Uniform { base, stride: 1 } if S::IS_COMPUTE && count == tile => Some(base),
        _ => None,
    }
}

/// Planes of one operand: the tensor itself when it is laid out so, else a packed copy.
///
/// # Safety
/// As [`pack`].
#[inline(always)]
unsafe fn gather<S: Storage>(
    isa: Isa,
    source: *const S,
    blade_stride: i64,
    offsets: Offsets<'_>,
    shape: [usize; 3],
    scratch: *mut S::Compute,
) -> Planes<S::Compute> {
    if let Some(base) = in_place::<S>(offsets, shape[0], shape[2]) {
        // SAFETY: `base` is the offset of an element of the tensor.
        let start = unsafe { source.cast::<S::Compute>().offset(base as isize) };
        return Planes { start, stride: blade_stride as isize };
    }
    // SAFETY: passed on from the caller.
    unsafe { pack::<S>(isa, source, blade_stride, offsets, shape, scratch) };
    Planes { start: scratch, stride: shape[2] as isize }
}

/// Calls `write` with planes of the output: the tensor itself when it is laid out so, else scratch that is unpacked.
///
/// # Safety
/// As [`unpack`]; `write` sets as many lanes of each plane as `shape` has.
#[inline(always)]
unsafe fn scatter<S: Storage>(
    isa: Isa,
    target: *mut S,
    blade_stride: i64,
    offsets: Offsets<'_>,
    shape: [usize; 3],
    scratch: *mut S::Compute,
    write: impl FnOnce(PlanesMut<S::Compute>),
) {
    if let Some(base) = in_place::<S>(offsets, shape[0], shape[2]) {
        // SAFETY: `base` is the offset of an element of the tensor.
        let start = unsafe { target.cast::<S::Compute>().offset(base as isize) };
        write(PlanesMut { start, stride: blade_stride as isize });
        return;
    }
    write(PlanesMut { start: scratch, stride: shape[2] as isize });
    // SAFETY: passed on from the caller.
    unsafe { unpack::<S>(isa, scratch, shape, target, blade_stride, offsets) };
}
