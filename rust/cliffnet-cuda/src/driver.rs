//! The CUDA driver: devices, loaded kernels, launches.
//!
//! Memory and streams belong to torch. Contexts are the primary ones, which torch uses too.

use std::ffi::{CStr, CString, c_char, c_void};

use libloading::os::unix::Library;

use crate::library::{Place, functions, open};
use crate::{Error, Source};

type Context = *mut c_void;

/// A stream of torch, by its handle.
#[derive(Clone, Copy, Debug)]
pub struct Stream(pub *mut c_void);

functions! {
    /// What is used of cuda.h.
    Functions {
        init = "cuInit": fn(u32);
        version = "cuDriverGetVersion": fn(*mut i32);
        device = "cuDeviceGet": fn(*mut i32, i32);
        attribute = "cuDeviceGetAttribute": fn(*mut i32, i32, i32);
        retain = "cuDevicePrimaryCtxRetain": fn(*mut Context, i32);
        current = "cuCtxGetCurrent": fn(*mut Context);
        set_current = "cuCtxSetCurrent": fn(Context);
        load = "cuLibraryLoadData": fn(
            *mut *mut c_void, *const c_void,
            *mut c_void, *mut c_void, u32,
            *mut c_void, *mut c_void, u32,
        );
        variable = "cuLibraryGetGlobal": fn(*mut u64, *mut usize, *mut c_void, *const c_char);
        copy = "cuMemcpyHtoD_v2": fn(u64, *const c_void, usize);
        synchronize = "cuCtxSynchronize": fn();
        kernel = "cuLibraryGetKernel": fn(*mut *mut c_void, *mut c_void, *const c_char);
        function = "cuKernelGetFunction": fn(*mut *mut c_void, *mut c_void);
        launch = "cuLaunchKernel": fn(
            *mut c_void, u32, u32, u32, u32, u32, u32, u32, *mut c_void, *mut *mut c_void, *mut *mut c_void,
        );
        new_event = "cuEventCreate": fn(*mut *mut c_void, u32);
        record = "cuEventRecord": fn(*mut c_void, *mut c_void);
        wait_for = "cuEventSynchronize": fn(*mut c_void);
        elapsed = "cuEventElapsedTime": fn(*mut f32, *mut c_void, *mut c_void);
        free_event = "cuEventDestroy_v2": fn(*mut c_void);
        is_capturing = "cuStreamIsCapturing": fn(*mut c_void, *mut i32);
        error_name = "cuGetErrorName": fn(i32, *mut *const c_char);
        error_text = "cuGetErrorString": fn(i32, *mut *const c_char);
    }
}

/// Numbers of attributes in cuda.h.
const COMPUTE_CAPABILITY_MAJOR: i32 = 75;
const COMPUTE_CAPABILITY_MINOR: i32 = 76;

/// The driver, initialised.
pub struct Driver {
    functions: Functions,
    version: i32,
    _library: Library,
}

impl Driver {
    /// Opens the first library that is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when there is none or when it is too old, [`Error::Driver`] when it finds no device.
    pub fn open(places: &[Place]) -> Result<Self, Error> {
        let Some((library, name)) = open(places) else {
            return Err(Error::Unavailable("no CUDA driver was found on this machine".to_owned()));
        };
        let functions = Functions::look_up(&library).map_err(|_| {
            Error::Unavailable(format!("the CUDA driver {name} is too old: install one for CUDA 12.0 or newer"))
        })?;
        let driver = Self { functions, version: 0, _library: library };
        let mut version = 0;
        // SAFETY: functions that may be called at any time, with a valid place for the result.
        unsafe {
            driver.check("cuInit", (functions.init)(0))?;
            driver.check("cuDriverGetVersion", (functions.version)(&raw mut version))?;
        }
        Ok(Self { version, ..driver })
    }

    /// A thousand times the major plus ten times the minor version of CUDA that the driver speaks.
    pub fn version(&self) -> i32 {
        self.version
    }

    /// The device of this number.
    ///
    /// # Errors
    /// [`Error::Driver`].
    pub fn device(&self, number: i32) -> Result<Device, Error> {
        let functions = &self.functions;
        let (mut device, mut context, mut major, mut minor) = (0, std::ptr::null_mut(), 0, 0);
        // SAFETY: the driver is initialised and the places for the results are valid.
        unsafe {
            self.check("cuDeviceGet", (functions.device)(&raw mut device, number))?;
            self.check("cuDevicePrimaryCtxRetain", (functions.retain)(&raw mut context, device))?;
            for (value, attribute) in
                [(&raw mut major, COMPUTE_CAPABILITY_MAJOR), (&raw mut minor, COMPUTE_CAPABILITY_MINOR)]
            {
                self.check("cuDeviceGetAttribute", (functions.attribute)(value, attribute, device))?;
            }
        }
        Ok(Device { context, compute_capability: 10 * major + minor })
    }

    /// Whether work on a stream is being recorded.
    ///
    /// # Safety
    /// The stream is live and belongs to the current context.
    ///
    /// # Errors
    /// [`Error::Driver`].
    pub(crate) unsafe fn is_capturing(&self, stream: Stream) -> Result<bool, Error> {
        let mut status = 0;
        // SAFETY: passed on from the caller.
        self.check("cuStreamIsCapturing", unsafe { (self.functions.is_capturing)(stream.0, &raw mut status) })?;
        Ok(status != 0)
    }

    /// Loads a compiled program into the current context, where it stays, and fills its tables.
    pub(crate) fn load(&self, image: &[u8], source: &Source) -> Result<Function, Error> {
        let functions = &self.functions;
        let text = |name: &str| CString::new(name).map_err(|error| Error::Unavailable(error.to_string()));
        let name = text(&source.name)?;
        let null = std::ptr::null_mut::<c_void>;
        let (mut library, mut kernel, mut function) = (null(), null(), null());
        // SAFETY: the image is a whole program, the driver copies it, and the places for the results are valid.
        unsafe {
            let image = image.as_ptr().cast();
            let status = (functions.load)(&raw mut library, image, null(), null(), 0, null(), null(), 0);
            self.check("cuLibraryLoadData", status)?;
            for table in &source.tables {
                let (mut address, mut size) = (0, 0);
                let name = text(&table.name)?;
                let status = (functions.variable)(&raw mut address, &raw mut size, library, name.as_ptr());
                self.check("cuLibraryGetGlobal", status)?;
                if size != table.bytes.len() {
                    return Err(Error::Unavailable(format!("{} has {size} bytes", table.name)));
                }
                self.check("cuMemcpyHtoD", (functions.copy)(address, table.bytes.as_ptr().cast(), size))?;
            }
            if !source.tables.is_empty() {
                // kernels on streams that do not wait for the copies may come next
                self.check("cuCtxSynchronize", (functions.synchronize)())?;
            }
            self.check("cuLibraryGetKernel", (functions.kernel)(&raw mut kernel, library, name.as_ptr()))?;
            self.check("cuKernelGetFunction", (functions.function)(&raw mut function, kernel))?;
        }
        Ok(Function(function))
    }

    /// Launches rows of blocks of threads; the only argument of the kernel is a structure.
    ///
    /// # Safety
    /// The function is loaded into the current context, to which the stream belongs; the parameters are those that the
    /// kernel takes, and all memory they lead to is live until the stream has come so far.
    pub(crate) unsafe fn launch(
        &self,
        function: Function,
        [blocks, rows, threads]: [u32; 3],
        stream: Stream,
        parameters: &[u64],
    ) -> Result<(), Error> {
        let mut arguments = [parameters.as_ptr().cast_mut().cast::<c_void>()];
        // SAFETY: the driver copies the structure before it returns; the rest is passed on from the caller.
        let status = unsafe {
            (self.functions.launch)(
                function.0,
                blocks,
                rows,
                1,
                threads,
                1,
                1,
                0,
                stream.0,
                arguments.as_mut_ptr(),
                std::ptr::null_mut(),
            )
        };
        self.check("cuLaunchKernel", status)
    }

    /// The milliseconds that `body` takes on a stream, which is waited for.
    ///
    /// # Safety
    /// The stream is live and belongs to the current context.
    ///
    /// # Errors
    /// [`Error::Driver`], and those of `body`.
    pub(crate) unsafe fn time(&self, stream: Stream, body: impl FnOnce() -> Result<(), Error>) -> Result<f32, Error> {
        let (start, end) = (Event::new(self)?, Event::new(self)?);
        let mut milliseconds = 0.0;
        // SAFETY: the events are live, the caller vouches for the stream, and the place for the result is valid.
        unsafe {
            self.check("cuEventRecord", (self.functions.record)(start.handle, stream.0))?;
            body()?;
            self.check("cuEventRecord", (self.functions.record)(end.handle, stream.0))?;
            self.check("cuEventSynchronize", (self.functions.wait_for)(end.handle))?;
            let status = (self.functions.elapsed)(&raw mut milliseconds, start.handle, end.handle);
            self.check("cuEventElapsedTime", status)?;
        }
        Ok(milliseconds)
    }

    /// Makes the context of a device current, runs `body`, and makes the former one current again.
    pub(crate) fn on<T>(&self, device: &Device, body: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let mut before: Context = std::ptr::null_mut();
        let functions = &self.functions;
        // SAFETY: the place for the result is valid, and the primary context is never released.
        unsafe { self.check("cuCtxGetCurrent", (functions.current)(&raw mut before))? };
        if before == device.context {
            return body();
        }
        // SAFETY: as above.
        unsafe { self.check("cuCtxSetCurrent", (functions.set_current)(device.context))? };
        let result = body();
        if !before.is_null() {
            // SAFETY: the context was current a moment ago.
            unsafe { self.check("cuCtxSetCurrent", (functions.set_current)(before))? };
        }
        result
    }

    fn check(&self, function: &'static str, status: i32) -> Result<(), Error> {
        if status == 0 {
            return Ok(());
        }
        let describe = |tell: unsafe extern "C" fn(i32, *mut *const c_char) -> i32| {
            let mut text = std::ptr::null();
            // SAFETY: the place for the result is valid; the text is a constant of the driver.
            unsafe {
                if tell(status, &raw mut text) == 0 && !text.is_null() {
                    CStr::from_ptr(text).to_string_lossy().into_owned()
                } else {
                    format!("code {status}")
                }
            }
        };
        let functions = &self.functions;
        let message = format!("{} ({})", describe(functions.error_name), describe(functions.error_text));
        Err(Error::Driver { function, message })
    }
}

/// A point of a stream that is timed.
struct Event<'d> {
    driver: &'d Driver,
    handle: *mut c_void,
}

impl<'d> Event<'d> {
    /// An event of the current context.
    fn new(driver: &'d Driver) -> Result<Self, Error> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: the place for the result is valid.
        driver.check("cuEventCreate", unsafe { (driver.functions.new_event)(&raw mut handle, 0) })?;
        Ok(Self { driver, handle })
    }
}

impl Drop for Event<'_> {
    fn drop(&mut self) {
        // SAFETY: the event is live, and is not used again.
        unsafe { (self.driver.functions.free_event)(self.handle) };
    }
}

/// A device and its primary context, which is never released: torch holds it until the process ends.
#[derive(Debug)]
pub struct Device {
    context: Context,
    /// Ten times the major plus the minor version.
    compute_capability: i32,
}

// SAFETY: contexts may be made current on any thread.
unsafe impl Send for Device {}
// SAFETY: as above.
unsafe impl Sync for Device {}

impl Device {
    /// Ten times the major plus the minor version.
    pub fn compute_capability(&self) -> i32 {
        self.compute_capability
    }
}

/// A kernel in a context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function(*mut c_void);

// SAFETY: functions may be launched from any thread.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}
