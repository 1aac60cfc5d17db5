//! Plans of products and of user tables.

use cliffnet_algebra::{Basis, Metric, ProductKind};
use cliffnet_plan::{Error, Plan, Term};
use proptest::prelude::*;

use crate::evaluate::{by_grade, evaluate, plan};

fn term(out: u16, left: u16, right: u16, path: u16, coefficient: f64) -> Term {
    Term { out, left, right, path, coefficient }
}

#[test]
fn complex_numbers() {
    let plan = plan(ProductKind::Geometric, (0, 1, 0), None);
    let expected = [term(0, 0, 0, 0, 1.0), term(0, 1, 1, 0, -1.0), term(1, 0, 1, 0, 1.0), term(1, 1, 0, 0, 1.0)];
    assert_eq!(plan.terms(), expected);
    assert_eq!((plan.left_size(), plan.right_size(), plan.out_size()), (2, 2, 2));
    assert!(!plan.is_weighted() && plan.paths().is_empty());
}

#[test]
fn numbers_of_terms() {
    for p in 0..=5_usize {
        for q in 0..=5 - p {
            for r in 0..=5 - p - q {
                let count = |kind| plan(kind, (p, q, r), None).terms().len();
                let outer = 3_usize.pow((p + q + r) as u32);
                assert_eq!(count(ProductKind::Geometric), 4_usize.pow((p + q) as u32) * 3_usize.pow(r as u32));
                assert_eq!(count(ProductKind::Outer), outer);
                assert_eq!(count(ProductKind::Regressive), outer);
                assert_eq!(count(ProductKind::ProjectiveJoin), outer);
            }
        }
    }
}

#[test]
fn signs_of_the_bases_are_folded_in() {
    let metric = Metric::from_signature(3, 0, 0).expect("few generators");
    let vectors = Basis::of_grades(3, &[1]).expect("grade 1");
    // e23, e31, e12: the cross product's order
    let bivectors = Basis::new(vec![0b110, 0b101, 0b011], vec![1.0, -1.0, 1.0]).expect("distinct blades");
    let plan = Plan::product(ProductKind::Outer, &metric, &vectors, &vectors, &bivectors, None).expect("a plan");
    assert_eq!(evaluate(&plan, &[], &[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]), [-3.0, 6.0, -3.0]);
}

#[test]
fn blades_outside_the_output_are_dropped() {
    let metric = Metric::from_signature(3, 0, 0).expect("few generators");
    let vectors = Basis::of_grades(3, &[1]).expect("grade 1");
    let scalar = Basis::of_grades(3, &[0]).expect("grade 0");
    let plan = Plan::product(ProductKind::Geometric, &metric, &vectors, &vectors, &scalar, None).expect("a plan");
    assert_eq!(plan.terms(), [term(0, 0, 0, 0, 1.0), term(0, 1, 1, 0, 1.0), term(0, 2, 2, 0, 1.0)]);
}

#[test]
fn wide_algebras_have_narrow_plans() {
    let metric = Metric::from_signature(62, 0, 0).expect("62 generators");
    let vectors = Basis::of_grades(62, &[1]).expect("grade 1");
    let out = Basis::of_grades(62, &[0, 2]).expect("grades 0 and 2");
    let plan = Plan::product(ProductKind::Geometric, &metric, &vectors, &vectors, &out, None).expect("a plan");
    assert_eq!(plan.terms().len(), 62 * 62);
}

#[test]
fn impossible_products_are_refused() {
    let metric = Metric::from_signature(2, 0, 0).expect("few generators");
    let (small, large) = (Basis::canonical(2).expect("small"), Basis::canonical(3).expect("large"));
    let product = |metric: &Metric, basis: &Basis| {
        Plan::product(ProductKind::Geometric, metric, &small, basis, &small, Some(&by_grade(2)))
    };
    let outside = cliffnet_algebra::Error::BladeOutsideAlgebra { mask: 4, dim: 2 };
    let error = product(&metric, &large).expect_err("a blade too many");
    assert_eq!(error, Error::Algebra(outside));
    assert!(std::error::Error::source(&error).is_some());
    let huge = Metric::new(vec![1e200, 1e200]).expect("finite");
    assert_eq!(product(&huge, &small), Err(Error::CoefficientOverflow { left: 3, right: 3 }));
    let wide = Metric::from_signature(3, 0, 0).expect("few generators");
    assert_eq!(product(&wide, &small), Err(Error::PartitionMismatch { partition: 2, metric: 3 }));
}

#[test]
fn user_tables_are_sorted() {
    let terms = vec![term(1, 0, 2, 0, 2.0), term(0, 1, 0, 1, -1.5), term(0, 1, 0, 0, 0.5)];
    let plan = Plan::from_terms(2, 3, 2, 2, terms.clone()).expect("a plan");
    assert_eq!(plan.terms(), [terms[2], terms[1], terms[0]]);
    assert_eq!(evaluate(&plan, &[2.0, 10.0], &[1.0, 3.0], &[1.0, 0.0, 1.0]), [-42.0, 4.0]);
    let empty = Plan::from_terms(2, 3, 4, 0, Vec::new()).expect("the zero map");
    assert_eq!(evaluate(&empty, &[], &[1.0; 2], &[1.0; 3]), [0.0; 4]);
}

#[test]
fn wrong_user_tables_are_refused() {
    let table = |terms: &[Term]| Plan::from_terms(2, 3, 4, 1, terms.to_vec()).map(|_| ());
    assert_eq!(table(&[term(3, 1, 2, 0, 1.0)]), Ok(()));
    let range = |what, given, size| Err(Error::IndexOutOfRange { what, given, size });
    assert_eq!(table(&[term(4, 1, 2, 0, 1.0)]), range("output", 4, 4));
    assert_eq!(table(&[term(3, 2, 2, 0, 1.0)]), range("left", 2, 2));
    assert_eq!(table(&[term(3, 1, 3, 0, 1.0)]), range("right", 3, 3));
    assert_eq!(table(&[term(3, 1, 2, 1, 1.0)]), range("path", 1, 1));
    for coefficient in [0.0, -0.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(table(&[term(0, 0, 0, 0, coefficient)]), Err(Error::InvalidCoefficient { .. })));
    }
    let twice = table(&[term(0, 1, 1, 0, 1.0), term(0, 0, 0, 0, 1.0), term(0, 1, 1, 0, 2.0)]).expect_err("twice");
    assert!(matches!(twice, Error::DuplicateTerm { .. }));
    assert!(twice.to_string().contains("left[1] right[1] -> out[0]"));
    assert!(matches!(Plan::from_terms(1 << 16, 1, 1, 0, Vec::new()), Err(Error::SizeTooLarge { .. })));
    assert!(matches!(Plan::from_terms(1, 1, 1, 1 << 16, Vec::new()), Err(Error::SizeTooLarge { .. })));
}

#[test]
fn content_hash_is_the_same_in_every_run() {
    let plane = plan(ProductKind::Geometric, (2, 0, 0), None);
    assert_eq!(plane.content_hash(), PLANE_HASH);
    let weighted = plan(ProductKind::Geometric, (2, 0, 0), Some(&by_grade(2)));
    assert_ne!(weighted.content_hash(), plane.content_hash());
}

/// Computed outside this crate: FNV-1a of the five sizes as u64, then of each term as four u16 and an f64.
const PLANE_HASH: u128 = 0xb698_777e_46f7_0f97_aa8f_d319_2b48_2ce9;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn content_hash_ignores_the_order_of_terms(seed in any::<prop::sample::Index>(), coefficient in 1_i8..5) {
        let plan = plan(ProductKind::Geometric, (2, 0, 1), None);
        let mut terms = plan.terms().to_vec();
        let count = terms.len();
        let rebuild = |terms: &[Term]| Plan::from_terms(8, 8, 8, 0, terms.to_vec()).expect("a plan");
        terms.rotate_left(seed.index(count));
        prop_assert_eq!(rebuild(&terms).content_hash(), plan.content_hash());
        let rebuilt = rebuild(&terms);
        prop_assert_eq!(rebuilt.terms(), plan.terms());
        terms[seed.index(count)].coefficient *= 1.0 + f64::from(coefficient);
        prop_assert_ne!(rebuild(&terms).content_hash(), plan.content_hash());
        terms.pop();
        prop_assert_ne!(rebuild(&terms).content_hash(), plan.content_hash());
    }
}
