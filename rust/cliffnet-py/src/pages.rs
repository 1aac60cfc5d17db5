//! Large pages for large outputs.

/// Bytes of a large page on the processors that have them in this size.
const LARGE_PAGE: usize = 2 << 20;

/// Bytes from which on it is likely that the memory of a tensor has just come from the system, and goes back with it.
const LARGE_TENSOR: usize = 4 << 20;

/// Asks the system to back a new tensor by large pages, if it is large: else every 4 KB of it cost a page fault when
/// they are first written, and that takes longer than a product.
pub(crate) fn advise_large_pages(start: *mut u8, bytes: usize) {
    if bytes < LARGE_TENSOR {
        return;
    }
    let offset = start.align_offset(LARGE_PAGE);
    let whole = bytes.saturating_sub(offset) / LARGE_PAGE * LARGE_PAGE;
    advise(start.wrapping_add(offset), whole);
}

#[cfg(target_os = "linux")]
fn advise(start: *mut u8, bytes: usize) {
    use std::ffi::{c_int, c_void};

    unsafe extern "C" {
        fn madvise(start: *mut c_void, bytes: usize, advice: c_int) -> c_int;
    }
    const MADV_HUGEPAGE: c_int = 14;
    // SAFETY: the advice changes no contents, and the range lies within memory that was just allocated. Where the system
    // refuses it, everything works as before.
    unsafe { madvise(start.cast(), bytes, MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn advise(_start: *mut u8, _bytes: usize) {}
