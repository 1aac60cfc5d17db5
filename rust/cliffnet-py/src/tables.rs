//! Tables of an algebra: orders, signs, duals, equivariant maps.

use std::collections::HashSet;

use cliffnet_algebra::{Basis, Group, Involution, Metric, ProductKind, dual};
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

/// Masks of the blades of the given grades, or of all 2^n, in grade-then-lexicographic order.
#[pyfunction]
#[pyo3(signature = (dim, grades=None))]
pub(crate) fn canonical_basis(dim: usize, grades: Option<Vec<u32>>) -> PyResult<Vec<u64>> {
    guarded(|| {
        let basis = match grades {
            Some(grades) => Basis::of_grades(dim, &grades),
            None => Basis::canonical(dim),
        };
        Ok(basis.map_err(|error| Failure::new("LayoutError", error))?.masks().to_vec())
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

/// A dual between two layouts as a list over input blades of (output index, coefficient), or None where the blade maps
/// to zero or to a blade that the output lacks.
///
/// `name` is one of `right_complement`, `left_complement`, `polarity`, `unpolarity`, `hodge_dual`.
#[pyfunction]
pub(crate) fn blade_map(
    name: &str,
    squares: Vec<f64>,
    blades: Blades,
    out: Blades,
) -> PyResult<Vec<Option<(usize, f64)>>> {
    guarded(|| {
        let metric = metric(squares)?;
        let (basis, out) = (basis(blades)?, basis(out)?);
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
                Ok(out.index_of(target).map(|index| (index, sign * coefficient * out.signs()[index])))
            })
            .collect()
    })
}

/// Masks of the blades that a product of two layouts can reach, in canonical order.
#[pyfunction]
pub(crate) fn product_masks(kind: &str, squares: Vec<f64>, left: Blades, right: Blades) -> PyResult<Vec<u64>> {
    guarded(|| {
        let kind: ProductKind = kind.parse().map_err(|error| Failure::new("CliffnetInternalError", error))?;
        let metric = metric(squares)?;
        let (left, right) = (basis(left)?, basis(right)?);
        let mut reached = HashSet::new();
        for &a in left.masks() {
            reached.extend(right.masks().iter().filter_map(|&b| kind.term(&metric, a, b)).map(|(mask, _)| mask));
        }
        let mut masks: Vec<u64> = reached.into_iter().collect();
        // reversed bits put the blade with the lowest generator first, which is lexicographic order
        masks.sort_unstable_by_key(|mask| (mask.count_ones(), u64::MAX - mask.reverse_bits()));
        Ok(masks)
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
