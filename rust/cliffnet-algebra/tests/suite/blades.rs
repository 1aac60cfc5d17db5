//! Signs of blades.

use cliffnet_algebra::{Involution, ProductKind, blade};
use proptest::prelude::*;

use crate::naive;

#[test]
fn grade_counts_generators() {
    assert_eq!([0_u64, 0b1, 0b101, u64::MAX].map(blade::grade), [0, 1, 2, 64]);
    assert_eq!([0, 1, 4, 62].map(blade::full_mask), [0, 1, 15, u64::MAX >> 2]);
}

#[test]
fn reorder_sign_counts_swaps() {
    for a in 0..64 {
        for b in 0..64 {
            assert_eq!(blade::reorder_sign(a, b), naive::geometric(&[1.0; 6], a, b).1, "{a:b} {b:b}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn reorder_sign_counts_swaps_of_wide_blades(a in 0..1_u64 << 62, b in 0..1_u64 << 62) {
        prop_assert_eq!(blade::reorder_sign(a, b), naive::geometric(&[1.0; 62], a, b).1);
    }

    #[test]
    fn reorder_sign_is_bilinear(a: u64, b: u64, c: u64) {
        let sign = blade::reorder_sign;
        prop_assert_eq!(sign(a ^ b, c), sign(a, c) * sign(b, c));
        prop_assert_eq!(sign(c, a ^ b), sign(c, a) * sign(c, b));
    }

    /// Splitting off the first generator: e_a e_b = e_i (e_{a - i} e_b).
    #[test]
    fn product_recurses_on_the_first_generator(
        squares in prop::collection::vec(-3_i8..=3, 1..=10), a: u64, b: u64,
    ) {
        let metric = naive::metric(&squares.into_iter().map(f64::from).collect::<Vec<_>>());
        let (a, b) = (a & metric.full_mask(), b & metric.full_mask());
        prop_assume!(a != 0);
        let first = a & a.wrapping_neg();
        let product = |a, b| ProductKind::Geometric.term(&metric, a, b);
        let tail = product(a ^ first, b);
        let expected = tail.and_then(|(mask, tail)| product(first, mask).map(|(mask, head)| (mask, head * tail)));
        prop_assert_eq!(product(a, b), expected);
    }

    /// ~(ab) = ~b ~a, hat(ab) = hat(a) hat(b), bar(ab) = bar(b) bar(a).
    #[test]
    fn involutions_respect_products(squares in prop::collection::vec(-3_i8..=3, 0..=10), a: u64, b: u64) {
        let metric = naive::metric(&squares.into_iter().map(f64::from).collect::<Vec<_>>());
        let (a, b) = (a & metric.full_mask(), b & metric.full_mask());
        for involution in Involution::ALL {
            let sign = |mask| involution.sign(blade::grade(mask));
            let (first, second) = if involution == Involution::GradeInvolute { (a, b) } else { (b, a) };
            let product = |a, b| ProductKind::Geometric.term(&metric, a, b);
            let left = product(a, b).map(|(mask, coefficient)| (mask, coefficient * sign(mask)));
            let right = product(first, second).map(|(mask, coefficient)| (mask, coefficient * sign(a) * sign(b)));
            prop_assert_eq!(left, right);
        }
    }
}
