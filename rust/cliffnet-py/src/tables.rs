//! Tables of an algebra: orders, signs, duals, equivariant maps.

use cliffnet_algebra::{Basis, Group, Involution, Metric, dual};
use pyo3::prelude::*;

use crate::failure::{Failure, guarded};

/// Masks and signs of a tensor's blades, in order.
pub(crate) type Blades = (Vec<u64>, Vec<f64>);

/// A metric from the squares of its generators.
pub(crate) fn metric(squares: Vec<f64>) -> Result<Metric, Failure> {
    Metric::new(squares).map_err(|error| Failure::new("SignatureError", error))
}

/// A basis from masks and signs.
pub(crate) fn basis((masks, signs): Blades) -> Result<Basis, Failure> {
    Basis::new(masks, signs).map_err(|error| Failure::new("BladeError", error))
}

/// Masks of all 2^n blades in grade-then-lexicographic order.
#[pyfunction]
pub(crate) fn canonical_basis(dim: usize) -> PyResult<Vec<u64>> {
    guarded(|| {
        let basis = Basis::canonical(dim).map_err(|error| Failure::new("SignatureError", error))?;
        Ok(basis.masks().to_vec())
    })
}

/// Sign of each grade 0..=dim under `reverse`, `grade_involute` or `clifford_conjugate`.
#[pyfunction]
pub(crate) fn involution_signs(name: &str, dim: u32) -> PyResult<Vec<f64>> {
    guarded(|| {
        let involution: Involution = name.parse().map_err(|error| Failure::new("CliffnetInternalError", error))?;
        Ok((0..=dim).map(|grade| involution.sign(grade)).collect())
    })
}

/// A dual as a list over input blades of (output index, coefficient), or None where the blade maps to zero.
///
/// `name` is one of `right_complement`, `left_complement`, `polarity`, `unpolarity`, `hodge_dual`.
#[pyfunction]
pub(crate) fn blade_map(name: &str, squares: Vec<f64>, blades: Blades) -> PyResult<Vec<Option<(usize, f64)>>> {
    guarded(|| {
        let metric = metric(squares)?;
        let basis = basis(blades)?;
        let dim = metric.dim();
        let image = |mask: u64| -> Result<Option<(u64, f64)>, Failure> {
            Ok(match name {
                "right_complement" => Some(dual::right_complement(dim, mask)),
                "left_complement" => Some(dual::left_complement(dim, mask)),
                "polarity" => dual::polarity(&metric, mask),
                "unpolarity" => dual::unpolarity(&metric, mask),
                "hodge_dual" => dual::hodge(&metric, mask),
                _ => return Err(Failure::new("CliffnetInternalError", format!("no blade map is called {name}"))),
            })
        };
        basis
            .masks()
            .iter()
            .zip(basis.signs())
            .map(|(&mask, sign)| {
                let Some((target, coefficient)) = image(mask)? else { return Ok(None) };
                let index = basis.index_of(target).ok_or_else(|| {
                    Failure::new(
                        "BladeError",
                        format!("the layout lacks the blade of mask {target:#b} that {name} needs"),
                    )
                })?;
                Ok(Some((index, sign * coefficient * basis.signs()[index])))
            })
            .collect()
    })
}

/// Equivariant linear maps of the group `pin` or `spin`, each a list of (output index, input index, coefficient).
#[pyfunction]
pub(crate) fn equivariant_maps(squares: Vec<f64>, blades: Blades, group: &str) -> PyResult<Vec<Vec<(u32, u32, f64)>>> {
    guarded(|| {
        let group: Group = group.parse().map_err(|error| Failure::new("ConfigError", error))?;
        let maps = cliffnet_algebra::equivariant_maps(&metric(squares)?, &basis(blades)?, group)
            .map_err(|error| Failure::new("SignatureError", error))?;
        Ok(maps.into_iter().map(|map| map.entries).collect())
    })
}
