//! Elementary functions on vectors of lanes: exponential, logistic function, hyperbolic tangent, normal distribution.
//!
//! Straight-line code without tables, so that every instruction set takes the same path. Errors are a few units in the
//! last place over the whole range; not a number stays so, and limits at infinity are taken.

use crate::real_lanes::{Real, RealLanes};

/// Coefficients of the Taylor series of the exponential.
const INVERSE_FACTORIALS: [f64; 15] = {
    let mut found = [1.0; 15];
    let mut index = 1;
    while index < 15 {
        found[index] = found[index - 1] / index as f64;
        index += 1;
    }
    found
};

/// A polynomial with the given coefficients, lowest first.
///
/// # Safety
/// The instruction set of `V` is available.
#[inline(always)]
unsafe fn polynomial<V: RealLanes>(x: V, coefficients: &[f64]) -> V {
    // SAFETY: passed on from the caller.
    unsafe {
        let (last, rest) = coefficients.split_last().unwrap_or((&0.0, &[]));
        let mut sum = V::constant(*last);
        for &coefficient in rest.iter().rev() {
            sum = sum.add_product(x, V::constant(coefficient));
        }
        sum
    }
}

/// The nearest integer, for numbers well below [`Real::ROUNDING`].
///
/// # Safety
/// The instruction set of `V` is available.
#[inline(always)]
unsafe fn rounded<V: RealLanes>(x: V) -> V {
    // SAFETY: passed on from the caller.
    unsafe {
        let shift = V::constant(V::Scalar::ROUNDING);
        x.add(shift).subtract(shift)
    }
}

/// `2^exponent` for an integer whose power is a normal number, and 0 for the one just below.
///
/// # Safety
/// The instruction set of `V` is available.
#[inline(always)]
unsafe fn power_of_two<V: RealLanes>(exponent: V) -> V {
    // SAFETY: passed on from the caller.
    unsafe { exponent.add(V::constant(V::Scalar::EXPONENT_SHIFT)).shift_to_exponent() }
}

/// An integer `n` and `exp(r) - 1` with `head + tail = n log 2 + r`, `|r|` at most half of `log 2`.
///
/// # Safety
/// The instruction set of `V` is available.
#[inline(always)]
unsafe fn reduced_exponential<V: RealLanes>(head: V, tail: V) -> (V, V) {
    let [coarse, fine] = V::Scalar::LOGARITHM_OF_TWO;
    // SAFETY: passed on from the caller.
    unsafe {
        let exponent = rounded(head.multiply(V::constant(std::f64::consts::LOG2_E)));
        let rest = exponent.subtract_product(V::constant(coarse), head);
        let rest = exponent.subtract_product(V::constant(fine), rest).add(tail);
        let series = polynomial(rest, &INVERSE_FACTORIALS[2..V::Scalar::EXPONENTIAL_TERMS]);
        (exponent, rest.multiply(rest).add_product(series, rest))
    }
}

/// `exp(head + tail)` for a small `tail`.
///
/// # Safety
/// The instruction set of `V` is available.
#[inline(always)]
unsafe fn exponential_of_sum<V: RealLanes>(head: V, tail: V) -> V {
    let [lowest, highest] = V::Scalar::EXPONENTIAL_RANGE;
    // SAFETY: passed on from the caller.
    unsafe {
        let head = head.at_least(V::constant(lowest)).at_most(V::constant(highest));
        let (exponent, series) = reduced_exponential(head, tail);
        // in two factors, for results that are subnormal or infinite
        let half = rounded(exponent.multiply(V::constant(0.5)));
        let power = V::constant(1.0).add(series).multiply(power_of_two(half));
        power.multiply(power_of_two(exponent.subtract(half)))
    }
}

/// The exponential function.
///
/// # Safety
/// The instruction set of `V` is available.
#[inline(always)]
pub(crate) unsafe fn exponential<V: RealLanes>(x: V) -> V {
    // SAFETY: passed on from the caller.
    unsafe { exponential_of_sum(x, V::constant(0.0)) }
}

/// The logistic function `1 / (1 + exp(-x))` and its derivative.
///
/// # Safety
/// The instruction set of `V` is available.
#[inline(always)]
pub(crate) unsafe fn logistic<V: RealLanes>(x: V) -> [V; 2] {
    // SAFETY: passed on from the caller.
    unsafe {
        let (zero, one) = (V::constant(0.0), V::constant(1.0));
        let power = exponential(zero.subtract(x.absolute()));
        let upper = one.divide(one.add(power));
        let lower = power.multiply(upper);
        [x.where_greater(zero, upper, lower), lower.multiply(upper)]
    }
}

/// The hyperbolic tangent and its derivative.
///
/// # Safety
/// The instruction set of `V` is available.
#[inline(always)]
pub(crate) unsafe fn hyperbolic_tangent<V: RealLanes>(x: V) -> [V; 2] {
    // SAFETY: passed on from the caller.
    unsafe {
        let (zero, one, two) = (V::constant(0.0), V::constant(1.0), V::constant(2.0));
        // the tangent is 1 to the last bit long before
        let doubled = x.absolute().at_most(V::constant(40.0)).multiply(V::constant(-2.0));
        let (exponent, series) = reduced_exponential(doubled, zero);
        let power = power_of_two(exponent);
        // exp(-2 |x|) - 1, accurate where x is small
        let less_one = series.add_product(power, power.subtract(one));
        let inverse = one.divide(less_one.add(two));
        let magnitude = zero.subtract(less_one).multiply(inverse);
        let value = x.where_greater(zero, magnitude, zero.subtract(magnitude));
        let slope = less_one.add(one).multiply(V::constant(4.0)).multiply(inverse).multiply(inverse);
        [value, slope]
    }
}

/// The cumulative distribution function of the standard normal distribution and its derivative, the density.
///
/// # Safety
/// The instruction set of `V` is available.
#[inline(always)]
pub(crate) unsafe fn normal_distribution<V: RealLanes>(x: V) -> [V; 2] {
    // SAFETY: passed on from the caller.
    unsafe {
        let (zero, half, one) = (V::constant(0.0), V::constant(0.5), V::constant(1.0));
        let size = x.absolute().at_most(V::constant(V::Scalar::NORMAL_RANGE));
        // the square in two parts: rounding it would cost the exponential its last digits
        let cut = size.multiply(V::constant(V::Scalar::CUT));
        let head = cut.subtract(cut.subtract(size));
        let tail = size.subtract(head).multiply(size.add(head));
        let minus_half = zero.subtract(half);
        let bell = exponential_of_sum(head.multiply(head).multiply(minus_half), tail.multiply(minus_half));
        let shift = V::constant(V::Scalar::NORMAL_SHIFT);
        let inverse = one.divide(size.add(shift));
        let position = size.subtract(shift).multiply(inverse);
        let lower = polynomial(position, V::Scalar::NORMAL_TAIL).multiply(inverse).multiply(bell);
        let density =
            bell.multiply(V::constant(0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2));
        [x.where_greater(zero, one.subtract(lower), lower), density]
    }
}

#[cfg(test)]
mod tests;
