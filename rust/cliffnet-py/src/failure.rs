//! Errors of the native crates as exceptions of `cliffnet.errors`.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::work::panic_message;

/// An error and the class of `cliffnet.errors` it becomes.
pub(crate) struct Failure {
    class: &'static str,
    message: String,
}

impl Failure {
    pub(crate) fn new(class: &'static str, message: impl Display) -> Self {
        Self { class, message: message.to_string() }
    }

    pub(crate) fn into_exception(self) -> PyErr {
        Python::attach(|py| {
            let class = py.import("cliffnet.errors").and_then(|module| module.getattr(self.class));
            match class.and_then(|class| Ok(class.cast_into::<PyType>()?)) {
                Ok(class) => PyErr::from_type(class, self.message),
                Err(error) => error,
            }
        })
    }
}

/// Runs `body`; a failure becomes its exception, a panic becomes `CliffnetInternalError`.
pub(crate) fn guarded<T>(body: impl FnOnce() -> Result<T, Failure>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|payload| {
            Err(Failure::new(
                "CliffnetInternalError",
                format!("{}; please report this", panic_message(payload.as_ref())),
            ))
        })
        .map_err(Failure::into_exception)
}
