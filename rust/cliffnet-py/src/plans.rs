//! Plans: made from a product or a table of terms, referred to by id.

use std::sync::Arc;

use cliffnet_algebra::ProductKind;
use cliffnet_plan::{Partition, Plan, PlanId, Source, Term};
use pyo3::prelude::*;

use crate::failure::{Failure, guarded};
use crate::tables::{Blades, basis, metric};

/// Columns of a term table: out, left, right, path, coefficient.
type TermColumns = (Vec<u16>, Vec<u16>, Vec<u16>, Vec<u16>, Vec<f64>);

/// Blade and factor of each word of an operand.
type WordColumns = (Vec<u16>, Vec<f64>);

/// Shape, words of left, right and output, matrix products.
type Matrices =
    ((usize, usize, usize), (WordColumns, WordColumns, WordColumns), Vec<(usize, usize, usize, bool, bool, bool)>);

fn plan(id: i64) -> Result<Arc<Plan>, Failure> {
    PlanId::from_i64(id)
        .and_then(cliffnet_plan::get_or_recover)
        .ok_or_else(|| Failure::new("CliffnetInternalError", unknown(id)))
}

/// What to say of an id without a plan.
pub(crate) fn unknown(id: i64) -> String {
    format!(
        "plan {id} is not known to this process: an exported program that uses a custom metric, basis or table needs \
         the same Algebra or plan to be built before it runs"
    )
}

/// Id of the plan of a product between three layouts; `classes` of grades make it weighted.
#[pyfunction]
#[pyo3(signature = (kind, squares, left, right, out, classes=None))]
pub(crate) fn product_plan(
    kind: &str,
    squares: Vec<f64>,
    left: Blades,
    right: Blades,
    out: Blades,
    classes: Option<Vec<Vec<u32>>>,
) -> PyResult<i64> {
    guarded(|| {
        let kind: ProductKind = kind.parse().map_err(|error| Failure::new("ConfigError", error))?;
        let metric = metric(squares)?;
        let partition = classes
            .map(|classes| Partition::new(metric.dim(), &classes))
            .transpose()
            .map_err(|error| Failure::new("PartitionError", error))?;
        let (left, right, out) = (basis(left)?, basis(right)?, basis(out)?);
        let plan = Plan::product(kind, &metric, &left, &right, &out, partition.as_ref())
            .map_err(|error| Failure::new("SignatureError", error))?;
        Ok(cliffnet_plan::intern(plan).as_i64())
    })
}

/// Id of the plan of the invariant inner product `<reverse(x) y>_0`.
#[pyfunction]
pub(crate) fn inner_product_plan(squares: Vec<f64>, left: Blades, right: Blades) -> PyResult<i64> {
    guarded(|| {
        let plan = Plan::inner_product(&metric(squares)?, &basis(left)?, &basis(right)?)
            .map_err(|error| Failure::new("SignatureError", error))?;
        Ok(cliffnet_plan::intern(plan).as_i64())
    })
}

/// Id of the plan of any sparse bilinear map, from columns out, left, right, path, coefficient.
#[pyfunction]
pub(crate) fn plan_from_terms(sizes: (usize, usize, usize), path_count: usize, terms: TermColumns) -> PyResult<i64> {
    guarded(|| {
        let (out, left, right, path, coefficients) = terms;
        let count = out.len();
        if [left.len(), right.len(), path.len(), coefficients.len()] != [count; 4] {
            return Err(Failure::new("ShapeError", "the columns of a term table must have one length"));
        }
        let terms = (0..count)
            .map(|i| Term { out: out[i], left: left[i], right: right[i], path: path[i], coefficient: coefficients[i] })
            .collect();
        let (left_size, right_size, out_size) = sizes;
        let plan = Plan::from_terms(left_size, right_size, out_size, path_count, terms)
            .map_err(|error| Failure::new("ShapeError", error))?;
        Ok(cliffnet_plan::intern(plan).as_i64())
    })
}

/// Columns out, left, right, path, coefficient of a plan.
#[pyfunction]
pub(crate) fn plan_terms(id: i64) -> PyResult<TermColumns> {
    guarded(|| {
        let plan = plan(id)?;
        let terms = plan.terms();
        Ok((
            terms.iter().map(|term| term.out).collect(),
            terms.iter().map(|term| term.left).collect(),
            terms.iter().map(|term| term.right).collect(),
            terms.iter().map(|term| term.path).collect(),
            terms.iter().map(|term| term.coefficient).collect(),
        ))
    })
}

/// Blade counts of left, right and output, and the number of weight paths (0 when unweighted).
#[pyfunction]
pub(crate) fn plan_sizes(id: i64) -> PyResult<(usize, usize, usize, usize)> {
    guarded(|| {
        let plan = plan(id)?;
        Ok((plan.left_size(), plan.right_size(), plan.out_size(), plan.path_count()))
    })
}

/// The plan as products of matrices, or None where it is a list of terms: components of a number, rows and blocks; blade
/// and factor by word of left, right and output; and (out, left, right, negative, conjugates out, conjugates right) of
/// each product.
#[pyfunction]
pub(crate) fn plan_matrices(id: i64) -> PyResult<Option<Matrices>> {
    guarded(|| {
        let columns = |sources: &[Source]| {
            sources.iter().map(|source| (source.blade, source.factor)).unzip::<_, _, Vec<_>, Vec<_>>()
        };
        Ok(plan(id)?.matrix_product().map(|product| {
            let steps = product.steps.iter().map(|step| {
                let flags = (step.is_negative, step.conjugates_out, step.conjugates_right);
                (step.out, step.left, step.right, flags.0, flags.1, flags.2)
            });
            (
                (product.division.components(), product.rows, product.blocks),
                [&product.left, &product.right, &product.out].map(|sources| columns(sources)).into(),
                steps.collect(),
            )
        }))
    })
}

/// Reachable (left class, output class, right class) triples of a weighted plan, in the order of its weights.
#[pyfunction]
pub(crate) fn plan_paths(id: i64) -> PyResult<Vec<(u16, u16, u16)>> {
    guarded(|| Ok(plan(id)?.paths().iter().map(|path| (path.left, path.out, path.right)).collect()))
}

/// Ids of the plans that give the gradients of the left and of the right operand.
#[pyfunction]
pub(crate) fn plan_gradients(id: i64) -> PyResult<(i64, i64)> {
    guarded(|| {
        plan(id)?;
        PlanId::from_i64(id)
            .and_then(cliffnet_plan::gradients)
            .map(|(left, right)| (left.as_i64(), right.as_i64()))
            .ok_or_else(|| Failure::new("CliffnetInternalError", unknown(id)))
    })
}
