//! The dual maps, one blade at a time. I is the pseudoscalar of all generators in order,
//! `e_{A^c}` the blade of the generators that `e_A` lacks.

use crate::blade::{full_mask, reorder_sign};
use crate::{Involution, Metric};

/// The right complement (mask, s): `e_A ^ (s e_{A^c}) = I`. It does not depend on the metric.
#[inline]
pub const fn right_complement(dim: usize, mask: u64) -> (u64, f64) {
    let rest = full_mask(dim) & !mask;
    (rest, reorder_sign(mask, rest))
}

/// The left complement (mask, s): `(s e_{A^c}) ^ e_A = I`, the inverse of the [`right_complement`].
#[inline]
pub const fn left_complement(dim: usize, mask: u64) -> (u64, f64) {
    let rest = full_mask(dim) & !mask;
    (rest, reorder_sign(rest, mask))
}

/// The polarity `e_A I^{-1}`; `None` in a degenerate metric, where I has no inverse.
pub fn polarity(metric: &Metric, mask: u64) -> Option<(u64, f64)> {
    if metric.null_mask() != 0 {
        return None;
    }
    let full = metric.full_mask();
    let rest = full & !mask;
    // I^{-1} = ~I / m(I) and e_A I = E(A, I) m(A) e_{A^c}; m(A) / m(I) = 1 / m(A^c)
    let sign = Involution::Reverse.sign(full.count_ones()) * reorder_sign(mask, full);
    Some((rest, sign / metric.product_over(rest)))
}

/// `e_A I`, the inverse of the [`polarity`]; `None` where it vanishes.
pub fn unpolarity(metric: &Metric, mask: u64) -> Option<(u64, f64)> {
    let full = metric.full_mask();
    scaled(metric, mask, reorder_sign(mask, full))
}

/// The metric Hodge dual `~e_A I = rc(m(A) e_A)`; `None` where it vanishes, that is where the blade holds a null generator.
pub fn hodge(metric: &Metric, mask: u64) -> Option<(u64, f64)> {
    scaled(metric, mask, right_complement(metric.dim(), mask).1)
}

/// `(A^c, sign m(A))`, or `None` if m(A) is zero.
fn scaled(metric: &Metric, mask: u64, sign: f64) -> Option<(u64, f64)> {
    let coefficient = sign * metric.product_over(mask);
    (coefficient != 0.0).then_some((metric.full_mask() & !mask, coefficient))
}
