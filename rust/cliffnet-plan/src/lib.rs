//! Plans: a product of two bases, lowered once to a list of terms that every kernel runs from.
//!
//! A [`Plan`] is the sparse trilinear form `sum coefficient * out_o * left_l * right_r`; a product evaluates it for
//! `out`, and its two gradients are the same form [seen from](Plan::seen_from) the other slots. Plans are immutable
//! and [interned](intern) for the life of the process, so that an integer names one.
#![forbid(unsafe_code)]

mod error;
mod hash;
mod linear_maps;
mod matrix;
mod partition;
mod plan;
mod recipe;
mod registry;
mod slot;
mod standard;
mod term;

pub use cliffnet_algebra::{Division, is_unit_product_negative};
pub use error::Error;
pub use hash::content_hash;
pub use linear_maps::{Entry, LinearMaps, intern_linear_maps, linear_maps};
pub use matrix::{MatrixProduct, MatrixStep, Source};
pub use partition::Partition;
pub use plan::Plan;
pub use registry::{PlanId, get, get_or_recover, gradients, intern};
pub use slot::Slot;
pub use term::{Path, Term};

/// Largest size of a slot and largest number of paths of a [`Plan`].
pub const MAX_SIZE: usize = u16::MAX as usize;
