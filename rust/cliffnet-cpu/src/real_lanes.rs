//! What elementary functions need of vectors of lanes beyond sums and products.

use crate::kernel::Compute;
use crate::lanes::{Lanes, Portable};

/// Facts of a floating-point format.
pub(crate) trait Real: Compute {
    /// 1.5 times the power of two whose unit in the last place is 1: adding and subtracting it rounds to an integer.
    const ROUNDING: f64;
    /// Adding this to an integer puts the integer, plus the bias of exponents, in the lowest bits of the fraction.
    const EXPONENT_SHIFT: f64;
    /// `2^s + 1` where `s` is half the length of the fraction: a product with it cuts a number in two halves.
    const CUT: f64;
    /// Arguments of the exponential below and above which it is 0 and infinity.
    const EXPONENTIAL_RANGE: [f64; 2];
    /// The logarithm of 2 as a number with few digits and the rest.
    const LOGARITHM_OF_TWO: [f64; 2];
    /// Terms of the Taylor series of the exponential on half the logarithm of 2.
    const EXPONENTIAL_TERMS: usize;
    /// Beyond this argument the normal distribution has no weight left.
    const NORMAL_RANGE: f64;
    /// Shift `k` of the fit below.
    const NORMAL_SHIFT: f64;
    /// With `t = (a - k) / (a + k)`, the polynomial in `t` nearest to `(a + k) exp(a^2 / 2) normal_cdf(-a)`.
    const NORMAL_TAIL: &'static [f64];

    /// The same number in double precision.
    fn to_f64(self) -> f64;
}

impl Real for f32 {
    const ROUNDING: f64 = 12_582_912.0;
    const EXPONENT_SHIFT: f64 = 8_388_608.0 + 127.0;
    const CUT: f64 = 4097.0;
    const EXPONENTIAL_RANGE: [f64; 2] = [-105.0, 89.0];
    const LOGARITHM_OF_TWO: [f64; 2] = [0.693_359_375, std::f64::consts::LN_2 - 0.693_359_375];
    const EXPONENTIAL_TERMS: usize = 8;
    const NORMAL_RANGE: f64 = 15.0;
    const NORMAL_SHIFT: f64 = 4.0;
    const NORMAL_TAIL: &'static [f64] = &[
        0.755_285_143_852_233_9,
        -0.607_896_566_390_991_2,
        0.387_136_697_769_165_04,
        -0.186_523_303_389_549_26,
        0.060_406_185_686_588_29,
        -0.007_525_402_586_907_148,
        -0.003_520_972_793_921_828_3,
        0.001_566_881_663_165_986_5,
        0.000_188_996_520_591_899_75,
        -0.000_125_558_392_028_324_3,
    ];

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    const ROUNDING: f64 = 6_755_399_441_055_744.0;
    const EXPONENT_SHIFT: f64 = 4_503_599_627_370_496.0 + 1023.0;
    const CUT: f64 = 134_217_729.0;
    const EXPONENTIAL_RANGE: [f64; 2] = [-747.0, 710.5];
    const LOGARITHM_OF_TWO: [f64; 2] = [0.693_145_751_953_125, 1.428_606_820_309_417_2e-6];
    const EXPONENTIAL_TERMS: usize = 14;
    const NORMAL_RANGE: f64 = 39.0;
    const NORMAL_SHIFT: f64 = 5.0;
    const NORMAL_TAIL: &'static [f64] = &[
        0.769_193_049_750_063,
        -0.665_382_502_890_056_7,
        0.495_305_615_969_976_6,
        -0.313_533_156_671_305_16,
        0.165_020_366_170_375_02,
        -0.069_118_638_706_294_69,
        0.020_795_066_800_091_46,
        -0.002_993_376_770_649_268,
        -0.000_797_869_400_739_248_7,
        0.000_544_899_065_037_323,
        -5.937_571_381_647_131e-5,
        -4.976_281_037_790_303_6e-5,
        1.668_116_036_458_664_6e-5,
        3.980_871_285_666_973e-6,
        -2.769_145_782_282_277_7e-6,
        -3.365_122_044_349_07e-7,
        4.329_837_037_415_609e-7,
        4.209_183_333_886_914e-8,
        -6.584_886_840_079_74e-8,
        -9.144_502_081_289_173e-9,
        7.667_236_107_202_653e-9,
        1.689_105_766_515_378_2e-9,
        -1.807_321_207_814_604_5e-10,
    ];

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
}

/// Vectors of real numbers with division, roots and comparisons.
pub(crate) trait RealLanes: Lanes<Scalar: Real> {
    /// `self / other`.
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn divide(self, other: Self) -> Self;

    /// The square root.
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn square_root(self) -> Self;

    /// The absolute value.
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn absolute(self) -> Self;

    /// `yes` where `self > other`, `no` elsewhere and where either is not a number.
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn where_greater(self, other: Self, yes: Self, no: Self) -> Self;

    /// The lowest bits of the fraction moved up to where the exponent is.
    ///
    /// # Safety
    /// The instruction set is available.
    unsafe fn shift_to_exponent(self) -> Self;

    /// A constant in every lane.
    ///
    /// # Safety
    /// The instruction set is available.
    #[inline(always)]
    unsafe fn constant(value: f64) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { Self::splat(<Self::Scalar as Compute>::from_f64(value)) }
    }

    /// `self`, but at least `limit`; not a number stays so.
    ///
    /// # Safety
    /// The instruction set is available.
    #[inline(always)]
    unsafe fn at_least(self, limit: Self) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { limit.where_greater(self, limit, self) }
    }

    /// `self`, but at most `limit`; not a number stays so.
    ///
    /// # Safety
    /// The instruction set is available.
    #[inline(always)]
    unsafe fn at_most(self, limit: Self) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { self.where_greater(limit, limit, self) }
    }
}

macro_rules! portable {
    ($scalar:ty, $width:literal, $fraction:literal) => {
        // SAFETY (all methods): plain Rust; no instruction set is assumed.
        impl RealLanes for Portable<$scalar, $width> {
            #[inline(always)]
            unsafe fn divide(self, other: Self) -> Self {
                Self(std::array::from_fn(|lane| self.0[lane] / other.0[lane]))
            }

            #[inline(always)]
            unsafe fn square_root(self) -> Self {
                Self(self.0.map(<$scalar>::sqrt))
            }

            #[inline(always)]
            unsafe fn absolute(self) -> Self {
                Self(self.0.map(<$scalar>::abs))
            }

            #[inline(always)]
            unsafe fn where_greater(self, other: Self, yes: Self, no: Self) -> Self {
                Self(std::array::from_fn(|lane| if self.0[lane] > other.0[lane] { yes.0[lane] } else { no.0[lane] }))
            }

            #[inline(always)]
            unsafe fn shift_to_exponent(self) -> Self {
                Self(self.0.map(|value| <$scalar>::from_bits(value.to_bits() << $fraction)))
            }
        }
    };
}

portable!(f32, 4, 23);
portable!(f64, 2, 52);

/// Implements [`RealLanes`] for a vector type by naming its intrinsics.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! vector {
    ($vector:ty, $divide:path, $root:path, |$a:ident, $b:ident, $yes:ident, $no:ident| $absolute:expr, $select:expr, $shift:expr) => {
        impl RealLanes for $vector {
            #[inline(always)]
            unsafe fn divide(self, other: Self) -> Self {
                // SAFETY: the caller guarantees the instruction set.
                unsafe { $divide(self, other) }
            }

            #[inline(always)]
            unsafe fn square_root(self) -> Self {
                // SAFETY: the caller guarantees the instruction set.
                unsafe { $root(self) }
            }

            #[inline(always)]
            unsafe fn absolute(self) -> Self {
                let $a = self;
                // SAFETY: the caller guarantees the instruction set.
                unsafe { $absolute }
            }

            #[inline(always)]
            unsafe fn where_greater(self, other: Self, yes: Self, no: Self) -> Self {
                let ($a, $b, $yes, $no) = (self, other, yes, no);
                // SAFETY: the caller guarantees the instruction set.
                unsafe { $select }
            }

            #[inline(always)]
            unsafe fn shift_to_exponent(self) -> Self {
                let $a = self;
                // SAFETY: the caller guarantees the instruction set.
                unsafe { $shift }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m256d, __m512, __m512d, _CMP_GT_OQ, _mm256_andnot_pd, _mm256_andnot_ps, _mm256_blendv_pd,
        _mm256_blendv_ps, _mm256_castpd_si256, _mm256_castps_si256, _mm256_castsi256_pd, _mm256_castsi256_ps,
        _mm256_cmp_pd, _mm256_cmp_ps, _mm256_div_pd, _mm256_div_ps, _mm256_set1_pd, _mm256_set1_ps, _mm256_slli_epi32,
        _mm256_slli_epi64, _mm256_sqrt_pd, _mm256_sqrt_ps, _mm512_abs_pd, _mm512_abs_ps, _mm512_castpd_si512,
        _mm512_castps_si512, _mm512_castsi512_pd, _mm512_castsi512_ps, _mm512_cmp_pd_mask, _mm512_cmp_ps_mask,
        _mm512_div_pd, _mm512_div_ps, _mm512_mask_blend_pd, _mm512_mask_blend_ps, _mm512_slli_epi32, _mm512_slli_epi64,
        _mm512_sqrt_pd, _mm512_sqrt_ps,
    };

    use super::RealLanes;

    vector!(
        __m256,
        _mm256_div_ps,
        _mm256_sqrt_ps,
        |a, b, yes, no| _mm256_andnot_ps(_mm256_set1_ps(-0.0), a),
        _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b)),
        _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(a)))
    );
    vector!(
        __m256d,
        _mm256_div_pd,
        _mm256_sqrt_pd,
        |a, b, yes, no| _mm256_andnot_pd(_mm256_set1_pd(-0.0), a),
        _mm256_blendv_pd(no, yes, _mm256_cmp_pd::<_CMP_GT_OQ>(a, b)),
        _mm256_castsi256_pd(_mm256_slli_epi64::<52>(_mm256_castpd_si256(a)))
    );
    vector!(
        __m512,
        _mm512_div_ps,
        _mm512_sqrt_ps,
        |a, b, yes, no| _mm512_abs_ps(a),
        _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), no, yes),
        _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(a)))
    );
    vector!(
        __m512d,
        _mm512_div_pd,
        _mm512_sqrt_pd,
        |a, b, yes, no| _mm512_abs_pd(a),
        _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(a, b), no, yes),
        _mm512_castsi512_pd(_mm512_slli_epi64::<52>(_mm512_castpd_si512(a)))
    );
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::{
        float32x4_t, float64x2_t, vabsq_f32, vabsq_f64, vbslq_f32, vbslq_f64, vcgtq_f32, vcgtq_f64, vdivq_f32,
        vdivq_f64, vreinterpretq_f32_u32, vreinterpretq_f64_u64, vreinterpretq_u32_f32, vreinterpretq_u64_f64,
        vshlq_n_u32, vshlq_n_u64, vsqrtq_f32, vsqrtq_f64,
    };

    use super::RealLanes;

    vector!(
        float32x4_t,
        vdivq_f32,
        vsqrtq_f32,
        |a, b, yes, no| vabsq_f32(a),
        vbslq_f32(vcgtq_f32(a, b), yes, no),
        vreinterpretq_f32_u32(vshlq_n_u32::<23>(vreinterpretq_u32_f32(a)))
    );
    vector!(
        float64x2_t,
        vdivq_f64,
        vsqrtq_f64,
        |a, b, yes, no| vabsq_f64(a),
        vbslq_f64(vcgtq_f64(a, b), yes, no),
        vreinterpretq_f64_u64(vshlq_n_u64::<52>(vreinterpretq_u64_f64(a)))
    );
}
