//! Two vectors of neighbouring lanes as one, for kernels that leave half of the registers idle.

use crate::lanes::Lanes;

/// A vector and the one of the lanes after it.
#[derive(Clone, Copy)]
pub(crate) struct Twice<V>(V, V);

impl<V: Lanes> Lanes for Twice<V> {
    type Scalar = V::Scalar;
    const WIDTH: usize = 2 * V::WIDTH;
    const REGISTERS: usize = V::REGISTERS / 2;

    #[inline(always)]
    unsafe fn load(source: *const V::Scalar) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { Self(V::load(source), V::load(source.add(V::WIDTH))) }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut V::Scalar) {
        // SAFETY: passed on from the caller.
        unsafe {
            self.0.store(target);
            self.1.store(target.add(V::WIDTH));
        }
    }

    #[inline(always)]
    unsafe fn splat(value: V::Scalar) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { Self(V::splat(value), V::splat(value)) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { Self(self.0.add(other.0), self.1.add(other.1)) }
    }

    #[inline(always)]
    unsafe fn subtract(self, other: Self) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { Self(self.0.subtract(other.0), self.1.subtract(other.1)) }
    }

    #[inline(always)]
    unsafe fn multiply(self, other: Self) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { Self(self.0.multiply(other.0), self.1.multiply(other.1)) }
    }

    #[inline(always)]
    unsafe fn add_product(self, other: Self, sum: Self) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { Self(self.0.add_product(other.0, sum.0), self.1.add_product(other.1, sum.1)) }
    }

    #[inline(always)]
    unsafe fn subtract_product(self, other: Self, sum: Self) -> Self {
        // SAFETY: passed on from the caller.
        unsafe { Self(self.0.subtract_product(other.0, sum.0), self.1.subtract_product(other.1, sum.1)) }
    }
}
