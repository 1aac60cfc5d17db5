//! Invariants of classes, gates and norms over channels on CUDA devices.
//!
//! Kernels depend on a few numbers, see [`source`]; all other numbers of a call are parameters of the kernels.

use std::sync::{Arc, LazyLock, RwLock};

use cliffnet_cpu::{Activation, Invariant, Scaling};
use cliffnet_cuda::gates::{Layer, LayerKernel};
use cliffnet_cuda::{Classes, Form, Function, Key, Source, Work, norms};
use cliffnet_plan::PlanId;

use crate::bilinear::{ById, kept};
use crate::cuda::{Accelerator, exactly};
use crate::cuda_call::{Blades, Call};
use crate::cuda_sums::workspace;
use crate::layers::{activation, blades, class_table, invariant, scaling};
use crate::operator::Arguments;
use crate::plans::unknown;
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;

/// Operators, each with its gradient.
pub(crate) const INVARIANTS: [&str; 2] = ["class_invariants", "class_invariants_backward"];
pub(crate) const GATE: [&str; 2] = ["gate", "gate_backward"];
pub(crate) const SELF_GATE: [&str; 2] = ["self_gate", "self_gate_backward"];
pub(crate) const NORM: [&str; 2] = ["channel_norm", "channel_norm_backward"];

/// What precedes the last kernels of the norms.
const SUMMANDS: [&str; 2] = ["channel_norm: summands", "channel_norm_backward: summands"];
const FACTORS: [&str; 2] = ["channel_norm: factors", "channel_norm_backward: factors"];

/// The number of norms without an epsilon, beside those that name invariants in operators.
const ROOT: i64 = 3;

static CLASSES: LazyLock<ById<Classes>> = LazyLock::new(RwLock::default);

/// The classes of a plan of squares.
pub(crate) fn classes(plan: i64) -> Result<Arc<Classes>, String> {
    kept(&CLASSES, plan, || {
        class_table(plan)?;
        let squares = PlanId::from_i64(plan).and_then(cliffnet_plan::get_or_recover);
        Ok(Classes::of_squares(&*squares.ok_or_else(|| unknown(plan))?))
    })
}

/// The number of an invariant for kernels, which take its epsilon as a parameter; also returned, as bits.
pub(crate) fn invariant_number(code: i64, epsilon: f64) -> Result<(i64, u64), String> {
    let number = if matches!(invariant(code, epsilon)?, Invariant::Norm { epsilon: 0.0 }) { ROOT } else { code };
    Ok((number, epsilon.to_bits()))
}

/// The invariant of a number for kernels.
pub(crate) fn invariant_function(number: i64) -> Result<Function, String> {
    Ok(Function(match number {
        ROOT => "invariant::root",
        _ => match invariant(number, 1.0)? {
            Invariant::Square => "invariant::square",
            Invariant::Magnitude => "invariant::magnitude",
            Invariant::Norm { .. } => "invariant::smooth_root",
        },
    }))
}

/// The activation of a number.
pub(crate) fn activation_function(code: i64) -> Result<Function, String> {
    Ok(Function(match activation(code)? {
        Activation::Identity => "activation::identity",
        Activation::Relu => "activation::relu",
        Activation::Sigmoid => "activation::sigmoid",
        Activation::Silu => "activation::silu",
        Activation::Tanh => "activation::tanh",
        Activation::Gelu => "activation::gelu",
        Activation::GeluTanh => "activation::gelu_tanh",
        Activation::GeluDivide => "activation::gelu_divide",
        Activation::NormalCdf => "activation::normal_cdf",
        Activation::Step => "activation::step",
    }))
}

fn scaling_function(code: i64, floor: f64) -> Result<Function, String> {
    Ok(Function(match scaling(code, floor)? {
        Scaling::InverseRoot { .. } => "scaling::inverse_root",
        Scaling::Inverse { .. } => "scaling::inverse",
    }))
}

/// What an operator computes on every multivector; None where that is not all it does.
fn kernel(operator: &str, numbers: &[i64]) -> Result<Option<LayerKernel>, String> {
    let is_backward = operator.ends_with("_backward");
    let (classes, layer) = match operator {
        _ if INVARIANTS.contains(&operator) => {
            let [plan, invariant] = exactly(operator, numbers)?;
            (classes(plan)?, Layer::Invariants(invariant_function(invariant)?))
        }
        _ if GATE.contains(&operator) => {
            let [plan, activation] = exactly(operator, numbers)?;
            let classes =
                if plan < 0 { Arc::new(Classes::whole(plan.unsigned_abs() as usize)) } else { classes(plan)? };
            (classes, Layer::Gate(activation_function(activation)?))
        }
        _ if SELF_GATE.contains(&operator) => {
            let [size, blade, activation] = exactly(operator, numbers)?;
            if !(0..size).contains(&blade) {
                return Err(format!("there is no blade {blade} among {size}"));
            }
            let layer = Layer::SelfGate(blade as usize, activation_function(activation)?);
            (Arc::new(Classes::whole(size as usize)), layer)
        }
        _ => return Ok(None),
    };
    Ok(Some(LayerKernel::new(classes, layer, is_backward)))
}

/// The kernel of an operator, or one of several, for the numbers it depends on:
///
/// * of invariants, and of the summands and the last kernels of norms, the plan and the invariant, which is 3 for a norm
///   without an epsilon;
/// * of gates the plan, or minus the number of blades where all have one gate, and the activation;
/// * of gates by a blade the number of blades, the blade and the activation;
/// * of the factors of norms the scaling.
pub(crate) fn source(operator: &str, numbers: &[i64], form: Form) -> Result<Source, String> {
    if let Some(kernel) = kernel(operator, numbers)? {
        return Ok(kernel.source(form));
    }
    let is_backward = operator.contains("_backward");
    if FACTORS.contains(&operator) {
        let [scaling] = exactly(operator, numbers)?;
        return Ok(norms::factors_source(scaling_function(scaling, 1.0)?, is_backward, form.storage));
    }
    let [plan, invariant] = exactly(operator, numbers)?;
    let (classes, invariant) = (classes(plan)?, invariant_function(invariant)?);
    Ok(if SUMMANDS.contains(&operator) {
        norms::summands_source(&classes, invariant, is_backward, form)
    } else {
        norms::scaled_source(&classes, invariant, is_backward, form)
    })
}

/// Whether [`source`] has a kernel of this name.
pub(crate) fn has(operator: &str) -> bool {
    [INVARIANTS, GATE, SELF_GATE, NORM, SUMMANDS, FACTORS].iter().any(|names| names.contains(&operator))
}

type Launched<'t> = Result<Vec<Tensor<'t>>, String>;

/// Runs the kernel of an operator that treats every multivector by itself.
fn launch<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
    operator: &'static str,
    (numbers, more): (&[i64], &[u64]),
) -> Launched<'t> {
    let kernel = kernel(operator, numbers)?.ok_or_else(|| format!("{operator} has no kernel of its own"))?;
    let (inputs, outputs) = kernel.sizes();
    let call = Call::new(torch, arguments, &Blades { inputs, weights: &[], outputs })?;
    let lanes = call.all_lanes();
    let form = call.form(&lanes);
    let parameters = [&lanes.parameters()[..], more].concat();
    let work = Work { count: lanes.count(), parameters: &parameters };
    // SAFETY: sizes were checked against the kernel, strides and addresses come from tensors on one device, and torch keeps
    // memory that is freed for later work on the same stream.
    unsafe { accelerator.run(Key::new(operator, numbers, form), call.device, work, || kernel.source(form))? };
    Ok(call.outputs)
}

/// `class_invariants`, or with `BACKWARD` = 1 its gradient.
pub(crate) fn invariants<'t, const BACKWARD: usize>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Launched<'t> {
    let first = 1 + BACKWARD;
    let (invariant, epsilon) = invariant_number(arguments.integer(first + 1)?, arguments.float(first + 2)?)?;
    let numbers = [arguments.integer(first)?, invariant];
    launch(torch, accelerator, arguments, INVARIANTS[BACKWARD], (&numbers, &[epsilon]))
}

/// `gate`, or with `BACKWARD` = 1 its gradient.
pub(crate) fn gate<'t, const BACKWARD: usize>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Launched<'t> {
    let (plan, activation) = (arguments.integer(2 + BACKWARD)?, arguments.integer(3 + BACKWARD)?);
    let plan = if plan < 0 { -(blades(arguments.tensor(BACKWARD)?)? as i64) } else { plan };
    launch(torch, accelerator, arguments, GATE[BACKWARD], (&[plan, activation], &[]))
}

/// `self_gate`, or with `BACKWARD` = 1 its gradient.
pub(crate) fn self_gate<'t, const BACKWARD: usize>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Launched<'t> {
    let (blade, activation) = (arguments.integer(1 + BACKWARD)?, arguments.integer(2 + BACKWARD)?);
    let size = blades(arguments.tensor(BACKWARD)?)? as i64;
    launch(torch, accelerator, arguments, SELF_GATE[BACKWARD], (&[size, blade, activation], &[]))
}

/// `channel_norm`, or with `BACKWARD` = 1 its gradient.
pub(crate) fn norm<'t, const BACKWARD: usize>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Launched<'t> {
    let first = 1 + BACKWARD;
    let plan = arguments.integer(first)?;
    let (invariant, epsilon) = invariant_number(arguments.integer(first + 1)?, arguments.float(first + 2)?)?;
    let (scaling, floor) = (arguments.integer(first + 3)?, arguments.float(first + 4)?);
    let (scale, gain) = (scaling_function(scaling, floor)?, arguments.float(first + 5)?);
    let (classes, function) = (classes(plan)?, invariant_function(invariant)?);
    let inputs = vec![classes.size(); first];
    let call = Call::new(torch, arguments, &Blades { inputs: &inputs, weights: &[], outputs: &[classes.size()] })?;
    for index in 0..first {
        if arguments.tensor(index)?.shape()?.0.split_last().is_none_or(|(_, leading)| leading != call.leading) {
            return Err("expected operands (..., channels, blades) of one shape".to_owned());
        }
    }
    let channels = *call.leading.last().ok_or("expected operands (..., channels, blades) of one shape")?;
    let lanes = call.all_lanes();
    let (count, rows) = (lanes.count(), lanes.count() / channels.max(1));
    // a summand of every lane and a factor of every row, two of each for the gradient
    let memory = workspace(torch, &call, first as i64 * (count + rows))?;
    let summands = memory.data()? as u64;
    let element = if call.dtype == cliffnet_cpu::DType::F64 { 8 } else { 4 };
    let factors = summands + first as u64 * count as u64 * element;
    let read = call.lanes(&(0..first).collect::<Vec<_>>());
    let (form, read_form, is_backward) = (call.form(&lanes), call.form(&read), BACKWARD == 1);
    let numbers = [plan, invariant];
    let run = |key, count, parameters: &[u64], make: &dyn Fn() -> Source| {
        // SAFETY: sizes were checked against the classes, strides and addresses come from tensors on one device, the
        // memory has room for all summands and factors, and torch keeps it, once freed, for later work on the stream.
        unsafe { accelerator.run(key, call.device, Work { count, parameters }, make) }
    };
    run(
        Key::new(SUMMANDS[BACKWARD], &numbers, read_form),
        count,
        &[&read.parameters()[..], &[summands, epsilon]].concat(),
        &|| norms::summands_source(&classes, function, is_backward, read_form),
    )?;
    run(
        Key::new(FACTORS[BACKWARD], &[scaling], Form { rank: 0, vectors: 0, ..form }),
        if count == 0 { 0 } else { rows },
        &[summands, factors, rows as u64, channels as u64, floor.to_bits(), gain.to_bits()],
        &|| norms::factors_source(scale, is_backward, form.storage),
    )?;
    run(
        Key::new(NORM[BACKWARD], &numbers, form),
        count,
        &[&lanes.parameters()[..], &[factors, rows as u64, channels as u64, epsilon]].concat(),
        &|| norms::scaled_source(&classes, function, is_backward, form),
    )?;
    Ok(call.outputs)
}
