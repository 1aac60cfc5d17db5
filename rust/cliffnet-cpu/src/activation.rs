//! Activations of invariants: a value, by which multivectors are multiplied, and its derivative.

use crate::math::{hyperbolic_tangent, logistic, normal_distribution};
use crate::real_lanes::RealLanes;
use crate::vectorize::LaneFunction;

/// A function of an invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `s`.
    Identity,
    /// `max(s, 0)`.
    Relu,
    /// `1 / (1 + exp(-s))`, which is also `SiLU` over its argument.
    Sigmoid,
    /// `s / (1 + exp(-s))`.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
    /// `s` times the normal cumulative distribution function.
    Gelu,
    /// The approximation of GELU by a hyperbolic tangent.
    GeluTanh,
    /// [`Activation::GeluTanh`] over its argument.
    GeluDivide,
    /// The normal cumulative distribution function: GELU over its argument.
    NormalCdf,
    /// 1 for positive arguments, else 0: `ReLU` over its argument.
    Step,
}

impl Activation {
    /// All of them; the place of each is its number in operators.
    pub const ALL: [Self; 10] = [
        Self::Identity,
        Self::Relu,
        Self::Sigmoid,
        Self::Silu,
        Self::Tanh,
        Self::Gelu,
        Self::GeluTanh,
        Self::GeluDivide,
        Self::NormalCdf,
        Self::Step,
    ];

    /// The activation of a number.
    pub fn from_code(code: i64) -> Option<Self> {
        usize::try_from(code).ok().and_then(|code| Self::ALL.get(code)).copied()
    }
}

/// Value and derivative.
///
/// # Safety
/// The instruction set of `V` is available.
#[inline(always)]
pub(crate) unsafe fn evaluate<V: RealLanes>(activation: Activation, x: V) -> [V; 2] {
    // SAFETY: passed on from the caller.
    unsafe {
        let (zero, one) = (V::constant(0.0), V::constant(1.0));
        match activation {
            Activation::Identity => [x, one],
            // the slope is not a number where the argument is none
            Activation::Relu => [x.at_least(zero), zero.where_greater(x, zero, x.where_greater(zero, one, x))],
            Activation::Sigmoid => logistic(x),
            Activation::Silu => times_argument(x, logistic(x)),
            Activation::Tanh => hyperbolic_tangent(x),
            Activation::Gelu => times_argument(x, normal_distribution(x)),
            Activation::GeluTanh => times_argument(x, gelu_over_argument(x)),
            Activation::GeluDivide => gelu_over_argument(x),
            Activation::NormalCdf => normal_distribution(x),
            Activation::Step => [zero.where_greater(x, zero, x.where_greater(zero, one, x)), zero],
        }
    }
}

/// Value and derivative of `x f(x)`, for an `f` whose derivative vanishes far from 0.
///
/// # Safety
/// The instruction set of `V` is available.
#[inline(always)]
unsafe fn times_argument<V: RealLanes>(x: V, [value, slope]: [V; 2]) -> [V; 2] {
    // SAFETY: passed on from the caller.
    unsafe {
        // far out the slope is zero, and zero times infinity would be no number
        let near = x.at_most(V::constant(1e4)).at_least(V::constant(-1e4));
        [x.multiply(value), near.add_product(slope, value)]
    }
}

/// The logistic function of `2 sqrt(2 / pi) (x + 0.044715 x^3)`, and its derivative.
///
/// # Safety
/// The instruction set of `V` is available.
#[inline(always)]
unsafe fn gelu_over_argument<V: RealLanes>(x: V) -> [V; 2] {
    const SCALE: f64 = 2.0 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
    const CUBIC: f64 = 0.044_715;
    // SAFETY: passed on from the caller.
    unsafe {
        // far out the function is 0 or 1 to the last bit, and the cube would overflow
        let near = x.at_most(V::constant(40.0)).at_least(V::constant(-40.0));
        let square = near.multiply(near);
        let inner = near.multiply(square.add_product(V::constant(SCALE * CUBIC), V::constant(SCALE)));
        let inner_slope = square.add_product(V::constant(3.0 * SCALE * CUBIC), V::constant(SCALE));
        let [value, slope] = logistic(inner);
        [value, slope.multiply(inner_slope)]
    }
}

/// Writes values and, where asked, derivatives of an activation for `lanes` numbers, rounded up to whole vectors.
pub(crate) struct Activate<T> {
    pub(crate) activation: Activation,
    pub(crate) lanes: usize,
    pub(crate) source: *const T,
    pub(crate) values: *mut T,
    /// May be null.
    pub(crate) slopes: *mut T,
}

impl<T> LaneFunction<T> for Activate<T> {
    /// # Safety
    /// The arrays are valid for `lanes` rounded up to whole vectors.
    #[inline(always)]
    unsafe fn call<V: RealLanes<Scalar = T>>(self) {
        let Self { activation, lanes, source, values, slopes } = self;
        for lane in (0..lanes).step_by(V::WIDTH) {
            // SAFETY: passed on from the caller.
            unsafe {
                let [value, slope] = evaluate(activation, V::load(source.add(lane)));
                value.store(values.add(lane));
                if !slopes.is_null() {
                    slope.store(slopes.add(lane));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
