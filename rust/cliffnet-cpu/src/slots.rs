//! The products of a weighted plan before weights are applied, in groups that fit in the cache.

use std::collections::BTreeSet;

use cliffnet_plan::{Plan, Slot, Term};

use crate::terms::Terms;

/// Every path into one output blade, each with a slot: the sum of the terms of that path and blade.
#[derive(Clone, Debug)]
pub(crate) struct SlotBlade {
    /// The output blade.
    pub(crate) blade: usize,
    /// First of its slots in the group.
    pub(crate) first: usize,
    /// Path of each of its slots.
    pub(crate) paths: Vec<usize>,
}

/// The slots of a few output blades, as terms of an unweighted product and of its gradients.
#[derive(Clone, Debug)]
pub(crate) struct SlotGroup {
    /// Number of slots.
    pub(crate) slots: usize,
    /// The output blades.
    pub(crate) blades: Vec<SlotBlade>,
    /// Left and right operand to slots.
    pub(crate) forward: Terms,
    /// Cotangents of slots and right operand to left.
    pub(crate) by_left: Terms,
    /// Left operand and cotangents of slots to right.
    pub(crate) by_right: Terms,
}

/// A weighted plan prepared for a product from all input channels to all output channels.
#[derive(Clone, Debug)]
pub struct SlotProgram {
    left_size: usize,
    right_size: usize,
    out_size: usize,
    path_count: usize,
    slots: usize,
    terms: usize,
    groups: Vec<SlotGroup>,
}

impl SlotProgram {
    /// Prepares a weighted plan with groups of at most `most_slots` slots where single output blades have no more.
    ///
    /// Returns `None` for a plan without weights.
    pub fn new(plan: &Plan, most_slots: usize) -> Option<Self> {
        if !plan.is_weighted() {
            return None;
        }
        let mut groups = Vec::new();
        let mut blades: Vec<SlotBlade> = Vec::new();
        let mut terms: Vec<Term> = Vec::new();
        let mut slots = 0;
        for row in plan.terms().chunk_by(|a, b| a.out == b.out) {
            let paths: BTreeSet<u16> = row.iter().map(|term| term.path).collect();
            let taken = blades.last().map_or(0, |last| last.first + last.paths.len());
            if taken > 0 && taken + paths.len() > most_slots {
                groups.push(SlotGroup::new(plan, std::mem::take(&mut blades), std::mem::take(&mut terms))?);
            }
            let first = blades.last().map_or(0, |last| last.first + last.paths.len());
            let paths: Vec<u16> = paths.into_iter().collect();
            terms.extend(row.iter().map(|term| {
                let slot = first + paths.partition_point(|&path| path < term.path);
                Term { out: slot as u16, path: 0, ..*term }
            }));
            slots += paths.len();
            let blade = usize::from(row[0].out);
            blades.push(SlotBlade { blade, first, paths: paths.into_iter().map(usize::from).collect() });
        }
        if !blades.is_empty() {
            groups.push(SlotGroup::new(plan, blades, terms)?);
        }
        Some(Self {
            left_size: plan.left_size(),
            right_size: plan.right_size(),
            out_size: plan.out_size(),
            path_count: plan.path_count(),
            slots,
            terms: plan.terms().len(),
            groups,
        })
    }

    /// Blades of the left operand.
    pub fn left_size(&self) -> usize {
        self.left_size
    }

    /// Blades of the right operand.
    pub fn right_size(&self) -> usize {
        self.right_size
    }

    /// Blades of the output.
    pub fn out_size(&self) -> usize {
        self.out_size
    }

    /// Number of weights of a pair of channels.
    pub fn path_count(&self) -> usize {
        self.path_count
    }

    /// Multiply-adds for one row of the product between `inputs` and `outputs` channels.
    pub fn work(&self, inputs: usize, outputs: usize) -> usize {
        inputs * (self.terms + self.slots * outputs)
    }

    pub(crate) fn groups(&self) -> &[SlotGroup] {
        &self.groups
    }

    /// Slots of the largest group.
    pub(crate) fn most_slots(&self) -> usize {
        self.groups.iter().map(|group| group.slots).max().unwrap_or(0)
    }

    /// The output blades that no term reaches.
    pub(crate) fn unreached(&self) -> impl Iterator<Item = usize> {
        let reached: BTreeSet<usize> =
            self.groups.iter().flat_map(|group| group.blades.iter().map(|blade| blade.blade)).collect();
        (0..self.out_size).filter(move |blade| !reached.contains(blade))
    }
}

impl SlotGroup {
    fn new(plan: &Plan, blades: Vec<SlotBlade>, terms: Vec<Term>) -> Option<Self> {
        let slots = blades.last().map_or(0, |last| last.first + last.paths.len());
        let product = Plan::from_terms(plan.left_size(), plan.right_size(), slots, 0, terms).ok()?;
        Some(Self {
            slots,
            blades,
            forward: Terms::new(&product),
            by_left: Terms::new(&product.seen_from(Slot::Left)),
            by_right: Terms::new(&product.seen_from(Slot::Right)),
        })
    }
}
