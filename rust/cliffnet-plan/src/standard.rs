//! The plans that any process can make again from their id alone.

use cliffnet_algebra::{Basis, MAX_DENSE_GENERATORS, Metric, ProductKind};

use crate::{Plan, PlanId, Slot};

/// Largest number of generators for which [`find`] tries every product; the search takes about a second in all.
const MAX_GENERATORS: usize = 6;

/// The plan of an id among the products, inner products and their derivatives of Cl(p,q,r) in the canonical basis; of
/// larger algebras among the geometric products, which are described without their terms.
pub(crate) fn find(id: PlanId) -> Option<Plan> {
    (0..=MAX_DENSE_GENERATORS).find_map(|dim| {
        let basis = Basis::canonical(dim).ok()?;
        (0..=dim).find_map(|null| {
            (0..=dim - null).find_map(|negative| {
                let metric = Metric::from_signature(dim - null - negative, negative, null).ok()?;
                if dim > MAX_GENERATORS {
                    let plan = Plan::product(ProductKind::Geometric, &metric, &basis, &basis, &basis, None).ok()?;
                    return find_in_closure(plan, id);
                }
                products(&metric, &basis).find_map(|plan| find_in_closure(plan, id))
            })
        })
    })
}

/// All products of one algebra.
fn products<'a>(metric: &'a Metric, basis: &'a Basis) -> impl Iterator<Item = Plan> + 'a {
    let kinds = ProductKind::ALL.into_iter();
    let bilinear = kinds.filter_map(move |kind| Plan::product(kind, metric, basis, basis, basis, None).ok());
    bilinear.chain(Plan::inner_product(metric, basis, basis).ok())
}

/// The plan of an id among a plan and its derivatives of every order.
fn find_in_closure(plan: Plan, id: PlanId) -> Option<Plan> {
    let mut closure = vec![plan];
    let mut next = 0;
    while next < closure.len() {
        if PlanId::of(&closure[next]) == id {
            return Some(closure.swap_remove(next));
        }
        for slot in [Slot::Left, Slot::Right] {
            let derived = closure[next].seen_from(slot);
            if closure.iter().all(|known| known.content_hash() != derived.content_hash()) {
                closure.push(derived);
            }
        }
        next += 1;
    }
    None
}
