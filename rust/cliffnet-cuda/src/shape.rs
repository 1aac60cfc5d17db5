//! Launch shapes: how many threads a block has, from a table or measured.

use crate::Storage;

/// Numbers of threads that tuning tries.
pub(crate) const CANDIDATES: [u32; 3] = [64, 128, 256];

/// Threads of a block where nothing speaks for fewer.
pub(crate) const THREADS: u32 = 256;

/// Threads of a block by the 32-bit words of operands a thread holds: from so many on, so many.
///
/// With many registers a thread, large blocks fit a multiprocessor badly: few of them are there, and all end late.
const TABLE: [(usize, u32); 3] = [(160, 64), (80, 128), (0, THREADS)];

/// Threads of a block for operands of these sizes.
pub(crate) fn threads(sizes: &[usize], storage: Storage) -> u32 {
    let words = sizes.iter().sum::<usize>() * storage.size().div_ceil(4);
    TABLE.iter().find(|(from, _)| words >= *from).map_or(THREADS, |(_, threads)| *threads)
}

/// Bounds of a kernel with blocks of this many threads. With one block asked for, the compiler takes the registers that wide
/// kernels need; left alone, it would rather spill some for the sake of occupancy.
pub(crate) fn bounds(threads: u32) -> String {
    if threads < THREADS { format!("{threads}, 1") } else { threads.to_string() }
}
