//! Families of sparse linear maps of multivectors, by number.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Once, PoisonError, RwLock};

use cliffnet_algebra::{Basis, Group, Metric, equivariant_maps};

use crate::Error;
use crate::hash::StableHasher;
use crate::standard::TAG;

/// Output blade, input blade and coefficient.
pub type Entry = (u32, u32, f64);

/// Largest number of generators of the algebras whose maps any process can make again.
const MAX_RECOVERED_GENERATORS: usize = 6;

/// A family of sparse linear maps of the multivectors of one algebra: map `m` sends `x` to the sum over its entries of
/// `coefficient * x[input] e_output`.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearMaps {
    blades: usize,
    scalar: usize,
    maps: Vec<Vec<Entry>>,
}

impl LinearMaps {
    /// Maps of multivectors of `blades` blades, of which number `scalar` is the scalar.
    ///
    /// # Errors
    /// [`Error::IndexOutOfRange`] for a blade that there is not.
    pub fn new(blades: usize, scalar: usize, maps: Vec<Vec<Entry>>) -> Result<Self, Error> {
        let named = maps.iter().flatten().flat_map(|&(out, input, _)| [out as usize, input as usize]);
        match named.chain([scalar]).find(|&blade| blade >= blades) {
            Some(blade) => Err(Error::BladeOutOfRange { blade, blades }),
            None => Ok(Self { blades, scalar, maps }),
        }
    }

    /// Number of blades of input and output.
    pub fn blades(&self) -> usize {
        self.blades
    }

    /// Index of the scalar blade.
    pub fn scalar(&self) -> usize {
        self.scalar
    }

    /// The entries of each map.
    pub fn maps(&self) -> &[Vec<Entry>] {
        &self.maps
    }

    /// The first number to try.
    fn number(&self) -> i64 {
        let mut hasher = StableHasher::new();
        hasher.write(b"linear maps");
        for size in [self.blades, self.scalar, self.maps.len()] {
            hasher.write_size(size);
        }
        for map in &self.maps {
            hasher.write_size(map.len());
            for &(out, input, coefficient) in map {
                hasher.write_size(out as usize);
                hasher.write_size(input as usize);
                hasher.write(&coefficient.to_bits().to_le_bytes());
            }
        }
        (hasher.finish() % TAG as u128) as i64
    }
}

static TABLES: LazyLock<RwLock<HashMap<i64, Arc<LinearMaps>>>> = LazyLock::new(RwLock::default);

/// The number of a family of maps: the same for equal families, in every process, and never used for another.
pub fn intern_linear_maps(maps: LinearMaps) -> i64 {
    let mut tables = TABLES.write().unwrap_or_else(PoisonError::into_inner);
    let mut id = maps.number();
    while let Some(found) = tables.get(&id) {
        if **found == maps {
            return id;
        }
        // two families of one hash: not seen in practice, and never taken for one another
        id = (id + 1) % TAG;
    }
    tables.insert(id, Arc::new(maps));
    id
}

/// The family of a number; `None` if this process has not made it and it is no family of a small Cl(p,q,r).
///
/// Programs exported by one process name families that another has not made. Those of at most 6 generators with the
/// canonical order of blades are made again at the first number that is not known.
pub fn linear_maps(id: i64) -> Option<Arc<LinearMaps>> {
    static RECOVERED: Once = Once::new();
    let known = || TABLES.read().unwrap_or_else(PoisonError::into_inner).get(&id).map(Arc::clone);
    known().or_else(|| {
        RECOVERED.call_once(|| {
            for dim in 0..=MAX_RECOVERED_GENERATORS {
                for p in 0..=dim {
                    for q in 0..=dim - p {
                        intern_families(p, q, dim - p - q);
                    }
                }
            }
        });
        known()
    })
}

/// Interns what layers of Cl(p,q,r) use: the equivariant maps of both groups and the projections on the usual classes.
fn intern_families(p: usize, q: usize, r: usize) {
    let dim = p + q + r;
    let (Ok(metric), Ok(basis)) = (Metric::from_signature(p, q, r), Basis::canonical(dim)) else { return };
    let equivariant = [Group::Pin, Group::Spin].into_iter().filter_map(|group| {
        let maps = equivariant_maps(&metric, &basis, group).ok()?;
        Some(maps.into_iter().map(|map| map.entries).collect())
    });
    // each grade alone, grades modulo 4 and 3, even and odd, all as one
    let projections = [dim + 1, 4, 3, 2, 1].map(|modulus| {
        let classes = (0..modulus.min(dim + 1)).map(|class| {
            let blades = (0..).zip(basis.masks()).filter(|(_, mask)| mask.count_ones() as usize % modulus == class);
            blades.map(|(blade, _)| (blade, blade, 1.0)).collect()
        });
        classes.collect()
    });
    for maps in equivariant.chain(projections) {
        if let Ok(maps) = LinearMaps::new(basis.len(), 0, maps) {
            intern_linear_maps(maps);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LinearMaps, intern_linear_maps, linear_maps};

    #[test]
    fn test_numbers_are_those_of_the_contents() {
        let maps = |coefficient| {
            LinearMaps::new(4, 1, vec![vec![(0, 3, coefficient)], vec![]]).expect("maps within four blades")
        };
        let id = intern_linear_maps(maps(2.0));
        assert_eq!(intern_linear_maps(maps(2.0)), id);
        assert_ne!(intern_linear_maps(maps(3.0)), id);
        assert_eq!(*linear_maps(id).expect("interned"), maps(2.0));
        assert!(linear_maps(id + 1).is_none());
    }

    #[test]
    fn test_parity_of_small_algebras_is_made_again() {
        let parity = vec![vec![(0, 0, 1.0), (3, 3, 1.0)], vec![(1, 1, 1.0), (2, 2, 1.0)]];
        let parity = LinearMaps::new(4, 0, parity).expect("maps within four blades");
        assert_eq!(*linear_maps(parity.number()).expect("a standard family"), parity);
    }

    #[test]
    fn test_blades_out_of_range_are_refused() {
        assert!(LinearMaps::new(4, 0, vec![vec![(0, 4, 1.0)]]).is_err());
        assert!(LinearMaps::new(4, 4, vec![]).is_err());
    }
}
