//! Operators called straight from Python, past torch's dispatcher.
//!
//! For small tensors most of the time of an operator goes into the dispatcher and its argument conversion. Plain
//! CPU tensors in plain eager code need neither. Everything else is handed back with `NotImplemented`, for the router
//! in Python; so are arguments that do not fit, since the router words the errors.

use std::ffi::c_void;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use pyo3::{ffi, intern};

use crate::failure::{Failure, guarded};
use crate::operator::{Arguments, Kind, OPERATORS, Operator, Value};
use crate::surroundings::Surroundings;
use crate::tensor::Tensor;
use crate::torch_abi::{ObjectFunctions, TensorHandle, TorchFunctions, functions};

/// An operator as functions of plain CPU tensors.
#[pyclass(frozen, name = "DirectOperator")]
pub(crate) struct DirectOperator {
    operator: &'static Operator,
    torch: &'static TorchFunctions,
    objects: ObjectFunctions,
    surroundings: &'static Surroundings,
    connections: PyOnceLock<Connections>,
}

/// What an operator needs from Python.
struct Connections {
    /// `apply` of the `torch.autograd.Function` that records derivatives.
    recorder: Py<PyAny>,
    /// Runs the operator where this module does not.
    fallback: Py<PyAny>,
}

#[pymethods]
impl DirectOperator {
    /// Name what records derivatives (called when an argument requires them), and what runs inside it otherwise.
    fn connect(&self, py: Python<'_>, recorder: Py<PyAny>, fallback: Py<PyAny>) -> PyResult<()> {
        let connections = Connections { recorder, fallback };
        self.connections.set(py, connections).map_err(|_| PyRuntimeError::new_err("the operator is connected already"))
    }

    /// Return the operator as a function; it returns `NotImplemented` for all but plain CPU tensors that fit.
    fn function<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        builtin(slf, call)
    }

    /// Return the `forward` of the `torch.autograd.Function`.
    fn forward<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        builtin(slf, forward)
    }
}

/// What became of the arguments of a call.
enum Outcome<'py> {
    Done(Bound<'py, PyAny>),
    NeedsGradient,
    Refused,
}

type Objects<'a> = &'a [*mut ffi::PyObject];

impl DirectOperator {
    /// Runs the operator if the arguments are plain and fit.
    ///
    /// # Safety
    /// `arguments` are live Python objects.
    unsafe fn attempt<'py>(&self, py: Python<'py>, arguments: Objects<'_>) -> Result<Outcome<'py>, Failure> {
        let (operator, torch) = (self.operator, self.torch);
        if arguments.len() != operator.arguments.len() || !self.surroundings.are_plain(py) {
            return Ok(Outcome::Refused);
        }
        let mut values = Vec::with_capacity(arguments.len());
        let mut requires_grad = false;
        for (&argument, (_, kind)) in arguments.iter().zip(operator.arguments) {
            // SAFETY: the caller vouches for the object.
            let number = unsafe { Borrowed::from_ptr(py, argument) };
            let value = match kind {
                // SAFETY: as above.
                Kind::Tensor => unsafe { self.tensor(argument, &mut requires_grad) }.map(Value::Tensor),
                Kind::Integer => number.extract().ok().map(Value::Integer),
                Kind::Float => number.extract().ok().map(Value::Float),
            };
            match value {
                Some(value) => values.push(value),
                None => return Ok(Outcome::Refused),
            }
        }
        // SAFETY: a function without arguments that reads a flag of the thread.
        if requires_grad && unsafe { (torch.is_grad_enabled)() } {
            return Ok(Outcome::NeedsGradient);
        }
        let arguments = Arguments(values);
        let Ok(prepared) = (operator.prepare)(torch, &arguments) else { return Ok(Outcome::Refused) };
        if let Some(work) = prepared.work {
            let done = if work.is_small() { work.run(torch) } else { py.detach(|| work.run(torch)) };
            done.map_err(|message| Failure::new("CliffnetInternalError", message))?;
        }
        if let [output] = &prepared.outputs[..] {
            return Ok(Outcome::Done(self.object(py, output)?));
        }
        let outputs: Result<Vec<_>, _> = prepared.outputs.iter().map(|output| self.object(py, output)).collect();
        let outputs = PyTuple::new(py, outputs?).map_err(|error| Failure::new("CliffnetInternalError", error))?;
        Ok(Outcome::Done(outputs.into_any()))
    }

    /// The handle of a plain tensor with memory of its own.
    ///
    /// # Safety
    /// `object` is a live Python object.
    unsafe fn tensor(&self, object: *mut ffi::PyObject, requires_grad: &mut bool) -> Option<Tensor<'static>> {
        let state = self.surroundings.state();
        let mut handle: TensorHandle = std::ptr::null_mut();
        let mut has_storage = false;
        // SAFETY: the caller vouches for the object, the GIL is held, the places for the results are valid, and on
        // success the handle is a new reference that belongs to us.
        unsafe {
            if !self.surroundings.is_plain_tensor(object)
                || (self.objects.from_object)(object.cast::<c_void>(), &raw mut handle) != 0
            {
                return None;
            }
            let tensor = Tensor::from_handle(self.torch, handle);
            (self.objects.has_storage)(handle, &raw mut has_storage);
            *requires_grad |= state.requires_grad(handle);
            (has_storage && !state.is_negative(handle)).then_some(tensor)
        }
    }

    /// The Python tensor of a handle.
    fn object<'py>(&self, py: Python<'py>, tensor: &Tensor<'_>) -> Result<Bound<'py, PyAny>, Failure> {
        let mut object: *mut c_void = std::ptr::null_mut();
        // SAFETY: the handle is live, the GIL is held, and `object` is a valid place for the result.
        let status = unsafe { (self.objects.to_object)(tensor.handle(), std::ptr::null_mut(), &raw mut object) };
        if status != 0 || object.is_null() {
            return Err(Failure::new("CliffnetInternalError", "torch failed to wrap a tensor"));
        }
        // SAFETY: `object` is a new reference to a Python tensor.
        Ok(unsafe { Bound::from_owned_ptr(py, object.cast()) })
    }

    fn connections(&self, py: Python<'_>) -> PyResult<&Connections> {
        self.connections.get(py).ok_or_else(|| PyRuntimeError::new_err("the operator is not connected"))
    }

    /// Runs the operator, or has its derivatives recorded, or returns `NotImplemented`.
    ///
    /// # Safety
    /// As [`DirectOperator::attempt`].
    unsafe fn run<'py>(&self, py: Python<'py>, arguments: Objects<'_>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: passed on from the caller.
        match guarded(|| unsafe { self.attempt(py, arguments) })? {
            Outcome::Done(result) => Ok(result),
            Outcome::NeedsGradient => {
                // SAFETY: passed on from the caller.
                let arguments = unsafe { tuple(py, arguments) }?;
                match self.connections(py)?.recorder.bind(py).call1(arguments) {
                    // arguments that do not fit: the router runs them again, and words the error
                    Err(error) if error.is_instance_of::<PyRuntimeError>(py) => Ok(py.NotImplemented().into_bound(py)),
                    recorded => recorded,
                }
            }
            Outcome::Refused => Ok(py.NotImplemented().into_bound(py)),
        }
    }

    /// Keeps the arguments in the context, the first one, and runs the operator.
    ///
    /// # Safety
    /// As [`DirectOperator::attempt`].
    unsafe fn record<'py>(&self, py: Python<'py>, arguments: Objects<'_>) -> PyResult<Bound<'py, PyAny>> {
        let Some((&context, arguments)) = arguments.split_first() else {
            return Err(PyRuntimeError::new_err("expected a context"));
        };
        let tensors = self.operator.arguments.iter().filter(|(_, kind)| matches!(kind, Kind::Tensor)).count();
        let (operands, constants) = arguments.split_at(tensors.min(arguments.len()));
        // SAFETY: passed on from the caller.
        unsafe {
            // the attributes that save_for_backward and set_materialize_grads set
            let context = Borrowed::from_ptr(py, context);
            context.setattr(intern!(py, "to_save"), tuple(py, operands)?)?;
            context.setattr(intern!(py, "constants"), tuple(py, constants)?)?;
            context.setattr(intern!(py, "materialize_grads"), false)?;
            match guarded(|| self.attempt(py, arguments))? {
                Outcome::Done(result) => Ok(result),
                _ => self.connections(py)?.fallback.bind(py).call1(tuple(py, arguments)?),
            }
        }
    }
}

/// A tuple of objects.
///
/// # Safety
/// They are live Python objects.
unsafe fn tuple<'py>(py: Python<'py>, objects: Objects<'_>) -> PyResult<Bound<'py, PyTuple>> {
    // SAFETY: the caller vouches for the objects.
    PyTuple::new(py, objects.iter().map(|&object| unsafe { Borrowed::from_ptr(py, object) }))
}

/// A builtin function bound to an operator: the kind that Python calls without making a tuple of the arguments.
fn builtin<'py>(operator: &Bound<'py, DirectOperator>, function: ffi::PyCFunctionFast) -> PyResult<Bound<'py, PyAny>> {
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: c"operator".as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFast: function },
        ml_flags: ffi::METH_FASTCALL,
        ml_doc: std::ptr::null(),
    }));
    // SAFETY: the definition lives for ever, and the flags are those of the function's type.
    unsafe {
        let made = ffi::PyCFunction_NewEx(definition, operator.as_ptr(), std::ptr::null_mut());
        Bound::from_owned_ptr_or_err(operator.py(), made)
    }
}

/// [`DirectOperator::run`] for Python.
unsafe extern "C" fn call(
    operator: *mut ffi::PyObject,
    arguments: *mut *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
) -> *mut ffi::PyObject {
    // SAFETY: Python calls builtins of this kind with the GIL held, the object they are bound to, and `count` arguments.
    unsafe { enter(operator, arguments, count, |direct, py, arguments| direct.run(py, arguments)) }
}

/// [`DirectOperator::record`] for Python.
unsafe extern "C" fn forward(
    operator: *mut ffi::PyObject,
    arguments: *mut *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
) -> *mut ffi::PyObject {
    // SAFETY: Python calls builtins of this kind with the GIL held, the object they are bound to, and `count` arguments.
    unsafe { enter(operator, arguments, count, |direct, py, arguments| direct.record(py, arguments)) }
}

/// Runs the body of a builtin function; an error becomes a Python exception.
///
/// # Safety
/// The GIL is held, `operator` is a `DirectOperator`, and there are `count` live arguments.
unsafe fn enter(
    operator: *mut ffi::PyObject,
    arguments: *mut *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    body: impl for<'py> FnOnce(&DirectOperator, Python<'py>, Objects<'_>) -> PyResult<Bound<'py, PyAny>>,
) -> *mut ffi::PyObject {
    // SAFETY: the caller vouches for the GIL, the operator and the arguments.
    let (py, operator, arguments) = unsafe {
        let py = Python::assume_attached();
        let arguments: Objects<'_> =
            if count == 0 { &[] } else { std::slice::from_raw_parts(arguments, count as usize) };
        (py, Borrowed::from_ptr(py, operator).cast_unchecked::<DirectOperator>(), arguments)
    };
    match body(operator.get(), py, arguments) {
        Ok(result) => result.into_ptr(),
        Err(error) => {
            error.restore(py);
            std::ptr::null_mut()
        }
    }
}

static SURROUNDINGS: PyOnceLock<Surroundings> = PyOnceLock::new();

/// The operator of a name for direct calls; None when torch lacks what that needs (it has it from 2.14 on).
///
/// # Errors
/// `CliffnetInternalError` when there is no such operator.
#[pyfunction]
pub(crate) fn direct_operator(py: Python<'_>, name: &str) -> PyResult<Option<DirectOperator>> {
    let operator = *OPERATORS.iter().find(|operator| operator.name == name).ok_or_else(|| {
        Failure::new("CliffnetInternalError", format!("there is no operator {name}")).into_exception()
    })?;
    let Some(torch) = functions() else { return Ok(None) };
    let (Some(objects), Some(state)) = (torch.objects, torch.state) else { return Ok(None) };
    let surroundings = if let Some(found) = SURROUNDINGS.get(py) {
        found
    } else {
        let Ok(made) = Surroundings::of(py, torch, state) else { return Ok(None) };
        SURROUNDINGS.get_or_init(py, || made)
    };
    Ok(Some(DirectOperator { operator, torch, objects, surroundings, connections: PyOnceLock::new() }))
}
