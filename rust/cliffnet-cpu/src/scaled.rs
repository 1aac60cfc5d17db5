//! Runs an operation one of whose inputs is scaled lane by lane, on channels that are slices of larger tensors.
//!
//! Slices of channels make short runs of neighbouring lanes. A run of whole vectors is used where it lies, shorter ones
//! are gathered until they fill a tile.

use std::ops::Range;

use crate::dtype::{BFloat16, DType, Float16, Storage};
use crate::execute::{Operand, run_steps};
use crate::geometry::{Geometry, Offsets};
use crate::isa::Isa;
use crate::kernel::{Compute, PlanesMut};
use crate::operation::Operation;
use crate::pack::{pack, unpack};
use crate::scratch::with_scratch;

/// Which operand is scaled, and by which: both are inputs, and the latter is one that no step reads.
#[derive(Clone, Copy, Debug)]
pub struct LaneScaling {
    /// The operand multiplied.
    pub operand: usize,
    /// The operand that holds one factor for each lane.
    pub factor: usize,
}

/// Runs `operation` on lanes `lanes` of `geometry`, with one of its inputs scaled.
///
/// # Safety
/// As [`crate::execute`]; the operand of factors has one element for each lane.
pub unsafe fn execute_scaled<const N: usize>(
    operation: &Operation,
    scaling: LaneScaling,
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
            DType::F32 => run_tiles::<f32, 64, N>(operation, scaling, isa, geometry, operands, lanes),
            DType::F64 => run_tiles::<f64, 32, N>(operation, scaling, isa, geometry, operands, lanes),
            DType::BF16 => run_tiles::<BFloat16, 64, N>(operation, scaling, isa, geometry, operands, lanes),
            DType::F16 => run_tiles::<Float16, 64, N>(operation, scaling, isa, geometry, operands, lanes),
        }
    }
}

/// Bytes of the widest vectors of any instruction set.
const VECTOR_BYTES: i64 = 64;

/// Lanes at the start of a run that kernels can touch where they lie: a power of two of whole vectors, or none.
fn whole_vectors<S: Storage>(run: i64, tile: i64) -> i64 {
    let vector = VECTOR_BYTES / size_of::<S::Compute>() as i64;
    if !S::IS_COMPUTE || run < vector { 0 } else { 1 << run.min(tile).ilog2() }
}

/// [`execute_scaled`] for one element type; `TILE` is `S::Compute::TILE`.
///
/// # Safety
/// As [`execute_scaled`].
unsafe fn run_tiles<S: Storage, const TILE: usize, const N: usize>(
    operation: &Operation,
    scaling: LaneScaling,
    isa: Isa,
    geometry: &Geometry<N>,
    operands: [Operand; N],
    lanes: Range<i64>,
) {
    const { assert!(TILE == S::Compute::TILE) };
    let sizes = operation.sizes();
    let width = if operation.has_matrices() { S::Compute::matrix_kernels(isa).lanes } else { TILE };
    let is_dense = (0..N).all(|operand| operand == scaling.factor || geometry.steps_by_one(operand));
    let buffer = |blades: usize| blades.max(1) * width * size_of::<S::Compute>();
    let words = if operation.has_matrices() { sizes.iter().copied().max().unwrap_or(0) } else { 0 };
    let bytes: usize = sizes.iter().map(|&size| buffer(size)).sum();
    with_scratch(bytes + 3 * buffer(words), |scratch| {
        let mut table: Option<[[i64; TILE]; N]> = None;
        let mut first = lanes.start;
        while first < lanes.end {
            let left = lanes.end - first;
            let whole = if is_dense { whole_vectors::<S>(geometry.run(first).min(left), width as i64) } else { 0 };
            let count = if whole == 0 { left.min(width as i64) } else { whole } as usize;
            let mut planes: [PlanesMut<S::Compute>; N] =
                [PlanesMut { start: std::ptr::null_mut(), stride: width as isize }; N];
            // SAFETY: scratch holds the planes of each operand for `width` lanes, one operand after the other, then
            // three buffers of words; tensor addresses are covered by the contract of execute_scaled; kernels touch
            // `count` lanes where planes lie in a tensor, which is a power of two of vectors, and at most `width` lanes
            // of scratch.
            unsafe {
                let mut free = scratch;
                for (operand, planes) in planes.iter_mut().enumerate() {
                    planes.start = free.cast();
                    free = free.add(buffer(sizes[operand]));
                }
                let is_gathered =
                    |operand: usize| whole == 0 || operand == scaling.operand || operand == scaling.factor;
                let mut lane = 0;
                while lane < count {
                    let piece = (geometry.run(first + lane as i64) as usize).min(count - lane);
                    let offsets = geometry.offsets(first + lane as i64, piece, &mut table);
                    for operand in 0..operation.inputs() {
                        let blades = if operand == scaling.factor { 1 } else { sizes[operand] };
                        if is_gathered(operand) {
                            let Operand { data, blade_stride } = operands[operand];
                            let target = planes[operand].start.add(lane);
                            pack::<S>(isa, data.cast(), blade_stride, offsets[operand], [piece, blades, width], target);
                        }
                    }
                    lane += piece;
                }
                if whole != 0 {
                    let offsets = geometry.offsets(first, count, &mut table);
                    for operand in (0..N).filter(|&operand| !is_gathered(operand)) {
                        planes[operand] = in_place(operands[operand], offsets[operand]);
                    }
                }
                scale::<S::Compute>(planes[scaling.operand], sizes[scaling.operand], planes[scaling.factor], count);
                let buffers = std::array::from_fn(|i| free.wrapping_add(i * buffer(words)).cast());
                run_steps::<S::Compute, N>(operation, isa, planes, [count, 1], buffers);
                let mut lane = 0;
                while whole == 0 && lane < count {
                    let piece = (geometry.run(first + lane as i64) as usize).min(count - lane);
                    let offsets = geometry.offsets(first + lane as i64, piece, &mut table);
                    for operand in operation.inputs()..N {
                        let Operand { data, blade_stride } = operands[operand];
                        let (source, shape) = (planes[operand].start.add(lane), [piece, sizes[operand], width]);
                        unpack::<S>(isa, source.cast_const(), shape, data.cast(), blade_stride, offsets[operand]);
                    }
                    lane += piece;
                }
            }
            first += count as i64;
        }
    });
}

/// The planes of an operand where they lie in memory.
///
/// # Safety
/// The lanes of `offsets` are neighbours, in a tensor of elements `T`.
unsafe fn in_place<T>(operand: Operand, offsets: Offsets<'_>) -> PlanesMut<T> {
    // SAFETY: the address is that of a lane, which the caller vouches for.
    let start = unsafe { operand.data.cast::<T>().offset(offsets.at(0) as isize) };
    PlanesMut { start, stride: operand.blade_stride as isize }
}

/// Multiplies every blade of `count` lanes by the factor of the lane.
///
/// # Safety
/// The planes are valid for `count` lanes of `blades` blades and of one blade.
#[inline(always)]
unsafe fn scale<T: Compute>(planes: PlanesMut<T>, blades: usize, factors: PlanesMut<T>, count: usize) {
    for blade in 0..blades {
        for lane in 0..count {
            // SAFETY: the caller vouches for both.
            unsafe {
                let target = planes.start.offset(blade as isize * planes.stride).add(lane);
                *target = *target * *factors.start.add(lane);
            }
        }
    }
}
