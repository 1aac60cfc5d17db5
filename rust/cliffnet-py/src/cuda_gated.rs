//! Gate, product with one weight for each channel and path, and norm of each class, on CUDA devices.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, RwLock};

use cliffnet_cuda::gated::{Gated, Part};
use cliffnet_cuda::row_norms::{Slots, factors_source};
use cliffnet_cuda::{Classes, Form, Key, Source, Work};

use crate::bilinear::kept;
use crate::cuda::{Accelerator, exactly, storage};
use crate::cuda_call::{Blades, Call};
use crate::cuda_layers::{activation_function, classes};
use crate::cuda_steerable::{self, weighted};
use crate::cuda_sums::{PartialSums, workspace};
use crate::gated::Around;
use crate::operator::Arguments;
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;

/// Kernels by the names they have in the table of kernels; the first two are what ends the operators.
const PARTS: [(&str, Part); 7] = [
    ("gated_steerable_product", Part::Product),
    ("gated_steerable_product_backward", Part::Gradients),
    ("gated_steerable_product: sums", Part::Sums),
    ("gated_steerable_product_backward: sums", Part::BackwardSums),
    ("gated_steerable_product_backward: cotangent", Part::Cotangent),
    ("gated_steerable_product_backward: gates", Part::ByGates),
    ("gated_steerable_product_backward: scalars", Part::ByScalars),
];

/// The factors of rows.
const FACTORS: &str = "gated_steerable_product: factors";

/// Plan, activation, scalar blade and plan of squares, as operators have them.
type Numbers = [i64; 4];

static PRODUCTS: LazyLock<RwLock<HashMap<Numbers, Arc<Gated>>>> = LazyLock::new(RwLock::default);

fn gated(numbers: Numbers) -> Result<Arc<Gated>, String> {
    kept(&PRODUCTS, numbers, || {
        let [plan, gate, scalar, squares] = numbers;
        let weighted = weighted(plan)?;
        let plan = &weighted.plan;
        let around = Around::new([gate, scalar, squares], 0.0, [plan.left_size(), plan.right_size(), plan.out_size()])?;
        let gate = around.gate.map(|(scalar, _)| Ok::<_, String>((scalar, activation_function(gate)?))).transpose()?;
        let classes =
            if around.norm.is_some() { Classes::clone(&*classes(squares)?) } else { Classes::whole(plan.out_size()) };
        Ok(Gated { weighted, gate, classes })
    })
}

/// The kernel of a part of an operator for the numbers it depends on; where no kernel computes all gradients, that of the
/// cotangent stands for it.
pub(crate) fn source(operator: &str, numbers: &[i64], form: Form) -> Result<Source, String> {
    let gated = gated(exactly(operator, numbers)?)?;
    let (_, part) =
        PARTS.iter().find(|(name, _)| *name == operator).ok_or_else(|| format!("{operator} is no kernel"))?;
    let part = if *part == Part::Gradients && !gated.is_one_pass(form.storage) { Part::Cotangent } else { *part };
    Ok(gated.source(part, form))
}

/// Whether [`source`] has a kernel of this name.
pub(crate) fn has(operator: &str) -> bool {
    PARTS.iter().any(|(name, _)| *name == operator)
}

/// What the kernels of a call share.
struct Launch<'c, 't> {
    torch: &'t TorchFunctions,
    accelerator: &'c Accelerator,
    call: Call<'t>,
    gated: Arc<Gated>,
    numbers: Numbers,
    epsilon: f64,
    slots: Slots,
}

impl<'c, 't> Launch<'c, 't> {
    fn new(
        torch: &'t TorchFunctions,
        accelerator: &'c Accelerator,
        arguments: &Arguments<'t>,
        gated: Arc<Gated>,
        (numbers, first): (Numbers, usize),
    ) -> Result<Self, String> {
        let plan = &gated.weighted.plan;
        let [left, right, out] = [plan.left_size(), plan.right_size(), plan.out_size()];
        let storage = storage(arguments.tensor(0)?.element_type()?.1);
        let (inputs, mut outputs) =
            if first == 0 { (vec![left, right], vec![out]) } else { (vec![out, left, right], vec![left, right]) };
        // what kernels hand on follows the outputs
        if first == 1 && !gated.is_one_pass(storage) {
            outputs.push(out);
        }
        if !gated.is_recomputed(storage) {
            outputs.push(out);
        }
        let blades = Blades { inputs: &inputs, weights: &[plan.path_count()], outputs: &outputs };
        let call = Call::new(torch, arguments, &blades)?;
        let (channels, rows) =
            call.leading.split_last().map_or((0, 0), |(&channels, rows)| (channels, rows.iter().product()));
        let epsilon = arguments.float(first + 7)?;
        Ok(Self { torch, accelerator, call, gated, numbers, epsilon, slots: Slots::new(rows, channels) })
    }

    /// Runs a kernel on operands of the call: `count` threads, or one for each lane. `more` follows the lanes.
    ///
    /// # Safety
    /// As [`Accelerator::run`].
    unsafe fn run(&self, part: Part, operands: &[usize], count: Option<i64>, more: &[u64]) -> Result<(), String> {
        let (name, _) = PARTS.iter().find(|(_, known)| *known == part).ok_or("a part has no name")?;
        let lanes = self.call.lanes(operands);
        let mut form = self.call.form(&lanes);
        if matches!(part, Part::ByGates | Part::ByScalars) || !self.gated.is_recomputed(form.storage) {
            // blades are read one by one
            form.vectors = 0;
        }
        let parameters = [&lanes.parameters()[..], more].concat();
        let work = Work { count: count.unwrap_or(lanes.count()), parameters: &parameters };
        let key = Key::new(name, &self.numbers, form);
        // SAFETY: passed on from the caller.
        unsafe { self.accelerator.run(key, self.call.device, work, || self.gated.source(part, form)) }
    }

    /// The factors of rows, for the product or for the gradient, from the operands of [`Part::Sums`].
    ///
    /// # Safety
    /// As [`Accelerator::run`].
    unsafe fn factors(&self, part: Part, operands: &[usize]) -> Result<Tensor<'t>, String> {
        let Slots { channels, rows, count: slots } = self.slots;
        let is_backward = part == Part::BackwardSums;
        let numbers = self.gated.norms() as i64 * (1 + i64::from(is_backward));
        let sums = workspace(self.torch, &self.call, numbers * rows * slots)?;
        let factors = workspace(self.torch, &self.call, numbers * rows)?;
        if numbers == 0 || rows * slots == 0 {
            return Ok(factors);
        }
        let addresses = [sums.data()? as u64, factors.data()? as u64];
        let norms = self.gated.norms() as i64;
        let shape = [norms, rows, slots, channels].map(|number| number as u64);
        let parameters = [&addresses[..], &shape, &[self.epsilon.to_bits()]].concat();
        let work = Work { count: norms * rows, parameters: &parameters };
        let storage = storage(self.call.dtype);
        let key = Key::new(FACTORS, &[is_backward.into()], Form { storage, rank: 0, vectors: 0 });
        // SAFETY: the memory has room for the numbers of all rows; the rest is passed on from the caller.
        unsafe {
            self.run(part, operands, Some(rows * slots), &self.slots.parameters(addresses[0]))?;
            self.accelerator.run(key, self.call.device, work, || factors_source(is_backward, storage))?;
        }
        Ok(factors)
    }

    /// Computes the product without gates and norm in advance where that has to be; returns the operand that kernels
    /// take for the product: `weight` or `product`.
    ///
    /// # Safety
    /// As [`Accelerator::run`].
    unsafe fn product(&self, left: usize, product: usize) -> Result<usize, String> {
        let weight = left + 2;
        if self.gated.is_recomputed(storage(self.call.dtype)) {
            return Ok(weight);
        }
        let operands = [left, left + 1, weight, product];
        // SAFETY: passed on from the caller.
        unsafe {
            cuda_steerable::launch_product(
                self.accelerator,
                &self.call,
                (&*self.gated.weighted, self.numbers[0]),
                operands,
            )?;
        }
        Ok(product)
    }
}

/// The numbers of a call, the plan being argument `first`, and what they stand for.
fn gated_of(arguments: &Arguments<'_>, first: usize) -> Result<(Numbers, Arc<Gated>), String> {
    let [plan, gate, scalar, squares] = [0, 1, 2, 3].map(|index| arguments.integer(first + index));
    let numbers = [plan?, gate?, scalar?, squares?];
    Ok((numbers, gated(numbers)?))
}

/// `gated_steerable_product`.
pub(crate) fn product<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    let (numbers, gated) = gated_of(arguments, 3)?;
    if gated.is_bare() {
        return cuda_steerable::product(torch, accelerator, arguments);
    }
    let mut launch = Launch::new(torch, accelerator, arguments, gated, (numbers, 0))?;
    let Slots { channels, rows, .. } = launch.slots;
    // SAFETY: sizes were checked against plans and classes, strides and addresses come from tensors on one device, factors
    // are those of all rows, and torch keeps memory that is freed for later work on the same stream.
    unsafe {
        let product = launch.product(0, 4)?;
        let factors = launch.factors(Part::Sums, &[0, 1, product])?;
        let more = [channels as u64, rows as u64, factors.data()? as u64];
        launch.run(Part::Product, &[0, 1, product, 3], None, &more)?;
    }
    launch.call.outputs.truncate(1);
    Ok(launch.call.outputs)
}

/// `gated_steerable_product_backward`.
pub(crate) fn backward<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    let (numbers, gated) = gated_of(arguments, 4)?;
    if gated.is_bare() {
        return cuda_steerable::backward(torch, accelerator, arguments);
    }
    let mut launch = Launch::new(torch, accelerator, arguments, gated, (numbers, 1))?;
    let (call, gated, Slots { channels, rows, .. }) = (&launch.call, &launch.gated, launch.slots);
    let sums = PartialSums::new(torch, call, gated.weighted.plan.path_count(), 1)?;
    // SAFETY: as in the product; the partial sums have an element for each chunk, channel and path, and there are gradients
    // by the gates of every lane.
    let by_weight = unsafe {
        let product = launch.product(1, 7)?;
        let factors = launch.factors(Part::BackwardSums, &[0, 1, 2, product])?;
        let factors = factors.data()? as u64;
        if gated.is_one_pass(storage(call.dtype)) {
            let more = [&sums.parameters()?[..], &[factors]].concat();
            launch.run(Part::Gradients, &[0, 1, 2, 3, 4, 5], Some(sums.threads()), &more)?;
        } else {
            let has_gate = gated.gate.is_some();
            let by_gates = workspace(torch, call, if has_gate { 4 * rows * channels } else { 0 })?;
            let more = [channels as u64, rows as u64, factors, by_gates.data()? as u64];
            launch.run(Part::Cotangent, &[0, 1, 2, product, 6], None, &more)?;
            let operands = [6, 1, 2, 3, 4, 5];
            cuda_steerable::launch_gradients(accelerator, call, (&*gated.weighted, numbers[0]), operands, &sums)?;
            if has_gate {
                launch.run(Part::ByGates, &[4, 5], None, &more[3..])?;
                launch.run(Part::ByScalars, &[4, 5], None, &more[3..])?;
            }
        }
        sums.add_up(torch, accelerator, 0)?
    };
    launch.call.outputs.truncate(2);
    launch.call.outputs.push(by_weight);
    Ok(launch.call.outputs)
}
