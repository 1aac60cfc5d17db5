//! Blades of a plan as elements of a group in which the output is the sum of the operands.

use cliffnet_plan::{Plan, Term};

/// Most bits of a label.
const MAX_DIMENSION: u32 = 32;

/// Labels under exclusive or: that of left plus that of right is that of the output, for each term. They come from the
/// terms alone; in a product of all blades they are the sets of generators.
pub(crate) struct Labels {
    /// Number of bits.
    pub(crate) dimension: u32,
    /// Of left, right and output; `None` for blades without terms.
    pub(crate) of: [Vec<Option<u32>>; 3],
}

impl Labels {
    /// `None` if too many blades are unrelated.
    pub(crate) fn new(plan: &Plan) -> Option<Self> {
        let terms = plan.terms();
        let sizes = [plan.left_size(), plan.right_size(), plan.out_size()];
        let mut labels = Self { dimension: 0, of: sizes.map(|size| vec![None; size]) };
        // labels of left and right may be shifted, so that one of each is free
        let Some(first) = terms.first().map(places) else { return Some(labels) };
        labels.of[0][first[0]] = Some(0);
        labels.of[1][first[1]] = Some(0);
        loop {
            while labels.spread(terms) {}
            let Some([operand, blade]) = labels.next_without(terms, first) else { return Some(labels) };
            if labels.dimension == MAX_DIMENSION {
                return None;
            }
            labels.of[operand][blade] = Some(1 << labels.dimension);
            labels.dimension += 1;
        }
    }

    /// Labels the third blade of every term of which two are labelled; returns whether there were any.
    fn spread(&mut self, terms: &[Term]) -> bool {
        let mut is_new = false;
        for term in terms {
            let [left, right, out] = places(term);
            match [self.of[0][left], self.of[1][right], self.of[2][out]] {
                [Some(left), Some(right), None] => self.of[2][out] = Some(left ^ right),
                [Some(left), None, Some(out)] => self.of[1][right] = Some(left ^ out),
                [None, Some(right), Some(out)] => self.of[0][left] = Some(right ^ out),
                [Some(left), Some(right), Some(out)] => {
                    self.identify(left ^ right ^ out);
                    continue;
                }
                _ => continue,
            }
            is_new = true;
        }
        is_new
    }

    /// Makes a sum of bits zero.
    fn identify(&mut self, sum: u32) {
        let Some(last) = sum.checked_ilog2() else { return };
        for label in self.of.iter_mut().flatten().flatten().filter(|label| **label >> last & 1 == 1) {
            *label ^= sum;
        }
    }

    /// The blade that has a term and no label, of left before right, and next to the first one: where that is an end of the
    /// blades, a vector or the complement of one away.
    fn next_without(&self, terms: &[Term], first: [usize; 3]) -> Option<[usize; 2]> {
        [0, 1].into_iter().find_map(|operand| {
            let blades = terms.iter().map(|term| places(term)[operand]);
            let without = blades.filter(|&blade| self.of[operand][blade].is_none());
            Some([operand, without.min_by_key(|blade| blade.abs_diff(first[operand]))?])
        })
    }

    /// The labels of the blades of a term.
    pub(crate) fn of_term(&self, term: &Term) -> Option<[u32; 3]> {
        let [left, right, out] = places(term);
        Some([self.of[0][left]?, self.of[1][right]?, self.of[2][out]?])
    }
}

/// The left, right and output blade of a term.
fn places(term: &Term) -> [usize; 3] {
    [term.left, term.right, term.out].map(usize::from)
}

#[cfg(test)]
mod tests {
    use cliffnet_algebra::{Basis, Metric, ProductKind};
    use cliffnet_plan::{Plan, Slot, Term};

    use super::Labels;

    #[test]
    fn labels_of_all_blades_are_their_generators() {
        let metric = Metric::new(vec![1.0, 0.0, -1.0, 3.0]).expect("finite");
        let full = Basis::canonical(4).expect("few generators");
        for kind in [ProductKind::Geometric, ProductKind::Outer] {
            let plan = Plan::product(kind, &metric, &full, &full, &full, None).expect("a plan");
            for plan in [plan.seen_from(Slot::Left), plan] {
                let labels = Labels::new(&plan).expect("labels");
                let masks: Vec<_> = full.masks().iter().map(|&mask| Some(mask as u32)).collect();
                assert_eq!(labels.of, [masks.clone(), masks.clone(), masks], "{kind:?}");
            }
        }
    }

    #[test]
    fn relations_found_late_hold_for_all_labels() {
        // the output of 0 times 1 is that of 1 times 0, and so for 2; the last term makes 1 and 2 equal
        let triples = [(0, 0, 0), (1, 0, 1), (1, 1, 0), (2, 0, 2), (2, 2, 0), (0, 1, 2)];
        let terms = triples.map(|(out, left, right)| Term { out, left, right, path: 0, coefficient: 1.0 });
        let plan = Plan::from_terms(3, 3, 4, 0, terms.to_vec()).expect("a plan");
        let labels = Labels::new(&plan).expect("labels");
        assert_eq!(labels.of[2][3], None);
        for term in plan.terms() {
            let [left, right, out] = labels.of_term(term).expect("a label each");
            assert_eq!(left ^ right, out);
        }
    }

    #[test]
    fn unrelated_blades_have_no_labels() {
        let terms = (0..40).map(|blade| Term { out: blade, left: blade, right: blade, path: 0, coefficient: 1.0 });
        assert!(Labels::new(&Plan::from_terms(40, 40, 40, 0, terms.collect()).expect("a plan")).is_none());
    }
}
