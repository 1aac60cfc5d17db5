//! CUDA devices: the engine that compiles and launches kernels, between torch's tensors and torch's streams.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use cliffnet_cpu::DType;
use cliffnet_cuda::{
    Cache, Compiler, Driver, Engine, Error, Form, Key, Lanes, MAX_PARAMETER_BYTES, Made, Maker, Offline, Origin, Place,
    Source, Storage, Stream, Work,
};
use pyo3::prelude::*;

use crate::failure::{Failure, guarded};
use crate::operator::{self, Arguments, Value};
use crate::tensor::Device;
use crate::torch_abi::{CurrentStream, current_stream, functions};
use crate::{
    cuda_attention, cuda_bilinear, cuda_class_gate, cuda_gated, cuda_layers, cuda_product_and_join, cuda_steerable,
};

/// Devices of one kind: those of CUDA, or the processor in the place of one.
pub(crate) struct Accelerator {
    settings: Settings,
    stream: Option<CurrentStream>,
    /// Made at the first call: nothing of CUDA is touched before.
    runner: OnceLock<Result<Runner, Error>>,
}

/// Where things are.
struct Settings {
    target: Target,
    compiler: Vec<Place>,
    cache: Option<PathBuf>,
}

/// What kernels are for.
enum Target {
    /// Devices of this machine.
    Devices {
        driver: Vec<Place>,
        /// Whether the threads of blocks are chosen by measuring.
        is_tuning: bool,
    },
    /// An architecture, such as 90: kernels are compiled into the cache, and nothing runs.
    Architecture(i32),
}

/// What runs kernels, or only compiles them.
enum Runner {
    Engine(Box<Engine>),
    Offline(Box<Offline>),
}

impl Runner {
    fn maker(&self) -> &Maker {
        match self {
            Self::Engine(engine) => engine.maker(),
            Self::Offline(offline) => offline.maker(),
        }
    }
}

type Registered = RwLock<Option<Arc<Accelerator>>>;

static CUDA: Registered = RwLock::new(None);
/// For CPU tensors: a driver that runs kernels on the processor.
static HOST: Registered = RwLock::new(None);
/// For CPU tensors, before [`HOST`]: kernels are only compiled.
static OFFLINE: Registered = RwLock::new(None);

fn registered(accelerator: &Registered) -> Option<Arc<Accelerator>> {
    accelerator.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn set(registered: &Registered, accelerator: Accelerator) {
    *registered.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(accelerator));
}

/// The accelerator of the tensors of a call, which are all on one device.
pub(crate) fn accelerator(arguments: &Arguments<'_>) -> Result<Arc<Accelerator>, String> {
    let kind = device(arguments)?.kind;
    let found = functions().and_then(|torch| match kind {
        _ if kind == torch.cpu => registered(&OFFLINE).or_else(|| registered(&HOST)),
        _ if kind == torch.cuda => registered(&CUDA),
        _ => None,
    });
    found.ok_or_else(|| "no kernels are registered for the device".to_owned())
}

/// The device of the tensors of a call.
pub(crate) fn device(arguments: &Arguments<'_>) -> Result<Device, String> {
    let mut devices = arguments.0.iter().filter_map(|argument| match argument {
        Value::Tensor(tensor) => Some(tensor.device()),
        _ => None,
    });
    let first = devices.next().ok_or("expected a tensor")??;
    match devices.find(|device| device.as_ref() != Ok(&first)) {
        None => Ok(first),
        Some(Err(message)) => Err(message),
        Some(Ok(_)) => Err("the operands are on different devices".to_owned()),
    }
}

/// As many numbers as a kernel depends on.
pub(crate) fn exactly<const N: usize>(operator: &str, numbers: &[i64]) -> Result<[i64; N], String> {
    numbers.try_into().map_err(|_| format!("the kernel of {operator} depends on {N} numbers, not {}", numbers.len()))
}

/// The element type as the kernels name it.
pub(crate) fn storage(dtype: DType) -> Storage {
    match dtype {
        DType::F32 => Storage::F32,
        DType::F64 => Storage::F64,
        DType::BF16 => Storage::BF16,
        DType::F16 => Storage::F16,
    }
}

impl Accelerator {
    fn new(settings: Settings, stream: Option<CurrentStream>) -> Self {
        Self { settings, stream, runner: OnceLock::new() }
    }

    fn runner(&self) -> Result<&Runner, Error> {
        self.runner
            .get_or_init(|| {
                let Settings { target, compiler, cache } = &self.settings;
                let cache = Cache::new(cache.clone(), Cache::MAX_BYTES, warn_once);
                let compiler = || Compiler::open(compiler);
                Ok(match target {
                    Target::Devices { driver, is_tuning } => {
                        Runner::Engine(Box::new(Engine::new(Driver::open(driver)?, compiler()?, cache, *is_tuning)))
                    }
                    Target::Architecture(number) => {
                        Runner::Offline(Box::new(Offline::new(compiler()?, cache, *number)?))
                    }
                })
            })
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Runs a kernel that takes lanes and nothing else on torch's current stream.
    ///
    /// # Safety
    /// As [`Engine::run`], with tensors of this device.
    pub(crate) unsafe fn run_lanes(
        &self,
        key: Key,
        device: Device,
        lanes: &Lanes,
        write: impl Fn() -> Source,
    ) -> Result<(), String> {
        let parameters = lanes.parameters();
        // SAFETY: passed on from the caller.
        unsafe { self.run(key, device, Work { count: lanes.count(), parameters: &parameters }, write) }
    }

    /// Runs a kernel on torch's current stream.
    ///
    /// # Safety
    /// As [`Engine::run`], with tensors of this device.
    pub(crate) unsafe fn run(
        &self,
        key: Key,
        device: Device,
        work: Work<'_>,
        write: impl Fn() -> Source,
    ) -> Result<(), String> {
        if work.count == 0 {
            return Ok(());
        }
        if size_of_val(work.parameters) > MAX_PARAMETER_BYTES {
            return Err("too many leading axes that do not merge; make the operands contiguous".to_owned());
        }
        let engine = match self.runner().map_err(|error| describe(&error))? {
            Runner::Engine(engine) => engine,
            Runner::Offline(offline) => return offline.compile(key, write).map_err(|error| describe(&error)),
        };
        let number = device.index.max(0);
        let mut stream = std::ptr::null_mut();
        if let Some(current) = self.stream {
            // SAFETY: the device is that of a live tensor, and the place for the result is valid.
            if unsafe { current(number, &raw mut stream) } != 0 {
                return Err("torch failed to tell its current stream".to_owned());
            }
        }
        // SAFETY: passed on from the caller; the stream is live, for it is current.
        let result = unsafe { engine.run(key, number, Stream(stream), work, write) };
        result.map_err(|error| describe(&error))
    }
}

/// An error as text in which the router finds the class of the exception.
fn describe(error: &Error) -> String {
    format!("[{}] {error}", class(error))
}

/// The class of `cliffnet.errors`.
fn class(error: &Error) -> &'static str {
    match error {
        Error::Unavailable(_) => "BackendUnavailableError",
        Error::Compile { .. } | Error::Capturing(_) => "KernelCompileError",
        Error::Driver { .. } => "DeviceError",
    }
}

fn failure(error: &Error) -> Failure {
    Failure::new(class(error), error)
}

/// Issues a warning in Python, once.
fn warn_once(message: &str) {
    Python::attach(|py| {
        let warned = py.import("cliffnet._log").and_then(|log| log.getattr("warn_once")?.call1((message,)));
        if let Err(error) = warned {
            // a warning that is turned into an error has no caller to go to
            error.write_unraisable(py, None);
        }
    });
}

/// Places of a library: whether it must be loaded already, and its name or path.
type Places = Vec<(bool, String)>;

fn places(places: Places) -> Vec<Place> {
    places.into_iter().map(|(loaded, name)| if loaded { Place::Loaded(name) } else { Place::File(name) }).collect()
}

/// Registers the CUDA kernels with torch; returns the names of the operators that have one.
///
/// Nothing of CUDA is touched before the first call. `driver` and `compiler` are places to look at, in order: whether the
/// library must be loaded already, and its name or path. `cache` is the folder of compiled kernels. With `is_tuning` the
/// threads of blocks are chosen by measuring.
///
/// # Errors
/// `BackendUnavailableError` when torch lacks a function.
#[pyfunction]
pub(crate) fn register_cuda(
    torch_cuda_path: &str,
    driver: Places,
    compiler: Places,
    cache: Option<PathBuf>,
    is_tuning: bool,
) -> PyResult<Vec<String>> {
    let settings = devices(driver, compiler, cache, is_tuning);
    guarded(|| {
        let unavailable = |error: String| Failure::new("BackendUnavailableError", error);
        let torch = functions().ok_or_else(|| unavailable("the operators are not registered".to_owned()))?;
        let stream = Some(current_stream(torch_cuda_path).map_err(unavailable)?);
        set(&CUDA, Accelerator::new(settings, stream));
        let names = operator::register_cuda(torch).map_err(unavailable)?;
        Ok(names.into_iter().map(str::to_owned).collect())
    })
}

/// Defines the operators that have a CUDA kernel in the namespace `cliffnet_host`, for CPU tensors; returns their names.
///
/// The driver and the compiler must be ones that run the kernels on the processor. Called again, it starts anew: kernels
/// loaded before are forgotten.
///
/// # Errors
/// `BackendUnavailableError` when torch refuses a definition.
#[pyfunction]
#[pyo3(signature = (driver, compiler, cache, is_tuning=false))]
pub(crate) fn register_host(
    driver: Places,
    compiler: Places,
    cache: Option<PathBuf>,
    is_tuning: bool,
) -> PyResult<Vec<String>> {
    let settings = devices(driver, compiler, cache, is_tuning);
    guarded(|| {
        set(&HOST, Accelerator::new(settings, None));
        define_host_operators()
    })
}

/// Has the operators in the namespace `cliffnet_host` compile their kernels for an architecture, such as 90, into the cache
/// and run nothing, whatever [`register_host`] said, until [`end_offline`]; returns their names. Results have no values.
///
/// # Errors
/// `BackendUnavailableError` when the compiler is missing or does not know the architecture, or torch refuses a definition.
#[pyfunction]
pub(crate) fn register_offline(compiler: Places, cache: Option<PathBuf>, architecture: i32) -> PyResult<Vec<String>> {
    let settings = Settings { target: Target::Architecture(architecture), compiler: places(compiler), cache };
    guarded(|| {
        let accelerator = Accelerator::new(settings, None);
        accelerator.runner().map_err(|error| failure(&error))?;
        let names = define_host_operators()?;
        set(&OFFLINE, accelerator);
        Ok(names)
    })
}

/// Ends what [`register_offline`] began.
#[pyfunction]
pub(crate) fn end_offline() {
    *OFFLINE.write().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Settings for devices of this machine.
fn devices(driver: Places, compiler: Places, cache: Option<PathBuf>, is_tuning: bool) -> Settings {
    let target = Target::Devices { driver: places(driver), is_tuning };
    Settings { target, compiler: places(compiler), cache }
}

/// Defines the operators of the namespace `cliffnet_host`, once.
fn define_host_operators() -> Result<Vec<String>, Failure> {
    static DEFINED: Mutex<bool> = Mutex::new(false);
    let unavailable = |error: String| Failure::new("BackendUnavailableError", error);
    let torch = functions().ok_or_else(|| unavailable("the operators are not registered".to_owned()))?;
    let mut is_defined = DEFINED.lock().unwrap_or_else(PoisonError::into_inner);
    let names = operator::register_host(torch, *is_defined).map_err(unavailable)?;
    *is_defined = true;
    Ok(names.into_iter().map(str::to_owned).collect())
}

/// The kernels that this process has made for `cuda` devices, for the processor in the place of one (`host`) or for an
/// architecture (`offline`), in that order: operator, dtype, threads of a block, architecture, whether it was compiled or
/// found in the cache, and seconds.
#[pyfunction]
pub(crate) fn kernels_made(place: &str) -> Vec<(String, String, u32, i32, bool, f64)> {
    let accelerator = match place {
        "cuda" => registered(&CUDA),
        "host" => registered(&HOST),
        _ => registered(&OFFLINE),
    };
    // nothing is made for the question
    let made = accelerator.and_then(|accelerator| Some(accelerator.runner.get()?.as_ref().ok()?.maker().made()));
    let facts = |Made { key, threads, architecture, origin, seconds }: Made| {
        let dtype = key.form().storage.name().to_owned();
        (key.operator().to_owned(), dtype, threads, architecture, origin == Origin::Compiled, seconds)
    };
    made.unwrap_or_default().into_iter().map(facts).collect()
}

/// What the CUDA kernels run with: driver, compiler and folder of compiled kernels.
///
/// # Errors
/// `BackendUnavailableError` when one is missing, `DeviceError` when the driver finds no device.
#[pyfunction]
pub(crate) fn cuda_facts() -> PyResult<Vec<(String, String)>> {
    guarded(|| {
        let accelerator = registered(&CUDA)
            .ok_or_else(|| Failure::new("BackendUnavailableError", "no CUDA kernels are registered"))?;
        let Runner::Engine(engine) = accelerator.runner().map_err(|error| failure(&error))? else {
            return Err(Failure::new("BackendUnavailableError", "no CUDA kernels are registered"));
        };
        let compiler = engine.maker().compiler();
        let ((major, minor), driver) = (compiler.version(), engine.driver().version());
        let cache = &accelerator.settings.cache;
        Ok([
            ("driver", format!("CUDA {}.{}", driver / 1000, driver % 1000 / 10)),
            ("compiler", format!("NVRTC {major}.{minor} ({})", compiler.name())),
            ("cache", cache.as_ref().map_or_else(|| "none".to_owned(), |folder| folder.display().to_string())),
        ]
        .map(|(name, fact)| (name.to_owned(), fact))
        .to_vec())
    })
}

/// Name of the entry point and text of the CUDA kernel of an operator.
///
/// `numbers` are those among its arguments that the kernel depends on: the plan, before all. `rank` counts leading axes that
/// do not merge; `vectors` has a bit for each operand whose blades are adjacent and aligned.
///
/// # Errors
/// `ConfigError` when there is no such kernel.
#[pyfunction]
pub(crate) fn cuda_source(
    operator: &str,
    numbers: Vec<i64>,
    dtype: &str,
    rank: usize,
    vectors: u32,
) -> PyResult<(String, String)> {
    guarded(move || {
        let unknown = |message: String| Failure::new("ConfigError", message);
        let storage = Storage::ALL
            .into_iter()
            .find(|storage| storage.name() == dtype)
            .ok_or_else(|| unknown(format!("no kernel is for {dtype}")))?;
        let form = Form { storage, rank, vectors };
        let source = match operator {
            cuda_steerable::PRODUCT | cuda_steerable::BACKWARD => cuda_steerable::source(operator, &numbers, form),
            cuda_product_and_join::FORWARD | cuda_product_and_join::BACKWARD => {
                cuda_product_and_join::source(operator, &numbers, form)
            }
            cuda_class_gate::FORWARD | cuda_class_gate::BACKWARD => cuda_class_gate::source(operator, &numbers, form),
            _ if cuda_attention::has(operator) => cuda_attention::source(operator, &numbers, form),
            _ if cuda_gated::has(operator) => cuda_gated::source(operator, &numbers, form),
            _ if cuda_layers::has(operator) => cuda_layers::source(operator, &numbers, form),
            _ => cuda_bilinear::source(operator, &numbers, form),
        };
        let source = source.map_err(unknown)?;
        Ok((source.name, source.text))
    })
}

/// Compiles the text of a kernel for an architecture, such as 90, by the first NVRTC that is there; returns what the
/// driver would load and what the compiler said.
///
/// # Errors
/// `KernelCompileError`, `BackendUnavailableError`.
#[pyfunction]
pub(crate) fn cuda_compile(
    py: Python<'_>,
    compiler: Places,
    name: String,
    text: String,
    architecture: i32,
) -> PyResult<(Vec<u8>, String)> {
    py.detach(|| {
        guarded(|| {
            let source = Source { name, text, threads: 0, rows: 0, tables: Vec::new() };
            let compiled = Compiler::open(&places(compiler)).and_then(|nvrtc| nvrtc.compile(&source, architecture));
            compiled.map(|compiled| (compiled.cubin, compiled.log)).map_err(|error| failure(&error))
        })
    })
}
