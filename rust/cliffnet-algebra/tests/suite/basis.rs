//! Ordered signed blades.

use cliffnet_algebra::{Basis, Error, blade};
use proptest::prelude::*;

use crate::naive;

#[test]
fn canonical_order_is_by_grade_then_lexicographic() {
    for dim in 0..=8 {
        let mut expected: Vec<u64> = (0..1 << dim).collect();
        expected.sort_by_key(|&mask| (blade::grade(mask), naive::generators(mask)));
        let basis = Basis::canonical(dim).expect("few generators");
        assert_eq!(basis.masks(), expected);
        assert!(basis.signs().iter().all(|&sign| sign == 1.0));
        assert_eq!(basis.len(), 1 << dim);
    }
}

#[test]
fn every_blade_is_found() {
    let basis = Basis::canonical(12).expect("twelve generators");
    assert!(basis.masks().iter().enumerate().all(|(index, &mask)| basis.index_of(mask) == Some(index)));
    assert_eq!(basis.index_of(1 << 12), None);
    assert_eq!(basis.index_of(u64::MAX), None);
}

#[test]
fn grades_are_a_part_of_the_canonical_order() {
    let canonical = Basis::canonical(5).expect("few generators");
    let even = Basis::of_grades(5, &[4, 0, 2]).expect("grades of the algebra");
    let expected: Vec<u64> =
        canonical.masks().iter().copied().filter(|&mask| blade::grade(mask).is_multiple_of(2)).collect();
    assert_eq!(even.masks(), expected);
    assert_eq!(even.index_of(0b1), None);
    assert!(Basis::of_grades(5, &[]).expect("no grades").is_empty());
}

#[test]
fn wide_algebras_have_narrow_bases() {
    let basis = Basis::of_grades(62, &[0, 1, 2]).expect("1954 blades");
    assert_eq!(basis.len(), 1 + 62 + 62 * 61 / 2);
    assert!(basis.masks().iter().enumerate().all(|(index, &mask)| basis.index_of(mask) == Some(index)));
    assert_eq!(basis.index_of(0b111), None);
    assert_eq!(Basis::of_grades(62, &[62]).map(|basis| basis.masks().to_vec()), Ok(vec![u64::MAX >> 2]));
}

#[test]
fn wrong_bases_are_refused() {
    assert_eq!(Basis::canonical(13), Err(Error::TooManyGenerators { given: 13, maximum: 12 }));
    assert_eq!(Basis::of_grades(63, &[0]), Err(Error::TooManyGenerators { given: 63, maximum: 62 }));
    assert_eq!(Basis::of_grades(3, &[4]), Err(Error::GradeOutOfRange { grade: 4, dim: 3 }));
    assert_eq!(Basis::of_grades(3, &[1, 1]), Err(Error::DuplicateGrade { grade: 1 }));
    assert_eq!(Basis::of_grades(20, &[10]), Err(Error::TooManyBlades { given: 184_756, maximum: 65_535 }));
    assert!(matches!(Basis::of_grades(62, &[31]), Err(Error::TooManyBlades { .. })));
    assert_eq!(Basis::new(vec![0, 1], vec![1.0]), Err(Error::LengthMismatch { masks: 2, signs: 1 }));
    assert_eq!(Basis::new(vec![0, 1], vec![1.0, 0.5]), Err(Error::InvalidSign { index: 1, sign: 0.5 }));
    assert_eq!(Basis::new(vec![6, 1, 6], vec![1.0; 3]), Err(Error::DuplicateBlade { mask: 6 }));
    assert_eq!(Basis::new(vec![1 << 62], vec![1.0]), Err(Error::TooManyGenerators { given: 63, maximum: 62 }));
    let masks: Vec<u64> = (0..1 << 16).collect();
    assert!(matches!(Basis::new(masks, vec![1.0; 1 << 16]), Err(Error::TooManyBlades { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_order_of_any_blades(masks in prop::collection::hash_set(0..1_u64 << 62, 0..40), narrow: bool) {
        let masks: Vec<u64> = if narrow {
            masks.into_iter().map(|mask| mask % 997).collect::<std::collections::BTreeSet<_>>().into_iter().rev().collect()
        } else {
            masks.into_iter().collect()
        };
        let signs: Vec<f64> = masks.iter().map(|mask| if mask % 3 == 0 { -1.0 } else { 1.0 }).collect();
        let basis = Basis::new(masks.clone(), signs.clone()).expect("distinct blades");
        prop_assert_eq!(basis.signs(), &signs[..]);
        for (index, mask) in masks.iter().enumerate() {
            prop_assert_eq!(basis.index_of(*mask), Some(index));
        }
        let missing = (0..=40).find(|mask| !masks.contains(mask)).expect("few blades");
        prop_assert_eq!(basis.index_of(missing), None);
    }
}
