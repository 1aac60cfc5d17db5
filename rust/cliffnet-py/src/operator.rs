//! Operators: their schemas, and the two ways they are called, from torch's dispatcher and straight from Python.

use std::ffi::{CStr, CString};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::attention;
use crate::bilinear;
use crate::class_gate;
use crate::cuda::{Accelerator, accelerator};
use crate::fully_connected;
use crate::gated;
use crate::layers;
use crate::linear;
use crate::product_and_join;
use crate::segments;
use crate::steerable;
use crate::tensor::Tensor;
use crate::torch_abi::{BoxedKernel, LibraryHandle, StableValue, TensorHandle, TorchFunctions, functions};
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
    /// Whether there is a CPU kernel; if not, `prepare` refuses all arguments.
    pub(crate) is_on_cpu: bool,
    /// What the dispatcher calls.
    pub(crate) kernel: BoxedKernel,
    /// The same on CUDA devices, where there is a kernel.
    pub(crate) cuda: Option<CudaKernel>,
}

/// An operator on CUDA devices.
pub(crate) struct CudaKernel {
    /// Checks the arguments, allocates the outputs and launches what fills them.
    pub(crate) launch: for<'t> fn(&'t TorchFunctions, &Accelerator, &Arguments<'t>) -> Result<Vec<Tensor<'t>>, String>,
    /// What the dispatcher calls.
    pub(crate) kernel: BoxedKernel,
}

/// Declares an operator: `operator!(STATIC, "name", [tensor: Tensor, number: Integer], outputs, prepare)`; what launches
/// its CUDA kernel may follow. With `cuda launch` in the place of `prepare` it has no CPU kernel.
macro_rules! operator {
    (@cuda $operator:ident) => { None };
    (@cuda $operator:ident $launch:expr) => {{
        /// The boxed kernel.
        unsafe extern "C-unwind" fn kernel(stack: *mut $crate::torch_abi::StableValue, _arguments: u64, _outputs: u64) {
            // SAFETY: the dispatcher calls kernels with the arguments of their schema and room for the outputs.
            unsafe { $crate::operator::run_cuda_kernel(&$operator, stack) }
        }
        Some($crate::operator::CudaKernel { launch: $launch, kernel })
    }};
    ($(#[$attribute:meta])* $operator:ident, $name:literal, [$($argument:ident: $kind:ident),*], $outputs:literal, cuda $launch:expr) => {
        operator!(
            @declare $(#[$attribute])* $operator, $name, [$($argument: $kind),*], $outputs, false,
            |_, _| Err("the operator has no CPU kernel".to_owned()), $launch
        );
    };
    ($(#[$attribute:meta])* $operator:ident, $name:literal, [$($argument:ident: $kind:ident),*], $outputs:literal, $prepare:expr $(, $launch:expr)?) => {
        operator!(
            @declare $(#[$attribute])* $operator, $name, [$($argument: $kind),*], $outputs, true, $prepare $(, $launch)?
        );
    };
    (@declare $(#[$attribute:meta])* $operator:ident, $name:literal, [$($argument:ident: $kind:ident),*], $outputs:literal, $is_on_cpu:literal, $prepare:expr $(, $launch:expr)?) => {
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
                is_on_cpu: $is_on_cpu,
                kernel,
                cuda: operator!(@cuda $operator $($launch)?),
            }
        };
    };
}
pub(crate) use operator;

impl Operator {
    /// The names it is registered under.
    fn twins(&self) -> [String; 2] {
        [self.name.to_owned(), format!("{}_kernel", self.name)]
    }

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

    fn run<'t>(&self, torch: &'t TorchFunctions, arguments: &Arguments<'t>) -> Result<Vec<Tensor<'t>>, String> {
        let prepared = (self.prepare)(torch, arguments)?;
        prepared.work.map_or(Ok(()), |work| work.run(torch))?;
        Ok(prepared.outputs)
    }

    fn run_on_cuda<'t>(&self, torch: &'t TorchFunctions, arguments: &Arguments<'t>) -> Result<Vec<Tensor<'t>>, String> {
        let Some(cuda) = &self.cuda else { return Err("the operator has no CUDA kernel".to_owned()) };
        (cuda.launch)(torch, &*accelerator(arguments)?, arguments)
    }

    /// Replaces the arguments on the stack of a boxed kernel by the outputs of `run`.
    ///
    /// # Safety
    /// `stack` holds the arguments that the schema names, and has room for the outputs.
    unsafe fn run_boxed<'t>(
        &self,
        torch: &'t TorchFunctions,
        stack: *mut StableValue,
        run: impl FnOnce(&Arguments<'t>) -> Result<Vec<Tensor<'t>>, String>,
    ) -> Result<(), String> {
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
        for (index, output) in run(&arguments)?.into_iter().enumerate() {
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
    &segments::SEGMENT_SUM,
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
    unsafe {
        raise_failure(torch, || operator.run_boxed(torch, stack, |arguments| operator.run(torch, arguments)));
    }
}

/// Runs the boxed CUDA kernel of an operator; errors and panics become torch errors.
///
/// # Safety
/// As [`Operator::run_boxed`], from a boxed kernel.
pub(crate) unsafe fn run_cuda_kernel(operator: &Operator, stack: *mut StableValue) {
    let Some(torch) = functions() else { return };
    // SAFETY: passed on from the caller.
    unsafe {
        raise_failure(torch, || operator.run_boxed(torch, stack, |arguments| operator.run_on_cuda(torch, arguments)));
    }
}

/// Runs `body`; errors and panics become torch errors.
///
/// # Safety
/// From a boxed kernel; `body` leaves no owned tensors behind.
unsafe fn raise_failure(torch: &TorchFunctions, body: impl FnOnce() -> Result<(), String>) {
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
    let library = OperatorLibrary::open(torch, c"cliffnet", c"CPU")?;
    OPERATORS.iter().flat_map(|operator| operator.twins().map(|name| (operator, name))).try_for_each(
        |(operator, name)| {
            library.define(&operator.schema(&name))?;
            if operator.is_on_cpu { library.implement(&name, operator.kernel) } else { Ok(()) }
        },
    )
}

/// Adds the CUDA kernels to operators that are defined; returns the names of those that have one.
///
/// # Errors
/// When torch refuses a kernel.
pub(crate) fn register_cuda(torch: &TorchFunctions) -> Result<Vec<&'static str>, String> {
    let library = OperatorLibrary::open(torch, c"cliffnet", c"CUDA")?;
    cuda_kernels()
        .map(|(operator, kernel)| {
            operator.twins().into_iter().try_for_each(|name| library.implement(&name, kernel)).map(|()| operator.name)
        })
        .collect()
}

/// Defines the operators once more, unless it was done before, in the namespace `cliffnet_host`, where the CUDA kernels
/// take CPU tensors: with a driver that runs them on the processor, tests see all of their way without a GPU.
///
/// # Errors
/// When torch refuses a definition.
pub(crate) fn register_host(torch: &TorchFunctions, is_done: bool) -> Result<Vec<&'static str>, String> {
    if is_done {
        return Ok(cuda_kernels().map(|(operator, _)| operator.name).collect());
    }
    let library = OperatorLibrary::open(torch, c"cliffnet_host", c"CPU")?;
    cuda_kernels()
        .map(|(operator, kernel)| {
            library.define(&operator.schema(operator.name))?;
            library.implement(operator.name, kernel).map(|()| operator.name)
        })
        .collect()
}

fn cuda_kernels() -> impl Iterator<Item = (&'static &'static Operator, BoxedKernel)> {
    OPERATORS.iter().filter_map(|operator| operator.cuda.as_ref().map(|cuda| (operator, cuda.kernel)))
}

/// A library of torch that definitions and kernels are added to.
struct OperatorLibrary<'t> {
    torch: &'t TorchFunctions,
    definitions: LibraryHandle,
    kernels: LibraryHandle,
}

impl<'t> OperatorLibrary<'t> {
    fn open(torch: &'t TorchFunctions, namespace: &'static CStr, key: &'static CStr) -> Result<Self, String> {
        let file = c"cliffnet".as_ptr();
        let (mut definitions, mut kernels) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: all strings are NUL-terminated constants, and torch keeps the two libraries for the life of the process.
        let status = unsafe {
            (torch.init_fragment)(namespace.as_ptr(), file, 0, &raw mut definitions)
                | (torch.init_implementation)(namespace.as_ptr(), key.as_ptr(), file, 0, &raw mut kernels)
        };
        if status != 0 {
            return Err(format!("torch refused the operator library {}", namespace.to_string_lossy()));
        }
        Ok(Self { torch, definitions, kernels })
    }

    fn define(&self, schema: &str) -> Result<(), String> {
        let text = CString::new(schema).map_err(|error| error.to_string())?;
        // SAFETY: the library is open and the string outlives the call.
        let status = unsafe { (self.torch.define)(self.definitions, text.as_ptr()) };
        if status == 0 { Ok(()) } else { Err(format!("torch refused the operator {schema}")) }
    }

    fn implement(&self, name: &str, kernel: BoxedKernel) -> Result<(), String> {
        let text = CString::new(name).map_err(|error| error.to_string())?;
        // SAFETY: as above; kernels are functions of this library, which Python never unloads.
        let status = unsafe { (self.torch.implement)(self.kernels, text.as_ptr(), kernel) };
        if status == 0 { Ok(()) } else { Err(format!("torch refused a kernel of the operator {name}")) }
    }
}
