//! What can go wrong on the way to a result.

use std::fmt;
use std::path::PathBuf;

/// Why a kernel did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A library, a function of one, or a device that is needed is not there; a sentence that says how to mend it.
    Unavailable(String),
    /// The compiler refused a kernel.
    Compile {
        /// What the compiler said.
        log: String,
        /// The program, where it could be kept.
        source: Option<PathBuf>,
    },
    /// A call of the driver failed.
    Driver {
        /// The function.
        function: &'static str,
        /// Its name of the error and what it means.
        message: String,
    },
    /// A kernel, named here, would have to be compiled or loaded while a graph is captured.
    Capturing(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(message) => formatter.write_str(message),
            Self::Compile { log, source } => {
                let place = source.as_ref().map_or_else(String::new, |path| format!(" of {}", path.display()));
                write!(formatter, "the compilation{place} failed: {}", log.trim())
            }
            Self::Driver { function, message } => write!(formatter, "{function} failed: {message}"),
            Self::Capturing(kernel) => write!(
                formatter,
                "{kernel} would have to be compiled or loaded while a CUDA graph is captured; run the operation once \
                 before the capture, with the same dtype and memory format, or call cliffnet.prepare"
            ),
        }
    }
}

impl std::error::Error for Error {}
