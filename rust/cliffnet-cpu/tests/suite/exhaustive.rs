//! Every instruction set and type on every number of lanes, every number of blades and every pair of layouts.

use cliffnet_algebra::{Basis, Metric, ProductKind};
use cliffnet_cpu::Program;
use cliffnet_plan::{Partition, Plan, Term};

use crate::memory::{DTYPES, Layout};
use crate::naive::{Product, Random, available};

fn product_plan(kind: ProductKind, signature: (usize, usize, usize)) -> Plan {
    let metric = Metric::from_signature(signature.0, signature.1, signature.2).expect("few generators");
    let basis = Basis::canonical(metric.dim()).expect("few generators");
    Plan::product(kind, &metric, &basis, &basis, &basis, None).expect("a plan")
}

fn check(plan: &Plan, axes: [i64; 3], layouts: [&Layout; 3], random: &mut Random) {
    for dtype in DTYPES {
        let filled = Product::new(plan, dtype, axes, layouts).filled(|| random.small());
        for isa in available() {
            let mut product =
                Product { left: filled.left.clone(), right: filled.right.clone(), out: filled.out.clone(), ..filled };
            product.run_whole(isa);
            product.assert_exact(isa);
        }
    }
}

#[test]
fn every_number_of_lanes_is_exact() {
    let plan = product_plan(ProductKind::Geometric, (1, 0, 1));
    let mut random = Random(1);
    for lanes in 0..=200 {
        let layout = &[Layout::CONTIGUOUS, Layout::BLADE_MAJOR][lanes as usize % 2];
        check(&plan, [1, 1, lanes], [layout, layout, layout], &mut random);
        check(&plan, [1, 1, lanes], [&Layout::CONTIGUOUS, &Layout::BLADE_MAJOR, layout], &mut random);
    }
}

#[test]
fn every_number_of_blades_is_exact() {
    let mut random = Random(2);
    for blades in 1..=64_u16 {
        // one output blade without a term must come out zero
        let terms = (0..blades - 1)
            .map(|i| Term {
                out: i,
                left: i,
                right: i * 7 % blades,
                path: 0,
                coefficient: [1.0, -1.0, 1.5][usize::from(i % 3)],
            })
            .collect();
        let size = usize::from(blades);
        let plan = Plan::from_terms(size, size, size, 0, terms).expect("a plan");
        for lanes in [1, 8, 67] {
            let axes = [1, 1, lanes];
            check(&plan, axes, [&Layout::CONTIGUOUS, &Layout::CONTIGUOUS, &Layout::CONTIGUOUS], &mut random);
        }
        check(&plan, [1, 3, 11], [&Layout::GAPPED, &Layout::BLADE_MAJOR, &Layout::GAPPED], &mut random);
    }
}

#[test]
fn every_triple_of_layouts_is_exact() {
    let plan = product_plan(ProductKind::Geometric, (2, 0, 1));
    let mut random = Random(3);
    for left in &Layout::ALL {
        for right in &Layout::ALL {
            for out in [&Layout::CONTIGUOUS, &Layout::BLADE_MAJOR, &Layout::SCATTERED] {
                check(&plan, [2, 3, 12], [left, right, out], &mut random);
            }
        }
    }
}

#[test]
fn every_product_of_a_degenerate_metric_is_exact() {
    let mut random = Random(4);
    for kind in ProductKind::ALL {
        let plan = product_plan(kind, (3, 0, 1));
        check(&plan, [1, 1, 70], [&Layout::CONTIGUOUS, &Layout::BLADE_MAJOR, &Layout::CONTIGUOUS], &mut random);
    }
}

#[test]
fn operands_of_different_sizes_are_exact() {
    let mut random = Random(5);
    for sizes in [[1, 64, 3], [64, 1, 1], [5, 2, 64], [3, 17, 9]] {
        let plan = random.plan(sizes, 60);
        for layout in &Layout::ALL {
            check(&plan, [2, 1, 35], [layout, &Layout::CONTIGUOUS, layout], &mut random);
        }
    }
}

#[test]
fn a_plan_without_terms_gives_zeros() {
    let plan = Plan::from_terms(2, 3, 4, 0, Vec::new()).expect("a plan");
    let mut random = Random(6);
    check(&plan, [1, 1, 70], [&Layout::CONTIGUOUS, &Layout::CONTIGUOUS, &Layout::CONTIGUOUS], &mut random);
    check(&plan, [1, 1, 70], [&Layout::CONTIGUOUS, &Layout::CONTIGUOUS, &Layout::BLADE_MAJOR], &mut random);
}

#[test]
fn weighted_plans_have_no_program() {
    let metric = Metric::from_signature(2, 0, 0).expect("few generators");
    let basis = Basis::canonical(2).expect("few generators");
    let by_grade = Partition::new(2, &[vec![0], vec![1], vec![2]]).expect("a partition");
    let plan = Plan::product(ProductKind::Geometric, &metric, &basis, &basis, &basis, Some(&by_grade)).expect("a plan");
    assert!(Program::new(&plan).is_none());
}

#[test]
fn programs_know_their_sizes() {
    let program = Program::new(&product_plan(ProductKind::Geometric, (3, 0, 1))).expect("no weights");
    assert_eq!((program.left_size(), program.right_size(), program.out_size()), (16, 16, 16));
    assert_eq!(program.work(), 192);
}
