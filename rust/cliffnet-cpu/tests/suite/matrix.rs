//! Products of matrices against the terms of the same plan.

use cliffnet_algebra::{Basis, Metric, ProductKind};
use cliffnet_cpu::{DType, Program, tile_lanes};
use cliffnet_plan::{Plan, Slot};

use crate::memory::{DTYPES, Layout};
use crate::naive::{Product, Random, available};

fn geometric(squares: Vec<f64>) -> Plan {
    let metric = Metric::new(squares).expect("finite");
    let basis = Basis::canonical(metric.dim()).expect("few generators");
    Plan::product(ProductKind::Geometric, &metric, &basis, &basis, &basis, None).expect("a plan")
}

fn of_signature(p: usize, q: usize, r: usize) -> Plan {
    geometric([vec![0.0; r], vec![1.0; p], vec![-1.0; q]].concat())
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

/// One signature of each type and size of matrix that the kernels know, some with null generators.
const SIGNATURES: [(usize, usize, usize); 16] = [
    (3, 3, 0),
    (6, 0, 0),
    (0, 6, 0),
    (4, 0, 2),
    (2, 2, 2),
    (4, 1, 1),
    (3, 2, 1),
    (5, 0, 1),
    (7, 0, 0),
    (4, 3, 0),
    (0, 5, 2),
    (2, 5, 0),
    (8, 0, 0),
    (1, 7, 0),
    (3, 2, 3),
    (5, 4, 0),
];

#[test]
fn every_type_of_matrix_and_every_gradient_is_exact() {
    let mut random = Random(11);
    for (p, q, r) in SIGNATURES {
        let plan = of_signature(p, q, r);
        assert!(Program::new(&plan).expect("no weights").is_matrix(), "({p}, {q}, {r})");
        let [left, right] = [Slot::Left, Slot::Right].map(|slot| plan.seen_from(slot));
        let others = [
            left.seen_from(Slot::Right),
            right.seen_from(Slot::Left),
            left.seen_from(Slot::Right).seen_from(Slot::Left),
        ];
        for plan in [&plan, &left, &right].into_iter().chain(&others) {
            check(plan, [1, 1, 3], PACKED, &[DType::F32, DType::F64], &mut random);
        }
    }
}

#[test]
fn every_signature_of_six_generators_is_exact() {
    let mut random = Random(12);
    for r in 0..=6 {
        for q in 0..=6 - r {
            check(&of_signature(6 - q - r, q, r), [1, 1, 2], PACKED, &[DType::F32, DType::F64], &mut random);
        }
    }
}

#[test]
fn every_number_of_lanes_is_exact() {
    let plan = of_signature(5, 1, 0);
    let mut random = Random(13);
    for lanes in (0..=20).chain([31, 32, 33, 64, 65, 130]) {
        let layout = &[Layout::CONTIGUOUS, Layout::BLADE_MAJOR][lanes as usize % 2];
        check(&plan, [1, 1, lanes], [layout, layout, layout], &DTYPES, &mut random);
    }
}

#[test]
fn every_triple_of_layouts_is_exact() {
    let plan = of_signature(3, 3, 0);
    let mut random = Random(14);
    for left in &Layout::ALL {
        for right in &Layout::ALL {
            for out in [&Layout::CONTIGUOUS, &Layout::BLADE_MAJOR, &Layout::SCATTERED] {
                check(&plan, [2, 3, 7], [left, right, out], &[DType::F32, DType::BF16], &mut random);
            }
        }
    }
}

#[test]
fn scaled_metrics_are_exact() {
    let mut random = Random(15);
    let plan = geometric(vec![4.0, -1.0, 0.25, 0.0, 1.0, -4.0, 1.0]);
    assert!(Program::new(&plan).expect("no weights").is_matrix());
    check(&plan, [1, 1, 5], PACKED, &[DType::F64], &mut random);
}

#[test]
fn large_algebras_are_exact() {
    // against a product that is known: (1 + e_I) (1 + e_I) with e_I the pseudoscalar, and e_1 (1 + e_I)
    for (p, q, r) in [(10, 0, 0), (6, 6, 0), (9, 0, 3), (11, 1, 0), (7, 5, 0)] {
        let plan = of_signature(p, q, r);
        let size = plan.out_size();
        let product = ProductKind::Geometric;
        let metric = Metric::from_signature(p, q, r).expect("few generators");
        let square = product.term(&metric, size as u64 - 1, size as u64 - 1).map_or(0.0, |(_, value)| value);
        for isa in available() {
            let mut position = 0;
            // the pseudoscalar is the last blade, the scalar the first
            let mut case = Product::new(&plan, DType::F32, [1, 1, 1], PACKED).filled(|| {
                position += 1;
                let blade = (position - 1) % size;
                f64::from(blade == 0 || blade == size - 1)
            });
            case.run_whole(isa);
            let values = case.out.values();
            assert_eq!((values[0], values[size - 1]), (1.0 + square, 2.0), "({p}, {q}, {r}) {isa:?}");
            assert!(values[1..size - 1].iter().all(|&value| value == 0.0));
        }
    }
}

#[test]
fn real_numbers_are_within_rounding() {
    let mut random = Random(16);
    for (signature, stages) in [((6, 0, 0), 6.0), ((4, 4, 0), 8.0), ((4, 3, 1), 7.0)] {
        let plan = of_signature(signature.0, signature.1, signature.2);
        for (dtype, epsilon) in [(DType::F32, f64::from(f32::EPSILON)), (DType::F64, f64::EPSILON)] {
            for isa in available() {
                let mut product = Product::new(&plan, dtype, [1, 1, 9], PACKED).filled(|| random.unit());
                product.run_whole(isa);
                // by norms, since every coefficient enters every entry of a matrix
                let magnitude = product.expected().iter().map(|&(_, magnitude)| magnitude).fold(0.0, f64::max);
                for (actual, (expected, _)) in product.out.values().into_iter().zip(product.expected()) {
                    assert!((actual - expected).abs() <= 4.0 * stages * epsilon * magnitude, "{actual} {expected}");
                }
            }
        }
    }
}

#[test]
fn chunks_of_tiles_give_the_same_bits() {
    let plan = of_signature(4, 2, 1);
    let mut random = Random(17);
    for dtype in DTYPES {
        for isa in available() {
            let mut whole = Product::new(&plan, dtype, [1, 1, 150], PACKED).filled(|| random.unit());
            let mut split =
                Product { left: whole.left.clone(), right: whole.right.clone(), out: whole.out.clone(), ..whole };
            whole.run_whole(isa);
            let tile = tile_lanes(dtype);
            split.run(isa, [2 * tile..150, 0..tile, tile..2 * tile]);
            assert!(whole.out.bytes() == split.out.bytes());
        }
    }
}

#[test]
fn a_lane_with_a_nan_spoils_no_other() {
    let plan = of_signature(6, 0, 0);
    for isa in available() {
        let mut position = 0;
        let mut product = Product::new(&plan, DType::F32, [1, 1, 20], PACKED).filled(|| {
            position += 1;
            if position == 64 * 7 + 5 { f64::NAN } else { 1.0 }
        });
        product.run_whole(isa);
        for (lane, values) in product.out.values().chunks(64).enumerate() {
            assert_eq!(values.iter().all(|value| value.is_nan()), lane == 7, "lane {lane} {isa:?}");
            assert_eq!(values.iter().any(|value| value.is_nan()), lane == 7, "lane {lane} {isa:?}");
        }
    }
}
