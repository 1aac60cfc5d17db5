//! Gates of classes by their own invariants:
//!
//! * `class_gate(x, scale, shift, plan, scalar, invariant, epsilon, response)`;
//! * `class_gate_backward(cotangent, x, scale, shift, ...)`: the three gradients in one pass over memory.
//!
//! `plan` is a plan of squares; class `scalar`, unless that is negative, is gated by its only blade.

use cliffnet_cpu::{
    ClassGate, ClassGateCall, DType, Geometry, Isa, Operand, Response, WeightMatrix, Weights, execute_class_gate,
    execute_class_gate_backward, partial_bytes, selected_isa, tile_lanes,
};

use crate::cuda_class_gate;
use crate::layers::{class_table, invariant};
use crate::operands::{Operands, clear};
use crate::operator::{Arguments, Prepared, operator};
use crate::steerable::{Blocks, Partials};
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;
use crate::work::{Work, is_small, parallel};

pub(crate) fn response(code: i64) -> Result<Response, String> {
    Response::from_code(code).ok_or_else(|| format!("there is no response {code}"))
}

/// The gates of the arguments that start at `first`: plan, scalar, invariant, epsilon, response.
fn gate(arguments: &Arguments<'_>, first: usize) -> Result<ClassGate, String> {
    let table = class_table(arguments.integer(first)?)?;
    let scalar = arguments.integer(first + 1)?;
    let invariant = invariant(arguments.integer(first + 2)?, arguments.float(first + 3)?)?;
    let response = response(arguments.integer(first + 4)?)?;
    ClassGate::new(table, scalar, invariant, response)
        .ok_or_else(|| format!("class {scalar} is not a class of a single blade"))
}

/// The number of channels, where both parameters have the shape (channels, classes).
fn channels<const N: usize>(
    gate: &ClassGate,
    operands: &Operands<'_, N>,
    parameters: [&Tensor<'_>; 2],
) -> Result<i64, String> {
    let channels = *operands.leading.last().ok_or("expected multivectors with an axis of channels")?;
    let expected = [channels, gate.sizes()[1] as i64];
    for parameter in parameters {
        if parameter.dtype()?.0 != operands.code {
            return Err("the parameters have another dtype than the multivectors".to_owned());
        }
        let given = parameter.shape()?.0;
        if given != expected {
            return Err(format!("a parameter has shape {given:?}, expected {expected:?}: channels and classes"));
        }
    }
    Ok(channels)
}

/// What the chunks of a call read.
struct Shared<const N: usize> {
    gate: ClassGate,
    dtype: DType,
    isa: Isa,
    parameters: [Weights; 2],
    geometry: Geometry<N>,
    operands: [Operand; N],
}

// SAFETY: the operands point into tensors that outlive the work; chunks write to disjoint elements.
unsafe impl<const N: usize> Sync for Shared<N> {}

impl<const N: usize> Shared<N> {
    fn new(gate: ClassGate, operands: &Operands<'_, N>, parameters: [&Tensor<'_>; 2]) -> Result<Self, String> {
        operands.have_memory()?;
        let weights = |tensor: &Tensor<'_>| {
            let (sizes, strides) = tensor.shape()?;
            let matrix = WeightMatrix { data: tensor.data()?, channel_stride: strides[0], path_stride: strides[1] };
            if matrix.data.is_null() {
                return Err("expected tensors with memory".to_owned());
            }
            // SAFETY: sizes and strides come from a tensor that is alive.
            Ok(unsafe { Weights::new(operands.dtype, matrix, sizes[0] as usize, sizes[1] as usize) })
        };
        Ok(Self {
            gate,
            dtype: operands.dtype,
            isa: selected_isa().map_err(ToString::to_string)?,
            parameters: [weights(parameters[0])?, weights(parameters[1])?],
            geometry: operands.geometry.clone(),
            operands: operands.memory,
        })
    }

    fn call(&self) -> ClassGateCall<'_> {
        let parameters = self.parameters.each_ref();
        ClassGateCall { gate: &self.gate, dtype: self.dtype, isa: self.isa, parameters }
    }

    /// Multiply-adds of a lane, about: elements are read and written, and a response costs as much as ten.
    fn work(&self) -> i64 {
        let [blades, classes] = self.gate.sizes();
        (N * blades + 10 * classes) as i64
    }
}

fn prepare<'t>(torch: &'t TorchFunctions, arguments: &Arguments<'t>) -> Result<Prepared<'t>, String> {
    let gate = gate(arguments, 3)?;
    let operands = Operands::<2>::new(torch, arguments, 1, [gate.sizes()[0]; 2])?;
    let parameters = [arguments.tensor(1)?, arguments.tensor(2)?];
    channels(&gate, &operands, parameters)?;
    let lanes = operands.geometry.lanes();
    if lanes == 0 {
        return Ok(Prepared { outputs: operands.outputs, work: None });
    }
    let shared = Shared::new(gate, &operands, parameters)?;
    let tile = tile_lanes(operands.dtype);
    let tiles = (lanes + tile - 1) / tile;
    let work_per_tile = tile * shared.work();
    let work = Work::new(is_small(tiles, work_per_tile), move |torch| {
        parallel(torch, tiles, work_per_tile, &|chunk| {
            let lanes = chunk.start * tile..(chunk.end * tile).min(lanes);
            // SAFETY: sizes were checked against the gates, strides and pointers come from tensors that the caller
            // keeps alive, outputs were allocated above; chunks are disjoint ranges of lanes.
            unsafe { execute_class_gate(shared.call(), &shared.geometry, shared.operands, lanes) };
        })
    });
    Ok(Prepared { outputs: operands.outputs, work: Some(work) })
}

fn prepare_backward<'t>(torch: &'t TorchFunctions, arguments: &Arguments<'t>) -> Result<Prepared<'t>, String> {
    let gate = gate(arguments, 4)?;
    let [blades, classes] = gate.sizes();
    let mut operands = Operands::<3>::new(torch, arguments, 2, [blades; 3])?;
    let parameters = [arguments.tensor(2)?, arguments.tensor(3)?];
    let channels = channels(&gate, &operands, parameters)?;
    let (dtype, lanes) = (operands.dtype, operands.geometry.lanes());
    for _ in parameters {
        let strides = [classes.max(1) as i64, 1];
        operands.outputs.push(Tensor::empty(torch, &[channels, classes as i64], &strides, operands.code)?);
    }
    if lanes == 0 {
        operands.outputs.iter().try_for_each(|output| clear(output, dtype))?;
        return Ok(Prepared { outputs: operands.outputs, work: None });
    }
    let shared = Shared::new(gate, &operands, parameters)?;
    let targets = [operands.outputs[1].data()?, operands.outputs[2].data()?];
    let blocks = Blocks::of_lanes(lanes, channels, tile_lanes(dtype));
    let work_per_block = blocks.size.min(lanes) * shared.work();
    let work = Work::new(is_small(blocks.count, work_per_block), move |torch| {
        let shape = [channels as usize, classes];
        let bytes = partial_bytes(dtype, shape);
        let partials = Partials::new(blocks.count, 2 * bytes);
        parallel(torch, blocks.count, work_per_block, &|chunk| {
            for block in chunk {
                let lanes = block * blocks.size..((block + 1) * blocks.size).min(lanes);
                // SAFETY: sizes were checked against the gates, strides and pointers come from tensors that the caller
                // keeps alive, outputs were allocated above; blocks are disjoint ranges of lanes, and each has a
                // partial sum of its own.
                unsafe {
                    let partial = partials.of(block);
                    execute_class_gate_backward(shared.call(), &shared.geometry, shared.operands, lanes, partial);
                }
            }
        })?;
        for (index, target) in targets.into_iter().enumerate() {
            // SAFETY: every block has written its sums, those by scale before those by shift; the outputs were allocated
            // in this shape.
            unsafe { partials.add_up(dtype, index * bytes, shape, target) };
        }
        Ok(())
    });
    Ok(Prepared { outputs: operands.outputs, work: Some(work) })
}

operator!(
    /// `class_gate(x, scale, shift, plan, scalar, invariant, epsilon, response)`.
    CLASS_GATE,
    "class_gate",
    [
        x: Tensor,
        scale: Tensor,
        shift: Tensor,
        plan: Integer,
        scalar: Integer,
        invariant: Integer,
        epsilon: Float,
        response: Integer
    ],
    1,
    prepare,
    cuda_class_gate::forward
);

operator!(
    /// `class_gate_backward(cotangent, x, scale, shift, plan, scalar, invariant, epsilon, response)`.
    BACKWARD,
    "class_gate_backward",
    [
        cotangent: Tensor,
        x: Tensor,
        scale: Tensor,
        shift: Tensor,
        plan: Integer,
        scalar: Integer,
        invariant: Integer,
        epsilon: Float,
        response: Integer
    ],
    3,
    prepare_backward,
    cuda_class_gate::backward
);
