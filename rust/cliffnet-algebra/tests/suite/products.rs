//! Every product of every pair of blades, against the geometric product by counted swaps.

use cliffnet_algebra::{Metric, ProductKind, blade};

use crate::naive;

/// The product by its definition, from naive geometric products.
fn expected(kind: ProductKind, metric: &Metric, a: u64, b: u64) -> Option<(u64, f64)> {
    let (r, s) = (blade::grade(a), blade::grade(b));
    let of_grade =
        |grade: Option<u32>| naive::term(metric.squares(), a, b).filter(|&(mask, _)| Some(blade::grade(mask)) == grade);
    match kind {
        ProductKind::Geometric => naive::term(metric.squares(), a, b),
        ProductKind::Outer => of_grade(Some(r + s)),
        ProductKind::LeftContraction => of_grade(s.checked_sub(r)),
        ProductKind::RightContraction => of_grade(r.checked_sub(s)),
        ProductKind::Scalar => of_grade(Some(0)),
        ProductKind::FatInner => of_grade(Some(r.abs_diff(s))),
        ProductKind::HestenesInner => of_grade(Some(r.abs_diff(s)).filter(|_| r > 0 && s > 0)),
        ProductKind::Commutator => half_sum(metric, a, b, -1.0),
        ProductKind::Anticommutator => half_sum(metric, a, b, 1.0),
        ProductKind::Regressive => meet(metric.dim(), a, b, naive::left_complement),
        ProductKind::ProjectiveJoin => meet(metric.dim(), a, b, naive::right_complement),
    }
}

/// (ab +- ba) / 2
fn half_sum(metric: &Metric, a: u64, b: u64, sign: f64) -> Option<(u64, f64)> {
    let (mask, forward) = naive::geometric(metric.squares(), a, b);
    let (_, backward) = naive::geometric(metric.squares(), b, a);
    let value = f64::midpoint(forward, sign * backward);
    (value != 0.0).then_some((mask, value))
}

/// last(rc(a) ^ rc(b))
fn meet(dim: usize, a: u64, b: u64, last: fn(usize, u64) -> (u64, f64)) -> Option<(u64, f64)> {
    let (a, sign_a) = naive::right_complement(dim, a);
    let (b, sign_b) = naive::right_complement(dim, b);
    // in the exterior algebra every generator squares to zero
    let (outer, sign) = naive::term(&vec![0.0; dim], a, b)?;
    let (out, sign_out) = last(dim, outer);
    Some((out, sign * sign_a * sign_b * sign_out))
}

fn assert_all_pairs(metric: &Metric) {
    for a in 0..=metric.full_mask() {
        for b in 0..=metric.full_mask() {
            for kind in ProductKind::ALL {
                let got = kind.term(metric, a, b);
                assert_eq!(got, expected(kind, metric, a, b), "{kind} of {a:b}, {b:b} in {metric:?}");
                assert!(got.is_none_or(|(_, coefficient)| coefficient != 0.0));
            }
        }
    }
}

#[test]
fn all_pairs_in_every_signature_to_four_generators() {
    for metric in naive::signatures(0..=4) {
        assert_all_pairs(&metric);
    }
}

#[test]
fn all_pairs_in_every_signature_of_five_generators() {
    for metric in naive::signatures(5..=5) {
        assert_all_pairs(&metric);
    }
}

#[test]
fn all_pairs_in_mixed_and_scaled_metrics() {
    for squares in [&[0.0, 2.0, -3.0][..], &[1.0, 0.0, -0.5, 4.0], &[-1.0, 1.0, 0.0, 1.0, 0.0]] {
        assert_all_pairs(&naive::metric(squares));
    }
}

#[test]
fn geometric_product_is_associative() {
    for metric in naive::signatures(0..=4).into_iter().chain([naive::metric(&[3.0, 0.0, -2.0, 0.5])]) {
        let product = |left: Option<(u64, f64)>, right: Option<(u64, f64)>| {
            let ((a, x), (b, y)) = (left?, right?);
            ProductKind::Geometric.term(&metric, a, b).map(|(mask, coefficient)| (mask, coefficient * x * y))
        };
        for a in 0..=metric.full_mask() {
            for b in 0..=metric.full_mask() {
                for c in 0..=metric.full_mask() {
                    let [a, b, c] = [a, b, c].map(|mask| Some((mask, 1.0)));
                    assert_eq!(product(product(a, b), c), product(a, product(b, c)), "{a:?} {b:?} {c:?} {metric:?}");
                }
            }
        }
    }
}

#[test]
fn pseudoscalar_is_the_unit_of_the_regressive_product() {
    for dim in 0..=6 {
        let metric = Metric::from_signature(0, 0, dim).expect("few generators");
        for a in 0..=metric.full_mask() {
            assert_eq!(ProductKind::Regressive.term(&metric, a, metric.full_mask()), Some((a, 1.0)));
            assert_eq!(ProductKind::Regressive.term(&metric, metric.full_mask(), a), Some((a, 1.0)));
        }
    }
}

#[test]
fn join_is_the_regressive_product_up_to_a_sign_per_grade() {
    let metric = Metric::from_signature(3, 0, 1).expect("few generators");
    for a in 0..16 {
        for b in 0..16 {
            let signed = ProductKind::Regressive.term(&metric, a, b).map(|(mask, coefficient)| {
                let grade = blade::grade(mask);
                (mask, coefficient * if (grade * (4 - grade)).is_multiple_of(2) { 1.0 } else { -1.0 })
            });
            assert_eq!(ProductKind::ProjectiveJoin.term(&metric, a, b), signed);
        }
    }
}

#[test]
fn numbers_of_terms() {
    let count = |kind: ProductKind, metric: &Metric| {
        let masks = 0..=metric.full_mask();
        masks
            .clone()
            .flat_map(|a| masks.clone().map(move |b| (a, b)))
            .filter(|&(a, b)| kind.term(metric, a, b).is_some())
            .count()
    };
    for metric in naive::signatures(0..=5) {
        let (p, q, r) = metric.signature();
        assert_eq!(count(ProductKind::Geometric, &metric), 4_usize.pow((p + q) as u32) * 3_usize.pow(r as u32));
        for kind in [ProductKind::Outer, ProductKind::Regressive, ProductKind::ProjectiveJoin] {
            assert_eq!(count(kind, &metric), 3_usize.pow(metric.dim() as u32));
        }
    }
}
