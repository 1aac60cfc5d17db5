//! Facts about any real Clifford algebra Cl(p, q, r): blades as bit masks, signs, metrics, products, duals, equivariant maps.
//!
//! A blade is a `u64` whose bit `i` says that generator `i` takes part; the generators of a blade stand in ascending
//! order. Nothing here stores a multiplication table: every coefficient is computed from two masks and the metric.
#![forbid(unsafe_code)]

pub mod blade;
pub mod dual;

mod basis;
mod equivariant;
mod error;
mod involution;
mod matrix;
mod metric;
mod parity_union;
mod product;

pub use basis::Basis;
pub use equivariant::{Group, LinearMap, equivariant_maps};
pub use error::Error;
pub use involution::Involution;
pub use matrix::{Division, MatrixRepresentation, PieceProduct, Place, is_unit_product_negative};
pub use metric::Metric;
pub use product::ProductKind;

/// Largest number of generators of a [`Metric`]; masks of 62 bits leave room for sums in `i64`.
pub const MAX_GENERATORS: usize = 62;

/// Largest number of generators for which [`Basis::canonical`] lists all 2^n blades.
pub const MAX_DENSE_GENERATORS: usize = 12;

/// Largest number of blades of a [`Basis`], so that an index and a count both fit in a `u16`.
pub const MAX_BLADES: usize = u16::MAX as usize;
