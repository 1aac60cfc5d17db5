//! NVRTC, the compiler that comes with torch.

use std::ffi::{CStr, CString, c_char, c_void};

use libloading::os::unix::Library;

use crate::library::{Place, functions, open};
use crate::{Error, Source};

type Program = *mut c_void;

functions! {
    /// What is used of nvrtc.h.
    Functions {
        version = "nvrtcVersion": fn(*mut i32, *mut i32);
        count_architectures = "nvrtcGetNumSupportedArchs": fn(*mut i32);
        architectures = "nvrtcGetSupportedArchs": fn(*mut i32);
        create = "nvrtcCreateProgram":
            fn(*mut Program, *const c_char, *const c_char, i32, *const *const c_char, *const *const c_char);
        destroy = "nvrtcDestroyProgram": fn(*mut Program);
        compile = "nvrtcCompileProgram": fn(Program, i32, *const *const c_char);
        cubin_size = "nvrtcGetCUBINSize": fn(Program, *mut usize);
        cubin = "nvrtcGetCUBIN": fn(Program, *mut c_char);
        log_size = "nvrtcGetProgramLogSize": fn(Program, *mut usize);
        log = "nvrtcGetProgramLog": fn(Program, *mut c_char);
    }
}

/// Options of every compilation: arithmetic as the standard says, and the use of registers in the log.
pub(crate) const OPTIONS: [&str; 2] = ["--std=c++17", "--ptxas-options=-v"];

/// A compiled kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// What the driver loads.
    pub cubin: Vec<u8>,
    /// What the compiler said.
    pub log: String,
}

/// NVRTC.
pub struct Compiler {
    functions: Functions,
    name: String,
    version: (i32, i32),
    architectures: Vec<i32>,
    _library: Library,
}

impl Compiler {
    /// Opens the first library that is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when there is none, or when it lacks a function.
    pub fn open(places: &[Place]) -> Result<Self, Error> {
        let Some((library, name)) = open(places) else {
            return Err(Error::Unavailable(
                "NVRTC, which compiles CUDA kernels, was not found; it comes with the CUDA build of torch: \
                 pip install nvidia-cuda-nvrtc (or nvidia-cuda-nvrtc-cu12 for torch with CUDA 12)"
                    .to_owned(),
            ));
        };
        let functions = Functions::look_up(&library)?;
        let (mut major, mut minor, mut count) = (0, 0, 0);
        // SAFETY: the places for the results are valid, and the list has the length that NVRTC asked for.
        let (status, architectures) = unsafe {
            let mut status = (functions.version)(&raw mut major, &raw mut minor);
            status |= (functions.count_architectures)(&raw mut count);
            let mut architectures = vec![0; count.max(0) as usize];
            status |= (functions.architectures)(architectures.as_mut_ptr());
            (status, architectures)
        };
        if status != 0 {
            return Err(Error::Unavailable(format!("{name} did not tell its version")));
        }
        Ok(Self { functions, name, version: (major, minor), architectures, _library: library })
    }

    /// The name or path that the library was opened by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Major and minor version.
    pub fn version(&self) -> (i32, i32) {
        self.version
    }

    /// The architecture to compile for a device, both as ten times the major plus the minor version: its own, or the
    /// nearest earlier one whose code it runs.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when there is none.
    pub fn architecture_for(&self, device: i32) -> Result<i32, Error> {
        let runs = |known: &i32| *known / 10 == device / 10 && *known <= device;
        self.architectures.iter().copied().filter(runs).max().ok_or_else(|| {
            let (major, minor) = self.version;
            Error::Unavailable(format!(
                "NVRTC {major}.{minor} knows no architecture that a device of compute capability {}.{} runs; install \
                 a torch that supports the device",
                device / 10,
                device % 10
            ))
        })
    }

    /// Refuses an architecture that is not known.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub fn check_architecture(&self, architecture: i32) -> Result<(), Error> {
        if self.architectures.contains(&architecture) {
            return Ok(());
        }
        let (major, minor) = self.version;
        let known: Vec<String> = self.architectures.iter().map(i32::to_string).collect();
        let known = known.join(", ");
        Err(Error::Unavailable(format!(
            "NVRTC {major}.{minor} does not know architecture {architecture}, only {known}"
        )))
    }

    /// Compiles a kernel for an architecture, such as 90.
    ///
    /// # Errors
    /// [`Error::Compile`].
    pub fn compile(&self, source: &Source, architecture: i32) -> Result<Compiled, Error> {
        let refused = |log: String| Error::Compile { log, source: None };
        let text = CString::new(source.text.as_str()).map_err(|error| refused(error.to_string()))?;
        let file = CString::new(format!("{}.cu", source.name)).map_err(|error| refused(error.to_string()))?;
        let mut options = vec![CString::new(format!("--gpu-architecture=sm_{architecture}"))];
        options.extend(OPTIONS.map(CString::new));
        let options: Vec<CString> = options.into_iter().flatten().collect();
        let pointers: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        let mut program: Program = std::ptr::null_mut();
        let functions = &self.functions;
        // SAFETY: all strings are NUL-terminated and outlive the calls, no headers are handed over, and the place for the
        // program is valid.
        let status = unsafe {
            (functions.create)(&raw mut program, text.as_ptr(), file.as_ptr(), 0, std::ptr::null(), std::ptr::null())
        };
        if status != 0 {
            return Err(refused(format!("NVRTC failed to read the program (code {status})")));
        }
        // SAFETY: the program is live until it is destroyed below; the buffers have the sizes that NVRTC asked for.
        unsafe {
            let status = (functions.compile)(program, pointers.len() as i32, pointers.as_ptr());
            let log = read(program, functions.log_size, functions.log);
            let cubin = read(program, functions.cubin_size, functions.cubin);
            (functions.destroy)(&raw mut program);
            let log = log.map_or_else(String::new, |bytes| {
                CStr::from_bytes_until_nul(&bytes).map_or_else(|_| String::new(), |log| log.to_string_lossy().into())
            });
            match cubin {
                Some(cubin) if status == 0 => Ok(Compiled { cubin, log }),
                _ => Err(refused(if log.is_empty() { format!("NVRTC failed with code {status}") } else { log })),
            }
        }
    }
}

/// What a pair of functions tells of a program: its size, then its contents.
///
/// # Safety
/// The program is live, and the functions are such a pair.
unsafe fn read(
    program: Program,
    size: unsafe extern "C" fn(Program, *mut usize) -> i32,
    contents: unsafe extern "C" fn(Program, *mut c_char) -> i32,
) -> Option<Vec<u8>> {
    let mut count = 0;
    // SAFETY: the caller vouches for the program and the functions, and the buffer has the size asked for.
    unsafe {
        if size(program, &raw mut count) != 0 || count == 0 {
            return None;
        }
        let mut bytes = vec![0_u8; count];
        (contents(program, bytes.as_mut_ptr().cast()) == 0).then_some(bytes)
    }
}
