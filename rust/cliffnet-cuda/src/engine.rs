//! From a request to a launch: kernels are written, compiled and loaded once and then only launched.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::driver::Function;
use crate::nvrtc::OPTIONS;
use crate::{Cache, Compiler, Device, Driver, Entry, Error, Form, Source, Stream};

/// What names a kernel in this process: the operator, the numbers it depends on, and how operands lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    operator: &'static str,
    numbers: [i64; 4],
    form: Form,
}

impl Key {
    /// The key of an operator whose kernel depends on `numbers`, at most four: ids of plans, activations and the like.
    pub fn new(operator: &'static str, numbers: &[i64], form: Form) -> Self {
        let mut key = Self { operator, numbers: [0; 4], form };
        key.numbers[..numbers.len()].copy_from_slice(numbers);
        key
    }
}

/// A kernel that is ready to run.
#[derive(Clone, Copy)]
struct Loaded {
    function: Function,
    threads: u32,
    rows: u32,
}

/// What a kernel works on.
#[derive(Clone, Copy, Debug)]
pub struct Work<'w> {
    /// Threads with something to do in a row of blocks.
    pub count: i64,
    /// The fields of the structure that the kernel takes.
    pub parameters: &'w [u64],
}

/// Most rows of blocks; kernels go on from the last to the first.
const MAX_ROWS: usize = 65535;

/// Compiler, cache, driver and the kernels loaded so far.
pub struct Engine {
    driver: Driver,
    compiler: Compiler,
    cache: Cache,
    devices: RwLock<HashMap<i32, Arc<Device>>>,
    loaded: RwLock<HashMap<(i32, Key), Loaded>>,
    /// Held while a kernel is made, so that threads that ask for the same one wait for it.
    making: Mutex<()>,
}

impl Engine {
    /// An engine of these parts.
    pub fn new(driver: Driver, compiler: Compiler, cache: Cache) -> Self {
        let (devices, loaded) = (RwLock::default(), RwLock::default());
        Self { driver, compiler, cache, devices, loaded, making: Mutex::new(()) }
    }

    /// The driver.
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// The compiler.
    pub fn compiler(&self) -> &Compiler {
        &self.compiler
    }

    /// The device of a number.
    ///
    /// # Errors
    /// [`Error::Driver`].
    pub fn device(&self, number: i32) -> Result<Arc<Device>, Error> {
        if let Some(device) = self.devices.read().unwrap_or_else(PoisonError::into_inner).get(&number) {
            return Ok(Arc::clone(device));
        }
        let device = Arc::new(self.driver.device(number)?);
        let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(devices.entry(number).or_insert(device)))
    }

    /// Runs a kernel; `make` writes it if it is new.
    ///
    /// # Safety
    /// The key determines what `make` returns, a kernel that takes the parameters of `work`. Their addresses lead to memory of the device that holds all elements the lanes reach, and is live until the stream has come so far.
    ///
    /// # Errors
    /// Any [`Error`].
    pub unsafe fn run(
        &self,
        key: Key,
        number: i32,
        stream: Stream,
        work: Work<'_>,
        make: impl FnOnce() -> Source,
    ) -> Result<(), Error> {
        let device = self.device(number)?;
        self.driver.on(&device, || {
            // SAFETY: the caller vouches for the stream.
            let loaded = unsafe { self.loaded(key, number, &device, stream, make)? };
            let blocks = (work.count as u64).div_ceil(u64::from(loaded.threads));
            let blocks = blocks.min(i32::MAX as u64) as u32;
            // SAFETY: the caller vouches for the parameters.
            unsafe {
                self.driver.launch(loaded.function, [blocks, loaded.rows, loaded.threads], stream, work.parameters)
            }
        })
    }

    /// The kernel of a key.
    ///
    /// # Safety
    /// The stream is live, and the context of the device is current.
    unsafe fn loaded(
        &self,
        key: Key,
        number: i32,
        device: &Device,
        stream: Stream,
        make: impl FnOnce() -> Source,
    ) -> Result<Loaded, Error> {
        let known = || self.loaded.read().unwrap_or_else(PoisonError::into_inner).get(&(number, key)).copied();
        if let Some(loaded) = known() {
            return Ok(loaded);
        }
        // SAFETY: passed on from the caller.
        if unsafe { self.driver.is_capturing(stream)? } {
            return Err(Error::Capturing);
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = known() {
            return Ok(loaded);
        }
        let source = make();
        let function = self.function(&source, self.compiler.architecture_for(device.compute_capability())?)?;
        let loaded = Loaded { function, threads: source.threads, rows: source.rows.min(MAX_ROWS) as u32 };
        self.loaded.write().unwrap_or_else(PoisonError::into_inner).insert((number, key), loaded);
        Ok(loaded)
    }

    /// A kernel from the cache, or compiled and put there.
    fn function(&self, source: &Source, architecture: i32) -> Result<Function, Error> {
        let (major, minor) = self.compiler.version();
        let description = format!("NVRTC {major}.{minor} sm_{architecture} {}", OPTIONS.join(" "));
        let entry = Entry::new(&description, &source.text);
        if let Some(cubin) = self.cache.get(&entry) {
            if let Ok(function) = self.driver.load(&cubin, source) {
                return Ok(function);
            }
            // what the driver cannot load is not what was put there
            self.cache.remove(&entry);
        }
        let compiled = self.compiler.compile(source, architecture).map_err(|error| self.keep(error, source, &entry))?;
        self.cache.put(&entry, &compiled.cubin);
        self.driver.load(&compiled.cubin, source)
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
