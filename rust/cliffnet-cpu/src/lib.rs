//! Executes a plan on strided CPU buffers.
//!
//! For every lane (one multivector of the flattened leading axes) and every output blade `k`
//!
//! ```text
//! out[k] = sum over terms (k, i, j, c) of c * left[i] * right[j]
//! ```
//!
//! A tile of lanes is brought to blade-by-lane order (in place when the tensor already is blade-major),
//! the terms run over vectors of lanes, and the tile is written back in the order of the output tensor.
//! Geometric products of full multivectors in large algebras go by way of matrices instead, one vector of lanes at a
//! time, where that is quicker. Several products of the same operands, such as both gradients of a product, share one pass
//! over memory: see [`Operation`]. Lanes never mix, so results do not depend on how tiles are spread over threads.

mod binary;
mod dtype;
mod execute;
mod geometry;
mod isa;
mod kernel;
mod labels;
mod lanes;
mod leaf_kernel;
mod leaf_program;
mod matrix_kernel;
mod matrix_program;
mod operation;
mod pack;
mod program;
mod scratch;
mod stream;
mod terms;
mod transform;

pub use dtype::DType;
pub use execute::{Operand, execute, tile_lanes};
pub use geometry::{Axis, Geometry};
pub use isa::{Isa, IsaError, selected_isa};
pub use operation::{Operation, OperationError, Step};
pub use program::Program;
