//! NaN and infinity reach exactly the outputs that have a term with them.

use cliffnet_algebra::{Basis, Metric, ProductKind};
use cliffnet_plan::Plan;
use proptest::prelude::*;

use crate::memory::{DTYPES, Layout};
use crate::naive::{Product, Random, available};

const SPECIAL: [f64; 3] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn special_values_go_where_terms_take_them(
        lanes in 1_i64..140,
        one_in in 2_u64..60,
        layouts in prop::array::uniform3(prop::sample::select(Layout::ALL.to_vec())),
        dtype in prop::sample::select(&DTYPES),
        seed: u64,
    ) {
        let mut random = Random(seed);
        let plan = random.plan([6, 9, 8], 25);
        for isa in available() {
            let mut product = Product::new(&plan, dtype, [1, 1, lanes], layouts.each_ref()).filled(|| {
                if random.below(one_in) == 0 { SPECIAL[random.below(3) as usize] } else { random.small() }
            });
            product.run_whole(isa);
            product.assert_exact(isa);
        }
    }
}

#[test]
fn null_generators_do_not_multiply_infinities() {
    let metric = Metric::from_signature(1, 0, 1).expect("few generators");
    let basis = Basis::canonical(2).expect("few generators");
    let plan = Plan::product(ProductKind::Geometric, &metric, &basis, &basis, &basis, None).expect("a plan");
    for dtype in DTYPES {
        for isa in available() {
            let layout = &Layout::CONTIGUOUS;
            // 1 + inf e0 on both sides: e0 e0 = 0 has no term, so nothing becomes NaN but e01, from inf * 0
            let mut values = [1.0, f64::INFINITY, 0.0, 0.0].into_iter().cycle();
            let mut product =
                Product::new(&plan, dtype, [1, 1, 1], [layout; 3]).filled(|| values.next().expect("cycles"));
            product.run_whole(isa);
            let out = product.out.values();
            assert_eq!(out[..3], [1.0, f64::INFINITY, 0.0], "{isa:?} {dtype:?}");
            assert!(out[3].is_nan(), "{isa:?} {dtype:?}");
        }
    }
}
