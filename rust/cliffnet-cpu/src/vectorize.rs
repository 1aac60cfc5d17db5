//! Runs a function that is generic over vectors of lanes with the vectors of an instruction set.

use crate::isa::Isa;
use crate::lanes::Portable;
use crate::real_lanes::{Real, RealLanes};

/// A function written for any vectors of `T`, with its arguments.
pub(crate) trait LaneFunction<T> {
    /// Calls it. Implementations are `#[inline(always)]`, to be compiled for the instruction set of the caller.
    ///
    /// # Safety
    /// The instruction set of `V` is available, and the pointers among the arguments are as the function asks.
    unsafe fn call<V: RealLanes<Scalar = T>>(self);
}

/// Types whose vectors are known for every instruction set.
pub(crate) trait Vectorize: Real {
    /// Calls `function` with the vectors of `isa`.
    ///
    /// # Safety
    /// `isa` is available, and the pointers among the arguments are as the function asks.
    unsafe fn vectorize<F: LaneFunction<Self>>(isa: Isa, function: F);
}

macro_rules! vectorize {
    ($scalar:ty, $portable:literal, $avx2:ident, $avx512:ident, $neon:ident) => {
        impl Vectorize for $scalar {
            #[inline]
            unsafe fn vectorize<F: LaneFunction<Self>>(isa: Isa, function: F) {
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx512f,avx2,fma")]
                unsafe fn avx512<F: LaneFunction<$scalar>>(function: F) {
                    // SAFETY: passed on from the caller.
                    unsafe { function.call::<std::arch::x86_64::$avx512>() }
                }

                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma")]
                unsafe fn avx2<F: LaneFunction<$scalar>>(function: F) {
                    // SAFETY: passed on from the caller.
                    unsafe { function.call::<std::arch::x86_64::$avx2>() }
                }

                #[cfg(target_arch = "aarch64")]
                #[target_feature(enable = "neon")]
                unsafe fn neon<F: LaneFunction<$scalar>>(function: F) {
                    // SAFETY: passed on from the caller.
                    unsafe { function.call::<std::arch::aarch64::$neon>() }
                }

                // SAFETY: `isa` is available, and the rest is passed on from the caller.
                unsafe {
                    match isa {
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx512 => avx512(function),
                        #[cfg(target_arch = "x86_64")]
                        Isa::Avx2 => avx2(function),
                        #[cfg(target_arch = "aarch64")]
                        Isa::Neon => neon(function),
                        _ => function.call::<Portable<$scalar, $portable>>(),
                    }
                }
            }
        }
    };
}

vectorize!(f32, 4, __m256, __m512, float32x4_t);
vectorize!(f64, 2, __m256d, __m512d, float64x2_t);
