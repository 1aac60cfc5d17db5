//! Geometric products of full multivectors, described instead of listed.

use std::sync::{Arc, OnceLock};

use cliffnet_algebra::{Basis, Metric, ProductKind};

use crate::hash::StableHasher;
use crate::{MatrixProduct, Slot, Term};

/// Fewest generators for which a recipe replaces the list of terms: the products of smaller algebras are quicker term
/// by term.
const MIN_GENERATORS: usize = 6;

/// The same for metrics with squares other than 0 and powers of 4: their square roots round, while products term by term
/// keep integers exact, so matrices are for algebras whose terms would fill memory.
const MIN_SCALED_GENERATORS: usize = 9;

/// Largest ratio between the scales of two blades. Matrices mix blades, so that rounding errors of the largest reach
/// all; metrics with a wider range stay term by term.
const MAX_SCALE_RATIO: f64 = 16.0;

/// A geometric product of full multivectors seen from one of its slots.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    product: Arc<Product>,
    /// The slots of the product that serve as output, left and right operand.
    roles: [Slot; 3],
    /// The terms, once somebody has asked for them.
    terms: OnceLock<Vec<Term>>,
}

#[derive(Debug, PartialEq)]
struct Product {
    metric: Metric,
    left: Basis,
    right: Basis,
    out: Basis,
    hasher: StableHasher,
}

impl PartialEq for Recipe {
    fn eq(&self, other: &Self) -> bool {
        self.roles == other.roles && self.product == other.product
    }
}

impl Recipe {
    /// The recipe of a geometric product; `None` where its terms are to be listed.
    pub(crate) fn new(metric: &Metric, left: &Basis, right: &Basis, out: &Basis) -> Option<Self> {
        let dim = metric.dim();
        // blades are distinct and lie within the algebra, so that 2^dim of them are all
        let is_full = |basis: &Basis| basis.len() as u64 == metric.full_mask() + 1;
        let mut squares = metric.squares().iter().filter(|&&square| square != 0.0);
        let is_exact = squares.all(|square| square.abs().sqrt().log2().fract() == 0.0);
        let fewest = if is_exact { MIN_GENERATORS } else { MIN_SCALED_GENERATORS };
        if dim < fewest || ![left, right, out].into_iter().all(is_full) {
            return None;
        }
        let roots = metric.squares().iter().filter(|&&square| square != 0.0).map(|square| square.abs().sqrt());
        let ratio = roots.fold(1.0, |ratio, root| ratio * root.max(root.recip()));
        if ratio > MAX_SCALE_RATIO {
            return None;
        }
        let mut hasher = StableHasher::new();
        hasher.write(b"geometric product");
        hasher.write_size(dim);
        for square in metric.squares() {
            hasher.write(&square.to_bits().to_le_bytes());
        }
        for basis in [left, right, out] {
            for (&mask, &sign) in basis.masks().iter().zip(basis.signs()) {
                hasher.write_u16s([mask as u16, u16::from(sign < 0.0)]);
            }
        }
        let product =
            Product { metric: metric.clone(), left: left.clone(), right: right.clone(), out: out.clone(), hasher };
        Some(Self { product: Arc::new(product), roles: [Slot::Out, Slot::Left, Slot::Right], terms: OnceLock::new() })
    }

    /// A hash of the description, the same in every run and on every platform.
    pub(crate) fn hash(&self) -> u128 {
        let mut hasher = self.product.hasher.clone();
        hasher.write(&self.roles.map(|role| role as u8));
        hasher.finish()
    }

    pub(crate) fn seen_from(&self, slot: Slot) -> Self {
        let [out, left, right] = self.roles;
        let (out, left, right) = slot.permute(out, left, right);
        Self { product: Arc::clone(&self.product), roles: [out, left, right], terms: OnceLock::new() }
    }

    /// The terms, in the order of a plan.
    pub(crate) fn terms(&self) -> &[Term] {
        self.terms.get_or_init(|| {
            let Product { metric, left, right, out, .. } = &*self.product;
            let mut terms = Vec::new();
            for (l, (&left_mask, left_sign)) in (0..).zip(left.masks().iter().zip(left.signs())) {
                for (r, (&right_mask, right_sign)) in (0..).zip(right.masks().iter().zip(right.signs())) {
                    let found = ProductKind::Geometric.term(metric, left_mask, right_mask);
                    let Some((mask, coefficient)) = found else { continue };
                    let Some(o) = out.index_of(mask) else { continue };
                    let coefficient = coefficient * left_sign * right_sign * out.signs()[o];
                    let [out, left, right] = self.roles.map(|role| match role {
                        Slot::Out => o as u16,
                        Slot::Left => l,
                        Slot::Right => r,
                    });
                    terms.push(Term { out, left, right, path: 0, coefficient });
                }
            }
            terms.sort_unstable_by_key(Term::key);
            terms
        })
    }

    /// The same map as products of matrices.
    pub(crate) fn matrix_product(&self) -> MatrixProduct {
        let Product { metric, left, right, out, .. } = &*self.product;
        MatrixProduct::new(metric, [out, left, right], self.roles)
    }
}
