//! Geometric products of large algebras: described by recipes, run as products of matrices.

use std::time::Instant;

use cliffnet_algebra::{Basis, Metric, ProductKind};
use cliffnet_plan::{Division, MatrixProduct, Plan, Slot, Source, get, intern, is_unit_product_negative};

use crate::evaluate::{evaluate, plan};

const SLOTS: [Slot; 3] = [Slot::Out, Slot::Left, Slot::Right];

/// Pseudo-random whole numbers in -3..=3.
fn integers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let step = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % 7) as f64 - 3.0
    };
    std::iter::repeat_with(step).take(count).collect()
}

fn transform(values: &mut [f64], length: usize) {
    for row in values.chunks_exact_mut(length) {
        let old = row.to_vec();
        for (j, value) in row.iter_mut().enumerate() {
            *value = (0..length).map(|z| if (z & j).count_ones() % 2 == 1 { -old[z] } else { old[z] }).sum();
        }
    }
}

/// A matrix product as its documentation says it, number by number.
fn multiply(product: &MatrixProduct, left: &[f64], right: &[f64]) -> Vec<f64> {
    let (rows, blocks, components) = (product.rows, product.blocks, product.division.components());
    let words = |sources: &[Source], values: &[f64]| {
        let read = |source: &Source| source.factor * values[usize::from(source.blade)];
        let mut words: Vec<f64> = sources.iter().map(read).collect();
        transform(&mut words, rows * blocks);
        words
    };
    let index = |piece: usize, row: usize, column: usize, component: usize| {
        let x = (piece / blocks * components + component) * rows + (row ^ column);
        (x * blocks + piece % blocks) * rows + column
    };
    let (a, b) = (words(&product.left, left), words(&product.right, right));
    let mut c = vec![0.0; a.len()];
    for step in &product.steps {
        for (row, column) in (0..rows).flat_map(|i| (0..rows).map(move |j| (i, j))) {
            for inner in 0..rows {
                for (first, second) in (0..components).flat_map(|i| (0..components).map(move |j| (i, j))) {
                    let is_negative = step.is_negative
                        ^ is_unit_product_negative(first, second)
                        ^ (step.conjugates_right && second == 1)
                        ^ (step.conjugates_out && first ^ second == 1);
                    let value = a[index(step.left, row, inner, first)] * b[index(step.right, inner, column, second)];
                    c[index(step.out, row, column, first ^ second)] += if is_negative { -value } else { value };
                }
            }
        }
    }
    transform(&mut c, rows * blocks);
    let mut out = vec![0.0; c.len()];
    for (target, value) in product.out.iter().zip(c) {
        out[usize::from(target.blade)] = target.factor * value;
    }
    out
}

/// A plan and every plan that it becomes seen from other slots, six at most.
fn closure(plan: Plan) -> Vec<Plan> {
    let mut plans = vec![plan];
    let mut next = 0;
    while next < plans.len() {
        for slot in SLOTS {
            let seen = plans[next].seen_from(slot);
            if !plans.contains(&seen) {
                plans.push(seen);
            }
        }
        next += 1;
    }
    plans
}

fn check(plan: Plan, seed: u64) {
    let size = plan.out_size();
    let (left, right) = (integers(size, seed), integers(size, seed ^ 9));
    let plans = closure(plan);
    assert_eq!(plans.len(), 6);
    for plan in plans {
        let product = plan.matrix_product().expect("a recipe");
        assert_eq!(multiply(&product, &left, &right), evaluate(&plan, &[], &left, &right), "{product:?}");
    }
}

#[test]
fn every_signature_and_gradient_multiplies_as_matrices() {
    for null in 0..=6 {
        for negative in 0..=6 - null {
            check(plan(ProductKind::Geometric, (6 - null - negative, negative, null), None), 3);
        }
    }
    for signature in [(7, 0, 0), (2, 5, 0), (3, 3, 1), (5, 0, 2), (8, 0, 0), (0, 5, 3)] {
        check(plan(ProductKind::Geometric, signature, None), 4);
    }
}

#[test]
fn bases_of_any_order_and_sign_multiply_as_matrices() {
    let metric = Metric::new(vec![0.0, 4.0, -1.0, 1.0, 0.25, -1.0]).expect("finite");
    let basis = |rotation: usize, negative: u64| {
        let mut masks: Vec<u64> = (0..64).collect();
        masks.rotate_left(rotation);
        let signs = masks.iter().map(|mask| if mask % negative == 1 { -1.0 } else { 1.0 }).collect();
        Basis::new(masks, signs).expect("all blades")
    };
    let (left, right, out) = (basis(5, 3), basis(11, 7), basis(60, 2));
    check(Plan::product(ProductKind::Geometric, &metric, &left, &right, &out, None).expect("a plan"), 8);
}

#[test]
fn recipes_are_for_full_geometric_products_of_moderate_metrics() {
    let is_matrix = |kind, metric: &Metric, basis: &Basis, out: &Basis| {
        Plan::product(kind, metric, basis, basis, out, None).expect("a plan").matrix_product().is_some()
    };
    let six = Metric::from_signature(6, 0, 0).expect("few generators");
    let full = Basis::canonical(6).expect("few generators");
    let even = Basis::of_grades(6, &[0, 2, 4, 6]).expect("grades");
    assert!(is_matrix(ProductKind::Geometric, &six, &full, &full));
    assert!(!is_matrix(ProductKind::Geometric, &six, &even, &even));
    assert!(!is_matrix(ProductKind::Geometric, &six, &full, &even));
    assert!(!is_matrix(ProductKind::Outer, &six, &full, &full));
    let wide = Metric::new(vec![1.0, 1.0, 100.0, 1.0, 0.1, 1.0]).expect("finite");
    assert!(!is_matrix(ProductKind::Geometric, &wide, &full, &full));
    let five = Metric::from_signature(5, 0, 0).expect("few generators");
    let small = Basis::canonical(5).expect("few generators");
    assert!(!is_matrix(ProductKind::Geometric, &five, &small, &small));
}

#[test]
fn recipes_have_hashes_of_their_own() {
    let first = plan(ProductKind::Geometric, (6, 0, 0), None);
    assert_eq!(plan(ProductKind::Geometric, (6, 0, 0), None), first);
    assert_ne!(plan(ProductKind::Geometric, (5, 1, 0), None).content_hash(), first.content_hash());
    let listed = Plan::from_terms(64, 64, 64, 0, first.terms().to_vec()).expect("a plan");
    assert_ne!(listed.content_hash(), first.content_hash());
    assert_ne!(listed, first);
    assert_eq!(first.terms().len(), 4096);
    assert_eq!(first.matrix_product().map(|product| product.division), Some(Division::Quaternion));
}

#[test]
fn plans_of_large_algebras_need_no_terms() {
    let start = Instant::now();
    let id = intern(plan(ProductKind::Geometric, (6, 6, 0), None));
    assert!(cliffnet_plan::gradients(id).is_some());
    assert!(get(id).and_then(|plan| plan.matrix_product()).is_some());
    // listing the 16.8 million terms takes longer, even on fast machines
    assert!(start.elapsed().as_secs_f64() < 1.0);
}
