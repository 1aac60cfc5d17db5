//! Shared libraries and their functions.

use libloading::os::unix::{Library, RTLD_LAZY, RTLD_LOCAL, RTLD_NOW, Symbol};

use crate::Error;

/// `RTLD_NOLOAD` of glibc and musl: find a library that is loaded already.
const RTLD_NOLOAD: i32 = 0x4;

/// Where a library may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Under a name or path that the process has opened already.
    Loaded(String),
    /// At a path, or where the loader finds a name.
    File(String),
}

/// Opens the first library that is there; returns it with its name.
pub(crate) fn open(places: &[Place]) -> Option<(Library, String)> {
    places.iter().find_map(|place| {
        let (name, flags) = match place {
            Place::Loaded(name) => (name, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD),
            Place::File(name) => (name, RTLD_NOW | RTLD_LOCAL),
        };
        // SAFETY: the libraries are NVRTC and the driver, whose initialisers do no more than set up their own state.
        let library = unsafe { Library::open(Some(name), flags) }.ok()?;
        Some((library, name.clone()))
    })
}

/// A function of a library.
///
/// # Safety
/// `T` is the type of the function.
///
/// # Errors
/// [`Error::Unavailable`] when the library lacks it.
pub(crate) unsafe fn find<T>(library: &Library, name: &'static str) -> Result<Symbol<T>, Error> {
    // SAFETY: passed on from the caller.
    unsafe { library.get(name.as_bytes()) }.map_err(|_| {
        Error::Unavailable(format!("the library lacks the function {name}: it is too old for this version of cliffnet"))
    })
}

/// Declares a table of functions and the code that looks them up.
macro_rules! functions {
    ($(#[$attribute:meta])* $table:ident { $($field:ident = $symbol:literal : fn($($argument:ty),* $(,)?);)* }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy)]
        struct $table {
            $($field: unsafe extern "C" fn($($argument),*) -> i32,)*
        }

        impl $table {
            fn look_up(library: &libloading::os::unix::Library) -> Result<Self, $crate::Error> {
                // SAFETY: the types are those of the header that the table names.
                unsafe { Ok(Self { $($field: *$crate::library::find(library, $symbol)?,)* }) }
            }
        }
    };
}
pub(crate) use functions;
