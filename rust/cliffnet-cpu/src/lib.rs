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

mod activation;
mod channel_norm;
mod class_table;
mod dtype;
mod execute;
mod gate;
mod geometry;
mod invariant;
mod isa;
mod kernel;
mod lanes;
mod lanewise;
mod layer_operation;
mod math;
mod matrix_kernel;
mod matrix_program;
mod operation;
mod pack;
mod program;
mod real_lanes;
mod scratch;
mod terms;
mod transform;
mod vectorize;

pub use activation::Activation;
pub use channel_norm::{ChannelNorm, Scaling};
pub use class_table::ClassTable;
pub use dtype::DType;
pub use execute::{Operand, execute, tile_lanes};
pub use gate::Gate;
pub use geometry::{Axis, Geometry};
pub use invariant::{ClassInvariants, ClassInvariantsBackward, Invariant};
pub use isa::{Isa, IsaError, selected_isa};
pub use layer_operation::{LayerOperation, execute_layer};
pub use operation::{Operation, OperationError, Step};
pub use program::Program;
