//! Runs weighted products on tensors, tile by tile.

use std::ops::Range;

use crate::dtype::{BFloat16, DType, Float16, Storage};
use crate::execute::Operand;
use crate::geometry::Geometry;
use crate::isa::Isa;
use crate::kernel::Compute;
use crate::scratch::OnLine;
use crate::tile::Operands;
use crate::weight_panel::Weights;
use crate::weighted::{WeightedGradients, WeightedProduct};
use crate::weighted_program::{ProductCompute, WeightedProgram};

/// Calls a generic function for the element type that `dtype` names.
macro_rules! by_dtype {
    ($dtype:expr, $function:ident ( $($argument:expr),* $(,)? )) => {
        match $dtype {
            DType::F32 => $function::<f32, 64>($($argument),*),
            DType::F64 => $function::<f64, 32>($($argument),*),
            DType::BF16 => $function::<BFloat16, 64>($($argument),*),
            DType::F16 => $function::<Float16, 64>($($argument),*),
        }
    };
}
pub(crate) use by_dtype;

/// What the weighted products of a call share.
#[derive(Clone, Copy)]
pub struct WeightedCall<'c> {
    /// The product.
    pub program: &'c WeightedProgram,
    /// Type of the elements.
    pub dtype: DType,
    /// The instruction set to use.
    pub isa: Isa,
    /// One weight for each channel and path; the last leading axis is that of channels.
    pub weights: &'c Weights,
}

/// Multiplies lanes `lanes` of the operands left, right, output.
///
/// # Safety
/// As [`crate::execute`], for operands with the sizes of the program.
pub unsafe fn execute_weighted(
    call: WeightedCall<'_>,
    geometry: &Geometry<3>,
    operands: [Operand; 3],
    lanes: Range<i64>,
) {
    // SAFETY: the contract is passed on unchanged, with the element type named by the dtype.
    unsafe { by_dtype!(call.dtype, multiply(call, geometry, operands, lanes)) }
}

unsafe fn multiply<S: Storage, const TILE: usize>(
    call: WeightedCall<'_>,
    geometry: &Geometry<3>,
    operands: [Operand; 3],
    lanes: Range<i64>,
) where
    S::Compute: ProductCompute,
{
    let kernels = call.program.kernels::<S::Compute>(call.isa);
    let ones = OnLine([S::Compute::from_f64(1.0); TILE]);
    let tiles =
        Operands { geometry, memory: operands, sizes: call.program.sizes(), inputs: 2, is_reread: kernels.is_reread };
    // SAFETY: the contract is passed on; planes are valid for whole vectors of lanes, at most a tile.
    unsafe {
        tiles.for_each_tile::<S, TILE>(call.isa, lanes, |tile| {
            let [left, right, out] = tile.planes;
            let product = WeightedProduct {
                left: left.read(),
                right: right.read(),
                weight: call.weights.planes(tile.first),
                scale: ones.0.as_ptr(),
                out,
            };
            (kernels.forward)(call.program.terms(), tile.count.div_ceil(kernels.lanes), &product);
        });
    }
}

/// Bytes of one partial sum of weight gradients.
pub fn partial_bytes(dtype: DType, [channels, paths]: [usize; 2]) -> usize {
    let size = match dtype {
        DType::F64 => size_of::<f64>(),
        DType::F32 | DType::BF16 | DType::F16 => size_of::<f32>(),
    };
    size * channels * paths
}

/// Gradients of lanes `lanes` of the operands cotangent, left, right; gradient by left, gradient by right. The gradients
/// by the weights, summed over these lanes, are written to `partial`.
///
/// # Safety
/// As [`crate::execute`], for operands with the sizes of the program; `partial` is valid for writes of
/// [`partial_bytes`] and aligned for numbers.
pub unsafe fn execute_weighted_backward(
    call: WeightedCall<'_>,
    geometry: &Geometry<5>,
    operands: [Operand; 5],
    lanes: Range<i64>,
    partial: *mut u8,
) {
    // SAFETY: the contract is passed on unchanged, with the element type named by the dtype.
    unsafe { by_dtype!(call.dtype, differentiate(call, geometry, operands, lanes, partial)) }
}

unsafe fn differentiate<S: Storage, const TILE: usize>(
    call: WeightedCall<'_>,
    geometry: &Geometry<5>,
    operands: [Operand; 5],
    lanes: Range<i64>,
    partial: *mut u8,
) where
    S::Compute: ProductCompute,
{
    let kernels = call.program.kernels::<S::Compute>(call.isa);
    let ones = OnLine([S::Compute::from_f64(1.0); TILE]);
    let mut dot = OnLine([S::Compute::default(); TILE]);
    let [left, right, out] = call.program.sizes();
    let sizes = [out, left, right, left, right];
    let tiles = Operands { geometry, memory: operands, sizes, inputs: 3, is_reread: kernels.is_reread };
    let shape = call.weights.shape;
    // SAFETY: the contract is passed on; planes are valid for whole vectors of lanes, at most a tile, and so are the
    // panels of weights and their gradients from the column of any lane on.
    unsafe {
        shape.sum(lanes, partial.cast::<S::Compute>(), |lanes, panel| {
            tiles.for_each_tile::<S, TILE>(call.isa, lanes, |tile| {
                let [cotangent, left, right, by_left, by_right] = tile.planes;
                let gradients = WeightedGradients {
                    cotangent: cotangent.read(),
                    left: left.read(),
                    right: right.read(),
                    weight: call.weights.planes(tile.first),
                    scale: ones.0.as_ptr(),
                    by_left,
                    by_right,
                    by_weight: shape.planes_mut(panel, tile.first),
                    dot: dot.0.as_mut_ptr(),
                };
                (kernels.backward)(call.program.terms(), tile.count.div_ceil(kernels.lanes), &gradients);
            });
        });
    }
}

/// Adds `count` partial sums of weight gradients, in order, and writes them as `(channels, paths)`, contiguous.
///
/// # Safety
/// `partials` holds `count` sums of [`partial_bytes`], one every `stride` bytes; `out` is valid for the elements of
/// `dtype`.
pub unsafe fn add_partials(
    dtype: DType,
    partials: *const u8,
    count: usize,
    stride: usize,
    shape: [usize; 2],
    out: *mut u8,
) {
    // SAFETY: the contract is passed on unchanged, with the element type named by the dtype.
    unsafe { by_dtype!(dtype, add(partials, count, stride, shape, out)) }
}

unsafe fn add<S: Storage, const TILE: usize>(
    partials: *const u8,
    count: usize,
    stride: usize,
    [channels, paths]: [usize; 2],
    out: *mut u8,
) {
    let out = out.cast::<S>();
    let mut sums = vec![S::Compute::default(); channels];
    for path in 0..paths {
        sums.fill(S::Compute::default());
        for index in 0..count {
            // SAFETY: the caller vouches for the partial sums.
            let row = unsafe { partials.add(index * stride).cast::<S::Compute>().add(path * channels) };
            for (channel, sum) in sums.iter_mut().enumerate() {
                // SAFETY: as above.
                *sum += unsafe { *row.add(channel) };
            }
        }
        for (channel, &sum) in sums.iter().enumerate() {
            // SAFETY: the caller vouches for the output.
            unsafe { out.add(channel * paths + path).write(S::narrow(sum)) };
        }
    }
}
