//! Products of blocks against the terms of the same plan and against the plain loop.

use std::sync::Arc;

use cliffnet_algebra::{Basis, Metric, ProductKind};
use cliffnet_cpu::{DType, Operation, Program, Step, tile_lanes};
use cliffnet_plan::{Plan, Slot, Term};
use proptest::prelude::*;

use crate::memory::{DTYPES, Layout};
use crate::naive::{Product, Random, available};

fn geometric(squares: &[f64], bases: [&Basis; 3]) -> Plan {
    let metric = Metric::new(squares.to_vec()).expect("finite");
    let [left, right, out] = bases;
    Plan::product(ProductKind::Geometric, &metric, left, right, out, None).expect("a plan")
}

fn of_metric(squares: &[f64]) -> Plan {
    let basis = Basis::canonical(squares.len()).expect("few generators");
    geometric(squares, [&basis; 3])
}

/// The six plans that differentiate into each other.
fn with_gradients(plan: &Plan) -> [Plan; 6] {
    let [left, right] = [Slot::Left, Slot::Right].map(|slot| plan.seen_from(slot));
    let others = [left.seen_from(Slot::Right), right.seen_from(Slot::Left)];
    let last = others[0].seen_from(Slot::Left);
    let [first, second] = others;
    [plan.clone(), left, right, first, second, last]
}

fn is_blocks(plan: &Plan) -> bool {
    Program::new(plan).expect("no weights").is_blocks()
}

fn check(plan: &Plan, axes: [i64; 3], layouts: [&Layout; 3], dtypes: &[DType], random: &mut Random) {
    for &dtype in dtypes {
        let filled = Product::new(plan, dtype, axes, layouts).filled(|| random.small());
        for isa in available() {
            let mut product =
                Product { left: filled.left.clone(), right: filled.right.clone(), out: filled.out.clone(), ..filled };
            product.run_whole(isa);
            product.assert_exact(isa);
        }
    }
}

const PACKED: [&Layout; 3] = [&Layout::CONTIGUOUS; 3];
const PLANES: [&Layout; 3] = [&Layout::BLADE_MAJOR; 3];

#[test]
fn every_metric_and_every_gradient_runs_in_blocks() {
    let mut random = Random(21);
    for dimension in 2..=5_u32 {
        for metric in 0..3_u32.pow(dimension) {
            let squares: Vec<f64> =
                (0..dimension).map(|i| [1.0, -1.0, 0.0][(metric / 3_u32.pow(i) % 3) as usize]).collect();
            let generators = squares.iter().filter(|&&square| square != 0.0).count();
            if generators < 2 || (dimension == 5 && metric % 7 != 3) {
                continue;
            }
            for plan in with_gradients(&of_metric(&squares)) {
                assert!(is_blocks(&plan), "{squares:?}");
                check(&plan, [1, 1, 5], PLANES, &[DType::F32, DType::F64], &mut random);
            }
        }
    }
}

#[test]
fn operands_beyond_the_second_cache_are_asked_for_in_advance() {
    let mut random = Random(22);
    for squares in [[1.0, 1.0, 1.0, 0.0], [1.0, -1.0, -1.0, -1.0]] {
        check(&of_metric(&squares), [1, 1, 8300], PLANES, &[DType::F32], &mut random);
    }
}

#[test]
fn plans_without_blocks_run_by_terms() {
    for squares in [vec![1.0], vec![1.0, 0.0, 0.0], vec![2.0, 1.0, 1.0]] {
        assert!(!is_blocks(&of_metric(&squares)), "{squares:?}");
    }
    let metric = Metric::from_signature(3, 0, 1).expect("few generators");
    let basis = Basis::canonical(4).expect("few generators");
    for kind in ProductKind::ALL.into_iter().filter(|&kind| kind != ProductKind::Geometric) {
        let plan = Plan::product(kind, &metric, &basis, &basis, &basis, None).expect("a plan");
        if plan.terms().len() < 192 {
            assert!(!is_blocks(&plan), "{kind:?}");
        }
    }
    // one term changed in sign fits no pattern
    let mut terms = of_metric(&[1.0, 1.0, 1.0]).terms().to_vec();
    terms[37].coefficient = -terms[37].coefficient;
    assert!(!is_blocks(&Plan::from_terms(8, 8, 8, 0, terms).expect("a plan")));
}

#[test]
fn even_blades_run_in_blocks() {
    let mut random = Random(22);
    for (p, q, r) in [(3, 0, 0), (3, 0, 1), (4, 1, 0), (1, 4, 0), (5, 0, 0)] {
        let metric = Metric::from_signature(p, q, r).expect("few generators");
        let full = Basis::canonical(metric.dim()).expect("few generators");
        let masks = full.masks().iter().copied().filter(|mask| mask.count_ones() % 2 == 0).collect::<Vec<_>>();
        let signs = vec![1.0; masks.len()];
        let even = Basis::new(masks, signs).expect("distinct blades");
        let plan = Plan::product(ProductKind::Geometric, &metric, &even, &even, &even, None).expect("a plan");
        for plan in with_gradients(&plan) {
            assert!(is_blocks(&plan), "({p}, {q}, {r})");
            check(&plan, [1, 1, 19], PACKED, &[DType::F32], &mut random);
        }
        let plan = Plan::product(ProductKind::Geometric, &metric, &even, &full, &full, None).expect("a plan");
        for plan in with_gradients(&plan) {
            assert!(is_blocks(&plan), "({p}, {q}, {r})");
            check(&plan, [1, 1, 19], PACKED, &[DType::F32], &mut random);
        }
    }
}

#[test]
fn strides_types_and_tails_are_exact() {
    let mut random = Random(23);
    let plans = [of_metric(&[0.0, 1.0, 1.0, 1.0]), of_metric(&[1.0, -1.0, 0.0])];
    for plan in plans.iter().flat_map(with_gradients) {
        assert!(is_blocks(&plan));
        for lanes in [1, 15, 16, 17, 63, 64, 65, 128, 200, 333] {
            check(&plan, [1, 1, lanes], PLANES, &DTYPES, &mut random);
        }
        for layout in &Layout::ALL {
            check(&plan, [2, 3, 37], [layout, &Layout::CONTIGUOUS, &Layout::SCATTERED], &DTYPES, &mut random);
            check(&plan, [2, 3, 71], [&Layout::BLADE_MAJOR, layout, &Layout::BLADE_MAJOR], &DTYPES, &mut random);
        }
    }
}

#[test]
fn runs_of_tiles_and_chunks_give_the_same_bits() {
    let mut random = Random(24);
    let plan = of_metric(&[1.0, 1.0, 1.0, 0.0]);
    for dtype in DTYPES {
        for isa in available() {
            for layouts in [PLANES, PACKED] {
                let mut whole = Product::new(&plan, dtype, [1, 1, 500], layouts).filled(|| random.unit());
                let mut split =
                    Product { left: whole.left.clone(), right: whole.right.clone(), out: whole.out.clone(), ..whole };
                whole.run_whole(isa);
                let tile = tile_lanes(dtype);
                split.run(isa, [3 * tile..500, 0..tile, tile..3 * tile]);
                assert!(whole.out.bytes() == split.out.bytes());
            }
        }
    }
}

#[test]
fn null_generators_meet_no_other_blade() {
    // infinity times a missing term must not become a NaN
    let plan = of_metric(&[1.0, 1.0, 1.0, 0.0]);
    let basis = Basis::canonical(4).expect("few generators");
    let is_null = |blade: usize| basis.masks()[blade] & 8 != 0;
    for isa in available() {
        let mut position = 0;
        let mut product = Product::new(&plan, DType::F32, [1, 1, 16], PACKED).filled(|| {
            position += 1;
            if is_null((position - 1) % 16) { f64::INFINITY } else { 0.0 }
        });
        product.run_whole(isa);
        let values = product.out.values();
        for (index, &value) in values.iter().enumerate() {
            assert!(if is_null(index % 16) { value.is_nan() } else { value == 0.0 }, "{isa:?} {index} {value}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_any_signs_of_blades_run_in_blocks(
        squares in prop::collection::vec(prop::sample::select(vec![1.0, -1.0, 0.0]), 3..5),
        seed: u64,
    ) {
        let plan = of_metric(&squares);
        prop_assume!(squares.iter().filter(|&&square| square != 0.0).count() >= 2);
        let mut random = Random(seed);
        let size = plan.out_size();
        let [left, right, out] = [0; 3].map(|_| {
            let mut order: Vec<(u16, f64)> = (0..size as u16).map(|blade| (blade, 1.0)).collect();
            for last in (1..size).rev() {
                order.swap(last, random.below(last as u64 + 1) as usize);
                order[last].1 = [1.0, -1.0][random.below(2) as usize];
            }
            order
        });
        let terms = plan.terms().iter().map(|term| {
            let [(o, c), (l, a), (r, b)] =
                [out[usize::from(term.out)], left[usize::from(term.left)], right[usize::from(term.right)]];
            Term { out: o, left: l, right: r, coefficient: term.coefficient * a * b * c, path: 0 }
        });
        let plan = Plan::from_terms(size, size, size, 0, terms.collect()).expect("a plan");
        prop_assert!(is_blocks(&plan));
        let axes = [1, 1, 1 + random.below(150) as i64];
        check(&plan, axes, PLANES, &[DType::F32, DType::F64], &mut random);
    }

    #[test]
    fn an_operation_of_blocks_and_terms_is_the_sum_of_both(seed: u64, lanes in 1_i64..300) {
        // the same product by both routes, added up in one operation, is twice the product
        let plan = of_metric(&[1.0, -1.0, 1.0, 0.0]);
        let routes = [Program::by_blocks(&plan), Program::by_terms(&plan)].map(|route| Arc::new(route.expect("a route")));
        let steps = routes.map(|program| Step { program, left: 0, right: 1, out: 2 });
        let operation = Operation::new(2, 1, steps.to_vec()).expect("products of the same operands");
        let mut random = Random(seed);
        for isa in available() {
            let mut product = Product::new(&plan, DType::F32, [1, 1, lanes], PLANES).filled(|| random.small());
            product.run_operation(&operation, isa, std::iter::once(0..lanes));
            for (actual, (expected, _)) in product.out.values().into_iter().zip(product.expected()) {
                prop_assert_eq!(actual, 2.0 * expected);
            }
        }
    }
}

#[test]
fn plans_whose_terms_share_no_blades_run_term_by_term() {
    // as many labels as blades would be free: more bits than a word has
    for size in [3, 64, 70, 128] {
        let terms = (0..size).map(|k| Term { out: k, left: k, right: k, path: 0, coefficient: 1.0 }).collect();
        let blades = usize::from(size);
        let plan = Plan::from_terms(blades, blades, blades, 0, terms).expect("a plan");
        assert!(!is_blocks(&plan));
        check(&plan, [1, 2, 3], PACKED, &[DType::F64], &mut Random(9));
    }
}
