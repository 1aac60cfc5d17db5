//! Storage types and the arithmetic type each is computed in.

use crate::geometry::Offsets;
use crate::isa::Isa;

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// bfloat16 storage, single-precision arithmetic.
    BF16,
    /// IEEE half-precision storage, single-precision arithmetic.
    F16,
}

impl DType {
    /// Size of one element in bytes.
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::BF16 | Self::F16 => 2,
        }
    }
}

/// An element type as it lies in memory.
pub(crate) trait Storage: Copy + 'static {
    /// The type the arithmetic is done in.
    type Compute: crate::kernel::Compute + crate::linear_dispatch::LinearCompute;

    /// Whether storage and arithmetic share a type, so that planes can be used where they lie.
    const IS_COMPUTE: bool;

    /// Widens a stored element; exact.
    fn widen(self) -> Self::Compute;

    /// Rounds to nearest, ties to even.
    fn narrow(value: Self::Compute) -> Self;

    /// Lanes of contiguous blades to planes, in blocks; returns how many lanes and blades it did.
    ///
    /// # Safety
    /// As [`crate::pack::pack`] with a blade stride of 1.
    #[inline(always)]
    unsafe fn transpose_in(
        _isa: Isa,
        _source: *const Self,
        _offsets: Offsets<'_>,
        _shape: [usize; 3],
        _target: *mut Self::Compute,
    ) -> (usize, usize) {
        (0, 0)
    }

    /// Planes to lanes of contiguous blades, in blocks; returns how many lanes and blades it did.
    ///
    /// # Safety
    /// As [`crate::pack::unpack`] with a blade stride of 1.
    #[inline(always)]
    unsafe fn transpose_out(
        _isa: Isa,
        _source: *const Self::Compute,
        _shape: [usize; 3],
        _target: *mut Self,
        _offsets: Offsets<'_>,
    ) -> (usize, usize) {
        (0, 0)
    }
}

/// Block transposes of a type that is stored as it is computed.
macro_rules! transposes {
    ($read_avx512:ident, $write_avx512:ident, $read_avx2:ident, $write_avx2:ident) => {
        #[cfg(target_arch = "x86_64")]
        #[inline(always)]
        unsafe fn transpose_in(
            isa: Isa,
            source: *const Self,
            offsets: Offsets<'_>,
            shape: [usize; 3],
            target: *mut Self,
        ) -> (usize, usize) {
            match isa {
                // SAFETY: the instruction set is available; the rest is passed on from the caller.
                Isa::Avx512 => unsafe { crate::transpose::$read_avx512(source, offsets, shape, target) },
                // SAFETY: as above.
                Isa::Avx2 => unsafe { crate::transpose::$read_avx2(source, offsets, shape, target) },
                _ => (0, 0),
            }
        }

        #[cfg(target_arch = "x86_64")]
        #[inline(always)]
        unsafe fn transpose_out(
            isa: Isa,
            source: *const Self,
            shape: [usize; 3],
            target: *mut Self,
            offsets: Offsets<'_>,
        ) -> (usize, usize) {
            match isa {
                // SAFETY: the instruction set is available; the rest is passed on from the caller.
                Isa::Avx512 => unsafe { crate::transpose::$write_avx512(source, shape, target, offsets) },
                // SAFETY: as above.
                Isa::Avx2 => unsafe { crate::transpose::$write_avx2(source, shape, target, offsets) },
                _ => (0, 0),
            }
        }
    };
}

impl Storage for f32 {
    type Compute = Self;
    const IS_COMPUTE: bool = true;

    transposes!(single_in_avx512, single_out_avx512, single_in_avx2, single_out_avx2);

    #[inline(always)]
    fn widen(self) -> Self {
        self
    }

    #[inline(always)]
    fn narrow(value: Self) -> Self {
        value
    }
}

impl Storage for f64 {
    type Compute = Self;
    const IS_COMPUTE: bool = true;

    transposes!(double_in, double_out, double_in, double_out);

    #[inline(always)]
    fn widen(self) -> Self {
        self
    }

    #[inline(always)]
    fn narrow(value: Self) -> Self {
        value
    }
}

/// The bit pattern of a bfloat16 number.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct BFloat16(u16);

impl Storage for BFloat16 {
    type Compute = f32;
    const IS_COMPUTE: bool = false;

    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }

    #[inline(always)]
    fn narrow(value: f32) -> Self {
        let bits = value.to_bits();
        if value.is_nan() {
            // keep the sign and force a quiet NaN: rounding could carry into the exponent
            return Self((bits >> 16) as u16 | 0x0040);
        }
        let rounding = 0x7FFF + ((bits >> 16) & 1);
        Self((bits.wrapping_add(rounding) >> 16) as u16)
    }
}

/// The bit pattern of an IEEE half-precision number.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Float16(u16);

impl Storage for Float16 {
    type Compute = f32;
    const IS_COMPUTE: bool = false;

    #[inline(always)]
    fn widen(self) -> f32 {
        let sign = u32::from(self.0 & 0x8000) << 16;
        let exponent = u32::from(self.0 >> 10) & 0x1F;
        let fraction = u32::from(self.0 & 0x03FF);
        let magnitude = match exponent {
            // subnormal: fraction * 2^-24, exact in single precision
            0 => (fraction as f32 * f32::from_bits(0x3380_0000)).to_bits(),
            0x1F => 0x7F80_0000 | (fraction << 13),
            _ => ((exponent + 112) << 23) | (fraction << 13),
        };
        f32::from_bits(sign | magnitude)
    }

    #[inline(always)]
    fn narrow(value: f32) -> Self {
        let bits = value.to_bits();
        let sign = ((bits >> 16) & 0x8000) as u16;
        let magnitude = bits & 0x7FFF_FFFF;
        let half = if magnitude > 0x7F80_0000 {
            0x7E00 | ((magnitude >> 13) & 0x03FF) as u16
        } else if magnitude >= 0x4780_0000 {
            // 65520 and above round to infinity, 65504..65520 carry there below
            0x7C00
        } else if magnitude < 0x3880_0000 {
            // subnormal result: adding 0.5 aligns the last half-precision bit with the last single-precision bit
            let aligned = f32::from_bits(magnitude) + 0.5;
            (aligned.to_bits() - 0x3F00_0000) as u16
        } else {
            let rounding = 0x0FFF + ((magnitude >> 13) & 1);
            ((magnitude - 0x3800_0000 + rounding) >> 13) as u16
        };
        Self(sign | half)
    }
}

#[cfg(test)]
mod tests {
    use super::{BFloat16, Float16, Storage};

    #[test]
    fn test_half_every_bit_pattern_round_trips() {
        for bits in 0..=u16::MAX {
            let value = Float16(bits).widen();
            if value.is_nan() {
                assert!(Float16::narrow(value).widen().is_nan());
            } else {
                assert_eq!(Float16::narrow(value).0, bits);
            }
            let value = BFloat16(bits).widen();
            if value.is_nan() {
                assert!(BFloat16::narrow(value).widen().is_nan());
            } else {
                assert_eq!(BFloat16::narrow(value).0, bits);
            }
        }
    }

    #[test]
    fn test_half_narrow_rounds_to_nearest_even() {
        let ulp = 2.0_f32.powi(-10);
        assert_eq!(Float16::narrow(1.0 + 0.5 * ulp).widen(), 1.0);
        assert_eq!(Float16::narrow(1.0 + 1.5 * ulp).widen(), 1.0 + 2.0 * ulp);
        assert_eq!(Float16::narrow(65519.0).widen(), 65504.0);
        assert!(Float16::narrow(65520.0).widen().is_infinite());
        assert!(Float16::narrow(-1e9).widen() == f32::NEG_INFINITY);
        let tiny = 2.0_f32.powi(-24);
        assert_eq!(Float16::narrow(0.5 * tiny).widen(), 0.0);
        assert_eq!(Float16::narrow(1.5 * tiny).widen(), 2.0 * tiny);
        let step = 2.0_f32.powi(-7);
        assert_eq!(BFloat16::narrow(1.0 + 0.5 * step).widen(), 1.0);
        assert_eq!(BFloat16::narrow(1.0 + 1.5 * step).widen(), 1.0 + 2.0 * step);
        assert!(BFloat16::narrow(f32::MAX).widen().is_infinite());
    }
}
