//! Tests of the plan crate.

mod evaluate;
mod gradients;
mod partitions;
mod plans;
mod registry;
