//! Products by unweighted plans and their derivatives:
//!
//! * `bilinear(left, right, plan)`;
//! * `bilinear_backward(cotangent, left, right, plan)`: both gradients in one pass over memory;
//! * `bilinear_double_backward(left_cotangent, right_cotangent, cotangent, left, right, plan)`: the derivatives of those.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use cliffnet_cpu::{Axis, Geometry, Operand, Operation, Program, Step, execute, selected_isa, tile_lanes};
use cliffnet_plan::PlanId;

use crate::cuda_bilinear;
use crate::operator::{Arguments, Prepared, operator};
use crate::pages::advise_large_pages;
use crate::plans::unknown;
use crate::shape::{broadcast, broadcast_stride, is_blade_major, output_strides};
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;
use crate::work::{Work, is_small, parallel};

/// Numbers in a hash table whose keys are hashes already.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_i64(&mut self, id: i64) {
        self.0 = id as u64;
    }
}

pub(crate) type ById<T> = RwLock<HashMap<i64, Arc<T>, BuildHasherDefault<IdHasher>>>;

/// The entry of an id, or of several, made on first use; what ids name is never freed, so neither are these.
pub(crate) fn kept<K: Eq + Hash, T, S: BuildHasher>(
    table: &RwLock<HashMap<K, Arc<T>, S>>,
    id: K,
    make: impl FnOnce() -> Result<T, String>,
) -> Result<Arc<T>, String> {
    if let Some(found) = table.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
        return Ok(Arc::clone(found));
    }
    let made = make()?;
    let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
    Ok(Arc::clone(table.entry(id).or_insert_with(|| Arc::new(made))))
}

static PROGRAMS: LazyLock<ById<Program>> = LazyLock::new(RwLock::default);
static PRODUCTS: LazyLock<ById<Operation>> = LazyLock::new(RwLock::default);
static BACKWARDS: LazyLock<ById<Operation>> = LazyLock::new(RwLock::default);
static DOUBLE_BACKWARDS: LazyLock<ById<Operation>> = LazyLock::new(RwLock::default);

/// The program of a plan, compiled on first use.
pub(crate) fn program(id: i64) -> Result<Arc<Program>, String> {
    kept(&PROGRAMS, id, || {
        let plan = PlanId::from_i64(id).and_then(cliffnet_plan::get_or_recover).ok_or_else(|| unknown(id))?;
        Program::new(&plan).ok_or_else(|| format!("plan {id} is weighted; bilinear takes unweighted plans"))
    })
}

/// The programs of the gradients by the left and the right operand.
pub(crate) fn gradient_programs(id: i64) -> Result<[Arc<Program>; 2], String> {
    program(id)?;
    let (left, right) = PlanId::from_i64(id).and_then(cliffnet_plan::gradients).ok_or_else(|| unknown(id))?;
    Ok([program(left.as_i64())?, program(right.as_i64())?])
}

/// Step `out (+)= left * right`.
pub(crate) fn step(program: &Arc<Program>, [left, right, out]: [usize; 3]) -> Step {
    Step { program: Arc::clone(program), left, right, out }
}

pub(crate) fn operation(inputs: usize, outputs: usize, steps: Vec<Step>) -> Result<Operation, String> {
    Operation::new(inputs, outputs, steps).map_err(|error| error.to_string())
}

/// Operands left, right; output.
fn product(id: i64) -> Result<Arc<Operation>, String> {
    kept(&PRODUCTS, id, || operation(2, 1, vec![step(&program(id)?, [0, 1, 2])]))
}

/// Operands cotangent, left, right; outputs the gradients of left and right.
fn backward(id: i64) -> Result<Arc<Operation>, String> {
    kept(&BACKWARDS, id, || {
        let [by_left, by_right] = gradient_programs(id)?;
        operation(3, 2, vec![step(&by_left, [0, 2, 3]), step(&by_right, [1, 0, 4])])
    })
}

/// Operands: cotangents of the two gradients, cotangent, left, right; outputs the gradients of the last three.
fn double_backward(id: i64) -> Result<Arc<Operation>, String> {
    kept(&DOUBLE_BACKWARDS, id, || {
        let [by_left, by_right] = gradient_programs(id)?;
        let forward = program(id)?;
        let steps = vec![
            step(&forward, [0, 4, 5]),
            step(&forward, [3, 1, 5]),
            step(&by_left, [2, 1, 6]),
            step(&by_right, [0, 2, 7]),
        ];
        operation(5, 3, steps)
    })
}

/// The outputs of an operation with `N` operands, and the work that fills them.
///
/// Outputs have the broadcast leading shape of the inputs, and are blade-major if an input of that shape is.
fn prepare<'t, const N: usize>(
    torch: &'t TorchFunctions,
    operation: Arc<Operation>,
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
            None => return Err("expected tensors with a blade axis, got a 0-dimensional tensor".to_owned()),
            Some(&given) if given != expected => {
                return Err(format!("the last axis of operand {index} is {given}, but the plan has {expected} blades"));
            }
            Some(_) => operands[index] = Operand { data: tensor.data()?, blade_stride: shape.1[shape.1.len() - 1] },
        }
    }
    let shapes = &shapes[..inputs];
    let leading = broadcast(shapes.iter().map(|(sizes, _)| &sizes[..sizes.len() - 1]))?;
    let rank = leading.len();
    let blade_major =
        shapes.iter().any(|(sizes, strides)| sizes[..sizes.len() - 1] == leading[..] && is_blade_major(sizes, strides));
    let mut outputs = Vec::with_capacity(N - inputs);
    let mut output_steps = Vec::with_capacity(N - inputs);
    for (operand, &size) in operands.iter_mut().zip(operation.sizes()).skip(inputs) {
        let mut sizes = Vec::with_capacity(rank + 1);
        sizes.extend_from_slice(&leading);
        sizes.push(size as i64);
        let strides = output_strides(&sizes, blade_major);
        let output = Tensor::empty(torch, &sizes, &strides, code)?;
        let data = output.data()?;
        advise_large_pages(data, sizes.iter().product::<i64>() as usize * dtype.size());
        *operand = Operand { data, blade_stride: strides[rank] };
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
    if operation.sizes().contains(&0) {
        // an operand without blades may have no memory at all, and the sum over no terms is zero
        for (output, &size) in outputs.iter().zip(&operation.sizes()[inputs..]) {
            let bytes = geometry.lanes() as usize * size * dtype.size();
            if bytes > 0 {
                // SAFETY: the output was just allocated with that many bytes, without gaps; all-zero bits are zeros.
                unsafe { output.data()?.write_bytes(0, bytes) };
            }
        }
        return Ok(Prepared { outputs, work: None });
    }
    if !geometry.is_walkable() {
        return Err("more than 64 leading axes".to_owned());
    }
    if operands.iter().any(|operand| operand.data.is_null()) {
        return Err("expected tensors with memory".to_owned());
    }
    let isa = selected_isa().map_err(ToString::to_string)?;
    let tile = tile_lanes(dtype);
    let work_per_tile = tile * operation.work() as i64;
    let lanes = geometry.lanes();
    let tiles = (lanes + tile - 1) / tile;
    let shared = Shared { operation, geometry, operands };
    let work = Work::new(is_small(tiles, work_per_tile), move |torch| {
        parallel(torch, tiles, work_per_tile, &|chunk| {
            let Shared { operation, geometry, operands } = &shared;
            let lanes = chunk.start * tile..(chunk.end * tile).min(lanes);
            // SAFETY: sizes were checked against the operation, strides and pointers come from tensors that the caller
            // keeps alive, outputs were allocated above; chunks are disjoint ranges of lanes.
            unsafe { execute(operation, dtype, isa, geometry, *operands, lanes) };
        })
    });
    Ok(Prepared { outputs, work: Some(work) })
}

/// What the chunks of an operation read.
struct Shared<const N: usize> {
    operation: Arc<Operation>,
    geometry: Geometry<N>,
    operands: [Operand; N],
}

// SAFETY: the operands point into tensors that outlive the work; chunks write to disjoint elements.
unsafe impl<const N: usize> Sync for Shared<N> {}

operator!(
    /// `bilinear(left, right, plan)`.
    BILINEAR,
    "bilinear",
    [left: Tensor, right: Tensor, plan: Integer],
    1,
    |torch, arguments| prepare::<3>(torch, product(arguments.integer(2)?)?, arguments),
    cuda_bilinear::product
);

operator!(
    /// `bilinear_backward(cotangent, left, right, plan)`.
    BACKWARD,
    "bilinear_backward",
    [cotangent: Tensor, left: Tensor, right: Tensor, plan: Integer],
    2,
    |torch, arguments| prepare::<5>(torch, backward(arguments.integer(3)?)?, arguments),
    cuda_bilinear::backward
);

operator!(
    /// `bilinear_double_backward(left_cotangent, right_cotangent, cotangent, left, right, plan)`.
    DOUBLE_BACKWARD,
    "bilinear_double_backward",
    [left_cotangent: Tensor, right_cotangent: Tensor, cotangent: Tensor, left: Tensor, right: Tensor, plan: Integer],
    3,
    |torch, arguments| prepare::<8>(torch, double_backward(arguments.integer(5)?)?, arguments),
    cuda_bilinear::double_backward
);
