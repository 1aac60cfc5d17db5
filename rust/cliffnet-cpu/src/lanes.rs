//! Vectors of lanes: the few operations the kernels need, per instruction set.

/// A register (or array) holding the same blade of `WIDTH` neighbouring lanes.
pub(crate) trait Lanes: Copy {
    /// Element type.
    type Scalar: Copy;
    /// Number of lanes.
    const WIDTH: usize;
    /// Registers of this type that the instruction set has.
    const REGISTERS: usize;

    /// Reads `WIDTH` elements; no alignment needed.
    ///
    /// # Safety
    /// `source` is valid for reads of `WIDTH` elements and the instruction set is available.
    unsafe fn load(source: *const Self::Scalar) -> Self;

    /// Writes `WIDTH` elements; no alignment needed.
    ///
    /// # Safety
    /// `target` is valid for writes of `WIDTH` elements and the instruction set is available.
    unsafe fn store(self, target: *mut Self::Scalar);

    /// The same value in every lane.
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn splat(value: Self::Scalar) -> Self;

    /// `self + other`.
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn add(self, other: Self) -> Self;

    /// `self - other`.
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn subtract(self, other: Self) -> Self;

    /// `self * other`.
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn multiply(self, other: Self) -> Self;

    /// `sum + self * other`.
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn add_product(self, other: Self, sum: Self) -> Self;

    /// `sum - self * other`.
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn subtract_product(self, other: Self, sum: Self) -> Self;
}

/// Lanes as a plain array, for any processor.
#[derive(Clone, Copy)]
pub(crate) struct Portable<T, const N: usize>(pub(crate) [T; N]);

macro_rules! portable {
    ($scalar:ty, $width:literal) => {
        // SAFETY (all methods): plain Rust on the caller's pointers; no instruction set is assumed.
        impl Lanes for Portable<$scalar, $width> {
            type Scalar = $scalar;
            const WIDTH: usize = $width;
            const REGISTERS: usize = 16;

            #[inline(always)]
            unsafe fn load(source: *const $scalar) -> Self {
                // SAFETY: the caller passes a pointer valid for WIDTH reads.
                Self(unsafe { source.cast::<[$scalar; $width]>().read_unaligned() })
            }

            #[inline(always)]
            unsafe fn store(self, target: *mut $scalar) {
                // SAFETY: the caller passes a pointer valid for WIDTH writes.
                unsafe { target.cast::<[$scalar; $width]>().write_unaligned(self.0) }
            }

            #[inline(always)]
            unsafe fn splat(value: $scalar) -> Self {
                Self([value; $width])
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                Self(std::array::from_fn(|lane| self.0[lane] + other.0[lane]))
            }

            #[inline(always)]
            unsafe fn subtract(self, other: Self) -> Self {
                Self(std::array::from_fn(|lane| self.0[lane] - other.0[lane]))
            }

            #[inline(always)]
            unsafe fn multiply(self, other: Self) -> Self {
                Self(std::array::from_fn(|lane| self.0[lane] * other.0[lane]))
            }

            #[inline(always)]
            unsafe fn add_product(self, other: Self, sum: Self) -> Self {
                Self(std::array::from_fn(|lane| sum.0[lane] + self.0[lane] * other.0[lane]))
            }

            #[inline(always)]
            unsafe fn subtract_product(self, other: Self, sum: Self) -> Self {
                Self(std::array::from_fn(|lane| sum.0[lane] - self.0[lane] * other.0[lane]))
            }
        }
    };
}

portable!(f32, 4);
portable!(f64, 2);

/// Implements [`Lanes`] for a vector type by naming its intrinsics.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! vector {
    ($vector:ty, $scalar:ty, $width:literal, $registers:literal, $load:path, $store:path, $splat:path, $add:path,
     $subtract:path, $multiply:path,
     |$a:ident, $b:ident, $sum:ident| $add_product:expr, $subtract_product:expr) => {
        impl Lanes for $vector {
            type Scalar = $scalar;
            const WIDTH: usize = $width;
            const REGISTERS: usize = $registers;

            #[inline(always)]
            unsafe fn load(source: *const $scalar) -> Self {
                // SAFETY: the caller guarantees the instruction set and a pointer valid for WIDTH reads.
                unsafe { $load(source) }
            }

            #[inline(always)]
            unsafe fn store(self, target: *mut $scalar) {
                // SAFETY: the caller guarantees the instruction set and a pointer valid for WIDTH writes.
                unsafe { $store(target, self) }
            }

            #[inline(always)]
            unsafe fn splat(value: $scalar) -> Self {
                // SAFETY: the caller guarantees the instruction set.
                unsafe { $splat(value) }
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: the caller guarantees the instruction set.
                unsafe { $add(self, other) }
            }

            #[inline(always)]
            unsafe fn subtract(self, other: Self) -> Self {
                // SAFETY: the caller guarantees the instruction set.
                unsafe { $subtract(self, other) }
            }

            #[inline(always)]
            unsafe fn multiply(self, other: Self) -> Self {
                // SAFETY: the caller guarantees the instruction set.
                unsafe { $multiply(self, other) }
            }

            #[inline(always)]
            unsafe fn add_product(self, other: Self, sum: Self) -> Self {
                let ($a, $b, $sum) = (self, other, sum);
                // SAFETY: the caller guarantees the instruction set.
                unsafe { $add_product }
            }

            #[inline(always)]
            unsafe fn subtract_product(self, other: Self, sum: Self) -> Self {
                let ($a, $b, $sum) = (self, other, sum);
                // SAFETY: the caller guarantees the instruction set.
                unsafe { $subtract_product }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m256d, __m512, __m512d, _mm256_add_pd, _mm256_add_ps, _mm256_fmadd_pd, _mm256_fmadd_ps,
        _mm256_fnmadd_pd, _mm256_fnmadd_ps, _mm256_loadu_pd, _mm256_loadu_ps, _mm256_mul_pd, _mm256_mul_ps,
        _mm256_set1_pd, _mm256_set1_ps, _mm256_storeu_pd, _mm256_storeu_ps, _mm256_sub_pd, _mm256_sub_ps,
        _mm512_add_pd, _mm512_add_ps, _mm512_fmadd_pd, _mm512_fmadd_ps, _mm512_fnmadd_pd, _mm512_fnmadd_ps,
        _mm512_loadu_pd, _mm512_loadu_ps, _mm512_mul_pd, _mm512_mul_ps, _mm512_set1_pd, _mm512_set1_ps,
        _mm512_storeu_pd, _mm512_storeu_ps, _mm512_sub_pd, _mm512_sub_ps,
    };

    use super::Lanes;

    vector!(
        __m256,
        f32,
        8,
        16,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_set1_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        |a, b, sum| _mm256_fmadd_ps(a, b, sum),
        _mm256_fnmadd_ps(a, b, sum)
    );
    vector!(
        __m256d,
        f64,
        4,
        16,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_set1_pd,
        _mm256_add_pd,
        _mm256_sub_pd,
        _mm256_mul_pd,
        |a, b, sum| _mm256_fmadd_pd(a, b, sum),
        _mm256_fnmadd_pd(a, b, sum)
    );
    vector!(
        __m512,
        f32,
        16,
        32,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_set1_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        |a, b, sum| _mm512_fmadd_ps(a, b, sum),
        _mm512_fnmadd_ps(a, b, sum)
    );
    vector!(
        __m512d,
        f64,
        8,
        32,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_set1_pd,
        _mm512_add_pd,
        _mm512_sub_pd,
        _mm512_mul_pd,
        |a, b, sum| _mm512_fmadd_pd(a, b, sum),
        _mm512_fnmadd_pd(a, b, sum)
    );
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::{
        float32x4_t, float64x2_t, vaddq_f32, vaddq_f64, vdupq_n_f32, vdupq_n_f64, vfmaq_f32, vfmaq_f64, vfmsq_f32,
        vfmsq_f64, vld1q_f32, vld1q_f64, vmulq_f32, vmulq_f64, vst1q_f32, vst1q_f64, vsubq_f32, vsubq_f64,
    };

    use super::Lanes;

    vector!(
        float32x4_t,
        f32,
        4,
        32,
        vld1q_f32,
        vst1q_f32,
        vdupq_n_f32,
        vaddq_f32,
        vsubq_f32,
        vmulq_f32,
        |a, b, sum| vfmaq_f32(sum, a, b),
        vfmsq_f32(sum, a, b)
    );
    vector!(
        float64x2_t,
        f64,
        2,
        32,
        vld1q_f64,
        vst1q_f64,
        vdupq_n_f64,
        vaddq_f64,
        vsubq_f64,
        vmulq_f64,
        |a, b, sum| vfmaq_f64(sum, a, b),
        vfmsq_f64(sum, a, b)
    );
}
