//! Tests of the plan crate.

mod evaluate;
mod gradients;
mod matrix;
mod partitions;
mod plans;
mod registry;
