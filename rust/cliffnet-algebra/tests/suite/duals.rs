//! The dual maps.

use cliffnet_algebra::{Basis, Involution, Metric, blade, dual};

use crate::naive;

#[test]
fn complements_make_the_pseudoscalar() {
    for dim in 0..=8 {
        for mask in 0..1 << dim {
            assert_eq!(dual::right_complement(dim, mask), naive::right_complement(dim, mask));
            assert_eq!(dual::left_complement(dim, mask), naive::left_complement(dim, mask));
        }
    }
}

#[test]
fn complements_invert_each_other() {
    for dim in 0..=8 {
        for mask in 0..1 << dim {
            let (rest, sign) = dual::right_complement(dim, mask);
            let (back, undo) = dual::left_complement(dim, rest);
            assert_eq!((back, sign * undo), (mask, 1.0));
        }
    }
}

/// The signs of the dual that `GATr` uses, written down from its published table.
#[test]
fn right_complement_in_projective_geometry() {
    let basis = Basis::canonical(4).expect("few generators");
    let signs: Vec<f64> = basis.masks().iter().map(|&mask| dual::right_complement(4, mask).1).collect();
    let outputs: Vec<f64> = signs.iter().rev().copied().collect();
    let published = [1, -1, 1, -1, 1, 1, -1, 1, 1, -1, 1, -1, 1, -1, 1, 1].map(f64::from);
    assert_eq!(outputs, published);
}

#[test]
fn polarity_multiplies_by_the_inverse_pseudoscalar() {
    for metric in naive::signatures(0..=5).into_iter().chain([naive::metric(&[2.0, -4.0, 0.5])]) {
        let full = metric.full_mask();
        for mask in 0..=full {
            let Some((rest, coefficient)) = dual::polarity(&metric, mask) else {
                assert!(metric.signature().2 > 0);
                continue;
            };
            // (e_A I^{-1}) I = e_A
            let (back, again) = naive::geometric(metric.squares(), rest, full);
            assert_eq!((back, coefficient * again), (mask, 1.0));
            let unpolarity = dual::unpolarity(&metric, rest).expect("not degenerate");
            assert_eq!((unpolarity.0, unpolarity.1 * coefficient), (mask, 1.0));
        }
    }
}

#[test]
fn unpolarity_multiplies_by_the_pseudoscalar() {
    for metric in naive::signatures(0..=4) {
        for mask in 0..=metric.full_mask() {
            assert_eq!(dual::unpolarity(&metric, mask), naive::term(metric.squares(), mask, metric.full_mask()));
        }
    }
}

#[test]
fn hodge_is_the_reverse_times_the_pseudoscalar() {
    for metric in naive::signatures(0..=5).into_iter().chain([naive::metric(&[3.0, 0.0, -2.0])]) {
        for mask in 0..=metric.full_mask() {
            let sign = Involution::Reverse.sign(blade::grade(mask));
            let expected = naive::term(metric.squares(), mask, metric.full_mask());
            assert_eq!(dual::hodge(&metric, mask), expected.map(|(rest, value)| (rest, sign * value)));
        }
    }
}

#[test]
fn wide_algebras_have_duals() {
    let metric = Metric::from_signature(62, 0, 0).expect("62 generators");
    assert_eq!(dual::right_complement(62, 0), (metric.full_mask(), 1.0));
    assert_eq!(dual::hodge(&metric, 0), Some((metric.full_mask(), 1.0)));
}
