//! Interned plans.

use std::thread;

use cliffnet_algebra::ProductKind;
use cliffnet_plan::{Plan, PlanId, Slot, get, gradients, intern};

use crate::evaluate::{by_grade, plan};

#[test]
fn equal_plans_have_one_id() {
    let product = || plan(ProductKind::Geometric, (2, 1, 0), None);
    let id = intern(product());
    assert_eq!(intern(product()), id);
    assert_ne!(intern(plan(ProductKind::Outer, (2, 1, 0), None)), id);
    assert_ne!(intern(plan(ProductKind::Geometric, (2, 1, 0), Some(&by_grade(3)))), id);
    assert_eq!(*get(id).expect("interned"), product());
}

#[test]
fn ids_are_integers() {
    let id = intern(plan(ProductKind::Geometric, (1, 0, 0), None));
    assert_eq!(PlanId::from_i64(id.as_i64()), Some(id));
    assert_eq!(PlanId::from_i64(-1), None);
    assert_eq!(PlanId::from_i64(1 << 62), None);
    let unknown = PlanId::from_i64((1 << 62) - 1).expect("in range");
    assert_eq!(get(unknown), None);
    assert_eq!(gradients(unknown), None);
}

#[test]
fn gradients_are_interned_once() {
    let product = plan(ProductKind::LeftContraction, (3, 0, 1), None);
    let id = intern(product.clone());
    let (left, right) = gradients(id).expect("interned");
    assert_eq!(*get(left).expect("interned"), product.seen_from(Slot::Left));
    assert_eq!(*get(right).expect("interned"), product.seen_from(Slot::Right));
    assert_eq!(gradients(id), Some((left, right)));
    // the left gradient's left gradient is the product again
    assert_eq!(gradients(left).map(|pair| pair.0), Some(id));
}

#[test]
fn threads_agree_on_ids() {
    let ids = || -> Vec<PlanId> {
        let products = (0..20).map(|i| {
            let term = cliffnet_plan::Term { out: 0, left: 0, right: 0, path: 0, coefficient: f64::from(i) + 0.5 };
            Plan::from_terms(1, 1, 1, 0, vec![term]).expect("a plan")
        });
        products.map(intern).inspect(|&id| assert!(gradients(id).is_some())).collect()
    };
    let first = ids();
    let threads: Vec<_> = (0..4).map(|_| thread::spawn(ids)).collect();
    for thread in threads {
        assert_eq!(thread.join().expect("no panic"), first);
    }
}
