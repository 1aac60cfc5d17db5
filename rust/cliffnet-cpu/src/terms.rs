//! The terms of a plan in the order the kernel runs them.

use std::ops::Range;

use cliffnet_plan::{Plan, Term};

/// One pair of operand blades.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) left: u16,
    pub(crate) right: u16,
}

/// The terms of one output blade: coefficient +1, coefficient -1, any other coefficient.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) plus: Range<u32>,
    pub(crate) minus: Range<u32>,
    pub(crate) scaled: Range<u32>,
}

/// Terms grouped by output blade and by kind of coefficient.
///
/// Every operand index is below the size of its operand: [`Plan`] guarantees it, and the kernels rely on it.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    rows: Vec<Row>,
    pairs: Vec<Pair>,
    /// Coefficient of each entry of `pairs`.
    coefficients: Vec<f64>,
}

impl Terms {
    /// The terms of a plan without weights.
    pub(crate) fn new(plan: &Plan) -> Self {
        let pair = |term: &Term| Pair { left: term.left, right: term.right };
        Self::of_rows(
            plan.out_size(),
            plan.terms().iter().map(|term| (usize::from(term.out), pair(term), term.coefficient)),
        )
    }

    /// Terms that each name the row they add to.
    pub(crate) fn of_rows(rows: usize, terms: impl IntoIterator<Item = (usize, Pair, f64)>) -> Self {
        let mut groups: Vec<[Vec<(Pair, f64)>; 3]> = vec![[const { Vec::new() }; 3]; rows];
        for (row, pair, coefficient) in terms {
            let kind = match coefficient {
                1.0 => 0,
                -1.0 => 1,
                _ => 2,
            };
            groups[row][kind].push((pair, coefficient));
        }
        let count = groups.iter().flatten().map(Vec::len).sum();
        let mut pairs = Vec::with_capacity(count);
        let mut coefficients = Vec::with_capacity(count);
        let mut rows = Vec::with_capacity(groups.len());
        for group in &groups {
            let [plus, minus, scaled] = group.each_ref().map(|terms| {
                let start = pairs.len() as u32;
                pairs.extend(terms.iter().map(|(pair, _)| *pair));
                coefficients.extend(terms.iter().map(|(_, coefficient)| *coefficient));
                start..pairs.len() as u32
            });
            rows.push(Row { plus, minus, scaled });
        }
        Self { rows, pairs, coefficients }
    }

    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(crate) fn pairs(&self, range: &Range<u32>) -> &[Pair] {
        &self.pairs[range.start as usize..range.end as usize]
    }

    pub(crate) fn coefficients(&self, range: &Range<u32>) -> &[f64] {
        &self.coefficients[range.start as usize..range.end as usize]
    }
}
