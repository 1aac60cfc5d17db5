//! Tests of the algebra crate against definitions that share no code with it.

mod basis;
mod blades;
mod duals;
mod equivariant;
mod matrix;
mod metric;
mod naive;
mod products;
