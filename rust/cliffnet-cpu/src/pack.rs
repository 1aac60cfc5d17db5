//! Brings lanes into blade planes and back.

use crate::dtype::Storage;
use crate::geometry::Offsets;
use crate::isa::Isa;

/// Copies `count` lanes of `blades` blades into planes `target[b * tile + l]`.
///
/// # Safety
/// `source + offsets.at(l) + b * blade_stride` is readable for every lane and blade; `target` is writable for
/// `blades * tile` elements, `count <= tile`, and `isa` is available.
#[inline]
pub(crate) unsafe fn pack<S: Storage>(
    isa: Isa,
    source: *const S,
    blade_stride: i64,
    offsets: Offsets<'_>,
    [count, blades, tile]: [usize; 3],
    target: *mut S::Compute,
) {
    // SAFETY: every address in this block is one the caller vouches for.
    unsafe {
        if let Offsets::Uniform { base, stride } = offsets {
            if stride == 0 {
                for blade in 0..blades {
                    let value = source.offset((base + blade as i64 * blade_stride) as isize).read().widen();
                    for lane in 0..count {
                        target.add(blade * tile + lane).write(value);
                    }
                }
                return;
            }
            if stride == 1 {
                for blade in 0..blades {
                    let plane = source.offset((base + blade as i64 * blade_stride) as isize);
                    for lane in 0..count {
                        target.add(blade * tile + lane).write(plane.add(lane).read().widen());
                    }
                }
                return;
            }
        }
        let (lanes_done, blades_done) = if blade_stride == 1 {
            S::transpose_in(isa, source, offsets, [count, blades, tile], target)
        } else {
            (0, 0)
        };
        if (lanes_done, blades_done) == (count, blades) {
            return;
        }
        for lane in 0..count {
            let row = source.offset(offsets.at(lane) as isize);
            let first = if lane < lanes_done { blades_done } else { 0 };
            for blade in first..blades {
                let value = row.offset(blade as isize * blade_stride as isize).read().widen();
                target.add(blade * tile + lane).write(value);
            }
        }
    }
}

/// Copies planes `source[b * tile + l]` to `count` lanes of `blades` blades.
///
/// # Safety
/// As [`pack`], with reading and writing exchanged.
#[inline]
pub(crate) unsafe fn unpack<S: Storage>(
    isa: Isa,
    source: *const S::Compute,
    [count, blades, tile]: [usize; 3],
    target: *mut S,
    blade_stride: i64,
    offsets: Offsets<'_>,
) {
    // SAFETY: every address in this block is one the caller vouches for.
    unsafe {
        if let Offsets::Uniform { base, stride: 1 } = offsets {
            for blade in 0..blades {
                let plane = target.offset((base + blade as i64 * blade_stride) as isize);
                for lane in 0..count {
                    plane.add(lane).write(S::narrow(source.add(blade * tile + lane).read()));
                }
            }
            return;
        }
        let (lanes_done, blades_done) = if blade_stride == 1 {
            S::transpose_out(isa, source, [count, blades, tile], target, offsets)
        } else {
            (0, 0)
        };
        if (lanes_done, blades_done) == (count, blades) {
            return;
        }
        for lane in 0..count {
            let row = target.offset(offsets.at(lane) as isize);
            let first = if lane < lanes_done { blades_done } else { 0 };
            for blade in first..blades {
                let value = source.add(blade * tile + lane).read();
                row.offset(blade as isize * blade_stride as isize).write(S::narrow(value));
            }
        }
    }
}
