//! From the text of a kernel to what a driver loads: the compiler, the cache, and the record of what was made.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::engine::Key;
use crate::nvrtc::OPTIONS;
use crate::{Cache, Compiler, Entry, Error, Source};

/// Where a kernel came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The compiler made it.
    Compiled,
    /// The cache had it.
    Cached,
}

/// A kernel that was new to this process.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// What names it.
    pub key: Key,
    /// Threads of a block.
    pub threads: u32,
    /// The architecture, such as 90.
    pub architecture: i32,
    /// Where it came from.
    pub origin: Origin,
    /// How long that took.
    pub seconds: f64,
}

/// Compiler and cache.
pub struct Maker {
    compiler: Compiler,
    cache: Cache,
    made: Mutex<Vec<Made>>,
}

impl Maker {
    /// A maker of these parts.
    pub fn new(compiler: Compiler, cache: Cache) -> Self {
        Self { compiler, cache, made: Mutex::default() }
    }

    /// The compiler.
    pub fn compiler(&self) -> &Compiler {
        &self.compiler
    }

    /// The cache.
    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Every kernel made so far, in that order.
    pub fn made(&self) -> Vec<Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a source is kept under.
    pub(crate) fn entry(&self, source: &Source, architecture: i32) -> Entry {
        let (major, minor) = self.compiler.version();
        let description = format!("NVRTC {major}.{minor} sm_{architecture} {}", OPTIONS.join(" "));
        Entry::new(&description, &source.text)
    }

    /// Gives `load` a kernel from the cache, or one compiled and put there; returns what `load` makes of it.
    ///
    /// # Errors
    /// Those of the compiler and of `load`.
    pub(crate) fn make<T>(
        &self,
        key: Key,
        source: &Source,
        architecture: i32,
        load: impl Fn(&[u8]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let start = Instant::now();
        let (loaded, origin) = self.find_or_compile(source, architecture, load)?;
        let seconds = start.elapsed().as_secs_f64();
        let made = Made { key, threads: source.threads, architecture, origin, seconds };
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(made);
        Ok(loaded)
    }

    fn find_or_compile<T>(
        &self,
        source: &Source,
        architecture: i32,
        load: impl Fn(&[u8]) -> Result<T, Error>,
    ) -> Result<(T, Origin), Error> {
        let entry = self.entry(source, architecture);
        if let Some(cubin) = self.cache.get(&entry) {
            if let Ok(loaded) = load(&cubin) {
                return Ok((loaded, Origin::Cached));
            }
            // what the driver cannot load is not what was put there
            self.cache.remove(&entry);
        }
        let compiled = self.compiler.compile(source, architecture).map_err(|error| self.keep(error, source, &entry))?;
        self.cache.put(&entry, &compiled.cubin);
        Ok((load(&compiled.cubin)?, Origin::Compiled))
    }

    /// Keeps the program that the compiler refused, for the error to name it.
    fn keep(&self, error: Error, source: &Source, entry: &Entry) -> Error {
        let Error::Compile { log, .. } = error else { return error };
        let folders = [self.cache.folder().map(PathBuf::from), Some(std::env::temp_dir())];
        let kept = folders.into_iter().flatten().find_map(|folder| {
            let path = folder.join(format!("refused-{}.cu", entry.name()));
            fs::write(&path, &source.text).ok().map(|()| path)
        });
        Error::Compile { log, source: kept }
    }
}
