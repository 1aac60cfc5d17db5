//! Reading ahead and writing past the caches, for operations on more memory than stays in them.

use crate::dtype::Storage;
use crate::geometry::Offsets;
use crate::isa::Isa;
use crate::pack::unpack;

/// Bytes written by an operation from which on its stores bypass the caches.
///
/// Below, the next operation finds part of the results in the last cache, and stores to memory are slower than those to
/// the cache; above, an ordinary store would first read the line that it overwrites.
const STREAMED_BYTES: i64 = 32 << 20;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Whether an operation that writes so many bytes should stream them.
pub(crate) fn is_streamed(bytes: i64) -> bool {
    bytes >= STREAMED_BYTES
}

/// As [`unpack`], by stores that bypass the caches where whole lines are written; `staging` has room for the tile.
///
/// # Safety
/// As [`unpack`]; `staging` is valid for `count * blades` elements and starts on a cache line, as every plane does.
pub(crate) unsafe fn unpack_streamed<S: Storage>(
    isa: Isa,
    source: *const S::Compute,
    [count, blades, tile]: [usize; 3],
    target: *mut S,
    blade_stride: i64,
    offsets: Offsets<'_>,
    staging: *mut S,
) {
    // SAFETY: every address in this block is one the caller vouches for.
    unsafe {
        match offsets {
            Offsets::Uniform { base, stride: 1 } => {
                for blade in 0..blades {
                    let plane = target.offset((base + blade as i64 * blade_stride) as isize);
                    let values = source.add(blade * tile);
                    let values = if S::IS_COMPUTE {
                        values.cast()
                    } else {
                        for lane in 0..count {
                            staging.add(lane).write(S::narrow(values.add(lane).read()));
                        }
                        staging.cast_const()
                    };
                    copy(values.cast(), plane.cast(), count * size_of::<S>());
                }
            }
            Offsets::Uniform { base, stride } if blade_stride == 1 && stride == blades as i64 => {
                let image = Offsets::Uniform { base: 0, stride };
                unpack::<S>(isa, source, [count, blades, tile], staging, 1, image);
                copy(staging.cast_const().cast(), target.offset(base as isize).cast(), count * blades * size_of::<S>());
            }
            _ => unpack::<S>(isa, source, [count, blades, tile], target, blade_stride, offsets),
        }
    }
}

/// Copies bytes from a cache line on, past the caches if the target consists of whole lines.
///
/// # Safety
/// `source` and `target` are valid for `bytes` bytes and do not overlap; `source` starts on a cache line.
#[inline(always)]
unsafe fn copy(source: *const u8, target: *mut u8, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    if target.addr().is_multiple_of(LINE) && bytes.is_multiple_of(LINE) {
        use std::arch::x86_64::{__m128i, _mm_load_si128, _mm_stream_si128};
        for offset in (0..bytes).step_by(size_of::<__m128i>()) {
            // SAFETY: the caller vouches for the bytes; both ends are aligned, and every x86-64 has these instructions.
            unsafe { _mm_stream_si128(target.add(offset).cast(), _mm_load_si128(source.add(offset).cast())) };
        }
        return;
    }
    // SAFETY: passed on from the caller.
    unsafe { std::ptr::copy_nonoverlapping(source, target, bytes) };
}

/// Makes streamed stores visible to other threads before anything that follows.
#[inline(always)]
pub(crate) fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has this instruction.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    };
}

/// Asks for the tile of an operand that comes `count` lanes later, if its lanes or its blades are contiguous.
#[inline]
pub(crate) fn prefetch<S: Storage>(
    source: *const S,
    blade_stride: i64,
    offsets: Offsets<'_>,
    [count, blades]: [usize; 2],
) {
    let Offsets::Uniform { base, stride } = offsets else { return };
    let next = source.wrapping_offset((base + count as i64 * stride) as isize);
    if stride == 1 {
        for blade in 0..blades {
            prefetch_bytes(next.wrapping_offset(blade as isize * blade_stride as isize).cast(), count * size_of::<S>());
        }
    } else if blade_stride == 1 && stride == blades as i64 {
        prefetch_bytes(next.cast(), count * blades * size_of::<S>());
    }
}

/// Asks for the lines of so many bytes.
#[inline(always)]
pub(crate) fn prefetch_bytes(start: *const u8, bytes: usize) {
    for offset in (0..bytes).step_by(LINE) {
        let line = start.wrapping_add(offset);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a hint, which may name any address.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.cast());
        };
        #[cfg(not(target_arch = "x86_64"))]
        let _ = line;
    }
}
