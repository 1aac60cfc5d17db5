//! What surrounds an eager call: modes, transforms and flags that make plain tensors mean more than their numbers.
//!
//! The questions are those that the router in Python asks by torch's Python functions; here each costs a few
//! nanoseconds instead of fifty.

use std::ffi::c_void;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};

use crate::torch_abi::{TensorHandle, TorchFunctions};

/// Dispatch keys that are active under transforms of `torch.func` and while a graph is traced.
const KEYS: [&str; 3] = ["FuncTorchDynamicLayerFrontMode", "FuncTorchDynamicLayerBackMode", "Tracer"];

/// Functions of torch that tell the state of the calling thread and of a tensor.
#[derive(Clone, Copy)]
pub(crate) struct StateFunctions {
    pub(crate) dispatch_modes: unsafe extern "C" fn() -> i64,
    pub(crate) function_modes: unsafe extern "C" fn() -> i64,
    pub(crate) is_autocasting: unsafe extern "C" fn(i8) -> bool,
    pub(crate) is_profiling: unsafe extern "C" fn() -> bool,
    pub(crate) is_key_included: unsafe extern "C" fn(u16) -> bool,
    pub(crate) is_negative: unsafe extern "C" fn(TensorHandle) -> bool,
    pub(crate) requires_grad: unsafe extern "C" fn(*const c_void) -> bool,
}

impl StateFunctions {
    /// Whether the numbers behind a tensor are the negatives of those in its memory.
    ///
    /// # Safety
    /// The handle is live.
    pub(crate) unsafe fn is_negative(&self, tensor: TensorHandle) -> bool {
        // SAFETY: bool at::native::is_neg(at::Tensor const&), and a handle is the address of an at::Tensor.
        unsafe { (self.is_negative)(tensor) }
    }

    /// Whether derivatives by a tensor are recorded.
    ///
    /// # Safety
    /// The handle is live.
    pub(crate) unsafe fn requires_grad(&self, tensor: TensorHandle) -> bool {
        // SAFETY: bool c10::TensorImpl::requires_grad() const; an at::Tensor is one pointer to its c10::TensorImpl.
        unsafe { (self.requires_grad)(*tensor.cast::<*const c_void>()) }
    }
}

/// What is looked up once in the imported torch.
pub(crate) struct Surroundings {
    state: StateFunctions,
    keys: [u16; KEYS.len()],
    /// `torch.Tensor` and `torch.nn.Parameter`.
    plain: [Py<PyType>; 2],
    /// Variables of `torch.autograd.forward_ad`, and the name of the one that holds the level.
    forward_mode: (Py<PyDict>, Py<PyString>),
    cpu: i8,
}

impl Surroundings {
    /// Looks up types, keys and variables.
    ///
    /// # Errors
    /// When torch lacks one of them.
    pub(crate) fn of(py: Python<'_>, torch: &TorchFunctions, state: StateFunctions) -> PyResult<Self> {
        let module = py.import("torch")?;
        let parse = module.getattr("_C")?.getattr("_dispatch_key_parse")?;
        let mut keys = [0; KEYS.len()];
        for (key, name) in keys.iter_mut().zip(KEYS) {
            *key = parse.call1((name,))?.getattr("value")?.extract()?;
        }
        let plain = |class: Bound<'_, PyAny>| Ok::<_, PyErr>(class.cast_into::<PyType>()?.unbind());
        Ok(Self {
            state,
            keys,
            plain: [plain(module.getattr("Tensor")?)?, plain(module.getattr("nn")?.getattr("Parameter")?)?],
            forward_mode: (
                py.import("torch.autograd.forward_ad")?.dict().unbind(),
                PyString::intern(py, "_current_level").unbind(),
            ),
            cpu: torch.cpu as i8,
        })
    }

    /// The questions about single tensors.
    pub(crate) fn state(&self) -> &StateFunctions {
        &self.state
    }

    /// Whether plain tensors mean plain eager code: no transform, mode, tangent, tracer, profiler or autocast.
    pub(crate) fn are_plain(&self, py: Python<'_>) -> bool {
        let state = &self.state;
        // SAFETY: functions without side effects, of the types that torch's headers declare: TorchDispatchModeTLS::stack_len
        // and PythonTorchFunctionTLS::stack_len, at::autocast::is_autocast_enabled, profilerEnabled and
        // tls_is_dispatch_key_included.
        let undisturbed = unsafe {
            (state.dispatch_modes)() == 0
                && (state.function_modes)() == 0
                && !(state.is_autocasting)(self.cpu)
                && !(state.is_profiling)()
                && !self.keys.iter().any(|&key| (state.is_key_included)(key))
        };
        undisturbed && !self.has_tangents(py)
    }

    /// Whether a level of forward-mode differentiation is open.
    fn has_tangents(&self, py: Python<'_>) -> bool {
        let (variables, name) = &self.forward_mode;
        // SAFETY: the GIL is held, both objects are live, and what is returned is borrowed from the dictionary.
        let level = unsafe { ffi::PyDict_GetItemWithError(variables.as_ptr(), name.as_ptr()) };
        if level.is_null() {
            return true;
        }
        // SAFETY: a borrowed reference that nothing can drop before the next line has read it.
        let level = unsafe { Borrowed::from_ptr(py, level) };
        level.extract::<i64>().map_or(true, |level| level >= 0)
    }

    /// Whether an object is a tensor of no subclass that changes what operators mean.
    ///
    /// # Safety
    /// `object` is a live Python object.
    pub(crate) unsafe fn is_plain_tensor(&self, object: *mut ffi::PyObject) -> bool {
        // SAFETY: passed on from the caller.
        let class = unsafe { ffi::Py_TYPE(object) };
        self.plain.iter().any(|plain| plain.as_ptr() == class.cast())
    }
}
