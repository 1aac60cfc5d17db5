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
mod attention;
mod attention_token;
mod binary;
mod channel_norm;
mod channel_planes;
mod class_gate;
mod class_table;
mod dtype;
mod execute;
mod fully_connected;
mod gate;
mod gated_execute;
mod gated_lanes;
mod geometry;
mod invariant;
mod isa;
mod kernel;
mod labels;
mod lanes;
mod lanewise;
mod layer_operation;
mod leaf_kernel;
mod leaf_pattern;
mod leaf_program;
mod leaf_source;
mod linear;
mod linear_backward;
mod linear_dispatch;
mod linear_kernel;
mod linear_outer;
mod linear_program;
mod math;
mod matrix_kernel;
mod matrix_program;
mod operation;
mod pack;
mod panel;
mod pattern_kernel;
mod program;
mod real_lanes;
mod scaled;
mod scratch;
mod slots;
mod straight_line;
mod stream;
mod tails;
mod terms;
mod tile;
mod transform;
#[cfg(target_arch = "x86_64")]
mod transpose;
mod twice;
mod vectorize;
mod weight_panel;
mod weighted;
mod weighted_execute;
mod weighted_program;

pub use activation::Activation;
pub use attention::{
    Comparison, Packing, PackingTask, Streams, TOKEN_OPERANDS, TokenShape, Tokens, pack_tokens, read_numbers,
    write_numbers,
};
pub use channel_norm::{ChannelNorm, Scaling};
pub use channel_planes::ChannelOperand;
pub use class_gate::{ClassGate, ClassGateCall, Response, execute_class_gate, execute_class_gate_backward};
pub use class_table::ClassTable;
pub use dtype::DType;
pub use execute::{Operand, execute, tile_lanes};
pub use fully_connected::{FullyConnected, WeightOperand};
pub use gate::Gate;
pub use gated_execute::{Surroundings, execute_gated, execute_gated_backward, group_rows};
pub use geometry::{Axis, Geometry};
pub use invariant::{ClassInvariants, ClassInvariantsBackward, Invariant};
pub use isa::{Isa, IsaError, selected_isa};
pub use layer_operation::{LayerOperation, execute_layer};
pub use linear::{Bias, ChannelTensor, Direction, Linear};
pub use linear_backward::LinearGradients;
pub use linear_program::LinearProgram;
pub use operation::{Operation, OperationError, Step};
pub use program::Program;
pub use scaled::{LaneScaling, execute_scaled};
pub use scratch::Lines;
pub use scratch::with_shared_scratch;
pub use slots::SlotProgram;
pub use weight_panel::{WeightMatrix, Weights};
pub use weighted_execute::{WeightedCall, add_partials, execute_weighted, execute_weighted_backward, partial_bytes};
pub use weighted_program::WeightedProgram;
