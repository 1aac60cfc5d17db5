//! Half-precision numbers by arithmetic on values, unlike the bit tricks of the crate.

/// Exponent range and digits of a 16-bit format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    fraction_bits: i32,
    smallest_exponent: i32,
    largest_exponent: i32,
}

pub(crate) const BFLOAT16: Format = Format { fraction_bits: 7, smallest_exponent: -126, largest_exponent: 127 };
pub(crate) const FLOAT16: Format = Format { fraction_bits: 10, smallest_exponent: -14, largest_exponent: 15 };

impl Format {
    fn largest(self) -> f64 {
        (2.0 - 2.0_f64.powi(-self.fraction_bits)) * 2.0_f64.powi(self.largest_exponent)
    }

    /// The exponent that the representation of a magnitude uses.
    fn exponent(self, magnitude: f64) -> i32 {
        let unbiased = ((magnitude.to_bits() >> 52) & 0x7FF) as i32 - 1023;
        unbiased.max(self.smallest_exponent)
    }

    /// The nearest number of the format, ties to even.
    pub(crate) fn round(self, value: f64) -> f64 {
        if !value.is_finite() || value == 0.0 {
            return value;
        }
        let step = 2.0_f64.powi(self.exponent(value.abs()) - self.fraction_bits);
        let rounded = (value / step).round_ties_even() * step;
        if rounded.abs() > self.largest() { f64::INFINITY.copysign(value) } else { rounded }
    }

    /// The bits of a number of the format.
    pub(crate) fn encode(self, value: f64) -> u16 {
        let sign = u16::from(value.is_sign_negative()) << 15;
        let infinite = (self.largest_exponent as u16 * 2 + 1) << self.fraction_bits;
        let magnitude = value.abs();
        if value.is_nan() {
            return sign | infinite | 1 << (self.fraction_bits - 1);
        }
        if magnitude > self.largest() {
            return sign | infinite;
        }
        let exponent = self.exponent(magnitude);
        let scaled = magnitude / 2.0_f64.powi(exponent - self.fraction_bits);
        let implicit = f64::from(1 << self.fraction_bits);
        // a normal number has the implicit bit, and biased exponent 1 stands for the smallest exponent
        let bits = if scaled >= implicit {
            ((exponent - self.smallest_exponent + 1) << self.fraction_bits) + (scaled - implicit) as i32
        } else {
            scaled as i32
        };
        sign | bits as u16
    }

    /// The number that bits stand for.
    pub(crate) fn decode(self, bits: u16) -> f64 {
        let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
        let fraction = f64::from(bits & ((1 << self.fraction_bits) - 1)) * 2.0_f64.powi(-self.fraction_bits);
        let biased = i32::from((bits & 0x7FFF) >> self.fraction_bits);
        let magnitude = if biased == self.largest_exponent * 2 + 1 {
            if fraction == 0.0 { f64::INFINITY } else { f64::NAN }
        } else if biased == 0 {
            fraction * 2.0_f64.powi(self.smallest_exponent)
        } else {
            (1.0 + fraction) * 2.0_f64.powi(biased - 1 + self.smallest_exponent)
        };
        sign * magnitude
    }
}

#[test]
fn formats_round_trip_every_bit_pattern() {
    for format in [BFLOAT16, FLOAT16] {
        for bits in 0..=u16::MAX {
            let value = format.decode(bits);
            if !value.is_nan() {
                assert_eq!(format.encode(value), bits, "{format:?} {value}");
                assert_eq!(format.round(value), value, "{format:?} {value}");
            }
        }
    }
}
