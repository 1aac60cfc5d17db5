//! Runs functions that treat every multivector by itself, or every row of channels by itself, tile by tile.

use std::ops::Range;

use crate::dtype::{BFloat16, DType, Float16, Storage};
use crate::execute::Operand;
use crate::geometry::{Geometry, Offsets};
use crate::isa::Isa;
use crate::kernel::{Compute, PlanesMut};
use crate::pack::{pack, unpack};
use crate::real_lanes::Real;
use crate::scratch::with_scratch;
use crate::vectorize::Vectorize;

/// Lanes of the longest tile of any type.
const MAX_TILE: usize = 64;

/// Bytes between two buffers, so that planes of the same number do not compete for a cache set.
const GAP: usize = 5 * 64;

/// What to compute on tiles of lanes.
pub(crate) trait LaneKernel {
    /// Planes of each operand, inputs first.
    fn sizes(&self) -> &[usize];

    /// How many of the operands are inputs.
    fn inputs(&self) -> usize;

    /// Planes of working memory.
    fn working_planes(&self) -> usize;

    /// Computes the outputs of `lanes` lanes, rounded up to whole vectors, from the inputs.
    ///
    /// # Safety
    /// `isa` is available; every operand has its number of planes, valid for that many lanes, and so is the working
    /// memory, whose planes are a tile apart.
    unsafe fn run<T: Vectorize>(&self, isa: Isa, lanes: usize, planes: &[PlanesMut<T>], working: *mut T);
}

/// What to compute on rows: sums over the lanes of a row, then every lane by the results of its row.
pub(crate) trait RowKernel: LaneKernel {
    /// Writes the two summands of every lane to the first two working planes.
    ///
    /// # Safety
    /// As [`LaneKernel::run`].
    unsafe fn summands<T: Vectorize>(&self, isa: Isa, lanes: usize, planes: &[PlanesMut<T>], working: *mut T);

    /// What [`LaneKernel::run`] finds in the first two working planes, from the sums of a row of so many lanes.
    fn factors(&self, sums: [f64; 2], channels: usize) -> [f64; 2];
}

/// The tensors of an operation in memory.
pub(crate) struct Tensors<'a, const N: usize> {
    pub(crate) isa: Isa,
    pub(crate) geometry: &'a Geometry<N>,
    pub(crate) operands: [Operand; N],
}

/// Where a tile of each operand is: in its tensor, or packed.
struct Tile<'a, T, const N: usize> {
    planes: [PlanesMut<T>; N],
    offsets: [Offsets<'a>; N],
    count: usize,
}

impl<const N: usize> Tensors<'_, N> {
    /// Brings a tile of every input into planes; `free` has room for the planes of all operands.
    ///
    /// # Safety
    /// As [`execute_lanes`] for the lanes `first..first + count`.
    unsafe fn fetch<'t, S: Storage>(
        &self,
        kernel: &impl LaneKernel,
        first: i64,
        count: usize,
        free: *mut u8,
        table: &'t mut Option<[[i64; MAX_TILE]; N]>,
    ) -> Tile<'t, S::Compute, N> {
        let width = S::Compute::TILE;
        let offsets = self.geometry.offsets(first, count, table);
        let mut planes = [PlanesMut { start: std::ptr::null_mut(), stride: 0 }; N];
        let mut free = free;
        for (index, (planes, &size)) in planes.iter_mut().zip(kernel.sizes()).enumerate() {
            let Operand { data, blade_stride } = self.operands[index];
            // SAFETY: tensor addresses are covered by the contract; the free memory has `size` planes of a tile each.
            unsafe {
                *planes = if let Some(base) = in_place::<S>(offsets[index], count) {
                    let start = data.cast::<S::Compute>().offset(base as isize);
                    PlanesMut { start, stride: blade_stride as isize }
                } else {
                    if index < kernel.inputs() {
                        let shape = [count, size, width];
                        pack::<S>(self.isa, data.cast::<S>(), blade_stride, offsets[index], shape, free.cast());
                    }
                    PlanesMut { start: free.cast(), stride: width as isize }
                };
                free = free.add(buffer::<S::Compute>(size));
            }
        }
        Tile { planes, offsets, count }
    }

    /// Writes the outputs of a tile to their tensors, where they are not there already.
    ///
    /// # Safety
    /// `tile` comes from [`Tensors::fetch`] for the same kernel, and its outputs are computed.
    unsafe fn store<S: Storage>(&self, kernel: &impl LaneKernel, tile: &Tile<'_, S::Compute, N>) {
        for index in kernel.inputs()..N {
            let (Operand { data, blade_stride }, offsets) = (self.operands[index], tile.offsets[index]);
            if in_place::<S>(offsets, tile.count).is_none() {
                let shape = [tile.count, kernel.sizes()[index], S::Compute::TILE];
                let source = tile.planes[index].start.cast_const();
                // SAFETY: as in fetch, with reading and writing exchanged.
                unsafe { unpack::<S>(self.isa, source, shape, data.cast::<S>(), blade_stride, offsets) };
            }
        }
    }
}

/// Bytes of the planes of one operand.
fn buffer<T: Compute>(planes: usize) -> usize {
    (planes * T::TILE * size_of::<T>() + GAP) / 64 * 64
}

/// The offset of the first lane of whole vectors that lie lane after lane in memory, in the type of the arithmetic.
#[inline(always)]
fn in_place<S: Storage>(offsets: Offsets<'_>, count: usize) -> Option<i64> {
    // a quarter of a tile is the longest vector of any instruction set
    let fits = S::IS_COMPUTE && count.is_multiple_of(S::Compute::TILE / 4);
    match offsets {
        Offsets::Uniform { base, stride: 1 } if fits => Some(base),
        _ => None,
    }
}

/// Runs a kernel on lanes `lanes`.
///
/// # Safety
/// `N` is the number of operands of the kernel. For every operand, every lane of the geometry and every plane, the
/// addresses given by the strides lie inside live tensors of `dtype`; distinct (lane, plane) pairs of an output have
/// distinct addresses that no other thread touches; an output overlaps no other operand; the instruction set is
/// available; `lanes` lies within the lanes of the geometry.
pub(crate) unsafe fn execute_lanes<const N: usize>(
    kernel: &impl LaneKernel,
    dtype: DType,
    tensors: &Tensors<'_, N>,
    lanes: Range<i64>,
) {
    debug_assert_eq!(kernel.sizes().len(), N);
    // SAFETY: the contract is passed on unchanged, with the element type named by `dtype`.
    unsafe {
        match dtype {
            DType::F32 => run_lanes::<f32, N>(kernel, tensors, lanes),
            DType::F64 => run_lanes::<f64, N>(kernel, tensors, lanes),
            DType::BF16 => run_lanes::<BFloat16, N>(kernel, tensors, lanes),
            DType::F16 => run_lanes::<Float16, N>(kernel, tensors, lanes),
        }
    }
}

/// [`execute_lanes`] for one element type.
///
/// # Safety
/// As [`execute_lanes`].
unsafe fn run_lanes<S: Storage<Compute: Vectorize>, const N: usize>(
    kernel: &impl LaneKernel,
    tensors: &Tensors<'_, N>,
    lanes: Range<i64>,
) {
    with_tile_memory::<S::Compute>(kernel, |memory, working| {
        let mut table = None;
        for first in lanes.clone().step_by(S::Compute::TILE) {
            let count = (lanes.end - first).min(S::Compute::TILE as i64) as usize;
            // SAFETY: passed on from the caller; the memory is laid out for this kernel.
            unsafe {
                let tile = tensors.fetch::<S>(kernel, first, count, memory, &mut table);
                kernel.run(tensors.isa, count, &tile.planes, working);
                tensors.store::<S>(kernel, &tile);
            }
        }
    });
}

/// Calls `body` with room for the planes of all operands and for the working planes.
fn with_tile_memory<T: Compute>(kernel: &impl LaneKernel, body: impl FnOnce(*mut u8, *mut T)) {
    let operands: usize = kernel.sizes().iter().map(|&size| buffer::<T>(size)).sum();
    with_scratch(operands + buffer::<T>(kernel.working_planes()), |memory| {
        // SAFETY: the working planes come after those of the operands, within the scratch memory.
        body(memory, unsafe { memory.add(operands).cast() });
    });
}

/// Runs a kernel on rows `rows`, each of `channels` neighbouring lanes of the geometry.
///
/// # Safety
/// As [`execute_lanes`] for the lanes of the rows; `channels` is positive.
pub(crate) unsafe fn execute_rows<const N: usize>(
    kernel: &impl RowKernel,
    dtype: DType,
    tensors: &Tensors<'_, N>,
    channels: usize,
    rows: Range<i64>,
) {
    debug_assert_eq!(kernel.sizes().len(), N);
    // SAFETY: the contract is passed on unchanged, with the element type named by `dtype`.
    unsafe {
        match dtype {
            DType::F32 => run_rows::<f32, N>(kernel, tensors, channels, rows),
            DType::F64 => run_rows::<f64, N>(kernel, tensors, channels, rows),
            DType::BF16 => run_rows::<BFloat16, N>(kernel, tensors, channels, rows),
            DType::F16 => run_rows::<Float16, N>(kernel, tensors, channels, rows),
        }
    }
}

/// [`execute_rows`] for one element type: as many rows at a time as fit in a tile, or a row of several tiles.
///
/// # Safety
/// As [`execute_rows`].
unsafe fn run_rows<S: Storage<Compute: Vectorize>, const N: usize>(
    kernel: &impl RowKernel,
    tensors: &Tensors<'_, N>,
    channels: usize,
    rows: Range<i64>,
) {
    let width = S::Compute::TILE;
    let block = (width / channels).max(1);
    with_tile_memory::<S::Compute>(kernel, |memory, working| {
        let mut table = None;
        for row in rows.clone().step_by(block) {
            let count = (rows.end - row).min(block as i64) as usize;
            let first = row * channels as i64;
            let lanes = count * channels;
            // SAFETY: passed on from the caller; the memory is laid out for this kernel, whose first two working planes
            // are a tile each.
            unsafe {
                if lanes <= width {
                    let tile = tensors.fetch::<S>(kernel, first, lanes, memory, &mut table);
                    kernel.summands(tensors.isa, lanes, &tile.planes, working);
                    for row in 0..count {
                        let lanes = row * channels..(row + 1) * channels;
                        let factors = kernel.factors(sums(working, lanes.clone()), channels);
                        spread(working, lanes, factors);
                    }
                    kernel.run(tensors.isa, lanes, &tile.planes, working);
                    tensors.store::<S>(kernel, &tile);
                    continue;
                }
                let mut total = [0.0; 2];
                for start in (0..channels).step_by(width) {
                    let lanes = (channels - start).min(width);
                    let tile = tensors.fetch::<S>(kernel, first + start as i64, lanes, memory, &mut table);
                    kernel.summands(tensors.isa, lanes, &tile.planes, working);
                    let sums = sums(working, 0..lanes);
                    total = [total[0] + sums[0], total[1] + sums[1]];
                }
                let factors = kernel.factors(total, channels);
                for start in (0..channels).step_by(width) {
                    let lanes = (channels - start).min(width);
                    let tile = tensors.fetch::<S>(kernel, first + start as i64, lanes, memory, &mut table);
                    spread(working, 0..width, factors);
                    kernel.run(tensors.isa, lanes, &tile.planes, working);
                    tensors.store::<S>(kernel, &tile);
                }
            }
        }
    });
}

/// Sums of some lanes of the first two working planes, in an order that depends on nothing but their number.
///
/// # Safety
/// The planes are valid for reads of a tile each, and hold `lanes`.
unsafe fn sums<T: Real>(working: *const T, lanes: Range<usize>) -> [f64; 2] {
    const PARTS: usize = 8;
    [0, T::TILE].map(|plane| {
        // SAFETY: passed on from the caller.
        let values = unsafe { std::slice::from_raw_parts(working.add(plane + lanes.start), lanes.len()) };
        let (chunks, rest) = values.as_chunks::<PARTS>();
        let mut parts = [0.0; PARTS];
        for chunk in chunks {
            for (part, value) in parts.iter_mut().zip(chunk) {
                *part += value.to_f64();
            }
        }
        for (part, value) in parts.iter_mut().zip(rest) {
            *part += value.to_f64();
        }
        let [a, b, c, d, e, f, g, h] = parts;
        ((a + b) + (c + d)) + ((e + f) + (g + h))
    })
}

/// Fills some lanes of the first two working planes.
///
/// # Safety
/// The planes are valid for writes of a tile each, and hold `lanes`.
unsafe fn spread<T: Real>(working: *mut T, lanes: Range<usize>, factors: [f64; 2]) {
    for (plane, factor) in [0, T::TILE].into_iter().zip(factors) {
        // SAFETY: passed on from the caller.
        unsafe { std::slice::from_raw_parts_mut(working.add(plane + lanes.start), lanes.len()) }
            .fill(T::from_f64(factor));
    }
}
