//! Operators: their schemas, and the two ways they are called, from torch's dispatcher and straight from Python.

use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::attention;
use crate::bilinear;
use crate::class_gate;
use crate::fully_connected;
use crate::gated;
use crate::layers;
use crate::linear;
use crate::product_and_join;
use crate::steerable;
use crate::tensor::Tensor;
use crate::torch_abi::{BoxedKernel, StableValue, TensorHandle, TorchFunctions, functions};
use crate::work::{Work, panic_message};

/// Type of an argument.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Tensor,
    Integer,
    Float,
}

/// An argument of a call.
pub(crate) enum Value<'t> {
    Tensor(Tensor<'t>),
    Integer(i64),
    Float(f64),
}

/// The arguments of a call, of the kinds that the operator declares.
pub(crate) struct Arguments<'t>(pub(crate) Vec<Value<'t>>);

impl<'t> Arguments<'t> {
    /// The tensor at `index`.
    pub(crate) fn tensor(&self, index: usize) -> Result<&Tensor<'t>, String> {
        match self.0.get(index) {
            Some(Value::Tensor(tensor)) => Ok(tensor),
            _ => Err(format!("expected a tensor as argument {index}")),
        }
    }

    /// The integer at `index`.
    pub(crate) fn integer(&self, index: usize) -> Result<i64, String> {
        match self.0.get(index) {
            Some(Value::Integer(value)) => Ok(*value),
            _ => Err(format!("expected an integer as argument {index}")),
        }
    }

    /// The real number at `index`.
    pub(crate) fn float(&self, index: usize) -> Result<f64, String> {
        match self.0.get(index) {
            Some(Value::Float(value)) => Ok(*value),
            _ => Err(format!("expected a number as argument {index}")),
        }
    }
}

/// The outputs of a call, allocated, and the work that fills them. The work points into arguments and outputs: both
/// must outlive it.
pub(crate) struct Prepared<'t> {
    pub(crate) outputs: Vec<Tensor<'t>>,
    pub(crate) work: Option<Work>,
}

/// An operator `cliffnet::name`.
pub(crate) struct Operator {
    /// Name in the namespace `cliffnet`.
    pub(crate) name: &'static str,
    /// Names and types of the arguments.
    pub(crate) arguments: &'static [(&'static str, Kind)],
    /// Number of tensors returned.
    pub(crate) outputs: usize,
    /// Checks the arguments and allocates the outputs.
    pub(crate) prepare: for<'t> fn(&'t TorchFunctions, &Arguments<'t>) -> Result<Prepared<'t>, String>,
    /// What the dispatcher calls.
    pub(crate) kernel: BoxedKernel,
}

/// Declares an operator: `operator!(STATIC, "name", [tensor: Tensor, number: Integer], outputs, prepare)`.
macro_rules! operator {
    ($(#[$attribute:meta])* $operator:ident, $name:literal, [$($argument:ident: $kind:ident),*], $outputs:literal, $prepare:expr) => {
        $(#[$attribute])*
        pub(crate) static $operator: $crate::operator::Operator = {
            /// The boxed kernel.
            unsafe extern "C-unwind" fn kernel(stack: *mut $crate::torch_abi::StableValue, _arguments: u64, _outputs: u64) {
                // SAFETY: the dispatcher calls kernels with the arguments of their schema and room for the outputs.
                unsafe { $crate::operator::run_kernel(&$operator, stack) }
            }
            $crate::operator::Operator {
                name: $name,
                arguments: &[$((stringify!($argument), $crate::operator::Kind::$kind)),*],
                outputs: $outputs,
                prepare: $prepare,
                kernel,
            }
        };
    };
}
pub(crate) use operator;

impl Operator {
    fn schema(&self, name: &str) -> String {
        let arguments: Vec<String> = self
            .arguments
            .iter()
            .map(|(argument, kind)| {
                let kind = match kind {
                    Kind::Tensor => "Tensor",
                    Kind::Integer => "int",
                    Kind::Float => "float",
                };
                format!("{kind} {argument}")
            })
            .collect();
        let outputs = vec!["Tensor"; self.outputs].join(", ");
        let outputs = if self.outputs == 1 { outputs } else { format!("({outputs})") };
        format!("{name}({}) -> {outputs}", arguments.join(", "))
    }

    /// Replaces the arguments on the stack of a boxed kernel by the outputs.
    ///
    /// # Safety
    /// `stack` holds the arguments that the schema names, and has room for the outputs.
    unsafe fn run_boxed(&self, torch: &TorchFunctions, stack: *mut StableValue) -> Result<(), String> {
        let values = self.arguments.iter().enumerate().map(|(index, (_, kind))| {
            // SAFETY: the caller vouches for the arguments; the stack owns its tensors, and they are taken once.
            unsafe {
                let slot = *stack.add(index);
                match kind {
                    Kind::Tensor => Value::Tensor(Tensor::from_handle(torch, slot as TensorHandle)),
                    Kind::Integer => Value::Integer(slot as i64),
                    Kind::Float => Value::Float(f64::from_bits(slot)),
                }
            }
        });
        let arguments = Arguments(values.collect());
        let prepared = (self.prepare)(torch, &arguments)?;
        prepared.work.map_or(Ok(()), |work| work.run(torch))?;
        for (index, output) in prepared.outputs.into_iter().enumerate() {
            // SAFETY: the caller vouches for the room.
            unsafe { *stack.add(index) = output.into_handle() as StableValue };
        }
        Ok(())
    }
}

/// Every operator.
pub(crate) static OPERATORS: &[&Operator] = &[
    &bilinear::BILINEAR,
    &bilinear::BACKWARD,
    &bilinear::DOUBLE_BACKWARD,
    &product_and_join::PRODUCT_AND_JOIN,
    &product_and_join::PRODUCT_AND_JOIN_BACKWARD,
    &attention::FEATURES,
    &attention::FEATURES_BACKWARD,
    &attention::VALUES,
    &steerable::PRODUCT,
    &steerable::BACKWARD,
    &linear::FORWARD,
    &linear::BACKWARD,
    &fully_connected::PRODUCT,
    &fully_connected::BACKWARD,
    &gated::PRODUCT,
    &gated::BACKWARD,
    &class_gate::CLASS_GATE,
    &class_gate::BACKWARD,
    &layers::CLASS_INVARIANTS,
    &layers::CLASS_INVARIANTS_BACKWARD,
    &layers::GATE,
    &layers::GATE_BACKWARD,
    &layers::SELF_GATE,
    &layers::SELF_GATE_BACKWARD,
    &layers::CHANNEL_NORM,
    &layers::CHANNEL_NORM_BACKWARD,
    &PROBE,
];

operator!(
    /// Always panics: it exists so that users and tests can see that a defect in native code surfaces as an exception.
    PROBE,
    "internal_error_probe",
    [input: Tensor],
    1,
    |_, _| panic!("the probe was called")
);

/// Runs the boxed kernel of an operator; errors and panics become torch errors.
///
/// # Safety
/// As [`Operator::run_boxed`], from a boxed kernel.
pub(crate) unsafe fn run_kernel(operator: &Operator, stack: *mut StableValue) {
    let Some(torch) = functions() else { return };
    // SAFETY: passed on from the caller.
    let body = || unsafe { operator.run_boxed(torch, stack) };
    let message = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return,
        Ok(Err(message)) => format!("cliffnet: {message}"),
        Err(payload) => format!("cliffnet internal error: {}", panic_message(payload.as_ref())),
    };
    let message = CString::new(message.replace('\0', " ")).unwrap_or_default();
    // SAFETY: this is a boxed kernel; all owned tensors were dropped with the body.
    unsafe { torch.raise(&message) }
}

/// Defines the operators and their CPU kernels in torch's dispatcher.
///
/// Each has a twin `name_kernel`, which is `name` without the derivatives that Python registers for the latter: calling
/// it skips the Python code in between, which costs several microseconds.
///
/// # Errors
/// When torch refuses a definition.
pub(crate) fn register(torch: &TorchFunctions) -> Result<(), String> {
    let file = c"cliffnet".as_ptr();
    let (mut definitions, mut kernels) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: all strings are NUL-terminated and outlive the calls; torch keeps the two libraries for the life of
    // the process, and the kernels are functions of this library, which Python never unloads.
    unsafe {
        let mut status = (torch.init_fragment)(c"cliffnet".as_ptr(), file, 0, &raw mut definitions);
        status |= (torch.init_implementation)(c"cliffnet".as_ptr(), c"CPU".as_ptr(), file, 0, &raw mut kernels);
        if status != 0 {
            return Err("torch refused the operator library cliffnet".to_owned());
        }
        for operator in OPERATORS {
            for name in [operator.name.to_owned(), format!("{}_kernel", operator.name)] {
                let schema = CString::new(operator.schema(&name)).map_err(|error| error.to_string())?;
                let name = CString::new(name).map_err(|error| error.to_string())?;
                if (torch.define)(definitions, schema.as_ptr()) != 0
                    || (torch.implement)(kernels, name.as_ptr(), operator.kernel) != 0
                {
                    return Err(format!("torch refused the operator {}", name.to_string_lossy()));
                }
            }
        }
    }
    Ok(())
}
