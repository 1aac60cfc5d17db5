//! The functions of torch's stable C interface that the operators use, looked up in the imported torch.
//!
//! Nothing of torch is needed to build: the libraries are already loaded when this module asks for them, and
//! every symbol is checked before the first call.

use std::ffi::{CStr, c_char, c_void};
use std::sync::OnceLock;

use cliffnet_cpu::DType;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use crate::surroundings::StateFunctions;

/// `RTLD_NOLOAD` of glibc and musl: find a library that is loaded already.
const RTLD_NOLOAD: i32 = 0x4;

/// An owned tensor of torch.
pub(crate) type TensorHandle = *mut c_void;
/// An open operator library.
pub(crate) type LibraryHandle = *mut c_void;
/// One slot of a boxed argument stack: an integer, or a tensor handle.
pub(crate) type StableValue = u64;
/// A boxed kernel: arguments are replaced by outputs on the stack.
pub(crate) type BoxedKernel = unsafe extern "C-unwind" fn(*mut StableValue, u64, u64);
/// Body of a parallel loop over `begin..end`.
pub(crate) type LoopBody = unsafe extern "C" fn(i64, i64, *mut c_void);
/// 0 on success.
type Status = i32;

/// Declares the table of functions and the code that looks them up.
macro_rules! torch_functions {
    ($($field:ident = $symbol:literal : fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions, each under the name it has there.
        #[derive(Clone, Copy)]
        pub(crate) struct TorchFunctions {
            $(pub(crate) $field: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
            /// torch's codes of devices and of the dtypes the kernels know.
            pub(crate) cpu: i32,
            pub(crate) cuda: i32,
            pub(crate) dtypes: [(i32, DType); 4],
            /// Conversions between tensor handles and Python objects; torch has them from 2.14 on.
            pub(crate) objects: Option<ObjectFunctions>,
            /// Questions about the state of torch; they are no part of the stable interface, so a version may lack them.
            pub(crate) state: Option<StateFunctions>,
            /// What torch said when a function last failed; torch tells it from 2.11 on.
            last_words: Option<unsafe extern "C" fn() -> *const c_char>,
            /// Throws a C++ exception that the dispatcher turns into a Python `RuntimeError`.
            check_fail: unsafe extern "C-unwind" fn(*const c_char, *const c_char, u32, *const c_char),
        }

        impl TorchFunctions {
            fn look_up(torch_cpu: &Library, c10: &Library) -> Result<Self, String> {
                let code = |symbol: &str| {
                    // SAFETY: the constants are functions without arguments.
                    unsafe { find::<unsafe extern "C" fn() -> i32>(torch_cpu, symbol).map(|constant| constant()) }
                };
                Ok(Self {
                    cpu: code("aoti_torch_device_type_cpu")?,
                    cuda: code("aoti_torch_device_type_cuda")?,
                    dtypes: [
                        (code("aoti_torch_dtype_float32")?, DType::F32),
                        (code("aoti_torch_dtype_float64")?, DType::F64),
                        (code("aoti_torch_dtype_bfloat16")?, DType::BF16),
                        (code("aoti_torch_dtype_float16")?, DType::F16),
                    ],
                    objects: ObjectFunctions::look_up(torch_cpu).ok(),
                    state: StateFunctions::look_up(torch_cpu, c10).ok(),
                    // SAFETY: the signature is that of torch/csrc/stable/c/shim.h.
                    last_words: unsafe { find(torch_cpu, "torch_exception_get_what_without_backtrace") }
                        .ok()
                        .map(|function| *function),
                    // SAFETY: the signatures are those of torch's stable C header (torch/csrc/inductor/aoti_torch/c/shim.h
                    // and torch/csrc/stable/c/shim.h), which torch keeps for all later versions.
                    $($field: unsafe { *find(torch_cpu, $symbol)? },)*
                    // SAFETY: c10::detail::torchCheckFail(char const*, char const*, unsigned int, char const*).
                    check_fail: unsafe { *find(c10, "_ZN3c106detail14torchCheckFailEPKcS2_jS2_")? },
                })
            }
        }
    };
}

/// Conversions between tensor handles and Python objects; the caller holds the GIL.
#[derive(Clone, Copy)]
pub(crate) struct ObjectFunctions {
    pub(crate) from_object: unsafe extern "C" fn(*mut c_void, *mut TensorHandle) -> Status,
    pub(crate) to_object: unsafe extern "C" fn(TensorHandle, *mut c_void, *mut *mut c_void) -> Status,
    pub(crate) has_storage: unsafe extern "C" fn(TensorHandle, *mut bool) -> Status,
}

impl ObjectFunctions {
    fn look_up(torch_cpu: &Library) -> Result<Self, String> {
        // SAFETY: the signatures are those of torch/csrc/stable/c/shim.h.
        unsafe {
            Ok(Self {
                from_object: *find(torch_cpu, "torch_tensor_from_pyobject")?,
                to_object: *find(torch_cpu, "torch_tensor_to_pyobject")?,
                has_storage: *find(torch_cpu, "torch_has_storage")?,
            })
        }
    }
}

impl StateFunctions {
    fn look_up(torch_cpu: &Library, c10: &Library) -> Result<Self, String> {
        // SAFETY: the signatures are those that the names spell out, and the return types those of the headers
        // c10/core/impl/TorchDispatchModeTLS.h, ATen/PythonTorchFunctionTLS.h, ATen/autocast_mode.h,
        // torch/csrc/profiler/api.h, c10/core/impl/LocalDispatchKeySet.h, ATen/native/TensorProperties.h (is_neg) and
        // c10/core/TensorImpl.h.
        unsafe {
            Ok(Self {
                dispatch_modes: *find(c10, "_ZN3c104impl20TorchDispatchModeTLS9stack_lenEv")?,
                function_modes: *find(torch_cpu, "_ZN2at4impl22PythonTorchFunctionTLS9stack_lenEv")?,
                is_autocasting: *find(torch_cpu, "_ZN2at8autocast19is_autocast_enabledEN3c1010DeviceTypeE")?,
                is_profiling: *find(torch_cpu, "_ZN5torch8profiler4impl15profilerEnabledEv")?,
                is_key_included: *find(c10, "_ZN3c104impl28tls_is_dispatch_key_includedENS_11DispatchKeyE")?,
                is_negative: *find(torch_cpu, "_ZN2at6native6is_negERKNS_6TensorE")?,
                requires_grad: *find(c10, "_ZNK3c1010TensorImpl13requires_gradEv")?,
            })
        }
    }
}

torch_functions! {
    init_fragment = "aoti_torch_library_init_fragment": fn(*const c_char, *const c_char, u32, *mut LibraryHandle) -> Status;
    init_implementation = "aoti_torch_library_init_impl":
        fn(*const c_char, *const c_char, *const c_char, u32, *mut LibraryHandle) -> Status;
    define = "aoti_torch_library_def": fn(LibraryHandle, *const c_char) -> Status;
    implement = "aoti_torch_library_impl": fn(LibraryHandle, *const c_char, BoxedKernel) -> Status;
    data_pointer = "aoti_torch_get_data_ptr": fn(TensorHandle, *mut *mut c_void) -> Status;
    dimension = "aoti_torch_get_dim": fn(TensorHandle, *mut i64) -> Status;
    sizes = "aoti_torch_get_sizes": fn(TensorHandle, *mut *mut i64) -> Status;
    strides = "aoti_torch_get_strides": fn(TensorHandle, *mut *mut i64) -> Status;
    dtype = "aoti_torch_get_dtype": fn(TensorHandle, *mut i32) -> Status;
    device_type = "aoti_torch_get_device_type": fn(TensorHandle, *mut i32) -> Status;
    device_index = "aoti_torch_get_device_index": fn(TensorHandle, *mut i32) -> Status;
    empty_strided = "aoti_torch_empty_strided":
        fn(i64, *const i64, *const i64, i32, i32, i32, *mut TensorHandle) -> Status;
    delete_tensor = "aoti_torch_delete_tensor_object": fn(TensorHandle) -> Status;
    is_grad_enabled = "aoti_torch_grad_mode_is_enabled": fn() -> bool;
    parallel_for = "torch_parallel_for": fn(i64, i64, i64, LoopBody, *mut c_void) -> Status;
}

impl TorchFunctions {
    /// What torch said when a function last failed in this thread.
    pub(crate) fn last_words(&self) -> Option<String> {
        // SAFETY: the text is NUL-terminated and stays until the next failure in this thread.
        let text =
            unsafe { self.last_words?().as_ref().map(|text| CStr::from_ptr(text).to_string_lossy().into_owned()) };
        text.filter(|text| !text.is_empty())
    }

    /// Raises `message` as a torch error in the calling frame of the dispatcher.
    ///
    /// # Safety
    /// Only from a boxed kernel, which the dispatcher calls prepared for C++ exceptions.
    pub(crate) unsafe fn raise(&self, message: &CStr) {
        // SAFETY: all pointers are NUL-terminated strings that outlive the call; the exception passes through
        // frames of "C-unwind" functions only.
        unsafe { (self.check_fail)(c"cliffnet".as_ptr(), c"cliffnet".as_ptr(), 0, message.as_ptr()) }
    }
}

/// A symbol of a loaded library.
///
/// # Safety
/// `T` is the type of the symbol.
unsafe fn find<T>(library: &Library, symbol: &str) -> Result<libloading::os::unix::Symbol<T>, String> {
    // SAFETY: passed on from the caller.
    unsafe { library.get(symbol.as_bytes()) }.map_err(|_| format!("torch lacks the function {symbol}"))
}

/// The library at `path`, which must be loaded already.
fn loaded(path: &str) -> Result<Library, String> {
    // SAFETY: with RTLD_NOLOAD no code is run; the library stays loaded as long as the process imports torch.
    unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD) }.map_err(|error| error.to_string())
}

/// Tells torch's current stream on a device.
pub(crate) type CurrentStream = unsafe extern "C" fn(i32, *mut *mut c_void) -> Status;

/// The function of the library of torch's CUDA part, which must be loaded.
///
/// # Errors
/// When the library is not loaded or lacks it.
pub(crate) fn current_stream(torch_cuda_path: &str) -> Result<CurrentStream, String> {
    // SAFETY: the signature is that of torch/csrc/inductor/aoti_torch/c/shim.h.
    unsafe { Ok(*find(&loaded(torch_cuda_path)?, "aoti_torch_get_current_cuda_stream")?) }
}

static FUNCTIONS: OnceLock<TorchFunctions> = OnceLock::new();

/// Looks up every function once.
///
/// # Errors
/// When a library is not loaded or lacks a function.
pub(crate) fn connect(torch_cpu_path: &str, c10_path: &str) -> Result<&'static TorchFunctions, String> {
    if let Some(functions) = FUNCTIONS.get() {
        return Ok(functions);
    }
    let found = TorchFunctions::look_up(&loaded(torch_cpu_path)?, &loaded(c10_path)?)?;
    Ok(FUNCTIONS.get_or_init(|| found))
}

/// The functions, once [`connect`] has succeeded; kernels run only after that.
pub(crate) fn functions() -> Option<&'static TorchFunctions> {
    FUNCTIONS.get()
}
