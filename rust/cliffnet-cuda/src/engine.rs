//! From a request to a launch: kernels are written, compiled and loaded once and then only launched.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::driver::Function;
use crate::shape::CANDIDATES;
use crate::{Cache, Compiler, Device, Driver, Error, Form, Maker, Source, Stream};

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

    /// Name of the operator.
    pub fn operator(&self) -> &'static str {
        self.operator
    }

    /// How operands lie.
    pub fn form(&self) -> Form {
        self.form
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a kernel of {} in {}", self.operator, self.form.storage.name())
    }
}

/// A kernel that is ready to run.
#[derive(Clone, Copy)]
struct Loaded {
    function: Function,
    threads: u32,
    rows: u32,
    /// Whether the threads of its blocks were chosen by measuring.
    is_tuned: bool,
}

/// What a kernel works on.
#[derive(Clone, Copy, Debug)]
pub struct Work<'w> {
    /// Threads with something to do in a row of blocks.
    pub count: i64,
    /// The fields of the structure that the kernel takes.
    pub parameters: &'w [u64],
}

/// Where a kernel is to run.
#[derive(Clone, Copy)]
struct Place<'p> {
    device: &'p Device,
    number: i32,
    stream: Stream,
}

type Locks = HashMap<(i32, Key), Arc<Mutex<()>>>;

/// Most rows of blocks; kernels go on from the last to the first.
const MAX_ROWS: usize = 65535;

/// Threads with something to do from which on measuring tells more than the noise.
const TUNED_COUNT: i64 = 1 << 16;

/// Launches of each candidate that are measured; the quickest counts.
const TUNED_LAUNCHES: usize = 5;

/// Compiler, cache, driver and the kernels loaded so far.
pub struct Engine {
    driver: Driver,
    maker: Maker,
    is_tuning: bool,
    devices: RwLock<HashMap<i32, Arc<Device>>>,
    loaded: RwLock<HashMap<(i32, Key), Loaded>>,
    /// One for each kernel, held while it is made, so that threads that ask for the same one wait for it.
    making: Mutex<Locks>,
}

impl Engine {
    /// An engine of these parts. `is_tuning` has the threads of blocks chosen by measuring, at the first large call.
    pub fn new(driver: Driver, compiler: Compiler, cache: Cache, is_tuning: bool) -> Self {
        let (devices, loaded, making) = (RwLock::default(), RwLock::default(), Mutex::default());
        Self { driver, maker: Maker::new(compiler, cache), is_tuning, devices, loaded, making }
    }

    /// The driver.
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Compiler, cache and what was made.
    pub fn maker(&self) -> &Maker {
        &self.maker
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

    /// Runs a kernel; `write` writes it if it is new.
    ///
    /// # Safety
    /// The key determines what `write` returns, a kernel that takes the parameters of `work` and leaves the same results
    /// when it runs again. Their addresses lead to memory of the device that holds all elements the lanes reach, and is live
    /// until the stream has come so far.
    ///
    /// # Errors
    /// Any [`Error`].
    pub unsafe fn run(
        &self,
        key: Key,
        number: i32,
        stream: Stream,
        work: Work<'_>,
        write: impl Fn() -> Source,
    ) -> Result<(), Error> {
        let device = self.device(number)?;
        self.driver.on(&device, || {
            let place = Place { device: &device, number, stream };
            // SAFETY: the caller vouches for the stream and the parameters.
            unsafe {
                let loaded = self.loaded(key, place, work, write)?;
                self.launch(loaded, stream, work)
            }
        })
    }

    /// Launches a kernel.
    ///
    /// # Safety
    /// As [`Engine::run`], with the context of the device current.
    unsafe fn launch(&self, loaded: Loaded, stream: Stream, work: Work<'_>) -> Result<(), Error> {
        let blocks = (work.count as u64).div_ceil(u64::from(loaded.threads));
        let blocks = blocks.min(i32::MAX as u64) as u32;
        // SAFETY: passed on from the caller.
        unsafe { self.driver.launch(loaded.function, [blocks, loaded.rows, loaded.threads], stream, work.parameters) }
    }

    /// The kernel of a key, tuned where that is asked for and the work is large enough.
    ///
    /// # Safety
    /// As [`Engine::run`], with the context of the device current.
    unsafe fn loaded(
        &self,
        key: Key,
        place: Place<'_>,
        work: Work<'_>,
        write: impl Fn() -> Source,
    ) -> Result<Loaded, Error> {
        let known = || self.loaded.read().unwrap_or_else(PoisonError::into_inner).get(&(place.number, key)).copied();
        let is_ready = |loaded: &Loaded| !self.is_tuning || loaded.is_tuned || work.count < TUNED_COUNT;
        let found = known();
        if let Some(loaded) = found.filter(is_ready) {
            return Ok(loaded);
        }
        // SAFETY: passed on from the caller.
        if unsafe { self.driver.is_capturing(place.stream)? } {
            return found.ok_or_else(|| Error::Capturing(key.to_string()));
        }
        let lock = {
            let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(making.entry((place.number, key)).or_default())
        };
        let _making = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known();
        if let Some(loaded) = found.filter(is_ready) {
            return Ok(loaded);
        }
        let source = write();
        let mut loaded = match found {
            Some(loaded) => loaded,
            None => self.chosen(key, place, &source)?,
        };
        if !is_ready(&loaded) {
            // SAFETY: passed on from the caller.
            loaded = unsafe { self.tuned(key, place, work, &source, loaded) };
        }
        self.loaded.write().unwrap_or_else(PoisonError::into_inner).insert((place.number, key), loaded);
        Ok(loaded)
    }

    /// A kernel loaded as it is written, or with the threads that were found best before.
    fn chosen(&self, key: Key, place: Place<'_>, source: &Source) -> Result<Loaded, Error> {
        if self.is_tuning {
            let entry = self.maker.entry(source, self.architecture(place.device)?);
            let choice = self.maker.cache().choice(&entry).filter(|threads| CANDIDATES.contains(threads));
            if let Some(source) = choice.and_then(|threads| source.with_threads(threads)) {
                return Ok(Loaded { is_tuned: true, ..self.load(key, place.device, &source)? });
            }
        }
        self.load(key, place.device, source)
    }

    /// The quickest of the candidates, kept for later processes. Candidates that do not run are left out.
    ///
    /// # Safety
    /// As [`Engine::run`], with the context of the device current.
    unsafe fn tuned(&self, key: Key, place: Place<'_>, work: Work<'_>, source: &Source, loaded: Loaded) -> Loaded {
        let candidate = |threads| {
            if threads == source.threads {
                return Some(loaded);
            }
            self.load(key, place.device, &source.with_threads(threads)?).ok()
        };
        // SAFETY: passed on from the caller.
        let timed = |loaded| Some((unsafe { self.time(loaded, place.stream, work) }.ok()?, loaded));
        let timed = CANDIDATES.into_iter().filter_map(candidate).filter_map(timed);
        let best = timed.min_by(|(one, _), (other, _)| one.total_cmp(other)).map_or(loaded, |(_, loaded)| loaded);
        if let Ok(architecture) = self.architecture(place.device) {
            self.maker.cache().choose(&self.maker.entry(source, architecture), best.threads);
        }
        Loaded { is_tuned: true, ..best }
    }

    /// The milliseconds of a launch.
    ///
    /// # Safety
    /// As [`Engine::run`], with the context of the device current.
    unsafe fn time(&self, loaded: Loaded, stream: Stream, work: Work<'_>) -> Result<f32, Error> {
        // SAFETY: passed on from the caller.
        let launch = || unsafe { self.launch(loaded, stream, work) };
        launch()?;
        let mut best = f32::INFINITY;
        for _ in 0..TUNED_LAUNCHES {
            // SAFETY: passed on from the caller.
            best = best.min(unsafe { self.driver.time(stream, launch)? });
        }
        Ok(best)
    }

    fn load(&self, key: Key, device: &Device, source: &Source) -> Result<Loaded, Error> {
        let load = |cubin: &[u8]| self.driver.load(cubin, source);
        let function = self.maker.make(key, source, self.architecture(device)?, load)?;
        let rows = source.rows.min(MAX_ROWS) as u32;
        Ok(Loaded { function, threads: source.threads, rows, is_tuned: false })
    }

    fn architecture(&self, device: &Device) -> Result<i32, Error> {
        self.maker.compiler().architecture_for(device.compute_capability())
    }
}
