//! The leading axes of a call and the memory of its operands, as the parameters of a kernel.

/// One leading axis: its size and the stride, in elements, of each operand. Stride 0 broadcasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Number of entries.
    pub size: i64,
    /// Stride of each operand.
    pub strides: Vec<i64>,
}

/// Where an operand lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operand {
    /// Address of the first element on the device.
    pub address: u64,
    /// Elements between neighbouring blades.
    pub blade_stride: i64,
    /// Number of blades.
    pub blades: usize,
}

/// The leading axes, outermost first, adjacent ones merged when all operands step through them uniformly.
#[derive(Clone, Debug)]
pub struct Lanes {
    axes: Vec<Axis>,
    count: i64,
    operands: Vec<Operand>,
}

/// Bytes that a kernel may take as parameters.
pub const MAX_PARAMETER_BYTES: usize = 4096;

/// Bytes that one load or store moves at most.
const VECTOR_BYTES: usize = 16;

impl Lanes {
    /// Merges `axes`; their sizes multiply to the number of lanes, which are counted with the last axis innermost.
    pub fn new(axes: impl IntoIterator<Item = Axis>, operands: Vec<Operand>) -> Self {
        let mut merged: Vec<Axis> = Vec::new();
        let mut count = 1;
        for axis in axes {
            count *= axis.size;
            if axis.size == 1 {
                continue;
            }
            match merged.last_mut() {
                Some(outer)
                    if outer.strides.iter().zip(&axis.strides).all(|(outer, inner)| *outer == inner * axis.size) =>
                {
                    outer.size *= axis.size;
                    outer.strides = axis.strides;
                }
                _ => merged.push(axis),
            }
        }
        Self { axes: merged, count, operands }
    }

    /// Number of lanes.
    pub fn count(&self) -> i64 {
        self.count
    }

    /// Number of axes after merging.
    pub fn rank(&self) -> usize {
        self.axes.len()
    }

    /// Which operands (a bit each) have blades that can be moved in aligned vectors, for elements of `size` bytes.
    pub fn vectors(&self, size: usize) -> u32 {
        let is_whole = |elements: i64| (elements * size as i64) % VECTOR_BYTES as i64 == 0;
        let is_vector = |(index, operand): &(usize, &Operand)| {
            operand.blade_stride == 1
                && is_whole(operand.blades as i64)
                && operand.address % VECTOR_BYTES as u64 == 0
                && self.axes.iter().all(|axis| is_whole(axis.strides[*index]))
        };
        self.operands.iter().enumerate().filter(is_vector).map(|(index, _)| 1 << index).sum()
    }

    /// The fields of the structure that kernels take: addresses, blade strides, lanes, sizes, strides.
    pub fn parameters(&self) -> Vec<u64> {
        let addresses = self.operands.iter().map(|operand| operand.address);
        let blade_strides = self.operands.iter().map(|operand| operand.blade_stride as u64);
        let sizes = self.axes.iter().map(|axis| axis.size as u64);
        let strides = self.axes.iter().flat_map(|axis| axis.strides.iter().map(|&stride| stride as u64));
        addresses.chain(blade_strides).chain([self.count as u64]).chain(sizes).chain(strides).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Axis, Lanes, Operand};

    fn operand(address: u64, blade_stride: i64) -> Operand {
        Operand { address, blade_stride, blades: 8 }
    }

    fn axis(size: i64, strides: [i64; 2]) -> Axis {
        Axis { size, strides: strides.to_vec() }
    }

    #[test]
    fn axes_merge_only_where_all_operands_step_uniformly() {
        let operands = vec![operand(0, 1), operand(64, 1)];
        let dense = Lanes::new([axis(4, [24, 24]), axis(1, [5, 5]), axis(3, [8, 8])], operands.clone());
        assert_eq!((dense.rank(), dense.count()), (1, 12));
        assert_eq!(dense.parameters(), [0, 64, 1, 1, 12, 12, 8, 8]);
        let broadcast = Lanes::new([axis(4, [24, 0]), axis(3, [8, 8])], operands);
        assert_eq!((broadcast.rank(), broadcast.count()), (2, 12));
        assert_eq!(broadcast.parameters(), [0, 64, 1, 1, 12, 4, 3, 24, 0, 8, 8]);
    }

    #[test]
    fn vectors_need_adjacent_blades_and_alignment_on_every_axis() {
        let lanes = |second, stride| Lanes::new([axis(3, [8, stride])], vec![operand(0, 1), second]);
        assert_eq!(lanes(operand(32, 1), 8).vectors(4), 0b11);
        assert_eq!(lanes(operand(32, 1), 0).vectors(4), 0b11);
        assert_eq!(lanes(operand(36, 1), 8).vectors(4), 0b01);
        assert_eq!(lanes(operand(32, 2), 8).vectors(4), 0b01);
        assert_eq!(lanes(operand(32, 1), 9).vectors(4), 0b01);
        assert_eq!(lanes(operand(32, 1), 10).vectors(8), 0b11);
    }
}
