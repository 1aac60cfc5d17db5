//! Linear maps between channels:
//!
//! * `equivariant_linear(x, weight, bias, maps)`, without a bias if that has no elements;
//! * `equivariant_linear_backward(cotangent, x, weight, maps, needed)`: the gradients of input (1), weight (2) and bias (4,
//!   summed over rows), each if its bit is in `needed` and without elements otherwise.

use std::sync::{Arc, LazyLock, RwLock};

use cliffnet_cpu::{
    Bias, ChannelTensor, Direction, Linear, LinearGradients, LinearProgram, Operand, selected_isa, with_shared_scratch,
};
use cliffnet_plan::{LinearMaps, intern_linear_maps, linear_maps};
use pyo3::prelude::*;

use crate::bilinear::{ById, kept};
use crate::failure::{Failure, guarded};
use crate::operator::{Arguments, Prepared, operator};
use crate::shape::{is_blade_major, output_strides};
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;
use crate::work::{Work, is_small, parallel};

static PROGRAMS: LazyLock<ById<LinearProgram>> = LazyLock::new(RwLock::default);

fn unknown(id: i64) -> String {
    format!(
        "linear maps {id} are not known to this process: an exported program that uses those of a custom metric or basis \
         needs the same maps to be built before it runs"
    )
}

fn program(id: i64) -> Result<Arc<LinearProgram>, String> {
    kept(&PROGRAMS, id, || Ok(LinearProgram::new(&*linear_maps(id).ok_or_else(|| unknown(id))?)))
}

/// Number of a family of linear maps: its blades, the index of the scalar, and entries (out, in, coefficient) by map.
#[pyfunction]
pub(crate) fn intern_maps(blades: usize, scalar: usize, maps: Vec<Vec<(u32, u32, f64)>>) -> PyResult<i64> {
    guarded(|| {
        let maps = LinearMaps::new(blades, scalar, maps).map_err(|error| Failure::new("BladeError", error))?;
        Ok(intern_linear_maps(maps))
    })
}

type MapTable = (usize, usize, Vec<Vec<(u32, u32, f64)>>);

/// Blades, index of the scalar and entries of a family of linear maps.
#[pyfunction]
pub(crate) fn interned_maps(id: i64) -> PyResult<MapTable> {
    guarded(|| {
        let maps = linear_maps(id).ok_or_else(|| Failure::new("CliffnetInternalError", unknown(id)))?;
        Ok((maps.blades(), maps.scalar(), maps.maps().to_vec()))
    })
}

/// A tensor of rows of channels of blades.
struct Rows<'a, 't> {
    tensor: &'a Tensor<'t>,
    sizes: &'a [i64],
    strides: &'a [i64],
}

impl<'a, 't> Rows<'a, 't> {
    fn new(tensor: &'a Tensor<'t>, name: &str, blades: usize) -> Result<Self, String> {
        let (sizes, strides) = tensor.shape()?;
        if sizes.len() < 2 || sizes[sizes.len() - 1] != blades as i64 {
            return Err(format!("{name} has shape {sizes:?}, expected (..., channels, {blades})"));
        }
        Ok(Self { tensor, sizes, strides })
    }

    fn channels(&self) -> i64 {
        self.sizes[self.sizes.len() - 2]
    }

    fn leading(&self) -> &'a [i64] {
        &self.sizes[..self.sizes.len() - 2]
    }

    fn walked(&self) -> Result<ChannelTensor, String> {
        walked(self.tensor, &self.sizes[..self.sizes.len() - 1], self.strides, self.strides[self.sizes.len() - 1])
    }
}

/// A tensor by the axes of `sizes` and a stride between blades.
fn walked(tensor: &Tensor<'_>, sizes: &[i64], strides: &[i64], blade_stride: i64) -> Result<ChannelTensor, String> {
    let data = tensor.data()?;
    let axes = sizes.iter().copied().zip(strides.iter().copied());
    let walked = ChannelTensor::new(Operand { data, blade_stride }, axes);
    if walked.is_walkable() { Ok(walked) } else { Err("more than 64 leading axes".to_owned()) }
}

/// A new tensor of rows of channels.
fn empty_rows<'t>(
    torch: &'t TorchFunctions,
    code: i32,
    leading: &[i64],
    [channels, blades]: [i64; 2],
    blade_major: bool,
) -> Result<(Tensor<'t>, ChannelTensor), String> {
    let sizes: Vec<i64> = leading.iter().copied().chain([channels, blades]).collect();
    let strides = output_strides(&sizes, blade_major);
    let last = sizes.len() - 1;
    let tensor = Tensor::empty(torch, &sizes, &strides, code)?;
    let channels = walked(&tensor, &sizes[..last], &strides, strides[last])?;
    Ok((tensor, channels))
}

/// The weight's memory and strides, if it fits the maps between these channels.
fn checked_weight(
    weight: &Tensor<'_>,
    code: i32,
    program: &LinearProgram,
    inputs: i64,
) -> Result<(i64, *const u8, [i64; 3]), String> {
    let (sizes, strides) = weight.shape()?;
    if weight.dtype()?.0 != code {
        return Err("input and weight have different dtypes".to_owned());
    }
    let &[outputs, given, maps] = sizes else {
        return Err(format!("the weight has shape {sizes:?}, expected (C_out, C_in, maps)"));
    };
    if given != inputs || maps != program.maps() as i64 {
        return Err(format!("the weight has shape {sizes:?}, expected (C_out, {inputs}, {})", program.maps()));
    }
    let data = weight.data()?;
    Ok((outputs, data, [strides[0], strides[1], strides[2]]))
}

/// The bias, if it has elements.
fn checked_bias(bias: &Tensor<'_>, code: i32, leading: &[i64], outputs: i64) -> Result<Option<Bias>, String> {
    let (sizes, strides) = bias.shape()?;
    if sizes.contains(&0) {
        return Ok(None);
    }
    if bias.dtype()?.0 != code {
        return Err("input and bias have different dtypes".to_owned());
    }
    let full: Vec<i64> = leading.iter().copied().chain([outputs]).collect();
    let missing = full.len().checked_sub(sizes.len());
    let fits = |missing: usize| sizes.iter().zip(&full[missing..]).all(|(&size, &whole)| size == 1 || size == whole);
    let Some(missing) = missing.filter(|&missing| !sizes.is_empty() && fits(missing)) else {
        return Err(format!("the bias has shape {sizes:?}, expected ({outputs},) or {full:?}"));
    };
    let mut steps = vec![0; full.len()];
    for (step, (&size, &stride)) in steps[missing..].iter_mut().zip(sizes.iter().zip(strides)) {
        *step = if size == 1 { 0 } else { stride };
    }
    let last = full.len() - 1;
    let is_by_row = steps[..last].iter().any(|&step| step != 0);
    let from = if is_by_row { 0 } else { last };
    Ok(Some(Bias { tensor: walked(bias, &full[from..], &steps[from..], 0)?, is_by_row }))
}

/// What the chunks of a call read and write.
struct Shared<T> {
    linear: Linear,
    operands: T,
    panels: *mut u8,
}

// SAFETY: the pointers lead to tensors and scratch memory that outlive the work; chunks write to disjoint elements.
unsafe impl<T> Sync for Shared<T> {}

/// Weights on their way to a closure.
struct Weight {
    data: *const u8,
    strides: [i64; 3],
}

fn prepare_forward<'t>(torch: &'t TorchFunctions, arguments: &Arguments<'t>) -> Result<Prepared<'t>, String> {
    let program = program(arguments.integer(3)?)?;
    let (code, dtype) = arguments.tensor(0)?.dtype()?;
    let x = Rows::new(arguments.tensor(0)?, "x", program.blades())?;
    let (outputs, data, strides) = checked_weight(arguments.tensor(1)?, code, &program, x.channels())?;
    let bias = checked_bias(arguments.tensor(2)?, code, x.leading(), outputs)?;
    let blades = program.blades() as i64;
    let blade_major = is_blade_major(x.sizes, x.strides);
    let (output, out) = empty_rows(torch, code, x.leading(), [outputs, blades], blade_major)?;
    let rows: i64 = x.leading().iter().product();
    if rows == 0 || outputs == 0 {
        return Ok(Prepared { outputs: vec![output], work: None });
    }
    let isa = selected_isa().map_err(ToString::to_string)?;
    let linear = Linear::new(program, dtype, isa, [x.channels() as usize, outputs as usize], rows as usize);
    let (tiles, work) = (linear.tiles() as i64, linear.work_per_tile());
    let (input, weight) = (x.walked()?, Weight { data, strides });
    let work = Work::new(is_small(tiles, work), move |torch| {
        let weight = &weight;
        with_shared_scratch(linear.panel_bytes(Direction::Forward), |panels| {
            // SAFETY: sizes were checked, the caller keeps the tensors alive, and scratch has room for the panels.
            unsafe { linear.pack_weights(Direction::Forward, weight.data, weight.strides, panels) };
            let shared = Shared { linear, operands: (input, bias, out), panels };
            parallel(torch, tiles, work, &|chunk| {
                let Shared { linear, operands: (input, bias, out), panels } = &shared;
                // SAFETY: as above; the output was just allocated, and chunks are disjoint ranges of rows.
                unsafe { linear.apply(Direction::Forward, *panels, input, bias.as_ref(), out, chunk) };
            })
        })
    });
    Ok(Prepared { outputs: vec![output], work: Some(work) })
}

/// The pass over all blocks of rows, and the sums of what they found for weights and bias.
fn backward_work(
    linear: Linear,
    [cotangent, input]: [ChannelTensor; 2],
    wanted: LinearGradients,
    weight: Weight,
    targets: [Option<*mut u8>; 2],
) -> Work {
    let blocks = linear.blocks() as i64;
    let work_per_block = 2 * linear.work_per_tile() * (linear.tiles() as i64).div_euclid(blocks).max(1);
    Work::new(is_small(blocks, work_per_block), move |torch| {
        let (weight, targets) = (&weight, targets);
        let panel_bytes = linear.panel_bytes(Direction::Transposed).next_multiple_of(64);
        let sum_bytes = linear.sum_bytes() * blocks as usize;
        with_shared_scratch(panel_bytes + sum_bytes, |panels| {
            if wanted.input.is_some() {
                // SAFETY: sizes were checked, the caller keeps the tensors alive, and scratch has room for the panels.
                unsafe { linear.pack_weights(Direction::Transposed, weight.data, weight.strides, panels) };
            }
            let sums = panels.wrapping_add(panel_bytes);
            let shared = Shared { linear, operands: (cotangent, input, wanted), panels };
            parallel(torch, blocks, work_per_block, &|chunk| {
                let Shared { linear, operands: (cotangent, input, wanted), panels } = &shared;
                let sums = panels.wrapping_add(panel_bytes);
                // SAFETY: as above; gradients were just allocated, and blocks of rows are disjoint and have their own sums.
                unsafe { linear.backward(*panels, cotangent, input, wanted, sums, chunk) };
            })?;
            let [weight, bias] = targets;
            if weight.is_some() || bias.is_some() {
                // SAFETY: every block has run; the gradients have the sizes of weight and output channels.
                unsafe { shared.linear.finish(sums, weight, bias) };
            }
            Ok(())
        })
    })
}

fn prepare_backward<'t>(torch: &'t TorchFunctions, arguments: &Arguments<'t>) -> Result<Prepared<'t>, String> {
    let program = program(arguments.integer(3)?)?;
    let needed = arguments.integer(4)?;
    let [by_input, by_weight, by_bias] = [1, 2, 4].map(|bit| needed & bit != 0);
    let (code, dtype) = arguments.tensor(0)?.dtype()?;
    let cotangent = Rows::new(arguments.tensor(0)?, "the cotangent", program.blades())?;
    let x = Rows::new(arguments.tensor(1)?, "x", program.blades())?;
    let (inputs, blades) = (x.channels(), program.blades() as i64);
    let (outputs, data, strides) = checked_weight(arguments.tensor(2)?, code, &program, inputs)?;
    if x.leading() != cotangent.leading() || cotangent.channels() != outputs || x.tensor.dtype()?.0 != code {
        return Err(format!("a cotangent of shape {:?} does not belong to x of {:?}", cotangent.sizes, x.sizes));
    }
    let blade_major = is_blade_major(cotangent.sizes, cotangent.strides) || is_blade_major(x.sizes, x.strides);
    let (x_gradient, out) = if by_input {
        let (tensor, out) = empty_rows(torch, code, x.leading(), [inputs, blades], blade_major)?;
        (tensor, Some(out))
    } else {
        (Tensor::empty(torch, &[0], &[1], code)?, None)
    };
    let weight_sizes = if by_weight { vec![outputs, inputs, program.maps() as i64] } else { vec![0] };
    let weight_gradient = Tensor::empty(torch, &weight_sizes, &output_strides(&weight_sizes, false), code)?;
    let bias_gradient = Tensor::empty(torch, &[if by_bias { outputs } else { 0 }], &[1], code)?;
    let isa = selected_isa().map_err(ToString::to_string)?;
    let rows: i64 = x.leading().iter().product();
    let linear = Linear::new(program, dtype, isa, [inputs as usize, outputs as usize], rows as usize);
    let targets = [
        (by_weight && !weight_sizes.contains(&0)).then(|| weight_gradient.data()).transpose()?,
        (by_bias && outputs > 0).then(|| bias_gradient.data()).transpose()?,
    ];
    let wanted = LinearGradients { input: out, weight: targets[0].is_some(), bias: targets[1].is_some() };
    let (cotangent, input, weight) = (cotangent.walked()?, x.walked()?, Weight { data, strides });
    let work = backward_work(linear, [cotangent, input], wanted, weight, targets);
    Ok(Prepared { outputs: vec![x_gradient, weight_gradient, bias_gradient], work: Some(work) })
}

operator!(
    /// `equivariant_linear(x, weight, bias, maps)`.
    FORWARD,
    "equivariant_linear",
    [x: Tensor, weight: Tensor, bias: Tensor, maps: Integer],
    1,
    prepare_forward
);

operator!(
    /// `equivariant_linear_backward(cotangent, x, weight, maps, needed)`.
    BACKWARD,
    "equivariant_linear_backward",
    [cotangent: Tensor, x: Tensor, weight: Tensor, maps: Integer, needed: Integer],
    3,
    prepare_backward
);
