//! Gate, product with one weight for each channel and path, and norm of each class, in one pass, and its gradients:
//!
//! * `gated_steerable_product(left, right, weight, plan, gate, scalar, squares, epsilon)`;
//! * `gated_steerable_product_backward(cotangent, left, right, weight, plan, gate, scalar, squares, epsilon)`.
//!
//! `gate` is the number of an activation of the blade `scalar`, or -1; `squares` is the plan of the squares of classes, or
//! -1 for no norm.

use std::sync::{Arc, LazyLock, RwLock};

use cliffnet_cpu::{
    Activation, ClassTable, Surroundings, execute_gated, execute_gated_backward, group_rows, partial_bytes,
};
use cliffnet_plan::PlanId;

use crate::bilinear::{ById, kept};
use crate::cuda_gated;
use crate::operands::{Operands, clear};
use crate::operator::{Arguments, Prepared, operator};
use crate::plans::unknown;
use crate::steerable::{Blocks, Partials, Shared, channels, program};
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;
use crate::work::{Work, is_small, parallel};

static TABLES: LazyLock<ById<ClassTable>> = LazyLock::new(RwLock::default);

/// Gate and norm of a call.
pub(crate) struct Around {
    pub(crate) gate: Option<(usize, Activation)>,
    pub(crate) norm: Option<(Arc<ClassTable>, f64)>,
}

impl Around {
    /// The arguments from `first` on, checked against the numbers of blades of operands and product.
    fn of(arguments: &Arguments<'_>, first: usize, sizes: [usize; 3]) -> Result<Self, String> {
        let [gate, scalar, squares] = [0, 1, 2].map(|index| arguments.integer(first + index));
        Self::new([gate?, scalar?, squares?], arguments.float(first + 3)?, sizes)
    }

    /// Activation, scalar blade, plan of squares and epsilon, checked against the numbers of blades of operands and product.
    pub(crate) fn new(
        [gate, scalar, squares]: [i64; 3],
        epsilon: f64,
        [left, right, out]: [usize; 3],
    ) -> Result<Self, String> {
        let gate = match gate {
            -1 => None,
            code => {
                let activation = Activation::from_code(code).ok_or_else(|| format!("there is no activation {code}"))?;
                let scalar = usize::try_from(scalar).map_err(|_| "the scalar blade has a negative index".to_owned())?;
                if scalar >= left.min(right) {
                    return Err(format!("the scalar blade is {scalar}, but an operand has fewer blades"));
                }
                Some((scalar, activation))
            }
        };
        let norm = match squares {
            -1 => None,
            id => {
                let table = kept(&TABLES, id, || {
                    let plan =
                        PlanId::from_i64(id).and_then(cliffnet_plan::get_or_recover).ok_or_else(|| unknown(id))?;
                    ClassTable::new(&plan).ok_or_else(|| format!("plan {id} is not one of the squares of classes"))
                })?;
                if table.size() != out {
                    return Err(format!("the classes are those of {} blades, but the product has {out}", table.size()));
                }
                Some((table, epsilon))
            }
        };
        Ok(Self { gate, norm })
    }

    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings { gate: self.gate, norm: self.norm.as_ref().map(|(table, epsilon)| (&**table, *epsilon)) }
    }
}

/// Multiply-adds that an exponential function and what goes with it stand for.
const GATE_WORK: usize = 40;

fn prepare<'t>(torch: &'t TorchFunctions, arguments: &Arguments<'t>) -> Result<Prepared<'t>, String> {
    let program = program(arguments.integer(3)?)?;
    let around = Around::of(arguments, 4, program.sizes())?;
    let operands = Operands::<3>::new(torch, arguments, 2, program.sizes())?;
    let weight = arguments.tensor(2)?;
    let channels = channels(&program, &operands, weight)?;
    let lanes = operands.geometry.lanes();
    if lanes == 0 || program.sizes().contains(&0) || program.paths() == 0 {
        operands.outputs.iter().try_for_each(|output| clear(output, operands.dtype))?;
        return Ok(Prepared { outputs: operands.outputs, work: None });
    }
    let shared = Shared::new(&program, &operands, weight)?;
    let rows = lanes / channels;
    let group = group_rows(operands.dtype, channels as usize) as i64;
    let groups = (rows + group - 1) / group;
    let work_per_group = group.min(rows) * channels * (program.work() + GATE_WORK) as i64;
    let work = Work::new(is_small(groups, work_per_group), move |torch| {
        parallel(torch, groups, work_per_group, &|chunk| {
            let rows = chunk.start * group..(chunk.end * group).min(rows);
            // SAFETY: sizes were checked against the program and the classes, strides and pointers come from tensors
            // that the caller keeps alive, outputs were allocated above; chunks are disjoint ranges of rows.
            unsafe { execute_gated(shared.call(), around.surroundings(), &shared.geometry, shared.operands, rows) };
        })
    });
    Ok(Prepared { outputs: operands.outputs, work: Some(work) })
}

fn prepare_backward<'t>(torch: &'t TorchFunctions, arguments: &Arguments<'t>) -> Result<Prepared<'t>, String> {
    let program = program(arguments.integer(4)?)?;
    let around = Around::of(arguments, 5, program.sizes())?;
    let [left, right, out] = program.sizes();
    let mut operands = Operands::<5>::new(torch, arguments, 3, [out, left, right, left, right])?;
    let weight = arguments.tensor(3)?;
    let channels = channels(&program, &operands, weight)?;
    let (dtype, lanes, paths) = (operands.dtype, operands.geometry.lanes(), program.paths());
    let by_weight = Tensor::empty(torch, &[channels, paths as i64], &[paths.max(1) as i64, 1], operands.code)?;
    if lanes == 0 || program.sizes().contains(&0) || paths == 0 {
        operands.outputs.push(by_weight);
        operands.outputs.iter().try_for_each(|output| clear(output, dtype))?;
        return Ok(Prepared { outputs: operands.outputs, work: None });
    }
    let shared = Shared::new(&program, &operands, weight)?;
    let target = by_weight.data()?;
    operands.outputs.push(by_weight);
    let rows = lanes / channels;
    let blocks = Blocks::of_rows(rows, group_rows(dtype, channels as usize) as i64);
    let work_per_block = blocks.size.min(rows) * channels * (4 * program.work() + 2 * GATE_WORK) as i64;
    let work = Work::new(is_small(blocks.count, work_per_block), move |torch| {
        let shape = [channels as usize, paths];
        let partials = Partials::new(blocks.count, partial_bytes(dtype, shape));
        parallel(torch, blocks.count, work_per_block, &|chunk| {
            for block in chunk {
                let rows = block * blocks.size..((block + 1) * blocks.size).min(rows);
                let (around, partial) = (around.surroundings(), partials.of(block));
                // SAFETY: as in the product; blocks are disjoint ranges of rows, each with a partial sum of its own.
                unsafe {
                    execute_gated_backward(shared.call(), around, &shared.geometry, shared.operands, rows, partial);
                }
            }
        })?;
        // SAFETY: every block has written its sum; the output was allocated in this shape.
        unsafe { partials.add_up(dtype, 0, shape, target) };
        Ok(())
    });
    Ok(Prepared { outputs: operands.outputs, work: Some(work) })
}

operator!(
    /// `gated_steerable_product(left, right, weight, plan, gate, scalar, squares, epsilon)`.
    PRODUCT,
    "gated_steerable_product",
    [
        left: Tensor,
        right: Tensor,
        weight: Tensor,
        plan: Integer,
        gate: Integer,
        scalar: Integer,
        squares: Integer,
        epsilon: Float
    ],
    1,
    prepare,
    cuda_gated::product
);

operator!(
    /// `gated_steerable_product_backward(cotangent, left, right, weight, plan, gate, scalar, squares, epsilon)`.
    BACKWARD,
    "gated_steerable_product_backward",
    [
        cotangent: Tensor,
        left: Tensor,
        right: Tensor,
        weight: Tensor,
        plan: Integer,
        gate: Integer,
        scalar: Integer,
        squares: Integer,
        epsilon: Float
    ],
    3,
    prepare_backward,
    cuda_gated::backward
);
