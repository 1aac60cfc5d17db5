//! A product as products of small blocks of blades that all follow one multiplication table.
//!
//! Split the generators of an algebra into a few low ones, none of them null, and the others. With a, b products of low
//! and A, B products of other generators, `(a A)(b B) = +-(a b)(A B)`, and the sign is that of the low table times one
//! that depends on A and B, times (-1)^(|A| |b|). So for fixed A and B, all terms together are one product of two blocks
//! in the low algebra, up to a few patterns of signs; missing terms, of null generators or of restricted operands, are
//! missing pairs of A and B.

use std::ops::Range;

use cliffnet_plan::Plan;

use crate::binary::Equations;
use crate::labels::Labels;
use crate::leaf_pattern::Pattern;

/// Which operand's low blades carry the signs of their squares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Squares {
    Neither,
    /// As in the gradient by the right operand.
    Left,
    /// As in the gradient by the left operand.
    Right,
}

/// Sign of the product of two low blades, true for minus. Bit `i` of `metric` is set where generator `i` squares to -1.
pub(crate) const fn is_low_product_negative(metric: usize, left: usize, right: usize) -> bool {
    let swaps = (left >> 1 & right).count_ones() + (left >> 2 & right).count_ones();
    (swaps + (left & right & metric).count_ones()) % 2 == 1
}

/// Sign that the operands of a pair of blocks bring to a term, true for minus.
pub(crate) const fn is_blade_negative(metric: usize, has_squares: bool, is_odd: bool, blade: usize) -> bool {
    (has_squares && is_low_product_negative(metric, blade, blade)) ^ (is_odd && blade.count_ones() % 2 == 1)
}

/// Where the blades of a block square to minus one.
pub(crate) const fn negative_squares<const SIZE: usize>(metric: usize) -> [bool; SIZE] {
    let mut negative = [false; SIZE];
    let mut blade = 0;
    while blade < SIZE {
        negative[blade] = is_low_product_negative(metric, blade, blade);
        blade += 1;
    }
    negative
}

/// A product of two blocks, by the positions of their first blades.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockPair {
    pub(crate) left: u16,
    pub(crate) right: u16,
    pub(crate) signs: PairSigns,
}

/// How the terms of a pair of blocks differ in sign from the low table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PairSigns {
    pub(crate) is_negative: bool,
    /// Odd blades of the left block change sign.
    pub(crate) has_odd_left: bool,
    /// Odd blades of the right block change sign.
    pub(crate) has_odd_right: bool,
}

/// The blades of an operand by position, block after block.
#[derive(Clone, Debug)]
pub(crate) struct Positions {
    /// Index of each blade; all are below the number of blades.
    pub(crate) blades: Vec<u16>,
    /// Whether the sign of each blade is to be changed; empty where none is.
    pub(crate) flips: Vec<bool>,
}

/// A product compiled to products of blocks.
#[derive(Clone, Debug)]
pub(crate) struct LeafProgram {
    /// Low generators: 2 or 3.
    pub(crate) low: usize,
    /// Bit `i` is set where low generator `i` squares to -1.
    pub(crate) metric: usize,
    pub(crate) squares: Squares,
    pub(crate) left: Positions,
    pub(crate) right: Positions,
    pub(crate) out: Positions,
    /// Pairs of blocks of each block of the output, in order.
    pub(crate) rows: Vec<Range<u32>>,
    pub(crate) pairs: Vec<BlockPair>,
    /// The number of its pattern, if it follows one.
    pub(crate) pattern: Option<usize>,
}

impl LeafProgram {
    /// Compiles an unweighted plan; `None` if its terms do not fall into such blocks.
    pub(crate) fn new(plan: &Plan) -> Option<Self> {
        let labels = Labels::new(plan)?;
        let translations = labels.translations();
        [3, 2].into_iter().find_map(|low| {
            let generators = anticommuting(&labels, &translations, low)?;
            Splits::new(labels.dimension, generators).find_map(|split| Self::of_split(plan, &labels, &split))
        })
    }

    /// The program of a choice of low and other generators, with the fewest changes of sign.
    fn of_split(plan: &Plan, labels: &Labels, split: &Split) -> Option<Self> {
        let left = Blocks::new(&labels.left, split)?;
        let right = Blocks::new(&labels.right, split)?;
        let out = Blocks::new(&labels.out, split)?;
        let low = split.low.len();
        let metric = (0..low).filter(|&i| labels.squares_to_negative(split.low[i])).map(|i| 1 << i).sum();
        let mut pairs = Vec::new();
        for (a, &high) in left.highs.iter().enumerate() {
            for (b, &other) in right.highs.iter().enumerate() {
                if labels.sign(split.label(high, 0), split.label(other, 0)).is_some() {
                    let c = out.highs.iter().position(|&sum| sum == high ^ other)?;
                    pairs.push([c, a, b]);
                }
            }
        }
        pairs.sort_unstable();
        if pairs.len() << (2 * low) != plan.terms().len() {
            return None;
        }
        let signs = Signs { labels, split, metric, blocks: [&out, &left, &right], pairs: &pairs };
        let solved = [Squares::Neither, Squares::Left, Squares::Right].map(|squares| signs.solve(squares));
        let Solution { squares, flips: [out_flips, left_flips, right_flips], pairs: pair_signs } =
            solved.into_iter().flatten().min_by_key(Solution::flip_count)?;
        let rows = (0..out.highs.len()).map(|row| {
            let position = |row: usize| pairs.partition_point(|pair| pair[0] < row) as u32;
            position(row)..position(row + 1)
        });
        let pair = |(&[_, a, b], signs): (&[usize; 3], PairSigns)| BlockPair {
            left: (a << low) as u16,
            right: (b << low) as u16,
            signs,
        };
        let mut program = Self {
            low,
            metric,
            squares,
            rows: rows.collect(),
            pairs: pairs.iter().zip(pair_signs).map(pair).collect(),
            left: Positions { blades: left.blades, flips: left_flips },
            right: Positions { blades: right.blades, flips: right_flips },
            out: Positions { blades: out.blades, flips: out_flips },
            pattern: None,
        };
        program.pattern = Pattern::of(&program);
        Some(program)
    }
}

/// The first independent translations of which every two anticommute.
fn anticommuting(labels: &Labels, translations: &[usize], count: usize) -> Option<Vec<usize>> {
    let is_negative = |by: usize| labels.squares_to_negative(by);
    // (v w)(v w) = -v v w w where v and w commute with a change of sign
    let anticommute = |v: usize, w: usize| is_negative(v) ^ is_negative(w) ^ is_negative(v ^ w);
    let mut found: Vec<usize> = Vec::with_capacity(count);
    // three that anticommute are dependent only if one is the product of the others
    extend(&mut found, translations, count, &|found, next| {
        found.iter().all(|&v| v != next && anticommute(v, next)) && found.iter().fold(next, |sum, v| sum ^ v) != 0
    })
    .then_some(found)
}

/// Extends a choice to `count` candidates, each admitted by those before it.
fn extend(
    found: &mut Vec<usize>,
    candidates: &[usize],
    count: usize,
    admits: &impl Fn(&[usize], usize) -> bool,
) -> bool {
    if found.len() == count {
        return true;
    }
    for (index, &next) in candidates.iter().enumerate() {
        if admits(found, next) {
            found.push(next);
            if extend(found, &candidates[index + 1..], count, admits) {
                return true;
            }
            found.pop();
        }
    }
    false
}

/// A basis of the labels: low generators and others.
struct Split {
    low: Vec<usize>,
    high: Vec<usize>,
}

impl Split {
    /// The label of a block and a blade in it.
    fn label(&self, high: usize, low: usize) -> usize {
        let sum = |basis: &[usize], bits: usize| {
            (0..basis.len()).filter(|i| bits >> i & 1 == 1).fold(0, |sum, i| sum ^ basis[i])
        };
        sum(&self.high, high) ^ sum(&self.low, low)
    }
}

/// Most choices of the other generators that are tried.
const MAX_SPLITS: usize = 64;

/// The splits with given low generators. Which of the other generators commute with the low ones matters; multiplying
/// them by low ones changes that, and all such choices are gone through, the plain one first.
struct Splits {
    low: Vec<usize>,
    high: Vec<usize>,
    next: usize,
}

impl Splits {
    fn new(dimension: usize, low: Vec<usize>) -> Self {
        let mut span = vec![0];
        let mut high = Vec::new();
        let mut extend = |generator: usize| {
            let is_new = !span.contains(&generator);
            if is_new {
                span.extend(span.clone().into_iter().map(|label| label ^ generator));
            }
            is_new
        };
        for &generator in &low {
            extend(generator);
        }
        high.extend((0..dimension).map(|bit| 1 << bit).filter(|&generator| extend(generator)));
        Self { low, high, next: 0 }
    }
}

impl Iterator for Splits {
    type Item = Split;

    fn next(&mut self) -> Option<Split> {
        let mut digits = self.next;
        if digits > 0
            && (self.low.len() * self.high.len() >= usize::BITS as usize
                || digits >> (self.low.len() * self.high.len()) > 0
                || digits >= MAX_SPLITS)
        {
            return None;
        }
        self.next += 1;
        let plain = Split { low: self.low.clone(), high: self.high.clone() };
        let mut shifted = Split { low: self.low.clone(), high: self.high.clone() };
        for generator in &mut shifted.high {
            *generator ^= plain.label(0, digits & ((1 << self.low.len()) - 1));
            digits >>= self.low.len();
        }
        Some(shifted)
    }
}

/// The blades of an operand in blocks.
struct Blocks {
    /// The block numbers, as sums of the other generators.
    highs: Vec<usize>,
    blades: Vec<u16>,
}

impl Blocks {
    /// `None` unless the blocks are whole.
    fn new(labels: &[usize], split: &Split) -> Option<Self> {
        let mut index = vec![None; 1 << (split.low.len() + split.high.len())];
        for (blade, &label) in (0..).zip(labels) {
            index[label] = Some(blade);
        }
        let (mut highs, mut blades) = (Vec::new(), Vec::with_capacity(labels.len()));
        for high in 0..1 << split.high.len() {
            if index[split.label(high, 0)].is_some() {
                highs.push(high);
                for low in 0..1 << split.low.len() {
                    blades.push(index[split.label(high, low)]?);
                }
            }
        }
        (blades.len() == labels.len()).then_some(Self { highs, blades })
    }
}

/// The signs of all terms, to be explained by kinds of pairs and changes of sign of blades.
struct Signs<'a> {
    labels: &'a Labels,
    split: &'a Split,
    metric: usize,
    /// Of the output, the left and the right operand.
    blocks: [&'a Blocks; 3],
    /// Numbers of the blocks of the output, the left and the right operand.
    pairs: &'a [[usize; 3]],
}

struct Solution {
    squares: Squares,
    /// Of the output, the left and the right operand, by position; empty where none is changed.
    flips: [Vec<bool>; 3],
    pairs: Vec<PairSigns>,
}

impl Solution {
    fn flip_count(&self) -> usize {
        self.flips.iter().flatten().filter(|&&flip| flip).count()
    }
}

impl Signs<'_> {
    fn solve(&self, squares: Squares) -> Option<Solution> {
        let size = 1 << self.split.low.len();
        let [out, left, right] = self.blocks.map(|blocks| blocks.blades.len());
        let starts = [0, out, out + left];
        let first_pair = out + left + right;
        let mut equations = Equations::new(first_pair + 3 * self.pairs.len());
        for (pair, &[c, a, b]) in self.pairs.iter().enumerate() {
            let signs = first_pair + 3 * pair;
            let [_, left, right] = self.blocks;
            for low in 0..size {
                for other in 0..size {
                    let labels = (self.split.label(left.highs[a], low), self.split.label(right.highs[b], other));
                    let sign = self.labels.sign(labels.0, labels.1)?;
                    let planes = [
                        starts[0] + c * size + (low ^ other),
                        starts[1] + a * size + low,
                        starts[2] + b * size + other,
                    ];
                    let odd = [(low, signs + 1), (other, signs + 2)].into_iter();
                    let signs = odd.filter(|(blade, _)| blade.count_ones() % 2 == 1).map(|(_, unknown)| unknown);
                    let expected = is_low_product_negative(self.metric, low, other)
                        ^ is_blade_negative(self.metric, squares == Squares::Left, false, low)
                        ^ is_blade_negative(self.metric, squares == Squares::Right, false, other);
                    if !equations.add(planes.into_iter().chain([first_pair + 3 * pair]).chain(signs), sign ^ expected) {
                        return None;
                    }
                }
            }
        }
        let flips = [0, 1, 2].map(|operand| {
            let blades = self.blocks[operand].blades.len();
            let flips: Vec<bool> = (0..blades).map(|blade| equations.value(starts[operand] + blade)).collect();
            if flips.contains(&true) { flips } else { Vec::new() }
        });
        let pairs = (0..self.pairs.len()).map(|pair| first_pair + 3 * pair).map(|signs| PairSigns {
            is_negative: equations.value(signs),
            has_odd_left: equations.value(signs + 1),
            has_odd_right: equations.value(signs + 2),
        });
        Some(Solution { squares, flips, pairs: pairs.collect() })
    }
}
