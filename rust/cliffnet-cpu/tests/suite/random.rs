//! Random plans, sizes and strides.

use cliffnet_cpu::DType;
use proptest::prelude::*;

use crate::memory::{DTYPES, Layout, RANK};
use crate::naive::{Product, Random, available};

fn axes() -> impl Strategy<Value = [i64; RANK]> {
    prop_oneof![
        (0_i64..=200).prop_map(|lanes| [1, 1, lanes]),
        (1_i64..=4, 1_i64..=30).prop_map(|(a, b)| [1, a, b]),
        (1_i64..=4, 1_i64..=5, 1_i64..=9).prop_map(|(a, b, c)| [a, b, c]),
        (0_i64..=2, 0_i64..=2, 0_i64..=70).prop_map(|(a, b, c)| [a, b, c]),
    ]
}

fn layout() -> impl Strategy<Value = Layout> {
    let order = Just([0, 1, 2, 3]).prop_shuffle();
    let gaps = prop::array::uniform4(prop_oneof![3 => Just(0_i64), 1 => 1_i64..=5]);
    let expanded = prop::array::uniform4(prop::bool::weighted(0.15));
    let any = (order, gaps, expanded, 0_usize..=3).prop_map(|(order, gaps, expanded, shift)| Layout {
        order,
        gaps,
        expanded,
        shift,
    });
    prop_oneof![2 => prop::sample::select(Layout::ALL.to_vec()), 3 => any]
}

fn layouts() -> impl Strategy<Value = [Layout; 3]> {
    [layout(), layout(), layout()]
}

fn sizes() -> impl Strategy<Value = [usize; 3]> {
    prop::array::uniform3(prop_oneof![1_usize..=9, Just(16), Just(32), 1_usize..=64])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_strides_are_exact(
        sizes in sizes(),
        count in 0_usize..200,
        axes in axes(),
        layouts in layouts(),
        dtype in prop::sample::select(&DTYPES),
        seed: u64,
    ) {
        let mut random = Random(seed);
        let plan = random.plan(sizes, count);
        for isa in available() {
            let mut product = Product::new(&plan, dtype, axes, layouts.each_ref()).filled(|| random.small());
            product.run_whole(isa);
            product.assert_exact(isa);
        }
    }

    #[test]
    fn real_numbers_are_within_rounding(
        sizes in sizes(),
        count in 0_usize..200,
        axes in axes(),
        layouts in layouts(),
        (dtype, epsilon) in prop::sample::select(vec![
            (DType::F32, f64::from(f32::EPSILON)),
            (DType::F64, f64::EPSILON),
        ]),
        seed: u64,
    ) {
        let mut random = Random(seed);
        let plan = random.plan(sizes, count);
        for isa in available() {
            let mut product = Product::new(&plan, dtype, axes, layouts.each_ref()).filled(|| random.unit());
            product.run_whole(isa);
            for (actual, (expected, magnitude)) in product.out.values().into_iter().zip(product.expected()) {
                // each of at most `count` additions rounds once, each product at most twice
                let bound = (count as f64 + 3.0) * epsilon * magnitude;
                prop_assert!((actual - expected).abs() <= bound, "{isa:?} {actual} {expected} {bound}");
            }
        }
    }
}
