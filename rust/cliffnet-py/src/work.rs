//! The work of an operator, on one thread or on torch's pool.

use std::any::Any;
use std::ffi::c_void;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use crate::torch_abi::{LoopBody, TorchFunctions};

/// Multiply-adds below which a call stays on the calling thread: waking the pool costs a few microseconds.
const SERIAL_WORK: i64 = 1 << 17;

/// Multiply-adds per chunk of a parallel loop.
const CHUNK_WORK: i64 = 1 << 16;

/// Whether waking other threads costs more than it saves.
pub(crate) fn is_small(items: i64, work_per_item: i64) -> bool {
    items <= 1 || items.saturating_mul(work_per_item) < SERIAL_WORK
}

type Run = dyn FnOnce(&TorchFunctions) -> Result<(), String>;

/// What remains to be done once the outputs of an operator are allocated.
pub(crate) struct Work {
    is_small: bool,
    run: Box<Run>,
}

// SAFETY: the pointers that the closures hold lead to tensors that the caller keeps alive while they run; nothing in
// them is tied to a thread.
unsafe impl Send for Work {}

impl Work {
    /// Work that `run` does, at most once.
    pub(crate) fn new(is_small: bool, run: impl FnOnce(&TorchFunctions) -> Result<(), String> + 'static) -> Self {
        Self { is_small, run: Box::new(run) }
    }

    /// Whether it is over too soon for anything else to be worth doing meanwhile.
    pub(crate) fn is_small(&self) -> bool {
        self.is_small
    }

    /// Does the work.
    ///
    /// # Errors
    /// When torch fails to run a loop. A panic in a chunk is raised again here.
    pub(crate) fn run(self, torch: &TorchFunctions) -> Result<(), String> {
        (self.run)(torch)
    }
}

/// Calls `body` on chunks of `0..items`, on the calling thread or, when there is enough work, on torch's pool.
///
/// Where chunks begin and end depends on the number of threads: results must not.
///
/// # Errors
/// When torch fails to run the loop. A panic in a chunk is raised again here.
pub(crate) fn parallel(
    torch: &TorchFunctions,
    items: i64,
    work_per_item: i64,
    body: &(dyn Fn(Range<i64>) + Sync),
) -> Result<(), String> {
    if is_small(items, work_per_item) {
        if items > 0 {
            body(0..items);
        }
        return Ok(());
    }
    let grain = (CHUNK_WORK / work_per_item.max(1)).max(1);
    let shared = Loop { body, panic: Mutex::new(None) };
    let chunk: LoopBody = run_chunk;
    // SAFETY: the loop returns only after all chunks have, and `shared` lives until then.
    let status = unsafe { (torch.parallel_for)(0, items, grain, chunk, (&raw const shared).cast_mut().cast()) };
    match shared.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(message) => std::panic::resume_unwind(Box::new(message)),
        None if status != 0 => Err("torch failed to run a parallel loop".to_owned()),
        None => Ok(()),
    }
}

/// What the chunks of a loop share.
struct Loop<'a> {
    body: &'a (dyn Fn(Range<i64>) + Sync),
    /// Message of a panic in a chunk.
    panic: Mutex<Option<String>>,
}

/// A chunk of a parallel loop; `context` is the [`Loop`].
unsafe extern "C" fn run_chunk(begin: i64, end: i64, context: *mut c_void) {
    // SAFETY: parallel_for hands back the pointer to the loop, which outlives it; chunks share it read-only.
    let shared = unsafe { &*context.cast::<Loop<'_>>() };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| (shared.body)(begin..end))) {
        *shared.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic_message(payload.as_ref()));
    }
}

/// Text of a panic.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}
