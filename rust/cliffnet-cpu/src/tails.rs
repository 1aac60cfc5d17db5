//! Vectors of which only the first lanes lie in memory.

use crate::lanes::{Lanes, Portable};

/// A vector that can be read and written in part.
pub(crate) trait Tails: Lanes {
    /// Reads `count <= WIDTH` elements; the other lanes are zero.
    ///
    /// # Safety
    /// `source` is valid for reads of `count` elements and the instruction set is available.
    unsafe fn load_first(source: *const Self::Scalar, count: usize) -> Self;

    /// Writes the first `count <= WIDTH` lanes.
    ///
    /// # Safety
    /// `target` is valid for writes of `count` elements and the instruction set is available.
    unsafe fn store_first(self, target: *mut Self::Scalar, count: usize);
}

/// Element by element, for processors without masks.
macro_rules! copied {
    ($vector:ty, $scalar:ty, $width:literal) => {
        impl Tails for $vector {
            #[inline(always)]
            unsafe fn load_first(source: *const $scalar, count: usize) -> Self {
                let mut buffer: [$scalar; $width] = [0.0; $width];
                // SAFETY: the caller vouches for `count` elements, the buffer holds a vector.
                unsafe {
                    for (lane, value) in buffer.iter_mut().enumerate().take(count) {
                        *value = source.add(lane).read();
                    }
                    Self::load(buffer.as_ptr())
                }
            }

            #[inline(always)]
            unsafe fn store_first(self, target: *mut $scalar, count: usize) {
                let mut buffer: [$scalar; $width] = [0.0; $width];
                // SAFETY: the caller vouches for `count` elements, the buffer holds a vector.
                unsafe {
                    self.store(buffer.as_mut_ptr());
                    for (lane, value) in buffer.iter().enumerate().take(count) {
                        target.add(lane).write(*value);
                    }
                }
            }
        }
    };
}

copied!(Portable<f32, 4>, f32, 4);
copied!(Portable<f64, 2>, f64, 2);

#[cfg(target_arch = "aarch64")]
copied!(std::arch::aarch64::float32x4_t, f32, 4);
#[cfg(target_arch = "aarch64")]
copied!(std::arch::aarch64::float64x2_t, f64, 2);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m256d, __m256i, __m512, __m512d, _mm256_loadu_si256, _mm256_maskload_pd, _mm256_maskload_ps,
        _mm256_maskstore_pd, _mm256_maskstore_ps, _mm512_mask_storeu_pd, _mm512_mask_storeu_ps, _mm512_maskz_loadu_pd,
        _mm512_maskz_loadu_ps,
    };

    use super::Tails;

    /// A window of this table is a mask: all bits of the lanes to use, then zeros.
    static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

    /// All bits in the first `words` of eight words.
    ///
    /// # Safety
    /// AVX is available and `words <= 8`.
    #[inline(always)]
    unsafe fn first_words(words: usize) -> __m256i {
        debug_assert!(words <= 8);
        // SAFETY: eight entries from 8 - words on lie in the table.
        unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(8 - words).cast()) }
    }

    macro_rules! masked {
        ($vector:ty, $scalar:ty, |$source:ident, $count:ident| $load:expr, |$value:ident, $target:ident, $size:ident| $store:expr) => {
            impl Tails for $vector {
                #[inline(always)]
                unsafe fn load_first($source: *const $scalar, $count: usize) -> Self {
                    // SAFETY: the caller vouches for the instruction set and for `count` elements; the mask covers those.
                    unsafe { $load }
                }

                #[inline(always)]
                unsafe fn store_first(self, $target: *mut $scalar, $size: usize) {
                    let $value = self;
                    // SAFETY: the caller vouches for the instruction set and for `count` elements; the mask covers those.
                    unsafe { $store };
                }
            }
        };
    }

    masked!(__m256, f32, |source, count| _mm256_maskload_ps(source, first_words(count)), |value, target, count| {
        _mm256_maskstore_ps(target, first_words(count), value);
    });
    masked!(
        __m256d,
        f64,
        |source, count| _mm256_maskload_pd(source, first_words(2 * count)),
        |value, target, count| {
            _mm256_maskstore_pd(target, first_words(2 * count), value);
        }
    );
    masked!(
        __m512,
        f32,
        |source, count| _mm512_maskz_loadu_ps(((1_u32 << count) - 1) as u16, source),
        |value, target, count| {
            _mm512_mask_storeu_ps(target, ((1_u32 << count) - 1) as u16, value);
        }
    );
    masked!(
        __m512d,
        f64,
        |source, count| _mm512_maskz_loadu_pd(((1_u32 << count) - 1) as u8, source),
        |value, target, count| {
            _mm512_mask_storeu_pd(target, ((1_u32 << count) - 1) as u8, value);
        }
    );
}
