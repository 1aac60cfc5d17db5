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

/// Square blocks transposed in registers, for rows of contiguous blades.
#[cfg(target_arch = "x86_64")]
pub(crate) mod blocks {
    use std::arch::x86_64::{
        __m128, __m256, __m256d, _MM_TRANSPOSE4_PS, _mm_loadu_ps, _mm_storeu_ps, _mm256_loadu_pd, _mm256_loadu_ps,
        _mm256_permute2f128_pd, _mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_storeu_pd, _mm256_storeu_ps,
        _mm256_unpackhi_pd, _mm256_unpackhi_ps, _mm256_unpacklo_pd, _mm256_unpacklo_ps,
    };

    use crate::geometry::Offsets;

    /// A square block of `SIZE` rows of `SIZE` elements.
    trait Block<const SIZE: usize> {
        type Scalar: Copy;
        type Row: Copy;
        unsafe fn load(source: *const Self::Scalar) -> Self::Row;
        unsafe fn store(target: *mut Self::Scalar, row: Self::Row);
        unsafe fn transpose(rows: [Self::Row; SIZE]) -> [Self::Row; SIZE];
    }

    struct Single8;
    struct Single4;
    struct Double4;

    // SAFETY (all methods of the three): AVX2 is available and pointers are valid for SIZE elements, by the caller.
    impl Block<8> for Single8 {
        type Scalar = f32;
        type Row = __m256;

        #[inline(always)]
        unsafe fn load(source: *const f32) -> __m256 {
            // SAFETY: see the impl.
            unsafe { _mm256_loadu_ps(source) }
        }

        #[inline(always)]
        unsafe fn store(target: *mut f32, row: __m256) {
            // SAFETY: see the impl.
            unsafe { _mm256_storeu_ps(target, row) }
        }

        #[inline(always)]
        unsafe fn transpose(r: [__m256; 8]) -> [__m256; 8] {
            // SAFETY: see the impl.
            unsafe {
                let pairs = [
                    _mm256_unpacklo_ps(r[0], r[1]),
                    _mm256_unpackhi_ps(r[0], r[1]),
                    _mm256_unpacklo_ps(r[2], r[3]),
                    _mm256_unpackhi_ps(r[2], r[3]),
                    _mm256_unpacklo_ps(r[4], r[5]),
                    _mm256_unpackhi_ps(r[4], r[5]),
                    _mm256_unpacklo_ps(r[6], r[7]),
                    _mm256_unpackhi_ps(r[6], r[7]),
                ];
                let quads = [
                    _mm256_shuffle_ps::<0x44>(pairs[0], pairs[2]),
                    _mm256_shuffle_ps::<0xEE>(pairs[0], pairs[2]),
                    _mm256_shuffle_ps::<0x44>(pairs[1], pairs[3]),
                    _mm256_shuffle_ps::<0xEE>(pairs[1], pairs[3]),
                    _mm256_shuffle_ps::<0x44>(pairs[4], pairs[6]),
                    _mm256_shuffle_ps::<0xEE>(pairs[4], pairs[6]),
                    _mm256_shuffle_ps::<0x44>(pairs[5], pairs[7]),
                    _mm256_shuffle_ps::<0xEE>(pairs[5], pairs[7]),
                ];
                [
                    _mm256_permute2f128_ps::<0x20>(quads[0], quads[4]),
                    _mm256_permute2f128_ps::<0x20>(quads[1], quads[5]),
                    _mm256_permute2f128_ps::<0x20>(quads[2], quads[6]),
                    _mm256_permute2f128_ps::<0x20>(quads[3], quads[7]),
                    _mm256_permute2f128_ps::<0x31>(quads[0], quads[4]),
                    _mm256_permute2f128_ps::<0x31>(quads[1], quads[5]),
                    _mm256_permute2f128_ps::<0x31>(quads[2], quads[6]),
                    _mm256_permute2f128_ps::<0x31>(quads[3], quads[7]),
                ]
            }
        }
    }

    impl Block<4> for Single4 {
        type Scalar = f32;
        type Row = __m128;

        #[inline(always)]
        unsafe fn load(source: *const f32) -> __m128 {
            // SAFETY: see the first impl.
            unsafe { _mm_loadu_ps(source) }
        }

        #[inline(always)]
        unsafe fn store(target: *mut f32, row: __m128) {
            // SAFETY: see the first impl.
            unsafe { _mm_storeu_ps(target, row) }
        }

        #[inline(always)]
        unsafe fn transpose([mut a, mut b, mut c, mut d]: [__m128; 4]) -> [__m128; 4] {
            // SAFETY: see the first impl.
            unsafe { _MM_TRANSPOSE4_PS(&mut a, &mut b, &mut c, &mut d) };
            [a, b, c, d]
        }
    }

    impl Block<4> for Double4 {
        type Scalar = f64;
        type Row = __m256d;

        #[inline(always)]
        unsafe fn load(source: *const f64) -> __m256d {
            // SAFETY: see the first impl.
            unsafe { _mm256_loadu_pd(source) }
        }

        #[inline(always)]
        unsafe fn store(target: *mut f64, row: __m256d) {
            // SAFETY: see the first impl.
            unsafe { _mm256_storeu_pd(target, row) }
        }

        #[inline(always)]
        unsafe fn transpose(r: [__m256d; 4]) -> [__m256d; 4] {
            // SAFETY: see the first impl.
            unsafe {
                let low = [_mm256_unpacklo_pd(r[0], r[1]), _mm256_unpacklo_pd(r[2], r[3])];
                let high = [_mm256_unpackhi_pd(r[0], r[1]), _mm256_unpackhi_pd(r[2], r[3])];
                [
                    _mm256_permute2f128_pd::<0x20>(low[0], low[1]),
                    _mm256_permute2f128_pd::<0x20>(high[0], high[1]),
                    _mm256_permute2f128_pd::<0x31>(low[0], low[1]),
                    _mm256_permute2f128_pd::<0x31>(high[0], high[1]),
                ]
            }
        }
    }

    /// Lanes to planes for blades `first..`, whole blocks only; returns the end of the blades done.
    #[inline(always)]
    unsafe fn blocks_in<B: Block<SIZE>, const SIZE: usize>(
        source: *const B::Scalar,
        offsets: Offsets<'_>,
        [lanes, first, blades, tile]: [usize; 4],
        target: *mut B::Scalar,
    ) -> usize {
        let end = first + (blades - first) / SIZE * SIZE;
        for lane in (0..lanes).step_by(SIZE) {
            for blade in (first..end).step_by(SIZE) {
                // SAFETY: SIZE lanes from `lane` and SIZE blades from `blade` exist; the caller vouches for them.
                unsafe {
                    let rows =
                        std::array::from_fn(|i| B::load(source.offset(offsets.at(lane + i) as isize).add(blade)));
                    for (i, row) in B::transpose(rows).into_iter().enumerate() {
                        B::store(target.add((blade + i) * tile + lane), row);
                    }
                }
            }
        }
        end
    }

    /// Planes to lanes for blades `first..`, whole blocks only; returns the end of the blades done.
    #[inline(always)]
    unsafe fn blocks_out<B: Block<SIZE>, const SIZE: usize>(
        source: *const B::Scalar,
        [lanes, first, blades, tile]: [usize; 4],
        target: *mut B::Scalar,
        offsets: Offsets<'_>,
    ) -> usize {
        let end = first + (blades - first) / SIZE * SIZE;
        for lane in (0..lanes).step_by(SIZE) {
            for blade in (first..end).step_by(SIZE) {
                // SAFETY: SIZE lanes from `lane` and SIZE blades from `blade` exist; the caller vouches for them.
                unsafe {
                    let rows = std::array::from_fn(|i| B::load(source.add((blade + i) * tile + lane)));
                    for (i, row) in B::transpose(rows).into_iter().enumerate() {
                        B::store(target.offset(offsets.at(lane + i) as isize).add(blade), row);
                    }
                }
            }
        }
        end
    }

    /// Single precision; returns the lanes and blades done.
    ///
    /// # Safety
    /// As [`super::pack`] with contiguous blades, and AVX2 is available.
    #[target_feature(enable = "avx2")]
    pub(crate) unsafe fn single_in(
        source: *const f32,
        offsets: Offsets<'_>,
        [count, blades, tile]: [usize; 3],
        target: *mut f32,
    ) -> (usize, usize) {
        let lanes = count / 8 * 8;
        // SAFETY: passed on from the caller.
        let done = unsafe { blocks_in::<Single8, 8>(source, offsets, [lanes, 0, blades, tile], target) };
        // SAFETY: passed on from the caller.
        (lanes, unsafe { blocks_in::<Single4, 4>(source, offsets, [lanes, done, blades, tile], target) })
    }

    /// Single precision; returns the lanes and blades done.
    ///
    /// # Safety
    /// As [`super::unpack`] with contiguous blades, and AVX2 is available.
    #[target_feature(enable = "avx2")]
    pub(crate) unsafe fn single_out(
        source: *const f32,
        [count, blades, tile]: [usize; 3],
        target: *mut f32,
        offsets: Offsets<'_>,
    ) -> (usize, usize) {
        let lanes = count / 8 * 8;
        // SAFETY: passed on from the caller.
        let done = unsafe { blocks_out::<Single8, 8>(source, [lanes, 0, blades, tile], target, offsets) };
        // SAFETY: passed on from the caller.
        (lanes, unsafe { blocks_out::<Single4, 4>(source, [lanes, done, blades, tile], target, offsets) })
    }

    /// Double precision; returns the lanes and blades done.
    ///
    /// # Safety
    /// As [`super::pack`] with contiguous blades, and AVX2 is available.
    #[target_feature(enable = "avx2")]
    pub(crate) unsafe fn double_in(
        source: *const f64,
        offsets: Offsets<'_>,
        [count, blades, tile]: [usize; 3],
        target: *mut f64,
    ) -> (usize, usize) {
        let lanes = count / 4 * 4;
        // SAFETY: passed on from the caller.
        (lanes, unsafe { blocks_in::<Double4, 4>(source, offsets, [lanes, 0, blades, tile], target) })
    }

    /// Double precision; returns the lanes and blades done.
    ///
    /// # Safety
    /// As [`super::unpack`] with contiguous blades, and AVX2 is available.
    #[target_feature(enable = "avx2")]
    pub(crate) unsafe fn double_out(
        source: *const f64,
        [count, blades, tile]: [usize; 3],
        target: *mut f64,
        offsets: Offsets<'_>,
    ) -> (usize, usize) {
        let lanes = count / 4 * 4;
        // SAFETY: passed on from the caller.
        (lanes, unsafe { blocks_out::<Double4, 4>(source, [lanes, 0, blades, tile], target, offsets) })
    }
}
