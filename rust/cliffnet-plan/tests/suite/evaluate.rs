//! What the other tests share: plans of signatures, and a plain evaluation of a plan.

use cliffnet_algebra::{Basis, Metric, ProductKind};
use cliffnet_plan::{Partition, Plan};

/// The product of two operands: `out_o = sum coefficient * weight_path * left_l * right_r`.
pub(crate) fn evaluate(plan: &Plan, weights: &[f64], left: &[f64], right: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; plan.out_size()];
    for term in plan.terms() {
        let weight = if plan.is_weighted() { weights[usize::from(term.path)] } else { 1.0 };
        let product = left[usize::from(term.left)] * right[usize::from(term.right)];
        out[usize::from(term.out)] += term.coefficient * weight * product;
    }
    out
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// The plan of a product of whole multivectors of Cl(p, q, r).
pub(crate) fn plan(kind: ProductKind, signature: (usize, usize, usize), partition: Option<&Partition>) -> Plan {
    let (p, q, r) = signature;
    let metric = Metric::from_signature(p, q, r).expect("few generators");
    let basis = Basis::canonical(metric.dim()).expect("few generators");
    Plan::product(kind, &metric, &basis, &basis, &basis, partition).expect("a plan")
}

/// Each grade alone.
pub(crate) fn by_grade(dim: usize) -> Partition {
    let classes: Vec<Vec<u32>> = (0..=dim as u32).map(|grade| vec![grade]).collect();
    Partition::new(dim, &classes).expect("a partition")
}
