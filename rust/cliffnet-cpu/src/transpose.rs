//! Lanes of contiguous blades to planes and back, four blades at a time, in registers.
//!
//! A register holds four blades of every fourth lane; four such registers, transposed within each quarter of 128 bits,
//! are four planes. Bringing the quarters together is left to loads and stores, of which a core does more at a time than
//! of the shuffles that cross quarters.

use std::arch::x86_64::{
    __m256, __m256d, __m512, _mm_loadu_ps, _mm_storeu_ps, _mm256_castps128_ps256, _mm256_extractf128_ps,
    _mm256_insertf128_ps, _mm256_loadu_pd, _mm256_loadu_ps, _mm256_permute2f128_pd, _mm256_shuffle_ps,
    _mm256_storeu_pd, _mm256_storeu_ps, _mm256_unpackhi_pd, _mm256_unpackhi_ps, _mm256_unpacklo_pd, _mm256_unpacklo_ps,
    _mm512_castps128_ps512, _mm512_extractf32x4_ps, _mm512_insertf32x4, _mm512_loadu_ps, _mm512_shuffle_ps,
    _mm512_storeu_ps, _mm512_unpackhi_ps, _mm512_unpacklo_ps,
};
use std::ops::Range;

use crate::geometry::Offsets;

/// Most lanes of a register.
const MAX_LANES: usize = 16;

/// A register of four blades of every fourth lane, or of one blade of all lanes.
trait Fours: Copy {
    type Scalar: Copy;
    const LANES: usize;
    /// Reads four blades from each of the rows given by number.
    unsafe fn gather(row: impl Fn(usize) -> *const Self::Scalar) -> Self;
    /// Writes four blades to each of the rows given by number.
    unsafe fn scatter(self, row: impl Fn(usize) -> *mut Self::Scalar);
    unsafe fn load(source: *const Self::Scalar) -> Self;
    unsafe fn store(self, target: *mut Self::Scalar);
    /// Exchanges registers and places within quarters.
    unsafe fn transpose(registers: [Self; 4]) -> [Self; 4];
}

// SAFETY (all methods of the three): the instruction set is available and pointers are valid for all elements, by the
// caller.
impl Fours for __m512 {
    type Scalar = f32;
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn gather(row: impl Fn(usize) -> *const f32) -> Self {
        // SAFETY: see above.
        unsafe {
            let first = _mm512_castps128_ps512(_mm_loadu_ps(row(0)));
            let second = _mm512_insertf32x4::<1>(first, _mm_loadu_ps(row(1)));
            let third = _mm512_insertf32x4::<2>(second, _mm_loadu_ps(row(2)));
            _mm512_insertf32x4::<3>(third, _mm_loadu_ps(row(3)))
        }
    }

    #[inline(always)]
    unsafe fn scatter(self, row: impl Fn(usize) -> *mut f32) {
        // SAFETY: see the first method.
        unsafe {
            _mm_storeu_ps(row(0), _mm512_extractf32x4_ps::<0>(self));
            _mm_storeu_ps(row(1), _mm512_extractf32x4_ps::<1>(self));
            _mm_storeu_ps(row(2), _mm512_extractf32x4_ps::<2>(self));
            _mm_storeu_ps(row(3), _mm512_extractf32x4_ps::<3>(self));
        }
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: see the first method.
        unsafe { _mm512_loadu_ps(source) }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: see the first method.
        unsafe { _mm512_storeu_ps(target, self) }
    }

    #[inline(always)]
    unsafe fn transpose([a, b, c, d]: [Self; 4]) -> [Self; 4] {
        // SAFETY: see the first method.
        unsafe {
            let low = [_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d)];
            let high = [_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d)];
            [
                _mm512_shuffle_ps::<0x44>(low[0], low[1]),
                _mm512_shuffle_ps::<0xEE>(low[0], low[1]),
                _mm512_shuffle_ps::<0x44>(high[0], high[1]),
                _mm512_shuffle_ps::<0xEE>(high[0], high[1]),
            ]
        }
    }
}

impl Fours for __m256 {
    type Scalar = f32;
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn gather(row: impl Fn(usize) -> *const f32) -> Self {
        // SAFETY: see the first impl.
        unsafe {
            let first = _mm256_castps128_ps256(_mm_loadu_ps(row(0)));
            _mm256_insertf128_ps::<1>(first, _mm_loadu_ps(row(1)))
        }
    }

    #[inline(always)]
    unsafe fn scatter(self, row: impl Fn(usize) -> *mut f32) {
        // SAFETY: see the first impl.
        unsafe {
            _mm_storeu_ps(row(0), _mm256_extractf128_ps::<0>(self));
            _mm_storeu_ps(row(1), _mm256_extractf128_ps::<1>(self));
        }
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> Self {
        // SAFETY: see the first impl.
        unsafe { _mm256_loadu_ps(source) }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: see the first impl.
        unsafe { _mm256_storeu_ps(target, self) }
    }

    #[inline(always)]
    unsafe fn transpose([a, b, c, d]: [Self; 4]) -> [Self; 4] {
        // SAFETY: see the first impl.
        unsafe {
            let low = [_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d)];
            let high = [_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d)];
            [
                _mm256_shuffle_ps::<0x44>(low[0], low[1]),
                _mm256_shuffle_ps::<0xEE>(low[0], low[1]),
                _mm256_shuffle_ps::<0x44>(high[0], high[1]),
                _mm256_shuffle_ps::<0xEE>(high[0], high[1]),
            ]
        }
    }
}

/// Four numbers fill this register, so that its transpose does cross quarters.
impl Fours for __m256d {
    type Scalar = f64;
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn gather(row: impl Fn(usize) -> *const f64) -> Self {
        // SAFETY: see the first impl.
        unsafe { _mm256_loadu_pd(row(0)) }
    }

    #[inline(always)]
    unsafe fn scatter(self, row: impl Fn(usize) -> *mut f64) {
        // SAFETY: see the first impl.
        unsafe { _mm256_storeu_pd(row(0), self) }
    }

    #[inline(always)]
    unsafe fn load(source: *const f64) -> Self {
        // SAFETY: see the first impl.
        unsafe { _mm256_loadu_pd(source) }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f64) {
        // SAFETY: see the first impl.
        unsafe { _mm256_storeu_pd(target, self) }
    }

    #[inline(always)]
    unsafe fn transpose([a, b, c, d]: [Self; 4]) -> [Self; 4] {
        // SAFETY: see the first impl.
        unsafe {
            let low = [_mm256_unpacklo_pd(a, b), _mm256_unpacklo_pd(c, d)];
            let high = [_mm256_unpackhi_pd(a, b), _mm256_unpackhi_pd(c, d)];
            [
                _mm256_permute2f128_pd::<0x20>(low[0], low[1]),
                _mm256_permute2f128_pd::<0x20>(high[0], high[1]),
                _mm256_permute2f128_pd::<0x31>(low[0], low[1]),
                _mm256_permute2f128_pd::<0x31>(high[0], high[1]),
            ]
        }
    }
}

/// Lanes to planes, whole registers of `lanes` and whole fours of blades; returns the end of the lanes done.
#[inline(always)]
unsafe fn fours_in<R: Fours>(
    source: *const R::Scalar,
    offsets: Offsets<'_>,
    lanes: Range<usize>,
    [blades, tile]: [usize; 2],
    target: *mut R::Scalar,
) -> usize {
    let end = lanes.start + lanes.len() / R::LANES * R::LANES;
    for lane in (lanes.start..end).step_by(R::LANES) {
        // SAFETY: LANES lanes from `lane` and four blades from `blade` exist; the caller vouches for them.
        unsafe {
            let mut rows = [source; MAX_LANES];
            for (i, row) in rows.iter_mut().take(R::LANES).enumerate() {
                *row = source.offset(offsets.at(lane + i) as isize);
            }
            for blade in (0..blades / 4 * 4).step_by(4) {
                let registers = std::array::from_fn(|i| R::gather(|part| rows[4 * part + i].add(blade)));
                for (i, plane) in R::transpose(registers).into_iter().enumerate() {
                    plane.store(target.add((blade + i) * tile + lane));
                }
            }
        }
    }
    end
}

/// Planes to lanes, whole registers of `lanes` and whole fours of blades; returns the end of the lanes done.
#[inline(always)]
unsafe fn fours_out<R: Fours>(
    source: *const R::Scalar,
    lanes: Range<usize>,
    [blades, tile]: [usize; 2],
    target: *mut R::Scalar,
    offsets: Offsets<'_>,
) -> usize {
    let end = lanes.start + lanes.len() / R::LANES * R::LANES;
    for lane in (lanes.start..end).step_by(R::LANES) {
        // SAFETY: LANES lanes from `lane` and four blades from `blade` exist; the caller vouches for them.
        unsafe {
            let mut rows = [target; MAX_LANES];
            for (i, row) in rows.iter_mut().take(R::LANES).enumerate() {
                *row = target.offset(offsets.at(lane + i) as isize);
            }
            for blade in (0..blades / 4 * 4).step_by(4) {
                let planes = std::array::from_fn(|i| R::load(source.add((blade + i) * tile + lane)));
                for (i, register) in R::transpose(planes).into_iter().enumerate() {
                    register.scatter(|part| rows[4 * part + i].add(blade));
                }
            }
        }
    }
    end
}

/// The two directions for an element type and an instruction set, by registers of one or two sizes.
macro_rules! directions {
    ($read:ident, $write:ident, $scalar:ty, $features:literal, [$($register:ty),+]) => {
        /// Lanes to planes; returns the lanes and blades done.
        ///
        /// # Safety
        /// As [`crate::pack::pack`] with contiguous blades, and the instruction set is available.
        #[target_feature(enable = $features)]
        pub(crate) unsafe fn $read(
            source: *const $scalar,
            offsets: Offsets<'_>,
            [count, blades, tile]: [usize; 3],
            target: *mut $scalar,
        ) -> (usize, usize) {
            let mut done = 0;
            $(
                // SAFETY: passed on from the caller.
                done = unsafe { fours_in::<$register>(source, offsets, done..count, [blades, tile], target) };
            )+
            (done, blades / 4 * 4)
        }

        /// Planes to lanes; returns the lanes and blades done.
        ///
        /// # Safety
        /// As [`crate::pack::unpack`] with contiguous blades, and the instruction set is available.
        #[target_feature(enable = $features)]
        pub(crate) unsafe fn $write(
            source: *const $scalar,
            [count, blades, tile]: [usize; 3],
            target: *mut $scalar,
            offsets: Offsets<'_>,
        ) -> (usize, usize) {
            let mut done = 0;
            $(
                // SAFETY: passed on from the caller.
                done = unsafe { fours_out::<$register>(source, done..count, [blades, tile], target, offsets) };
            )+
            (done, blades / 4 * 4)
        }
    };
}

directions!(single_in_avx512, single_out_avx512, f32, "avx512f,avx2", [__m512, __m256]);
directions!(single_in_avx2, single_out_avx2, f32, "avx2", [__m256]);
directions!(double_in, double_out, f64, "avx2", [__m256d]);
