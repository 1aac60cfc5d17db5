//! Tests of the CPU kernels against a plain loop in double precision.

mod exhaustive;
mod fully_connected;
mod fuzz;
mod half;
mod leaf;
mod matrix;
mod memory;
mod naive;
mod nonfinite;
mod random;
mod split;
