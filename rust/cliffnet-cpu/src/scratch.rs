//! Per-thread working memory for tiles.

use std::cell::RefCell;

/// A cache line, so that buffers start on one.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([u8; 64]);

thread_local! {
    static BUFFER: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
    static SHARED: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// Calls `body` with `bytes` of 64-byte aligned, initialised memory, reused between calls of a thread.
///
/// The contents are whatever an earlier call left there. `body` must not call this function again.
pub(crate) fn with_scratch<R>(bytes: usize, body: impl FnOnce(*mut u8) -> R) -> R {
    BUFFER.with_borrow_mut(|buffer| with_buffer(buffer, bytes, body))
}

/// The same for memory that all threads of a call share; `body` may use their own scratch memory besides.
pub fn with_shared_scratch<R>(bytes: usize, body: impl FnOnce(*mut u8) -> R) -> R {
    SHARED.with_borrow_mut(|buffer| with_buffer(buffer, bytes, body))
}

fn with_buffer<R>(buffer: &mut Vec<Line>, bytes: usize, body: impl FnOnce(*mut u8) -> R) -> R {
    let lines = bytes.div_ceil(size_of::<Line>());
    if buffer.len() < lines {
        buffer.resize(lines, Line([0; 64]));
    }
    body(buffer.as_mut_ptr().cast())
}

/// Owned memory that starts on a cache line, for numbers that outlive a tile.
#[derive(Clone, Debug)]
pub struct Lines(Vec<Line>);

impl Lines {
    /// At least `bytes` bytes of zeros.
    pub(crate) fn zeros(bytes: usize) -> Self {
        Self(vec![Line([0; 64]); bytes.div_ceil(size_of::<Line>())])
    }

    /// The first byte, to write.
    pub(crate) fn start(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }

    /// Sets all bytes to zero.
    pub(crate) fn clear(&mut self) {
        self.0.fill(Line([0; 64]));
    }

    /// The first number, to read.
    pub(crate) fn read<T>(&self) -> *const T {
        self.0.as_ptr().cast()
    }
}

/// An array that starts on a cache line: a vector that straddles two costs twice.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct OnLine<A>(pub(crate) A);
