//! Products of two blocks by two, whose pairs and signs are known when kernels are compiled.
//!
//! Those are the products of four generators, of which three make up a block, and their gradients. Which pairs there are
//! and what signs they have depends on the fourth generator only: on the sign of its square, and for a null one on
//! whether it comes before or after the others.

use crate::leaf_program::{LeafProgram, PairSigns, Squares, is_blade_negative, is_low_product_negative};

/// Blocks of the left and the right operand that are multiplied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) left: usize,
    pub(crate) right: usize,
    signs: PairSigns,
}

/// The pairs of two blocks of an output.
pub(crate) struct Pattern {
    squares: Squares,
    rows: [&'static [Pair]; 2],
}

const fn pair(left: usize, right: usize, signs: PairSigns) -> Pair {
    Pair { left, right, signs }
}

/// As they are in the low table, and the signs that occur besides.
const PLAIN: PairSigns = PairSigns { is_negative: false, has_odd_left: false, has_odd_right: false };
const NEGATIVE: PairSigns = PairSigns { is_negative: true, ..PLAIN };
const ODD_LEFT: PairSigns = PairSigns { has_odd_left: true, ..PLAIN };
const ODD_RIGHT: PairSigns = PairSigns { has_odd_right: true, ..PLAIN };
const ODD_BOTH: PairSigns = PairSigns { has_odd_left: true, ..ODD_RIGHT };
const NEGATIVE_ODD_RIGHT: PairSigns = PairSigns { has_odd_right: true, ..NEGATIVE };
const NEGATIVE_ODD_BOTH: PairSigns = PairSigns { has_odd_left: true, ..NEGATIVE_ODD_RIGHT };

/// Number of patterns.
pub(crate) const COUNT: usize = 12;

/// Products, gradients by the right operand and by the left one; each for a fourth generator that squares to 1, to -1, to
/// 0 before the others, to 0 after them.
pub(crate) const PATTERNS: [Pattern; COUNT] = [
    Pattern {
        squares: Squares::Neither,
        rows: [&[pair(0, 0, PLAIN), pair(1, 1, ODD_RIGHT)], &[pair(0, 1, PLAIN), pair(1, 0, ODD_RIGHT)]],
    },
    Pattern {
        squares: Squares::Neither,
        rows: [&[pair(0, 0, PLAIN), pair(1, 1, NEGATIVE_ODD_RIGHT)], &[pair(0, 1, PLAIN), pair(1, 0, ODD_RIGHT)]],
    },
    Pattern { squares: Squares::Neither, rows: [&[pair(0, 0, PLAIN)], &[pair(0, 1, ODD_LEFT), pair(1, 0, PLAIN)]] },
    Pattern { squares: Squares::Neither, rows: [&[pair(0, 0, PLAIN)], &[pair(0, 1, PLAIN), pair(1, 0, ODD_RIGHT)]] },
    Pattern {
        squares: Squares::Left,
        rows: [&[pair(0, 0, PLAIN), pair(1, 1, ODD_BOTH)], &[pair(0, 1, PLAIN), pair(1, 0, ODD_BOTH)]],
    },
    Pattern {
        squares: Squares::Left,
        rows: [&[pair(0, 0, PLAIN), pair(1, 1, ODD_BOTH)], &[pair(0, 1, PLAIN), pair(1, 0, NEGATIVE_ODD_BOTH)]],
    },
    Pattern { squares: Squares::Left, rows: [&[pair(0, 0, PLAIN), pair(1, 1, PLAIN)], &[pair(0, 1, ODD_LEFT)]] },
    Pattern { squares: Squares::Left, rows: [&[pair(0, 0, PLAIN), pair(1, 1, ODD_BOTH)], &[pair(0, 1, PLAIN)]] },
    Pattern {
        squares: Squares::Right,
        rows: [&[pair(0, 0, PLAIN), pair(1, 1, PLAIN)], &[pair(0, 1, ODD_RIGHT), pair(1, 0, ODD_RIGHT)]],
    },
    Pattern {
        squares: Squares::Right,
        rows: [&[pair(0, 0, PLAIN), pair(1, 1, PLAIN)], &[pair(0, 1, NEGATIVE_ODD_RIGHT), pair(1, 0, ODD_RIGHT)]],
    },
    Pattern { squares: Squares::Right, rows: [&[pair(0, 0, PLAIN), pair(1, 1, ODD_BOTH)], &[pair(1, 0, PLAIN)]] },
    Pattern { squares: Squares::Right, rows: [&[pair(0, 0, PLAIN), pair(1, 1, PLAIN)], &[pair(1, 0, ODD_RIGHT)]] },
];

impl Pattern {
    /// The number of the pattern that a program follows, blades without changes of sign.
    pub(crate) fn of(program: &LeafProgram) -> Option<usize> {
        let mut operands = [&program.left, &program.right, &program.out].into_iter();
        if program.low != 3 || !operands.all(|blades| blades.blades.len() == 16 && blades.flips.is_empty()) {
            return None;
        }
        PATTERNS.iter().position(|pattern| {
            let mut rows = program.rows.iter().zip(pattern.rows);
            pattern.squares == program.squares
                && rows.all(|(row, expected)| {
                    let pairs = &program.pairs[row.start as usize..row.end as usize];
                    let found = pairs.iter().map(|found| {
                        let [left, right] = [found.left, found.right].map(|first| usize::from(first >> program.low));
                        pair(left, right, found.signs)
                    });
                    found.eq(expected.iter().copied())
                })
        })
    }

    /// A pair of a block of the output, if there is one.
    pub(crate) const fn pair(&self, row: usize, index: usize) -> Option<Pair> {
        let row = self.rows[row];
        if index < row.len() { Some(row[index]) } else { None }
    }

    /// Whether the product of two low blades is subtracted in a pair.
    pub(crate) const fn is_negative(&self, pair: Pair, metric: usize, left: usize, right: usize) -> bool {
        let Pair { signs, .. } = pair;
        let has_squares = [matches!(self.squares, Squares::Left), matches!(self.squares, Squares::Right)];
        is_low_product_negative(metric, left, right)
            ^ signs.is_negative
            ^ is_blade_negative(metric, has_squares[0], signs.has_odd_left, left)
            ^ is_blade_negative(metric, has_squares[1], signs.has_odd_right, right)
    }
}

#[cfg(test)]
mod tests {
    use cliffnet_algebra::{Basis, Metric, ProductKind};
    use cliffnet_plan::{Plan, Slot};

    use super::COUNT;
    use crate::leaf_program::LeafProgram;

    #[test]
    fn test_four_generators_with_a_null_one_at_an_end_follow_all_patterns() {
        let mut is_used = [false; COUNT];
        for number in 0..81_i32 {
            let squares: Vec<f64> = (0..4).map(|i| f64::from(number / 3_i32.pow(i) % 3 - 1)).collect();
            let nulls: Vec<usize> = (0..4).filter(|&i| squares[i] == 0.0).collect();
            if !matches!(nulls[..], [] | [0 | 3]) {
                continue;
            }
            let metric = Metric::new(squares.clone()).expect("finite");
            let basis = Basis::canonical(4).expect("few generators");
            let plan = Plan::product(ProductKind::Geometric, &metric, &basis, &basis, &basis, None).expect("a plan");
            for plan in [plan.seen_from(Slot::Left), plan.seen_from(Slot::Right), plan] {
                let program = LeafProgram::new(&plan).expect("blocks");
                is_used[program.pattern.unwrap_or_else(|| panic!("{squares:?} follows none"))] = true;
            }
        }
        assert_eq!(is_used, [true; COUNT]);
    }
}
