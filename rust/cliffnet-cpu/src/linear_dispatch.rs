//! The kernels of linear maps, by instruction set and type.

use std::ops::Mul;

use crate::isa::Isa;
use crate::lanes::{Lanes, Portable};
use crate::linear_kernel::{Rows, Tile};
use crate::linear_outer::OuterTile;

/// The kernels of an instruction set.
#[derive(Clone, Copy)]
pub(crate) struct LinearKernels<T> {
    /// Lanes of a vector.
    pub(crate) width: usize,
    /// Runs one output blade.
    pub(crate) apply: unsafe fn(&Tile<'_, T>),
    /// Adds one panel of the gradient of weights.
    pub(crate) outer: unsafe fn(&OuterTile<'_, T>),
    /// Adds the rows of some channels to `sums`: `(rows, channels, count, sums)`.
    pub(crate) sum_rows: unsafe fn(Rows<T>, usize, usize, *mut T),
}

/// The kernels of one vector type, compiled for its instruction set.
macro_rules! compiled {
    ($kernels:ident, $rows:literal $(, $features:literal)?) => {
        mod $kernels {
            use crate::linear_kernel::{Rows, Tile};
            use crate::linear_outer::OuterTile;
            use crate::tails::Tails;

            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn apply<V: Tails>(tile: &Tile<'_, V::Scalar>)
            where
                V::Scalar: Default,
            {
                // SAFETY: the contract is the same, passed on.
                unsafe { crate::linear_kernel::apply::<V, $rows>(tile) }
            }

            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn outer<V: Tails>(tile: &OuterTile<'_, V::Scalar>)
            where
                V::Scalar: Default,
            {
                // SAFETY: the contract is the same, passed on.
                unsafe { crate::linear_outer::outer::<V, $rows>(tile) }
            }

            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn sum_rows<V: Tails>(
                rows: Rows<V::Scalar>,
                channels: usize,
                count: usize,
                sums: *mut V::Scalar,
            ) {
                // SAFETY: the contract is the same, passed on.
                unsafe { crate::linear_outer::sum_rows::<V>(rows, channels, count, sums) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
compiled!(avx512, 12, "avx512f,avx2,fma");
#[cfg(target_arch = "x86_64")]
compiled!(avx2, 6, "avx2,fma");
#[cfg(target_arch = "aarch64")]
compiled!(neon, 12, "neon");
compiled!(portable, 4);

/// A type with kernels for linear maps.
pub(crate) trait LinearCompute: Sized + Mul<Output = Self> {
    /// The kernels of an instruction set.
    fn linear_kernels(isa: Isa) -> LinearKernels<Self>;
}

macro_rules! linear_compute {
    ($scalar:ty, $portable:literal, $avx2:ident, $avx512:ident, $neon:ident) => {
        impl LinearCompute for $scalar {
            fn linear_kernels(isa: Isa) -> LinearKernels<Self> {
                macro_rules! kernels {
                    ($module:ident, $vector:ty) => {
                        LinearKernels {
                            width: <$vector as Lanes>::WIDTH,
                            apply: $module::apply::<$vector>,
                            outer: $module::outer::<$vector>,
                            sum_rows: $module::sum_rows::<$vector>,
                        }
                    };
                }
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => kernels!(avx512, std::arch::x86_64::$avx512),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => kernels!(avx2, std::arch::x86_64::$avx2),
                    #[cfg(target_arch = "aarch64")]
                    Isa::Neon => kernels!(neon, std::arch::aarch64::$neon),
                    _ => kernels!(portable, Portable<$scalar, $portable>),
                }
            }
        }
    };
}

linear_compute!(f32, 4, __m256, __m512, float32x4_t);
linear_compute!(f64, 2, __m256d, __m512d, float64x2_t);
