//! The functions of layers that run lane by lane or row by row, and how they are run.

use std::ops::Range;

use crate::channel_norm::ChannelNorm;
use crate::dtype::DType;
use crate::execute::Operand;
use crate::gate::Gate;
use crate::geometry::Geometry;
use crate::invariant::{ClassInvariants, ClassInvariantsBackward};
use crate::isa::Isa;
use crate::lanewise::{LaneKernel, Tensors, execute_lanes, execute_rows};

/// A function of a layer, or its gradient.
#[derive(Clone, Debug)]
pub enum LayerOperation {
    /// Invariants of classes.
    Invariants(ClassInvariants),
    /// Their gradient.
    InvariantsBackward(ClassInvariantsBackward),
    /// Gates, or their gradient.
    Gate(Gate),
    /// A norm over channels, or its gradient.
    ChannelNorm(ChannelNorm),
}

impl LayerOperation {
    /// Planes of each operand, inputs first.
    pub fn sizes(&self) -> &[usize] {
        match self {
            Self::Invariants(kernel) => kernel.sizes(),
            Self::InvariantsBackward(kernel) => kernel.sizes(),
            Self::Gate(kernel) => kernel.sizes(),
            Self::ChannelNorm(kernel) => kernel.sizes(),
        }
    }

    /// How many operands are inputs.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Invariants(kernel) => kernel.inputs(),
            Self::InvariantsBackward(kernel) => kernel.inputs(),
            Self::Gate(kernel) => kernel.inputs(),
            Self::ChannelNorm(kernel) => kernel.inputs(),
        }
    }

    /// Whether lanes of one row, which are neighbours, depend on each other.
    pub fn is_by_rows(&self) -> bool {
        matches!(self, Self::ChannelNorm(_))
    }
}

/// Runs a function on items `items`: rows of `channels` lanes where it runs by rows, else lanes.
///
/// # Safety
/// `N` is the number of operands. For every operand, every lane of the geometry and every plane, the addresses given by
/// the strides lie inside live tensors of `dtype`; distinct (lane, plane) pairs of an output have distinct addresses
/// that no other thread touches; an output overlaps no other operand; `isa` is available; `items` lie within the
/// geometry; `channels` is positive.
pub unsafe fn execute_layer<const N: usize>(
    operation: &LayerOperation,
    dtype: DType,
    isa: Isa,
    (geometry, channels): (&Geometry<N>, usize),
    operands: [Operand; N],
    items: Range<i64>,
) {
    let tensors = Tensors { isa, geometry, operands };
    // SAFETY: passed on from the caller.
    unsafe {
        match operation {
            LayerOperation::Invariants(kernel) => execute_lanes(kernel, dtype, &tensors, items),
            LayerOperation::InvariantsBackward(kernel) => execute_lanes(kernel, dtype, &tensors, items),
            LayerOperation::Gate(kernel) => execute_lanes(kernel, dtype, &tensors, items),
            LayerOperation::ChannelNorm(kernel) => execute_rows(kernel, dtype, &tensors, channels, items),
        }
    }
}
