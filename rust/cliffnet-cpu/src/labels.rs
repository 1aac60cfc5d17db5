//! The grading of a plan: every blade as an element of a group in which the output is the sum of the operands.

use cliffnet_plan::{Plan, Term};

use crate::binary::Equations;

/// Most blades of an operand that are labelled.
pub(crate) const MAX_BLADES: usize = 128;

/// Most bits of a label: enough for as many blades twice.
const MAX_DIMENSION: usize = MAX_BLADES.ilog2() as usize + 1;

/// Labels of all blades in the group of `dimension` bits under exclusive or: label of left, exclusive or label of
/// right, is label of output for each term. They come from the terms alone; in a product of blades they are the sets of
/// generators, up to a change of basis and a shift of each operand.
pub(crate) struct Labels {
    pub(crate) dimension: usize,
    pub(crate) left: Vec<usize>,
    pub(crate) right: Vec<usize>,
    pub(crate) out: Vec<usize>,
    /// By labels of left and right: whether the term, if there is one, is subtracted.
    signs: Vec<Option<bool>>,
}

impl Labels {
    /// The labels of an unweighted plan; `None` unless they tell the blades of each operand apart and all coefficients
    /// are 1 or -1.
    pub(crate) fn new(plan: &Plan) -> Option<Self> {
        let sizes = [plan.left_size(), plan.right_size(), plan.out_size()];
        let terms = plan.terms();
        if terms.is_empty()
            || sizes.into_iter().any(|size| size > MAX_BLADES)
            || terms.iter().any(|term| term.coefficient.abs() != 1.0)
        {
            return None;
        }
        let [left, right, out] = [0, sizes[0], sizes[0] + sizes[1]];
        let unknowns =
            |term: &Term| [left + usize::from(term.left), right + usize::from(term.right), out + usize::from(term.out)];
        let mut equations = Equations::new(sizes.iter().sum());
        let mut is_possible = equations.add([left], false) && equations.add([right], false);
        for term in terms {
            is_possible &= equations.add(unknowns(term), false);
        }
        let free = equations.free();
        let dimension = free.len();
        if !is_possible || dimension > MAX_DIMENSION {
            return None;
        }
        let label = |unknown: usize| {
            (0..dimension).filter(|&bit| equations.depends(unknown, free[bit])).map(|bit| 1 << bit).sum::<usize>()
        };
        let of = |first: usize, size: usize| (first..first + size).map(label).collect::<Vec<_>>();
        let [left, right, out] = [of(left, sizes[0]), of(right, sizes[1]), of(out, sizes[2])];
        if [&left, &right, &out].into_iter().any(|labels| !are_distinct(labels, dimension)) {
            return None;
        }
        let mut signs = vec![None; 1 << (2 * dimension)];
        for term in terms {
            let place = left[usize::from(term.left)] << dimension | right[usize::from(term.right)];
            signs[place] = Some(term.coefficient < 0.0);
        }
        Some(Self { dimension, left, right, out, signs })
    }

    /// Whether the term of two labels, if there is one, is subtracted.
    pub(crate) fn sign(&self, left: usize, right: usize) -> Option<bool> {
        self.signs[left << self.dimension | right]
    }

    /// Labels, apart from zero, that can be added to any operand of any term and leave a term; few bits first.
    ///
    /// In a product of blades these are the blades without null generators.
    pub(crate) fn translations(&self) -> Vec<usize> {
        let is_term = |left, right| self.sign(left, right).is_some();
        let mut found: Vec<usize> = (1..1 << self.dimension)
            .filter(|by| self.terms().all(|(left, right)| is_term(left ^ by, right) && is_term(left, right ^ by)))
            .collect();
        found.sort_by_key(|by| (by.count_ones(), *by));
        found
    }

    /// Whether the blade with the label of a translation has a negative square.
    ///
    /// In (x v)(v y) each blade enters twice, so that its own sign drops out and that of v v remains.
    pub(crate) fn squares_to_negative(&self, by: usize) -> bool {
        let corners = self.terms().take(1).flat_map(|(x, y)| [(x, y), (x ^ by, y), (x, y ^ by), (x ^ by, y ^ by)]);
        corners.fold(false, |sign, (left, right)| sign ^ (self.sign(left, right) == Some(true)))
    }

    /// The pairs of labels that have a term.
    fn terms(&self) -> impl Iterator<Item = (usize, usize)> {
        let low = (1 << self.dimension) - 1;
        let dimension = self.dimension;
        let is_term = move |(place, sign): (usize, &Option<bool>)| sign.map(|_| (place >> dimension, place & low));
        self.signs.iter().enumerate().filter_map(is_term)
    }
}

fn are_distinct(labels: &[usize], dimension: usize) -> bool {
    let mut is_taken = vec![false; 1 << dimension];
    labels.iter().all(|&label| !std::mem::replace(&mut is_taken[label], true))
}
