//! Operators called straight from Python, past torch's dispatcher.
//!
//! For small tensors most of the time of an operator goes into the dispatcher and its argument conversion. Plain
//! CPU tensors need neither; the router in Python sends only those here.

use std::ffi::c_void;

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::failure::{Failure, guarded};
use crate::operator::{Arguments, Kind, OPERATORS, Operator, Value};
use crate::tensor::Tensor;
use crate::torch_abi::{ObjectFunctions, TensorHandle, TorchFunctions, functions};

/// The functions of torch this module needs.
fn torch_with_objects() -> Option<(&'static TorchFunctions, ObjectFunctions)> {
    functions().and_then(|torch| torch.objects.map(|objects| (torch, objects)))
}

/// A tensor handle for a Python tensor.
fn from_object<'t>(
    torch: &'t TorchFunctions,
    objects: ObjectFunctions,
    object: &Bound<'_, PyAny>,
) -> Result<Tensor<'t>, Failure> {
    let mut handle: TensorHandle = std::ptr::null_mut();
    // SAFETY: `object` is a live Python object, the GIL is held, and `handle` is a valid place for the result.
    let status = unsafe { (objects.from_object)(object.as_ptr().cast::<c_void>(), &raw mut handle) };
    if status != 0 {
        return Err(Failure::new("DTypeError", "expected torch tensors"));
    }
    // SAFETY: on success the handle is a new reference that belongs to us.
    let tensor = unsafe { Tensor::from_handle(torch, handle) };
    let mut has_storage = false;
    // SAFETY: the handle is live and `has_storage` is a valid place for the result.
    unsafe { (objects.has_storage)(handle, &raw mut has_storage) };
    if has_storage { Ok(tensor) } else { Err(Failure::new("ShapeError", "expected tensors with memory of their own")) }
}

/// The Python tensor of a handle.
fn to_object<'py>(
    py: Python<'py>,
    objects: ObjectFunctions,
    tensor: &Tensor<'_>,
) -> Result<Bound<'py, PyAny>, Failure> {
    let mut object: *mut c_void = std::ptr::null_mut();
    // SAFETY: the handle is live, the GIL is held, and `object` is a valid place for the result.
    let status = unsafe { (objects.to_object)(tensor.handle(), std::ptr::null_mut(), &raw mut object) };
    if status != 0 || object.is_null() {
        return Err(Failure::new("CliffnetInternalError", "torch failed to wrap a tensor"));
    }
    // SAFETY: `object` is a new reference to a Python tensor.
    Ok(unsafe { Bound::from_owned_ptr(py, object.cast()) })
}

/// An operator as a function of plain CPU tensors.
///
/// The tensors must be strided, without negative bit, and outside of any transform or mode; no derivative is recorded.
/// Raises `ShapeError` when the arguments do not fit.
#[pyclass(frozen, name = "DirectOperator")]
pub(crate) struct DirectOperator {
    operator: &'static Operator,
    torch: &'static TorchFunctions,
    objects: ObjectFunctions,
}

#[pymethods]
impl DirectOperator {
    #[pyo3(signature = (*arguments: "object") -> "object")]
    fn __call__<'py>(&self, arguments: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let py = arguments.py();
        let (operator, torch, objects) = (self.operator, self.torch, self.objects);
        guarded(|| {
            if arguments.len() != operator.arguments.len() {
                let (given, expected) = (arguments.len(), operator.arguments.len());
                return Err(Failure::new("ShapeError", format!("{given} arguments given, expected {expected}")));
            }
            let mut values = Vec::with_capacity(operator.arguments.len());
            for (argument, (name, kind)) in arguments.iter_borrowed().zip(operator.arguments) {
                let wrong = |_| Failure::new("DTypeError", format!("expected a number as {name}"));
                values.push(match kind {
                    Kind::Tensor => Value::Tensor(from_object(torch, objects, &argument)?),
                    Kind::Integer => Value::Integer(argument.extract().map_err(wrong)?),
                    Kind::Float => Value::Float(argument.extract().map_err(wrong)?),
                });
            }
            let arguments = Arguments(values);
            let shape_error = |message: String| Failure::new("ShapeError", message);
            let prepared = (operator.prepare)(torch, &arguments).map_err(shape_error)?;
            if let Some(work) = prepared.work {
                if work.is_small() { work.run(torch) } else { py.detach(|| work.run(torch)) }.map_err(shape_error)?;
            }
            if let [output] = &prepared.outputs[..] {
                return to_object(py, objects, output);
            }
            let outputs: Result<Vec<_>, _> =
                prepared.outputs.iter().map(|output| to_object(py, objects, output)).collect();
            let outputs = PyTuple::new(py, outputs?);
            outputs.map(Bound::into_any).map_err(|error| Failure::new("CliffnetInternalError", error))
        })
    }
}

/// The operator of a name as a direct function; None when torch lacks what that needs (it has it from 2.14 on).
///
/// # Errors
/// `CliffnetInternalError` when there is no such operator.
#[pyfunction]
pub(crate) fn direct_operator(name: &str) -> PyResult<Option<DirectOperator>> {
    guarded(|| {
        let operator = *OPERATORS
            .iter()
            .find(|operator| operator.name == name)
            .ok_or_else(|| Failure::new("CliffnetInternalError", format!("there is no operator {name}")))?;
        Ok(torch_with_objects().map(|(torch, objects)| DirectOperator { operator, torch, objects }))
    })
}
