//! Products on one half of the channels and oriented joins on the other, as the bilinear layer of `GATr` has them:
//!
//! * `product_and_join(factors, reference, product, join, orientation)`: channels of `factors` are the left and right
//!   factors of the products, then those of the joins; the blade `orientation` of `reference` scales the joins;
//! * `product_and_join_backward(cotangent, factors, reference, product, join, orientation)`: the gradient of `factors`.
//!
//! The two bilinear maps can be any between multivectors of one number of blades.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, RwLock};

use cliffnet_cpu::{Axis, DType, Geometry, LaneScaling, Operand, Operation, execute_scaled, selected_isa, tile_lanes};

use crate::bilinear::{gradient_programs, kept, operation, program, step};
use crate::cuda_product_and_join;
use crate::operator::{Arguments, Prepared, operator};
use crate::shape::{broadcast, broadcast_stride, is_blade_major, output_strides};
use crate::tensor::{Device, Tensor};
use crate::torch_abi::TorchFunctions;
use crate::work::{Work, is_small, parallel};

/// Operands of the forward pass: left and right of the product, left and right of the join, factor; product, join.
pub(crate) const FORWARD: usize = 7;

/// Operands of the backward pass: cotangents of product and join, then as forward; gradients of the four factors.
pub(crate) const BACKWARD: usize = 11;

/// What is computed for two plans, forward and backward.
pub(crate) type ByPlans<T> = RwLock<HashMap<[i64; 2], Arc<[T; 2]>>>;

static OPERATIONS: LazyLock<ByPlans<Operation>> = LazyLock::new(RwLock::default);

/// The forward and the backward operation of two plans, made on first use.
fn operations(product: i64, join: i64) -> Result<Arc<[Operation; 2]>, String> {
    kept(&OPERATIONS, [product, join], || {
        let forward = operation(5, 2, vec![step(&program(product)?, [0, 1, 5]), step(&program(join)?, [2, 3, 6])])?;
        let ([left, right], [join_left, join_right]) = (gradient_programs(product)?, gradient_programs(join)?);
        let steps = vec![
            step(&left, [0, 3, 7]),
            step(&right, [2, 0, 8]),
            step(&join_left, [1, 5, 9]),
            step(&join_right, [4, 1, 10]),
        ];
        Ok([forward, operation(7, 4, steps)?])
    })
}

/// A tensor whose channels are those of several operands, one group after the other.
struct Groups<'a> {
    sizes: &'a [i64],
    strides: &'a [i64],
    data: *mut u8,
}

impl Groups<'_> {
    fn of<'a>(tensor: &'a Tensor<'_>) -> Result<Groups<'a>, String> {
        let (sizes, strides) = tensor.shape()?;
        Ok(Groups { sizes, strides, data: tensor.data()? })
    }

    /// The operand of group `index`, of `half` channels each.
    fn operand(&self, index: usize, half: i64, element: usize) -> Operand {
        let rank = self.sizes.len();
        let elements = index as i64 * half * self.strides[rank - 2];
        let data = self.data.wrapping_offset(elements as isize * element as isize);
        Operand { data, blade_stride: self.strides[rank - 1] }
    }
}

/// What the tensors of a call have in common.
struct Call {
    leading: Vec<i64>,
    half: i64,
    blades: i64,
}

/// Checks the tensors: `cotangent`, if any, has the channels of two groups and `factors` those of four.
fn check(factors: &[i64], cotangent: Option<&[i64]>, reference: &[i64], orientation: i64) -> Result<Call, String> {
    let rank = factors.len();
    if rank < 2 || reference.is_empty() || factors[rank - 2] % 4 != 0 {
        return Err(format!("factors have the shape {factors:?}, expected (..., 4 C, blades)"));
    }
    let (blades, half) = (factors[rank - 1], factors[rank - 2] / 4);
    let cut = |sizes: &[i64]| sizes[..sizes.len().saturating_sub(2)].to_vec();
    let mut leading = vec![cut(factors), cut(reference)];
    if let Some(cotangent) = cotangent {
        if cotangent.len() < 2 || cotangent[cotangent.len() - 2..] != [2 * half, blades] {
            return Err(format!("the cotangent has the shape {cotangent:?}, expected (..., {}, {blades})", 2 * half));
        }
        leading.push(cut(cotangent));
    }
    let channels = reference.len().checked_sub(2).map_or(1, |axis| reference[axis]);
    if reference[reference.len() - 1] != blades || (channels != 1 && channels != half) {
        return Err(format!("the reference has the shape {reference:?}, expected (..., 1, {blades})"));
    }
    if !(0..blades).contains(&orientation) {
        return Err(format!("the orientation is blade {orientation} of {blades}"));
    }
    Ok(Call { leading: broadcast(leading.iter().map(Vec::as_slice))?, half, blades })
}

/// The output of the forward (`N` = 7) or the backward pass (`N` = 11), and where the operands lie.
pub(crate) struct Layout<'t, const N: usize> {
    pub(crate) output: Tensor<'t>,
    pub(crate) dtype: DType,
    pub(crate) axes: Vec<Axis<N>>,
    /// The factor of a lane is the blade of the orientation alone.
    pub(crate) operands: [Operand; N],
}

/// Checks the tensors and allocates the output; `plan_sizes` are the blades of operands as the plans have them.
pub(crate) fn lay_out<'t, const N: usize>(
    torch: &'t TorchFunctions,
    arguments: &Arguments<'t>,
    device: Device,
    plan_sizes: &[usize],
) -> Result<Layout<'t, N>, String> {
    let is_backward = N == BACKWARD;
    let first = usize::from(is_backward);
    let (factors, reference) = (arguments.tensor(first)?, arguments.tensor(first + 1)?);
    let cotangent = if is_backward { Some(arguments.tensor(0)?) } else { None };
    let orientation = arguments.integer(first + 4)?;
    let (code, dtype) = factors.element_type()?;
    let inputs: Vec<&Tensor<'t>> = cotangent.into_iter().chain([factors]).collect();
    for tensor in inputs.iter().chain([&reference]) {
        if tensor.element_type()?.0 != code {
            return Err("the operands have different dtypes".to_owned());
        }
    }
    let (reference_sizes, reference_strides) = reference.shape()?;
    let cotangent_sizes = cotangent.map(Tensor::shape).transpose()?.map(|(sizes, _)| sizes);
    let call = check(factors.shape()?.0, cotangent_sizes, reference_sizes, orientation)?;
    let Call { leading, half, blades } = &call;
    let place = place::<N>;
    if (0..N).any(|operand| place(operand).is_some() && plan_sizes[operand] as i64 != *blades) {
        return Err(format!("the plans are not between multivectors of {blades} blades"));
    }
    let mut sizes = leading.clone();
    sizes.extend([if is_backward { 4 * half } else { 2 * half }, *blades]);
    let blade_major = inputs.iter().try_fold(false, |found, tensor| {
        let (given, strides) = tensor.shape()?;
        let is_full = given[..given.len() - 2] == leading[..];
        Ok::<_, String>(found || (is_full && is_blade_major(given, strides)))
    })?;
    let output = Tensor::empty_on(torch, &sizes, &output_strides(&sizes, blade_major), code, device)?;
    let tensors: Vec<Groups<'_>> = inputs.iter().copied().chain([&output]).map(Groups::of).collect::<Result<_, _>>()?;
    let element = dtype.size();
    let rank = leading.len() + 1;
    let factor = reference_strides[reference_strides.len() - 1] * orientation;
    let factor_data = reference.data()?.wrapping_offset(factor as isize * element as isize);
    let operands: [Operand; N] = std::array::from_fn(|operand| match place(operand) {
        Some((tensor, group)) => tensors[tensor].operand(group, *half, element),
        None => Operand { data: factor_data, blade_stride: 0 },
    });
    let axes = (0..rank).map(|axis| Axis {
        size: if axis + 1 == rank { *half } else { leading[axis] },
        strides: std::array::from_fn(|operand| match place(operand) {
            None => broadcast_stride(reference_sizes, reference_strides, axis, rank),
            Some((tensor, _)) if axis + 1 == rank => tensors[tensor].strides[tensors[tensor].sizes.len() - 2],
            Some((tensor, _)) => broadcast_stride(tensors[tensor].sizes, tensors[tensor].strides, axis, rank),
        }),
    });
    let axes = axes.collect();
    Ok(Layout { output, dtype, axes, operands })
}

/// The tensor that holds an operand of the forward (`N` = 7) or the backward pass (`N` = 11), in the order cotangent,
/// factors, output, and its group of channels there; `None` for the factor of a lane.
fn place<const N: usize>(operand: usize) -> Option<(usize, usize)> {
    if N == BACKWARD {
        match operand {
            0 | 1 => Some((0, operand)),
            2..6 => Some((1, operand - 2)),
            6 => None,
            _ => Some((2, operand - 7)),
        }
    } else {
        match operand {
            0..4 => Some((0, operand)),
            4 => None,
            _ => Some((1, operand - 5)),
        }
    }
}

/// Prepares the forward (`N` = 7) or the backward pass (`N` = 11).
fn prepare<'t, const N: usize>(torch: &'t TorchFunctions, arguments: &Arguments<'t>) -> Result<Prepared<'t>, String> {
    let is_backward = N == BACKWARD;
    let first = usize::from(is_backward);
    for tensor in 0..first + 2 {
        arguments.tensor(tensor)?.dtype()?;
    }
    let operations = operations(arguments.integer(first + 2)?, arguments.integer(first + 3)?)?;
    let operation = &operations[first];
    let device = Device { kind: torch.cpu, index: 0 };
    let Layout { output, dtype, axes, operands } = lay_out::<N>(torch, arguments, device, operation.sizes())?;
    let geometry = Geometry::new(axes);
    if geometry.lanes() == 0 {
        return Ok(Prepared { outputs: vec![output], work: None });
    }
    if !geometry.is_walkable() {
        return Err("more than 64 leading axes".to_owned());
    }
    if operands.iter().any(|operand| operand.data.is_null()) {
        return Err("expected tensors with memory".to_owned());
    }
    let isa = selected_isa().map_err(ToString::to_string)?;
    let scaling =
        if is_backward { LaneScaling { operand: 1, factor: 6 } } else { LaneScaling { operand: 2, factor: 4 } };
    let (tile, lanes) = (tile_lanes(dtype), geometry.lanes());
    let work_per_tile = tile * operation.work() as i64;
    let tiles = (lanes + tile - 1) / tile;
    let shared = Shared { operations, geometry, operands };
    let work = Work::new(is_small(tiles, work_per_tile), move |torch| {
        parallel(torch, tiles, work_per_tile, &|chunk| {
            let Shared { operations, geometry, operands } = &shared;
            let lanes = chunk.start * tile..(chunk.end * tile).min(lanes);
            // SAFETY: sizes were checked against the operation, strides and pointers come from tensors that the caller
            // keeps alive, the output was allocated above and its groups are apart; chunks are disjoint ranges of lanes.
            unsafe { execute_scaled(&operations[first], scaling, dtype, isa, geometry, *operands, lanes) };
        })
    });
    Ok(Prepared { outputs: vec![output], work: Some(work) })
}

/// What the chunks of an operation read.
struct Shared<const N: usize> {
    operations: Arc<[Operation; 2]>,
    geometry: Geometry<N>,
    operands: [Operand; N],
}

// SAFETY: the operands point into tensors that outlive the work; chunks write to disjoint elements.
unsafe impl<const N: usize> Sync for Shared<N> {}

operator!(
    /// `product_and_join(factors, reference, product, join, orientation)`.
    PRODUCT_AND_JOIN,
    "product_and_join",
    [factors: Tensor, reference: Tensor, product: Integer, join: Integer, orientation: Integer],
    1,
    prepare::<FORWARD>,
    cuda_product_and_join::forward
);

operator!(
    /// `product_and_join_backward(cotangent, factors, reference, product, join, orientation)`.
    PRODUCT_AND_JOIN_BACKWARD,
    "product_and_join_backward",
    [cotangent: Tensor, factors: Tensor, reference: Tensor, product: Integer, join: Integer, orientation: Integer],
    1,
    prepare::<BACKWARD>,
    cuda_product_and_join::backward
);
