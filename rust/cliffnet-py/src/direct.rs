//! Operators called straight from Python, past torch's dispatcher.
//!
//! For small tensors most of the time of an operator goes into the dispatcher and its argument conversion. Plain
//! CPU tensors need neither; the router in Python sends only those here.

use std::ffi::c_void;

use pyo3::prelude::*;

use crate::bilinear::prepare;
use crate::failure::{Failure, guarded};
use crate::tensor::Tensor;
use crate::torch_abi::{ObjectFunctions, TensorHandle, TorchFunctions, functions};

/// The functions of torch this module needs.
fn torch_with_objects() -> Option<(&'static TorchFunctions, ObjectFunctions)> {
    functions().and_then(|torch| torch.objects.map(|objects| (torch, objects)))
}

/// Whether [`bilinear_direct`] can be called: operators are registered and torch is at least 2.14.
#[pyfunction]
pub(crate) fn has_direct_calls() -> bool {
    torch_with_objects().is_some()
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

/// The product of two plain CPU tensors by a plan.
///
/// The tensors must be strided, without negative bit, and outside of any transform or mode; no derivative is recorded.
///
/// # Errors
/// `ShapeError` when the tensors do not fit the plan; `BackendUnavailableError` when direct calls are not possible.
#[pyfunction]
pub(crate) fn bilinear_direct<'py>(
    left: &Bound<'py, PyAny>,
    right: &Bound<'py, PyAny>,
    plan: i64,
) -> PyResult<Bound<'py, PyAny>> {
    let py = left.py();
    guarded(|| {
        let (torch, objects) = torch_with_objects().ok_or_else(|| {
            Failure::new("BackendUnavailableError", "direct calls need registered operators and torch 2.14")
        })?;
        let left = from_object(torch, objects, left)?;
        let right = from_object(torch, objects, right)?;
        let shape_error = |message: String| Failure::new("ShapeError", message);
        let (out, job) = prepare(torch, &left, &right, plan).map_err(shape_error)?;
        if let Some(job) = job {
            if job.is_small() { job.run(torch) } else { py.detach(|| job.run(torch)) }.map_err(shape_error)?;
        }
        let mut object: *mut c_void = std::ptr::null_mut();
        let handle = out.into_handle();
        // SAFETY: the handle is live, the GIL is held, and `object` is a valid place for the result.
        let status = unsafe { (objects.to_object)(handle, std::ptr::null_mut(), &raw mut object) };
        // SAFETY: the handle is ours and not used again; the Python object holds its own reference.
        drop(unsafe { Tensor::from_handle(torch, handle) });
        if status != 0 || object.is_null() {
            return Err(Failure::new("CliffnetInternalError", "torch failed to wrap a tensor"));
        }
        // SAFETY: `object` is a new reference to a Python tensor.
        Ok(unsafe { Bound::from_owned_ptr(py, object.cast()) })
    })
}
