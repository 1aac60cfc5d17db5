//! Functions of layers that treat every multivector, or every row of channels, by itself:
//!
//! * `class_invariants(x, plan, invariant, epsilon)`;
//! * `gate(x, gates, plan, activation)`, `self_gate(x, blade, activation)`;
//! * `channel_norm(x, plan, invariant, epsilon, scaling, floor, gain)`;
//!
//! each with its gradient, `..._backward(cotangent, x, ...)`, in one pass over memory. `plan` is a plan of squares: see
//! [`ClassTable`].

use std::sync::{Arc, LazyLock, RwLock};

use cliffnet_cpu::{
    Activation, Axis, ChannelNorm, ClassInvariants, ClassInvariantsBackward, ClassTable, DType, Gate, Geometry,
    Invariant, Isa, LayerOperation, Operand, Scaling, execute_layer, selected_isa, tile_lanes,
};
use cliffnet_plan::PlanId;

use crate::bilinear::{ById, kept};
use crate::cuda_layers;
use crate::operator::{Arguments, Prepared, operator};
use crate::plans::unknown;
use crate::shape::{broadcast, broadcast_stride, is_blade_major, output_strides};
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;
use crate::work::{Work, is_small, parallel};

static TABLES: LazyLock<ById<ClassTable>> = LazyLock::new(RwLock::default);

/// The classes of a plan of squares.
pub(crate) fn class_table(id: i64) -> Result<Arc<ClassTable>, String> {
    kept(&TABLES, id, || {
        let plan = PlanId::from_i64(id).and_then(cliffnet_plan::get_or_recover).ok_or_else(|| unknown(id))?;
        ClassTable::new(&plan).ok_or_else(|| format!("plan {id} is not a plan of the squares of classes"))
    })
}

pub(crate) fn activation(code: i64) -> Result<Activation, String> {
    Activation::from_code(code).ok_or_else(|| format!("there is no activation {code}"))
}

pub(crate) fn invariant(code: i64, epsilon: f64) -> Result<Invariant, String> {
    Invariant::from_code(code, epsilon)
        .ok_or_else(|| format!("there is no invariant {code} with the epsilon {epsilon}; epsilons are not negative"))
}

pub(crate) fn scaling(code: i64, floor: f64) -> Result<Scaling, String> {
    match code {
        _ if floor.is_nan() || floor <= 0.0 => {
            Err(format!("the floor of a norm is {floor}, expected a positive number"))
        }
        0 => Ok(Scaling::InverseRoot { floor }),
        1 => Ok(Scaling::Inverse { epsilon: floor }),
        _ => Err(format!("there is no scaling {code}")),
    }
}

/// The number of blades of a tensor.
pub(crate) fn blades(tensor: &Tensor<'_>) -> Result<usize, String> {
    let (sizes, _) = tensor.shape()?;
    sizes.last().map(|&size| size as usize).ok_or_else(|| "expected tensors with a blade axis".to_owned())
}

/// One gate per class of a plan of squares or, with a negative plan, one for all blades.
fn gate(x: &Tensor<'_>, plan: i64, code: i64, is_backward: bool) -> Result<LayerOperation, String> {
    let activation = activation(code)?;
    Ok(LayerOperation::Gate(if plan < 0 {
        Gate::of_all(blades(x)?, activation, is_backward)
    } else {
        Gate::of_classes(&*class_table(plan)?, activation, is_backward)
    }))
}

fn self_gate(x: &Tensor<'_>, blade: i64, code: i64, is_backward: bool) -> Result<LayerOperation, String> {
    let size = blades(x)?;
    let blade = usize::try_from(blade).unwrap_or(usize::MAX);
    Gate::of_itself(size, blade, activation(code)?, is_backward)
        .map(LayerOperation::Gate)
        .ok_or_else(|| format!("there is no blade {blade} among {size}"))
}

/// The norm of the arguments that start at `first`: plan, invariant, epsilon, scaling, floor, gain.
fn channel_norm(arguments: &Arguments<'_>, first: usize) -> Result<LayerOperation, String> {
    let table = class_table(arguments.integer(first)?)?;
    let invariant = invariant(arguments.integer(first + 1)?, arguments.float(first + 2)?)?;
    let scaling = scaling(arguments.integer(first + 3)?, arguments.float(first + 4)?)?;
    let gain = arguments.float(first + 5)?;
    Ok(LayerOperation::ChannelNorm(ChannelNorm::new(table, invariant, scaling, gain, first == 2)))
}

/// The outputs of an operation with `N` operands, and the work that fills them.
///
/// Outputs have the broadcast leading shape of the inputs, and are blade-major if an input of that shape is.
fn prepare<'t, const N: usize>(
    torch: &'t TorchFunctions,
    operation: LayerOperation,
    arguments: &Arguments<'t>,
) -> Result<Prepared<'t>, String> {
    let inputs = operation.inputs();
    let (code, dtype) = arguments.tensor(0)?.dtype()?;
    let mut shapes: [(&[i64], &[i64]); N] = [(&[], &[]); N];
    let mut operands = [Operand { data: std::ptr::null_mut(), blade_stride: 0 }; N];
    for (index, shape) in shapes[..inputs].iter_mut().enumerate() {
        let tensor = arguments.tensor(index)?;
        if tensor.dtype()?.0 != code {
            return Err("the operands have different dtypes".to_owned());
        }
        *shape = tensor.shape()?;
        let expected = operation.sizes()[index] as i64;
        match shape.0.last() {
            Some(&given) if given == expected => {
                operands[index] = Operand { data: tensor.data()?, blade_stride: shape.1[shape.1.len() - 1] };
            }
            _ => return Err(format!("operand {index} has sizes {:?}, expected a last axis of {expected}", shape.0)),
        }
    }
    let shapes = &shapes[..inputs];
    let leading = broadcast(shapes.iter().map(|(sizes, _)| &sizes[..sizes.len() - 1]))?;
    let rank = leading.len();
    let is_whole = |sizes: &[i64]| sizes[..sizes.len() - 1] == leading[..];
    let by_rows = operation.is_by_rows();
    if by_rows && (rank == 0 || !shapes.iter().all(|(sizes, _)| is_whole(sizes))) {
        return Err("expected operands (..., channels, blades) of one shape".to_owned());
    }
    let blade_major = shapes.iter().any(|(sizes, strides)| is_whole(sizes) && is_blade_major(sizes, strides));
    let mut outputs = Vec::with_capacity(N - inputs);
    let mut output_steps = Vec::with_capacity(N - inputs);
    for (operand, &size) in operands.iter_mut().zip(operation.sizes()).skip(inputs) {
        let mut sizes = Vec::with_capacity(rank + 1);
        sizes.extend_from_slice(&leading);
        sizes.push(size as i64);
        let strides = output_strides(&sizes, blade_major);
        let output = Tensor::empty(torch, &sizes, &strides, code)?;
        *operand = Operand { data: output.data()?, blade_stride: strides[rank] };
        outputs.push(output);
        output_steps.push(strides);
    }
    let geometry = Geometry::new((0..rank).map(|axis| Axis {
        size: leading[axis],
        strides: std::array::from_fn(|index| match shapes.get(index) {
            Some((sizes, strides)) => broadcast_stride(sizes, strides, axis, rank),
            None => output_steps[index - inputs][axis],
        }),
    }));
    if geometry.lanes() == 0 {
        return Ok(Prepared { outputs, work: None });
    }
    if !geometry.is_walkable() {
        return Err("more than 64 leading axes".to_owned());
    }
    if operands.iter().any(|operand| operand.data.is_null()) {
        return Err("expected tensors with memory".to_owned());
    }
    let channels = if by_rows { leading[rank - 1] } else { 1 };
    let isa = selected_isa().map_err(ToString::to_string)?;
    let shared = Shared { operation, geometry, operands, dtype, isa, channels };
    Ok(Prepared { outputs, work: Some(shared.into_work()) })
}

/// What the chunks of an operation read.
struct Shared<const N: usize> {
    operation: LayerOperation,
    geometry: Geometry<N>,
    operands: [Operand; N],
    dtype: DType,
    isa: Isa,
    /// Lanes of a row, 1 where rows do not matter.
    channels: i64,
}

// SAFETY: the operands point into tensors that outlive the work; chunks write to disjoint elements.
unsafe impl<const N: usize> Sync for Shared<N> {}

impl<const N: usize> Shared<N> {
    /// The work, cut into blocks of whole rows and, where possible, whole tiles.
    fn into_work(self) -> Work {
        let rows = self.geometry.lanes() / self.channels;
        let block = (tile_lanes(self.dtype) / self.channels).max(1);
        let blocks = (rows + block - 1) / block;
        let planes: usize = self.operation.sizes().iter().sum();
        // an element costs about as much as two multiply-adds
        let work_per_block = block * self.channels * planes as i64 * 2;
        Work::new(is_small(blocks, work_per_block), move |torch| {
            parallel(torch, blocks, work_per_block, &|chunk| {
                let Self { operation, geometry, operands, dtype, isa, channels } = &self;
                let items = chunk.start * block..(chunk.end * block).min(rows);
                let shape = (geometry, *channels as usize);
                // SAFETY: sizes were checked against the operation, strides and pointers come from tensors that the
                // caller keeps alive, outputs were allocated for it; chunks are disjoint ranges of rows.
                unsafe { execute_layer(operation, *dtype, *isa, shape, *operands, items) };
            })
        })
    }
}

operator!(
    /// `class_invariants(x, plan, invariant, epsilon)`.
    CLASS_INVARIANTS,
    "class_invariants",
    [x: Tensor, plan: Integer, invariant: Integer, epsilon: Float],
    1,
    |torch, arguments| {
        let table = class_table(arguments.integer(1)?)?;
        let invariant = invariant(arguments.integer(2)?, arguments.float(3)?)?;
        prepare::<2>(torch, LayerOperation::Invariants(ClassInvariants::new(table, invariant)), arguments)
    },
    cuda_layers::invariants::<0>
);

operator!(
    /// `class_invariants_backward(cotangent, x, plan, invariant, epsilon)`.
    CLASS_INVARIANTS_BACKWARD,
    "class_invariants_backward",
    [cotangent: Tensor, x: Tensor, plan: Integer, invariant: Integer, epsilon: Float],
    1,
    |torch, arguments| {
        let table = class_table(arguments.integer(2)?)?;
        let invariant = invariant(arguments.integer(3)?, arguments.float(4)?)?;
        let kernel = ClassInvariantsBackward::new(table, invariant);
        prepare::<3>(torch, LayerOperation::InvariantsBackward(kernel), arguments)
    },
    cuda_layers::invariants::<1>
);

operator!(
    /// `gate(x, gates, plan, activation)`.
    GATE,
    "gate",
    [x: Tensor, gates: Tensor, plan: Integer, activation: Integer],
    1,
    |torch, arguments| {
        let operation = gate(arguments.tensor(0)?, arguments.integer(2)?, arguments.integer(3)?, false)?;
        prepare::<3>(torch, operation, arguments)
    },
    cuda_layers::gate::<0>
);

operator!(
    /// `gate_backward(cotangent, x, gates, plan, activation)`.
    GATE_BACKWARD,
    "gate_backward",
    [cotangent: Tensor, x: Tensor, gates: Tensor, plan: Integer, activation: Integer],
    2,
    |torch, arguments| {
        let operation = gate(arguments.tensor(1)?, arguments.integer(3)?, arguments.integer(4)?, true)?;
        prepare::<5>(torch, operation, arguments)
    },
    cuda_layers::gate::<1>
);

operator!(
    /// `self_gate(x, blade, activation)`.
    SELF_GATE,
    "self_gate",
    [x: Tensor, blade: Integer, activation: Integer],
    1,
    |torch, arguments| {
        let operation = self_gate(arguments.tensor(0)?, arguments.integer(1)?, arguments.integer(2)?, false)?;
        prepare::<2>(torch, operation, arguments)
    },
    cuda_layers::self_gate::<0>
);

operator!(
    /// `self_gate_backward(cotangent, x, blade, activation)`.
    SELF_GATE_BACKWARD,
    "self_gate_backward",
    [cotangent: Tensor, x: Tensor, blade: Integer, activation: Integer],
    1,
    |torch, arguments| {
        let operation = self_gate(arguments.tensor(1)?, arguments.integer(2)?, arguments.integer(3)?, true)?;
        prepare::<3>(torch, operation, arguments)
    },
    cuda_layers::self_gate::<1>
);

operator!(
    /// `channel_norm(x, plan, invariant, epsilon, scaling, floor, gain)`.
    CHANNEL_NORM,
    "channel_norm",
    [x: Tensor, plan: Integer, invariant: Integer, epsilon: Float, scaling: Integer, floor: Float, gain: Float],
    1,
    |torch, arguments| prepare::<2>(torch, channel_norm(arguments, 1)?, arguments),
    cuda_layers::norm::<0>
);

operator!(
    /// `channel_norm_backward(cotangent, x, plan, invariant, epsilon, scaling, floor, gain)`.
    CHANNEL_NORM_BACKWARD,
    "channel_norm_backward",
    [
        cotangent: Tensor,
        x: Tensor,
        plan: Integer,
        invariant: Integer,
        epsilon: Float,
        scaling: Integer,
        floor: Float,
        gain: Float
    ],
    1,
    |torch, arguments| prepare::<3>(torch, channel_norm(arguments, 2)?, arguments),
    cuda_layers::norm::<1>
);
