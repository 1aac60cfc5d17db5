//! A plan seen from its other slots.

use std::collections::HashSet;

use cliffnet_algebra::{Basis, Metric, ProductKind};
use cliffnet_plan::{Partition, Path, Plan, Slot};
use proptest::prelude::*;

use crate::evaluate::{by_grade, dot, evaluate, plan};

const SLOTS: [Slot; 3] = [Slot::Out, Slot::Left, Slot::Right];

#[test]
fn slots_undo_themselves() {
    for kind in ProductKind::ALL {
        let plan = plan(kind, (2, 1, 1), Some(&by_grade(4)));
        for slot in SLOTS {
            assert_eq!(plan.seen_from(slot).seen_from(slot), plan);
        }
        assert_eq!(plan.seen_from(Slot::Out), plan);
    }
}

#[test]
fn slots_generate_six_geometric_plans() {
    for signature in [(3, 0, 0), (1, 3, 0), (3, 0, 1)] {
        let first = plan(ProductKind::Geometric, signature, None);
        let mut hashes = HashSet::from([first.content_hash()]);
        let mut open = vec![first];
        while let Some(plan) = open.pop() {
            for slot in SLOTS {
                let seen = plan.seen_from(slot);
                if hashes.insert(seen.content_hash()) {
                    open.push(seen);
                }
            }
        }
        assert_eq!(hashes.len(), 6, "{signature:?}");
    }
}

#[test]
fn sizes_and_paths_follow_their_slots() {
    let metric = Metric::from_signature(3, 0, 0).expect("few generators");
    let [vectors, bivectors, all] =
        [&[1][..], &[2], &[1, 3]].map(|grades| Basis::of_grades(3, grades).expect("grades"));
    let grades = by_grade(3);
    let product = Plan::product(ProductKind::Geometric, &metric, &vectors, &bivectors, &all, Some(&grades));
    let plan = product.expect("a plan");
    assert_eq!(plan.paths(), [Path { left: 1, out: 1, right: 2 }, Path { left: 1, out: 3, right: 2 }]);
    let left = plan.seen_from(Slot::Left);
    assert_eq!((left.out_size(), left.left_size(), left.right_size()), (3, 4, 3));
    assert_eq!(left.paths(), [Path { left: 1, out: 1, right: 2 }, Path { left: 3, out: 1, right: 2 }]);
    let right = plan.seen_from(Slot::Right);
    assert_eq!((right.out_size(), right.left_size(), right.right_size()), (3, 3, 4));
    assert_eq!(right.paths(), [Path { left: 1, out: 2, right: 1 }, Path { left: 1, out: 2, right: 3 }]);
}

/// In a non-degenerate metric both gradients of the geometric product are the product itself with signs on an operand:
/// `g_x = g * (s y)` and `g_y = (s x) * g` with `s_b = (e_b)^2`.
#[test]
fn gradients_are_signed_products() {
    for signature in [(3, 0, 0), (1, 3, 0), (2, 2, 0), (0, 3, 0)] {
        let plan = plan(ProductKind::Geometric, signature, None);
        let squares: Vec<f64> = (0..plan.left_size())
            .map(|b| {
                let square = plan.terms().iter().find(|t| t.out == 0 && usize::from(t.left) == b);
                square.map_or(0.0, |term| term.coefficient)
            })
            .collect();
        for (slot, signed_is_right) in [(Slot::Left, true), (Slot::Right, false)] {
            let mut terms = plan.terms().to_vec();
            for term in &mut terms {
                term.coefficient *= squares[usize::from(if signed_is_right { term.right } else { term.left })];
            }
            let size = plan.left_size();
            let signed = Plan::from_terms(size, size, size, 0, terms).expect("a plan");
            assert_eq!(plan.seen_from(slot).content_hash(), signed.content_hash(), "{signature:?} {slot:?}");
        }
    }
}

/// A metric, three bases of some of its blades with signs, and a partition by parity.
fn setting() -> impl Strategy<Value = (Metric, [Basis; 3], Partition)> {
    prop::collection::vec(-3_i8..=3, 1..=5).prop_flat_map(|squares| {
        let metric = Metric::new(squares.into_iter().map(f64::from).collect()).expect("finite");
        let blades: Vec<(u64, bool)> = (0..=metric.full_mask()).map(|mask| (mask, mask % 3 == 1)).collect();
        let count = blades.len();
        let basis = prop::sample::subsequence(blades, 1..=count).prop_shuffle().prop_map(|blades| {
            let sign = |negative| if negative { -1.0 } else { 1.0 };
            let (masks, signs) = blades.into_iter().map(|(mask, negative)| (mask, sign(negative))).unzip();
            Basis::new(masks, signs).expect("distinct blades")
        });
        let classes: Vec<Vec<u32>> =
            [0, 1].map(|parity| (0..=metric.dim() as u32).filter(|grade| grade % 2 == parity).collect()).to_vec();
        let partition = Partition::new(metric.dim(), &classes).expect("two classes");
        (Just(metric), [basis.clone(), basis.clone(), basis], Just(partition))
    })
}

/// Pseudo-random whole numbers in -4..=4, on which the identities hold exactly.
fn integers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let step = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % 9) as f64 - 4.0
    };
    std::iter::repeat_with(step).take(count).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// `<g, x * y> = <x, L(g, y)> = <y, R(x, g)>`, exactly, in small integers.
    #[test]
    fn gradients_are_the_same_trilinear_form(
        (metric, [left, right, out], partition) in setting(),
        kind in prop::sample::select(ProductKind::ALL.to_vec()),
        weighted: bool,
        seed: u64,
    ) {
        let partition = weighted.then_some(&partition);
        let plan = Plan::product(kind, &metric, &left, &right, &out, partition).expect("a plan");
        let weights = integers(plan.path_count(), seed ^ 1);
        let x = integers(left.len(), seed ^ 2);
        let y = integers(right.len(), seed ^ 3);
        let g = integers(out.len(), seed ^ 4);
        let value = dot(&g, &evaluate(&plan, &weights, &x, &y));
        prop_assert_eq!(dot(&x, &evaluate(&plan.seen_from(Slot::Left), &weights, &g, &y)), value);
        prop_assert_eq!(dot(&y, &evaluate(&plan.seen_from(Slot::Right), &weights, &x, &g)), value);
    }

    /// A plan of bases is the geometric formula on the coefficients of their signed blades.
    #[test]
    fn plans_agree_with_the_algebra(
        (metric, [left, right, out], _) in setting(),
        kind in prop::sample::select(ProductKind::ALL.to_vec()),
        seed: u64,
    ) {
        let plan = Plan::product(kind, &metric, &left, &right, &out, None).expect("a plan");
        let (x, y) = (integers(left.len(), seed), integers(right.len(), seed ^ 5));
        let mut dense = vec![0.0; metric.full_mask() as usize + 1];
        for (i, x) in x.iter().enumerate() {
            for (j, y) in y.iter().enumerate() {
                if let Some((mask, coefficient)) = kind.term(&metric, left.masks()[i], right.masks()[j]) {
                    dense[mask as usize] += coefficient * left.signs()[i] * x * right.signs()[j] * y;
                }
            }
        }
        let expected: Vec<f64> =
            out.masks().iter().zip(out.signs()).map(|(&mask, sign)| sign * dense[mask as usize]).collect();
        prop_assert_eq!(evaluate(&plan, &[], &x, &y), expected);
    }
}
