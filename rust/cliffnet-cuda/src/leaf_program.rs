//! A product as products of small blocks of blades, its leaves, that follow few multiplication tables.
//!
//! Split the generators of an algebra into [`LOW`] low ones and the others. With a, b products of low and A, B products
//! of other generators, `(a A)(b B) = +-(a b)(A B)`. For fixed A and B all terms together are one product of two blocks,
//! and its signs are those of the low table, times one that depends on A and B, times (-1)^(|A| |b|). So a product has a
//! single table up to two factors, of even and of odd b; products that leave out terms and gradients have up to a few.

use std::cmp::Reverse;
use std::ops::Range;

use cliffnet_plan::Plan;

use crate::labels::Labels;

/// Generators of a block.
///
/// With four, two blocks of 16 blades are loaded for up to 256 multiply-adds, 8 for each number, and 48 numbers are held.
/// With three it would be 4 for each, and the loads would bound the kernel; with five, 96 numbers, and tables of 1024 lines.
pub(crate) const LOW: usize = 4;

/// Blades of a block.
pub(crate) const BLADES: usize = 1 << LOW;

/// Most tables of an operation.
const MAX_PATTERNS: usize = 8;

/// A term of a table; its output is the exclusive or of the two blades.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) left: u8,
    pub(crate) right: u8,
    /// Number of the weight, counted within a pair.
    pub(crate) slot: u16,
    pub(crate) coefficient: f64,
}

impl Entry {
    pub(crate) fn out(&self) -> u8 {
        self.left ^ self.right
    }

    fn key(&self) -> (u8, u8, u16) {
        (self.left, self.right, self.slot)
    }
}

/// How two blocks are multiplied.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pattern {
    pub(crate) entries: Vec<Entry>,
}

impl Pattern {
    /// The blades of left and of right that are read.
    pub(crate) fn reads(&self) -> [Vec<usize>; 2] {
        let blades = |blade: fn(&Entry) -> u8| {
            let is_read = |number: &usize| self.entries.iter().any(|entry| usize::from(blade(entry)) == *number);
            (0..BLADES).filter(is_read).collect()
        };
        [blades(|entry| entry.left), blades(|entry| entry.right)]
    }

    /// Number of weights.
    pub(crate) fn slots(&self) -> usize {
        self.entries.iter().map(|entry| usize::from(entry.slot) + 1).max().unwrap_or_default()
    }

    /// The factors of even and of odd blades of an operand that make this table another, if some do.
    fn factors(&self, entries: &[Entry], scaled: Scaled) -> Option<[f64; 2]> {
        if self.entries.len() != entries.len() {
            return None;
        }
        let mut factors = [None; 2];
        for (own, other) in self.entries.iter().zip(entries) {
            let ratio = other.coefficient / own.coefficient;
            let factor = *factors[scaled.parity(own)].get_or_insert(ratio);
            // products of squares are rounded in another order
            let error = (factor * own.coefficient - other.coefficient).abs();
            if own.key() != other.key() || error > 4.0 * f64::EPSILON * other.coefficient.abs() {
                return None;
            }
        }
        Some(factors.map(|factor| factor.unwrap_or(1.0)))
    }
}

/// The operand that the factors of pairs apply to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scaled {
    Left,
    Right,
}

impl Scaled {
    /// Whether the blade of a term is odd, as a number.
    fn parity(self, entry: &Entry) -> usize {
        let blade = if self == Self::Left { entry.left } else { entry.right };
        blade.count_ones() as usize % 2
    }
}

/// A product of two blocks.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// Number of the left block.
    pub(crate) left: usize,
    /// Number of the right block.
    pub(crate) right: usize,
    pub(crate) pattern: usize,
    /// Factors of even and of odd blades of an operand.
    pub(crate) factors: [f64; 2],
    /// The paths of the slots.
    pub(crate) paths: Vec<u16>,
}

/// The blades of an operand, block after block.
pub(crate) type Blocks = Vec<[Option<u16>; BLADES]>;

/// A product compiled to products of blocks.
#[derive(Clone, Debug)]
pub(crate) struct LeafProgram {
    pub(crate) scaled: Scaled,
    pub(crate) left: Blocks,
    pub(crate) right: Blocks,
    /// Every blade of the output is in one of them.
    pub(crate) out: Blocks,
    /// Pairs of each block of the output.
    pub(crate) rows: Vec<Range<usize>>,
    /// In the order of output, left.
    pub(crate) pairs: Vec<Pair>,
}

impl LeafProgram {
    /// Compiles a plan, adding to `patterns` the tables that are not among them; `None` if its blades do not fall into
    /// blocks that follow few.
    pub(crate) fn new(plan: &Plan, patterns: &mut Vec<Pattern>) -> Option<Self> {
        let labels = Labels::new(plan)?;
        let split = Split::new(plan, &labels);
        let scaling = |scaled| {
            let mut patterns = patterns.clone();
            Some((Self::scaling(plan, &labels, &split, scaled, &mut patterns)?, patterns))
        };
        let by_right = scaling(Scaled::Right);
        // with one new table at most, the other way is not worth the time
        let is_good = by_right.as_ref().is_some_and(|(_, with)| with.len() <= patterns.len() + 1);
        let compiled = [by_right, if is_good { None } else { scaling(Scaled::Left) }];
        let (program, fewest) = compiled.into_iter().flatten().min_by_key(|(_, patterns)| patterns.len())?;
        *patterns = fewest;
        Some(program)
    }

    /// The program with factors of one operand.
    fn scaling(
        plan: &Plan,
        labels: &Labels,
        split: &Split,
        scaled: Scaled,
        patterns: &mut Vec<Pattern>,
    ) -> Option<Self> {
        let (left_highs, left) = split.blocks(&labels.of[0])?;
        let (right_highs, right) = split.blocks(&labels.of[1])?;
        let (out_highs, mut out) = split.blocks(&labels.of[2])?;
        let mut groups = vec![Vec::new(); left.len() * right.len()];
        for term in plan.terms() {
            let [(left_high, left), (right_high, right), _] = labels.of_term(term)?.map(|label| split.parts(label));
            let place = |highs: &[u32], high: u32| highs.binary_search(&high).ok();
            let group = place(&left_highs, left_high)? * right_highs.len() + place(&right_highs, right_high)?;
            groups[group].push(Entry { left, right, slot: term.path, coefficient: term.coefficient });
        }
        let mut keyed = Vec::new();
        for (group, mut entries) in groups.into_iter().enumerate().filter(|(_, entries)| !entries.is_empty()) {
            let (left, right) = (group / right_highs.len(), group % right_highs.len());
            let row = out_highs.binary_search(&(left_highs[left] ^ right_highs[right])).ok()?;
            entries.sort_unstable_by_key(Entry::key);
            let paths = slots(&mut entries);
            let (pattern, factors) = find(patterns, entries, scaled)?;
            keyed.push((row, Pair { left, right, pattern, factors, paths }));
        }
        keyed.sort_by_key(|(row, pair)| (*row, pair.left));
        out.extend(without_terms(&labels.of[2]));
        let position = |row: usize| keyed.partition_point(|(other, _)| *other < row);
        let rows = (0..out.len()).map(|row| position(row)..position(row + 1)).collect();
        Some(Self { scaled, left, right, out, rows, pairs: keyed.into_iter().map(|(_, pair)| pair).collect() })
    }

    /// Numbers that are loaded for all terms of a lane.
    pub(crate) fn loads(&self, patterns: &[Pattern]) -> usize {
        let of: Vec<usize> =
            patterns.iter().map(|pattern| pattern.reads().map(|blades| blades.len()).iter().sum()).collect();
        self.pairs.iter().map(|pair| of[pair.pattern]).sum()
    }
}

/// Numbers the paths of a pair as they come; returns them.
fn slots(entries: &mut [Entry]) -> Vec<u16> {
    let mut paths = Vec::new();
    for entry in entries {
        let slot = paths.iter().position(|&path| path == entry.slot).unwrap_or_else(|| {
            paths.push(entry.slot);
            paths.len() - 1
        });
        entry.slot = slot as u16;
    }
    paths
}

/// The pattern of a table, a new one if need be, and its factors.
fn find(patterns: &mut Vec<Pattern>, entries: Vec<Entry>, scaled: Scaled) -> Option<(usize, [f64; 2])> {
    let known = |(number, pattern): (usize, &Pattern)| Some((number, pattern.factors(&entries, scaled)?));
    let known = patterns.iter().enumerate().find_map(known);
    if known.is_none() && patterns.len() < MAX_PATTERNS {
        patterns.push(Pattern { entries });
        return Some((patterns.len() - 1, [1.0; 2]));
    }
    known
}

/// Blocks of the blades of an output that no term reaches.
fn without_terms(labels: &[Option<u32>]) -> Blocks {
    let blades: Vec<_> = (0..).zip(labels).filter_map(|(blade, label)| label.is_none().then_some(blade)).collect();
    let block = |blades: &[u16]| std::array::from_fn(|position| blades.get(position).copied());
    blades.chunks(BLADES).map(block).collect()
}

/// The bits of labels that count within blocks.
struct Split {
    low: Vec<u32>,
}

impl Split {
    /// The bits whose four choices on the left and on the right all have many terms. Null generators come last: their
    /// missing terms are then missing pairs of blocks rather than gaps in all pairs.
    fn new(plan: &Plan, labels: &Labels) -> Self {
        let mut counts = [[0; 4]; u32::BITS as usize];
        let mut all = 0;
        for [left, right, _] in plan.terms().iter().filter_map(|term| labels.of_term(term)) {
            all |= left | right;
            for (bit, counts) in counts.iter_mut().enumerate().take(labels.dimension as usize) {
                counts[(left >> bit & 1 | (right >> bit & 1) << 1) as usize] += 1;
            }
        }
        let mut low: Vec<_> = (0..u32::BITS).filter(|bit| all >> bit & 1 == 1).collect();
        low.sort_by_key(|&bit| Reverse(counts[bit as usize].iter().min().copied()));
        low.truncate(LOW);
        low.sort_unstable();
        Self { low }
    }

    /// The block of a label, and the position in it.
    fn parts(&self, label: u32) -> (u32, u8) {
        let low = self.low.iter().enumerate().map(|(position, bit)| (label >> bit & 1) << position).sum::<u32>();
        let high = self.low.iter().fold(label, |high, bit| high & !(1 << bit));
        (high, low as u8)
    }

    /// The blocks of an operand and their labels, in order; `None` if two blades share a place.
    fn blocks(&self, labels: &[Option<u32>]) -> Option<(Vec<u32>, Blocks)> {
        let parts = |label: &Option<u32>| label.map(|label| self.parts(label));
        let mut highs: Vec<_> = labels.iter().filter_map(parts).map(|(high, _)| high).collect();
        highs.sort_unstable();
        highs.dedup();
        let mut blocks = vec![[None; BLADES]; highs.len()];
        for (blade, label) in (0..).zip(labels) {
            let Some((high, low)) = parts(label) else { continue };
            let place = &mut blocks[highs.binary_search(&high).ok()?][usize::from(low)];
            if place.replace(blade).is_some() {
                return None;
            }
        }
        Some((highs, blocks))
    }
}

#[cfg(test)]
mod tests {
    use cliffnet_algebra::{Basis, Metric, ProductKind};
    use cliffnet_plan::{Partition, Plan, Slot, Term};

    use super::{LeafProgram, Pattern};

    /// The terms that a program stands for, in the order of plans.
    fn terms(program: &LeafProgram, patterns: &[Pattern]) -> Vec<Term> {
        let mut terms = Vec::new();
        for (out, row) in program.out.iter().zip(&program.rows) {
            for pair in &program.pairs[row.clone()] {
                for entry in &patterns[pair.pattern].entries {
                    let blade = |block: &[Option<u16>; 16], blade: u8| block[usize::from(blade)].expect("a blade");
                    terms.push(Term {
                        out: blade(out, entry.out()),
                        left: blade(&program.left[pair.left], entry.left),
                        right: blade(&program.right[pair.right], entry.right),
                        path: pair.paths[usize::from(entry.slot)],
                        coefficient: pair.factors[program.scaled.parity(entry)] * entry.coefficient,
                    });
                }
            }
        }
        terms.sort_by_key(|term| (term.out, term.left, term.right, term.path));
        terms
    }

    fn metric(signature: (usize, usize, usize)) -> Metric {
        Metric::from_signature(signature.0, signature.1, signature.2).expect("few generators")
    }

    fn product(kind: ProductKind, metric: &Metric, partition: Option<&Partition>) -> Plan {
        let full = Basis::canonical(metric.dim()).expect("few generators");
        Plan::product(kind, metric, &full, &full, &full, partition).expect("a plan")
    }

    fn views(plan: Plan) -> [Plan; 3] {
        [plan.seen_from(Slot::Left), plan.seen_from(Slot::Right), plan]
    }

    /// Compiles the plan and its gradients, checks that their terms come back; returns the number of patterns of each.
    fn check(plan: Plan) -> [usize; 3] {
        views(plan).map(|plan| {
            let mut patterns = Vec::new();
            let program = LeafProgram::new(&plan, &mut patterns).expect("blocks");
            assert_eq!(terms(&program, &patterns), plan.terms());
            let mut written: Vec<_> = program.out.iter().flatten().flatten().copied().collect();
            written.sort_unstable();
            assert!(written.into_iter().eq(0..plan.out_size() as u16), "each blade is written once");
            assert!(program.loads(&patterns) < plan.terms().len(), "terms share loads");
            patterns.len()
        })
    }

    #[test]
    fn programs_stand_for_all_terms_of_products_and_gradients() {
        use ProductKind::{Geometric, LeftContraction, Outer, RightContraction};
        for signature in [(7, 0, 0), (3, 3, 1), (6, 1, 0), (8, 0, 0), (4, 0, 2)] {
            let metric = metric(signature);
            for kind in [Geometric, Outer, LeftContraction, RightContraction] {
                let counts = check(product(kind, &metric, None));
                assert!(counts.into_iter().all(|count| count <= 4), "{signature:?} {kind:?} {counts:?}");
                if kind == Geometric && signature.2 == 0 {
                    assert_eq!(counts, [1, 2, 1], "{signature:?}");
                }
            }
        }
    }

    #[test]
    fn programs_stand_for_all_terms_of_weighted_products() {
        for signature in [(6, 0, 0), (3, 2, 1)] {
            let metric = metric(signature);
            let classes: Vec<_> = (0..=metric.dim() as u32).map(|grade| vec![grade]).collect();
            let partition = Partition::new(metric.dim(), &classes).expect("all grades");
            let counts = check(product(ProductKind::Geometric, &metric, Some(&partition)));
            assert!(counts.into_iter().all(|count| count <= 2), "{signature:?} {counts:?}");
        }
    }
}
