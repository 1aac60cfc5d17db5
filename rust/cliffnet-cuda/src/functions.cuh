// Functions of a number with their derivatives; formulas and limits are those of the kernels for the processor.

struct Dual {
    real value, slope;
};

// Where the argument is no number, neither are the results.
LANE real at_least(real x, real limit) { return limit > x ? limit : x; }
LANE real at_most(real x, real limit) { return x > limit ? limit : x; }
LANE real is_positive(real x) { return x > real(0) ? real(1) : real(0) > x ? real(0) : x; }

LANE Dual logistic(real x) {
    const real power = exp(-fabs(x));
    const real upper = real(1) / (real(1) + power);
    const real lower = power * upper;
    return {x > real(0) ? upper : lower, lower * upper};
}

// x f(x), for an f whose derivative vanishes far from 0, where zero times infinity would be no number.
LANE Dual times_argument(real x, Dual f) {
    const real near = at_least(at_most(x, real(1e4)), real(-1e4));
    return {x * f.value, multiply_add(near, f.slope, f.value)};
}

// Activations of gates.
namespace activation {

LANE Dual identity(real x) { return {x, real(1)}; }
LANE Dual relu(real x) { return {at_least(x, real(0)), is_positive(x)}; }
LANE Dual sigmoid(real x) { return logistic(x); }
LANE Dual silu(real x) { return times_argument(x, logistic(x)); }

LANE Dual tanh(real x) {
    const real power = exp(real(-2) * fabs(x));
    const real inverse = real(1) / (real(1) + power);
    return {::tanh(x), real(4) * power * inverse * inverse};
}

LANE Dual normal_cdf(real x) {
    return {normcdf(x), real(0.3989422804014327) * exp(real(-0.5) * x * x)};
}

LANE Dual gelu(real x) { return times_argument(x, normal_cdf(x)); }

// The logistic function of 2 sqrt(2 / pi) (x + 0.044715 x^3); far out it is 0 or 1 to the last bit, and the cube would overflow.
LANE Dual gelu_divide(real x) {
    const real scale = real(1.5957691216057308), cubic = real(1.5957691216057308 * 0.044715);
    const real near = at_least(at_most(x, real(40)), real(-40));
    const real square = near * near;
    const Dual found = logistic(near * multiply_add(square, cubic, scale));
    return {found.value, found.slope * multiply_add(square, real(3) * cubic, scale)};
}

LANE Dual gelu_tanh(real x) { return times_argument(x, gelu_divide(x)); }
LANE Dual step(real x) { return {is_positive(x), real(0)}; }

}  // namespace activation

// Invariants of a class by its square; where a value has a kink, its derivative is 0.
namespace invariant {

LANE Dual square(real square, real) { return {square, real(1)}; }

LANE Dual magnitude(real square, real) {
    return {fabs(square), square > real(0) ? real(1) : real(0) > square ? real(-1) : square};
}

LANE Dual root(real square, real) {
    const real size = fabs(square), norm = sqrt(size);
    return {norm, size > real(0) ? square / (real(2) * norm * size) : square};
}

LANE Dual smooth_root(real square, real epsilon) {
    const real root = sqrt(multiply_add(square, square, epsilon)), norm = sqrt(root);
    return {norm, square / (real(2) * norm * root)};
}

}  // namespace invariant

// What gates classes, from parameters and an invariant.
namespace response {

LANE Dual sigmoid(real x) { return logistic(x); }

LANE Dual reciprocal(real x) {
    const real value = real(1) / x;
    return {value, -(value * value)};
}

}  // namespace response

// Scalings of a row by the mean of an invariant.
namespace scaling {

LANE Dual inverse_root(real mean, real floor) {
    if (mean < floor) {
        return {real(1) / sqrt(floor), real(0)};
    }
    const real value = real(1) / sqrt(mean);
    return {value, real(-0.5) * value / mean};
}

LANE Dual inverse(real mean, real epsilon) {
    const real value = real(1) / (mean + epsilon);
    return {value, -(value * value)};
}

}  // namespace scaling
