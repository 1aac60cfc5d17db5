//! Lanes never mix: results do not depend on how they are spread over calls.

use cliffnet_cpu::tile_lanes;
use proptest::prelude::*;

use crate::memory::{DTYPES, Layout};
use crate::naive::{Product, Random, available};

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chunks_of_tiles_give_the_same_bits(
        lanes in 0_i64..700,
        cuts in prop::collection::btree_set(1_i64..11, 0..4),
        layouts in prop::array::uniform3(prop::sample::select(Layout::ALL.to_vec())),
        dtype in prop::sample::select(&DTYPES),
        seed: u64,
    ) {
        let mut random = Random(seed);
        let plan = random.plan([8, 4, 6], 30);
        let axes = [1, 1, lanes];
        for isa in available() {
            let mut whole = Product::new(&plan, dtype, axes, layouts.each_ref()).filled(|| random.unit());
            let mut split =
                Product { left: whole.left.clone(), right: whole.right.clone(), out: whole.out.clone(), ..whole };
            whole.run_whole(isa);
            let mut borders = vec![0];
            borders.extend(cuts.iter().map(|cut| cut * tile_lanes(dtype)).filter(|&cut| cut < lanes));
            borders.push(lanes);
            // last chunk first: the order must not matter either
            let ranges: Vec<_> = borders.windows(2).map(|pair| pair[0]..pair[1]).rev().collect();
            split.run(isa, ranges);
            prop_assert!(whole.out.bytes() == split.out.bytes());
        }
    }

    #[test]
    fn a_lane_gives_the_same_value_anywhere(
        lanes in 1_i64..150,
        dtype in prop::sample::select(&DTYPES),
        layout in prop::sample::select(Layout::ALL.to_vec()),
        seed: u64,
    ) {
        let mut random = Random(seed);
        let plan = random.plan([5, 8, 7], 40);
        for isa in available() {
            let mut product =
                Product::new(&plan, dtype, [1, 1, lanes], [&Layout::BROADCAST, &Layout::BROADCAST, &layout])
                    .filled(|| random.unit());
            product.run_whole(isa);
            let values = product.out.values();
            prop_assert!(values.chunks(7).all(|lane| lane == &values[..7]));
        }
    }

    #[test]
    fn layouts_give_the_same_values(
        axes in prop::array::uniform3(1_i64..8),
        dtype in prop::sample::select(&DTYPES),
        layouts in prop::array::uniform3(prop::sample::select(vec![
            Layout::CONTIGUOUS,
            Layout::BLADE_MAJOR,
            Layout::TRANSPOSED,
            Layout::GAPPED,
            Layout::SCATTERED,
        ])),
        seed: u64,
    ) {
        let plan = Random(seed).plan([8, 8, 8], 50);
        for isa in available() {
            let packed = [&Layout::CONTIGUOUS; 3];
            let [first, second] = [packed, layouts.each_ref()].map(|layouts| {
                let mut random = Random(seed);
                let mut product = Product::new(&plan, dtype, axes, layouts).filled(|| random.unit());
                product.run_whole(isa);
                product.out.values()
            });
            prop_assert!(first == second);
        }
    }
}
