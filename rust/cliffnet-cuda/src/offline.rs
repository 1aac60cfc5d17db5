//! Kernels for a device that is elsewhere: compiled into the cache, and neither loaded nor run.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::engine::Key;
use crate::{Cache, Compiler, Error, Maker, Source};

/// Compiler and cache for one architecture.
pub struct Offline {
    maker: Maker,
    architecture: i32,
    asked: Mutex<HashSet<Key>>,
}

impl Offline {
    /// Compiles for an architecture, such as 90.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the compiler does not know it.
    pub fn new(compiler: Compiler, cache: Cache, architecture: i32) -> Result<Self, Error> {
        compiler.check_architecture(architecture)?;
        Ok(Self { maker: Maker::new(compiler, cache), architecture, asked: Mutex::default() })
    }

    /// Compiler, cache and what was made.
    pub fn maker(&self) -> &Maker {
        &self.maker
    }

    /// Compiles a kernel unless that was asked for before; `write` writes it.
    ///
    /// # Errors
    /// Those of the compiler.
    pub fn compile(&self, key: Key, write: impl Fn() -> Source) -> Result<(), Error> {
        if !self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(key) {
            return Ok(());
        }
        self.maker.make(key, &write(), self.architecture, |_| Ok(()))
    }
}
