//! CUDA devices: the engine that compiles and launches kernels, between torch's tensors and torch's streams.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use cliffnet_cpu::DType;
use cliffnet_cuda::{
    Cache, Compiler, Driver, Engine, Error, Form, Key, Lanes, MAX_PARAMETER_BYTES, Place, Source, Storage, Stream, Work,
};
use pyo3::prelude::*;

use crate::failure::{Failure, guarded};
use crate::operator::{self, Arguments, Value};
use crate::tensor::Device;
use crate::torch_abi::{CurrentStream, current_stream, functions};
use crate::{cuda_bilinear, cuda_class_gate, cuda_gated, cuda_layers, cuda_product_and_join, cuda_steerable};

/// Devices of one kind: those of CUDA, or the processor in the place of one.
pub(crate) struct Accelerator {
    settings: Settings,
    stream: Option<CurrentStream>,
    /// Made at the first call: nothing of CUDA is touched before.
    engine: OnceLock<Result<Engine, Error>>,
}

/// Where things are.
struct Settings {
    driver: Vec<Place>,
    compiler: Vec<Place>,
    cache: Option<PathBuf>,
}

type Registered = RwLock<Option<Arc<Accelerator>>>;

static CUDA: Registered = RwLock::new(None);
static HOST: Registered = RwLock::new(None);

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
        _ if kind == torch.cpu => registered(&HOST),
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
    fn engine(&self) -> Result<&Engine, Error> {
        self.engine
            .get_or_init(|| {
                let Settings { driver, compiler, cache } = &self.settings;
                let cache = Cache::new(cache.clone(), Cache::MAX_BYTES, warn_once);
                Ok(Engine::new(Driver::open(driver)?, Compiler::open(compiler)?, cache))
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
        make: impl FnOnce() -> Source,
    ) -> Result<(), String> {
        let parameters = lanes.parameters();
        // SAFETY: passed on from the caller.
        unsafe { self.run(key, device, Work { count: lanes.count(), parameters: &parameters }, make) }
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
        make: impl FnOnce() -> Source,
    ) -> Result<(), String> {
        if work.count == 0 {
            return Ok(());
        }
        if size_of_val(work.parameters) > MAX_PARAMETER_BYTES {
            return Err("too many leading axes that do not merge; make the operands contiguous".to_owned());
        }
        let number = device.index.max(0);
        let mut stream = std::ptr::null_mut();
        if let Some(current) = self.stream {
            // SAFETY: the device is that of a live tensor, and the place for the result is valid.
            if unsafe { current(number, &raw mut stream) } != 0 {
                return Err("torch failed to tell its current stream".to_owned());
            }
        }
        // SAFETY: passed on from the caller; the stream is live, for it is current.
        let result = self.engine().and_then(|engine| unsafe { engine.run(key, number, Stream(stream), work, make) });
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
        Error::Compile { .. } | Error::Capturing => "KernelCompileError",
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
/// library must be loaded already, and its name or path. `cache` is the folder of compiled kernels.
///
/// # Errors
/// `BackendUnavailableError` when torch lacks a function.
#[pyfunction]
pub(crate) fn register_cuda(
    torch_cuda_path: &str,
    driver: Places,
    compiler: Places,
    cache: Option<PathBuf>,
) -> PyResult<Vec<String>> {
    let settings = Settings { driver: places(driver), compiler: places(compiler), cache };
    guarded(|| {
        let unavailable = |error: String| Failure::new("BackendUnavailableError", error);
        let torch = functions().ok_or_else(|| unavailable("the operators are not registered".to_owned()))?;
        let stream = Some(current_stream(torch_cuda_path).map_err(unavailable)?);
        set(&CUDA, Accelerator { settings, stream, engine: OnceLock::new() });
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
pub(crate) fn register_host(driver: Places, compiler: Places, cache: Option<PathBuf>) -> PyResult<Vec<String>> {
    let settings = Settings { driver: places(driver), compiler: places(compiler), cache };
    guarded(|| {
        let unavailable = |error: String| Failure::new("BackendUnavailableError", error);
        let torch = functions().ok_or_else(|| unavailable("the operators are not registered".to_owned()))?;
        let again = registered(&HOST).is_some();
        set(&HOST, Accelerator { settings, stream: None, engine: OnceLock::new() });
        let names = operator::register_host(torch, again).map_err(unavailable)?;
        Ok(names.into_iter().map(str::to_owned).collect())
    })
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
        let engine = accelerator.engine().map_err(|error| failure(&error))?;
        let ((major, minor), driver) = (engine.compiler().version(), engine.driver().version());
        let cache = &accelerator.settings.cache;
        Ok([
            ("driver", format!("CUDA {}.{}", driver / 1000, driver % 1000 / 10)),
            ("compiler", format!("NVRTC {major}.{minor} ({})", engine.compiler().name())),
            ("cache", cache.as_ref().map_or_else(|| "none".to_owned(), |folder| folder.display().to_string())),
        ]
        .map(|(name, fact)| (name.to_owned(), fact))
        .to_vec())
    })
}

/// Name of the entry point and text of the CUDA kernel of an operator.
///
/// `numbers` are those among its arguments that the kernel depends on: the plan, before all. `rank` counts leading axes that do not merge; `vectors` has a bit for each operand whose blades are adjacent and aligned.
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
    guarded(|| {
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
