//! Metrics, involutions and names.

use cliffnet_algebra::{Error, Group, Involution, Metric, ProductKind};
use proptest::prelude::*;

use crate::naive;

#[test]
fn signature_puts_null_generators_first() {
    let metric = Metric::from_signature(2, 1, 1).expect("few generators");
    assert_eq!(metric.squares(), [0.0, 1.0, 1.0, -1.0]);
    assert_eq!(metric.signature(), (2, 1, 1));
    assert_eq!(metric.dim(), 4);
    assert!(metric.is_null(0) && !metric.is_null(3));
    assert_eq!(metric.square(3), -1.0);
    assert_eq!((metric.full_mask(), metric.null_mask()), (0b1111, 0b0001));
}

#[test]
fn wrong_metrics_are_refused() {
    let error = Metric::new(vec![1.0, f64::NAN]).expect_err("NaN");
    assert!(error.to_string().contains("generator 1 squares to NaN"));
    assert!(Metric::new(vec![f64::INFINITY]).is_err());
    assert_eq!(Metric::new(vec![1.0; 63]), Err(Error::TooManyGenerators { given: 63, maximum: 62 }));
    assert!(Metric::from_signature(usize::MAX, 1, 1).is_err());
    assert_eq!(Metric::new(vec![1.0; 62]).map(|metric| metric.dim()), Ok(62));
}

#[test]
fn negative_zero_is_zero() {
    let metric = Metric::new(vec![-0.0]).expect("finite");
    assert_eq!(metric.squares()[0].to_bits(), 0);
    assert!(metric.is_null(0));
}

#[test]
fn masks_outside_the_algebra_are_named() {
    let metric = Metric::from_signature(3, 0, 0).expect("few generators");
    assert_eq!(metric.check_masks(&[0, 7]), Ok(()));
    assert_eq!(metric.check_masks(&[0, 8]), Err(Error::BladeOutsideAlgebra { mask: 8, dim: 3 }));
}

#[test]
fn names_round_trip() {
    for kind in ProductKind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(kind));
    }
    for involution in Involution::ALL {
        assert_eq!(involution.to_string().parse(), Ok(involution));
    }
    for group in [Group::Pin, Group::Spin] {
        assert_eq!(group.to_string().parse(), Ok(group));
    }
    let message = "wedge".parse::<ProductKind>().expect_err("no such name").to_string();
    assert!(message.contains("\"wedge\"") && message.contains("outer_product"));
    assert!("transpose".parse::<Involution>().is_err());
    assert!("so".parse::<Group>().is_err());
}

#[test]
fn involution_signs_repeat_after_four_grades() {
    let signs = |involution: Involution| [0, 1, 2, 3, 4, 5, 6, 7].map(|grade| involution.sign(grade));
    assert_eq!(signs(Involution::Reverse), [1.0, 1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0]);
    assert_eq!(signs(Involution::GradeInvolute), [1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0]);
    assert_eq!(signs(Involution::CliffordConjugate), [1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn product_over_multiplies_squares(squares in prop::collection::vec(-3_i8..=3, 0..=10), bits: u64) {
        let squares: Vec<f64> = squares.into_iter().map(f64::from).collect();
        let metric = naive::metric(&squares);
        let mask = bits & metric.full_mask();
        let expected: f64 = naive::generators(mask).into_iter().map(|i| squares[i]).product();
        prop_assert_eq!(metric.product_over(mask), expected);
    }
}
