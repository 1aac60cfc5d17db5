//! Weighted products of the most used algebras as straight-line code, which `build/main.rs` writes.
//!
//! Each body keeps what it can in registers and multiplies by each weight where that takes the fewest multiplications.
//! The plans are found by their content hash.
#![allow(clippy::too_many_lines, reason = "straight-line code has as many lines as its product has terms")]

use std::marker::PhantomData;

use crate::isa::Isa;
use crate::kernel::{Compute, Planes, PlanesMut};
use crate::lanes::{Lanes, Portable};
use crate::weighted::{WeightedGradients, WeightedKernels, WeightedProduct, WeightedTerms};

include!(concat!(env!("OUT_DIR"), "/straight_line.rs"));

/// The code of one product, for any vectors.
trait StraightLine {
    /// The content hash of the plan.
    const HASH: u128;

    /// The product of `vectors` vectors of lanes.
    ///
    /// # Safety
    /// The instruction set of `V` is available; the planes are those of the plan and valid for that many lanes.
    unsafe fn forward<V>(vectors: usize, planes: &WeightedProduct<V::Scalar>)
    where
        V: Lanes,
        V::Scalar: Compute;

    /// The gradients of `vectors` vectors of lanes.
    ///
    /// # Safety
    /// As [`Self::forward`].
    unsafe fn backward<V>(vectors: usize, planes: &WeightedGradients<V::Scalar>)
    where
        V: Lanes,
        V::Scalar: Compute;
}

/// One vector of a plane.
///
/// # Safety
/// The plane is valid for it, and the instruction set of `V` is available.
#[inline(always)]
unsafe fn load<V: Lanes>(planes: Planes<V::Scalar>, blade: isize, lane: usize) -> V {
    // SAFETY: passed on from the caller.
    unsafe { V::load(planes.start.offset(blade * planes.stride).add(lane)) }
}

/// One vector of a plane, whose lanes in the tile after this one are fetched meanwhile.
///
/// # Safety
/// As [`load`].
#[inline(always)]
unsafe fn load_and_fetch<V>(planes: Planes<V::Scalar>, blade: isize, lane: usize) -> V
where
    V: Lanes,
    V::Scalar: Compute,
{
    // SAFETY: passed on from the caller.
    unsafe {
        let source = planes.start.offset(blade * planes.stride).add(lane);
        fetch::<false, V::Scalar>(source);
        V::load(source)
    }
}

/// Writes one vector of a plane.
///
/// # Safety
/// As [`load`], for writes.
#[inline(always)]
unsafe fn store<V: Lanes>(planes: PlanesMut<V::Scalar>, blade: isize, lane: usize, value: V) {
    // SAFETY: passed on from the caller.
    unsafe { value.store(planes.start.offset(blade * planes.stride).add(lane)) }
}

/// Writes one vector of a plane, whose lanes in the tile after this one are fetched meanwhile.
///
/// # Safety
/// As [`load`], for writes.
#[inline(always)]
unsafe fn store_and_fetch<V>(planes: PlanesMut<V::Scalar>, blade: isize, lane: usize, value: V)
where
    V: Lanes,
    V::Scalar: Compute,
{
    // SAFETY: passed on from the caller.
    unsafe {
        let target = planes.start.offset(blade * planes.stride).add(lane);
        fetch::<true, V::Scalar>(target);
        value.store(target);
    }
}

/// Asks for the memory one tile after an address, to read or to write it; nothing happens where there is none.
///
/// A processor follows a limited number of planes by itself, and asks for memory to write only when a store waits for it.
#[inline(always)]
fn fetch<const WRITES: bool, T: Compute>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_ET0, _MM_HINT_T0, _mm_prefetch};
        let next = address.wrapping_add(T::TILE).cast::<i8>();
        // SAFETY: a prefetch has no effect but on time, whatever the address.
        unsafe {
            if WRITES {
                _mm_prefetch::<_MM_HINT_ET0>(next);
            } else {
                _mm_prefetch::<_MM_HINT_T0>(next);
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// An instruction set with its vectors.
trait Compiler {
    type Scalar;

    /// The code of a product compiled for them.
    fn kernels<P: StraightLine>() -> WeightedKernels<Self::Scalar>;
}

macro_rules! compiler {
    ($name:ident $(, $features:literal)?) => {
        struct $name<V>(PhantomData<V>);

        impl<V> Compiler for $name<V>
        where
            V: Lanes,
            V::Scalar: Compute,
        {
            type Scalar = V::Scalar;

            fn kernels<P: StraightLine>() -> WeightedKernels<V::Scalar> {
                $(#[target_feature(enable = $features)])?
                unsafe fn forward<P, V>(_: &WeightedTerms, vectors: usize, planes: &WeightedProduct<V::Scalar>)
                where
                    P: StraightLine,
                    V: Lanes,
                    V::Scalar: Compute,
                {
                    // SAFETY: the contract of the kernels is passed on.
                    unsafe { P::forward::<V>(vectors, planes) }
                }

                $(#[target_feature(enable = $features)])?
                unsafe fn backward<P, V>(_: &WeightedTerms, vectors: usize, planes: &WeightedGradients<V::Scalar>)
                where
                    P: StraightLine,
                    V: Lanes,
                    V::Scalar: Compute,
                {
                    // SAFETY: the contract of the kernels is passed on.
                    unsafe { P::backward::<V>(vectors, planes) }
                }

                WeightedKernels { lanes: V::WIDTH, is_reread: false, forward: forward::<P, V>, backward: backward::<P, V> }
            }
        }
    };
}

compiler!(Plain);
#[cfg(target_arch = "x86_64")]
compiler!(Avx512, "avx512f,avx2,fma");
#[cfg(target_arch = "x86_64")]
compiler!(Avx2, "avx2,fma");
#[cfg(target_arch = "aarch64")]
compiler!(Neon, "neon");

/// A type that there is straight-line code for.
pub(crate) trait StraightLineCompute: Compute {
    /// The kernels of the plan with this content hash, if there is straight-line code for it.
    fn straight_line(hash: u128, isa: Isa) -> Option<WeightedKernels<Self>>;
}

macro_rules! straight_line_compute {
    ($scalar:ty, $portable:literal, $avx2:ident, $avx512:ident, $neon:ident, $($long:ident)?) => {
        impl StraightLineCompute for $scalar {
            fn straight_line(hash: u128, isa: Isa) -> Option<WeightedKernels<Self>> {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => look_up::<Avx512<std::arch::x86_64::$avx512>>(hash)
                        $(.or_else(|| $long::<Avx512<std::arch::x86_64::$avx512>>(hash)))?,
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => look_up::<Avx2<std::arch::x86_64::$avx2>>(hash)
                        $(.or_else(|| $long::<Avx2<std::arch::x86_64::$avx2>>(hash)))?,
                    #[cfg(target_arch = "aarch64")]
                    Isa::Neon => look_up::<Neon<std::arch::aarch64::$neon>>(hash)
                        $(.or_else(|| $long::<Neon<std::arch::aarch64::$neon>>(hash)))?,
                    _ => look_up::<Plain<Portable<$scalar, $portable>>>(hash),
                }
            }
        }
    };
}

straight_line_compute!(f32, 4, __m256, __m512, float32x4_t, look_up_long);
straight_line_compute!(f64, 2, __m256d, __m512d, float64x2_t,);

#[cfg(test)]
mod tests;
