//! Plans of Cl(p,q,r) between whole grades: their ids say what they are, so that any process can make them again.

use cliffnet_algebra::{Basis, MAX_DENSE_GENERATORS, Metric, ProductKind, blade};

use crate::{Plan, Slot};

/// Marks the ids of these plans; the ids of all others are below it.
pub(crate) const TAG: i64 = 1 << 61;

/// A bit for each grade of an algebra of at most 12 generators.
const GRADE_BITS: u32 = MAX_DENSE_GENERATORS as u32 + 1;
const COUNT_BITS: u32 = 4;
const OPERATION_BITS: u32 = 4;
const ROLE_BITS: u32 = 3;

/// The slots that serve as output, left and right operand, and how to see a product from them.
const ROLES: [([Slot; 3], &[Slot]); 6] = [
    ([Slot::Out, Slot::Left, Slot::Right], &[]),
    ([Slot::Left, Slot::Out, Slot::Right], &[Slot::Left]),
    ([Slot::Right, Slot::Left, Slot::Out], &[Slot::Right]),
    ([Slot::Right, Slot::Out, Slot::Left], &[Slot::Left, Slot::Right]),
    ([Slot::Left, Slot::Right, Slot::Out], &[Slot::Right, Slot::Left]),
    ([Slot::Out, Slot::Right, Slot::Left], &[Slot::Left, Slot::Right, Slot::Left]),
];

/// A product, or the inner product as `None`, of Cl(p,q,r) in the canonical order of blades, seen from some slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Standard {
    kind: Option<ProductKind>,
    signature: (usize, usize, usize),
    /// Grades of left, right and output as bits; those of the output of the inner product are 0.
    grades: [u64; 3],
    roles: [Slot; 3],
}

impl Standard {
    /// The description of a product; `None` for another metric or order of blades, or for parts of grades.
    pub(crate) fn new(kind: Option<ProductKind>, metric: &Metric, bases: [Option<&Basis>; 3]) -> Option<Self> {
        let signature = metric.signature();
        let (p, q, r) = signature;
        if metric.dim() > MAX_DENSE_GENERATORS || *metric != Metric::from_signature(p, q, r).ok()? {
            return None;
        }
        let mut grades = [0; 3];
        for (grades, basis) in grades.iter_mut().zip(bases) {
            *grades = basis.map_or(Some(0), |basis| whole_grades(metric.dim(), basis))?;
        }
        Some(Self { kind, signature, grades, roles: ROLES[0].0 })
    }

    /// The same form seen from another slot.
    pub(crate) fn seen_from(self, slot: Slot) -> Self {
        let [out, left, right] = self.roles;
        let (out, left, right) = slot.permute(out, left, right);
        Self { roles: [out, left, right], ..self }
    }

    /// The id, from [`TAG`] to twice that.
    pub(crate) fn encode(self) -> i64 {
        let kind = self.kind.and_then(|kind| ProductKind::ALL.into_iter().position(|known| known == kind));
        let role = ROLES.into_iter().position(|(roles, _)| roles == self.roles).unwrap_or_default();
        let (p, q, r) = self.signature;
        let mut id = 0;
        let mut push = |value: u64, bits: u32| id = id << bits | value as i64;
        push(kind.unwrap_or(ProductKind::ALL.len()) as u64, OPERATION_BITS);
        push(role as u64, ROLE_BITS);
        for count in [p, q, r] {
            push(count as u64, COUNT_BITS);
        }
        for grades in self.grades {
            push(grades, GRADE_BITS);
        }
        TAG | id
    }

    /// The description in an id; `None` for ids of other plans and for what no plan has.
    pub(crate) fn decode(id: i64) -> Option<Self> {
        if !(TAG..2 * TAG).contains(&id) {
            return None;
        }
        let mut rest = (id - TAG) as u64;
        let mut pop = |bits: u32| {
            let value = rest & ((1 << bits) - 1);
            rest >>= bits;
            value
        };
        let [out, right, left] = [GRADE_BITS; 3].map(&mut pop);
        let [r, q, p] = [COUNT_BITS; 3].map(|bits| pop(bits) as usize);
        let (roles, _) = *ROLES.get(pop(ROLE_BITS) as usize)?;
        let kind = match pop(OPERATION_BITS) as usize {
            inner if inner == ProductKind::ALL.len() => None,
            index => Some(*ProductKind::ALL.get(index)?),
        };
        let fits = rest == 0
            && p + q + r <= MAX_DENSE_GENERATORS
            && [left, right, out].iter().all(|grades| grades >> (p + q + r + 1) == 0);
        fits.then_some(Self { kind, signature: (p, q, r), grades: [left, right, out], roles })
    }

    /// The plan.
    pub(crate) fn plan(self) -> Option<Plan> {
        let (p, q, r) = self.signature;
        let metric = Metric::from_signature(p, q, r).ok()?;
        let [left, right, out] = self.grades.map(|grades| basis_of(metric.dim(), grades));
        let plan = match self.kind {
            Some(kind) => Plan::product(kind, &metric, &left?, &right?, &out?, None),
            None => Plan::inner_product(&metric, &left?, &right?),
        };
        let (_, views) = ROLES.into_iter().find(|(roles, _)| *roles == self.roles)?;
        Some(views.iter().fold(plan.ok()?, |plan, &slot| plan.seen_from(slot)))
    }
}

fn basis_of(dim: usize, grades: u64) -> Option<Basis> {
    let grades: Vec<u32> = (0..=dim as u32).filter(|grade| grades >> grade & 1 == 1).collect();
    Basis::of_grades(dim, &grades).ok()
}

/// The grades of a basis as bits, if it holds all blades of each in canonical order and with sign +1.
fn whole_grades(dim: usize, basis: &Basis) -> Option<u64> {
    let grades = basis.masks().iter().fold(0, |grades, &mask| grades | 1 << blade::grade(mask));
    (*basis == basis_of(dim, grades)?).then_some(grades)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_what_their_views_lead_to() {
        let metric = Metric::from_signature(1, 0, 0).expect("a metric");
        let scalars = basis_of(1, 1);
        let product = Standard::new(None, &metric, [scalars.as_ref(), scalars.as_ref(), None]).expect("standard");
        for (roles, views) in ROLES {
            assert_eq!(views.iter().fold(product, |product, &slot| product.seen_from(slot)).roles, roles);
        }
    }

    fn made_again(plan: &Plan) -> Plan {
        let id = plan.standard().expect("a standard plan").encode();
        assert!((TAG..2 * TAG).contains(&id));
        let standard = Standard::decode(id).expect("an id of a plan");
        assert_eq!(standard.encode(), id);
        standard.plan().expect("a plan")
    }

    #[test]
    fn every_plan_between_whole_grades_is_made_again_from_its_id() {
        for (p, q, r) in [(0, 0, 0), (1, 0, 0), (2, 0, 1), (1, 2, 0)] {
            let metric = Metric::from_signature(p, q, r).expect("a metric");
            let bases: Vec<_> = (0..1 << (p + q + r + 1)).filter_map(|grades| basis_of(p + q + r, grades)).collect();
            for (i, left) in bases.iter().enumerate() {
                let right = &bases[(i * 5 + 3) % bases.len()];
                let out = &bases[(i * 7 + 1) % bases.len()];
                let products = ProductKind::ALL.map(|kind| Plan::product(kind, &metric, left, right, out, None));
                for plan in products.into_iter().chain([Plan::inner_product(&metric, left, right)]) {
                    let plan = plan.expect("few blades");
                    assert_eq!(made_again(&plan), plan);
                    for (_, views) in ROLES {
                        let seen = views.iter().fold(plan.clone(), |plan, &slot| plan.seen_from(slot));
                        assert_eq!(made_again(&seen), seen);
                    }
                }
            }
        }
    }

    #[test]
    fn recipes_are_made_again_from_their_id() {
        let metric = Metric::from_signature(5, 6, 1).expect("a metric");
        let full = Basis::canonical(12).expect("a basis");
        let product = Plan::product(ProductKind::Geometric, &metric, &full, &full, &full, None).expect("a recipe");
        assert_eq!(made_again(&product), product);
        let gradient = product.seen_from(Slot::Left).seen_from(Slot::Right);
        assert_eq!(made_again(&gradient), gradient);
    }

    #[test]
    fn other_plans_have_no_description() {
        let plane = Metric::from_signature(2, 0, 0).expect("a metric");
        let full = Basis::canonical(2).expect("a basis");
        let signed = Basis::new(full.masks().to_vec(), vec![1.0, 1.0, 1.0, -1.0]).expect("a basis");
        let part = Basis::new(vec![1], vec![1.0]).expect("a basis");
        for basis in [&signed, &part] {
            let plan = Plan::product(ProductKind::Outer, &plane, &full, basis, &full, None).expect("a plan");
            assert_eq!(plan.standard(), None);
        }
        let scaled = Metric::new(vec![1.0, 2.0]).expect("a metric");
        let late_null = Metric::new(vec![1.0, 0.0]).expect("a metric");
        for metric in [&scaled, &late_null] {
            let plan = Plan::inner_product(metric, &full, &full).expect("a plan");
            assert_eq!(plan.standard(), None);
        }
    }

    #[test]
    fn ids_that_describe_nothing_are_refused() {
        assert_eq!(Standard::decode(TAG - 1), None);
        assert_eq!(Standard::decode(-1), None);
        // bits beyond the description, an unknown operation, more generators than 12, grades that do not exist
        for id in [TAG | 1 << 60, TAG | 15 << 54, TAG | 13 << 47, TAG | 1 << 12] {
            assert_eq!(Standard::decode(id), None, "{id:#x}");
        }
    }
}
