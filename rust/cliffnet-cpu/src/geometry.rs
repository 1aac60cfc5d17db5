//! The leading axes of an operation: sizes and strides, merged where possible.

/// One leading axis: its size and the stride, in elements, of each of the `N` operands. Stride 0 broadcasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis<const N: usize> {
    /// Number of entries.
    pub size: i64,
    /// Stride of each operand.
    pub strides: [i64; N],
}

/// The leading axes, outermost first, adjacent ones merged when all operands step through them uniformly.
#[derive(Clone, Debug)]
pub struct Geometry<const N: usize> {
    axes: Vec<Axis<N>>,
    lanes: i64,
}

impl<const N: usize> Geometry<N> {
    /// Merges `axes`; their sizes multiply to the number of lanes, which are counted with the last axis innermost.
    pub fn new(axes: impl IntoIterator<Item = Axis<N>>) -> Self {
        let mut merged: Vec<Axis<N>> = Vec::with_capacity(4);
        let mut lanes = 1;
        for axis in axes {
            lanes *= axis.size;
            if axis.size == 1 {
                continue;
            }
            match merged.last_mut() {
                Some(outer) if (0..N).all(|slot| outer.strides[slot] == axis.strides[slot] * axis.size) => {
                    outer.size *= axis.size;
                    outer.strides = axis.strides;
                }
                _ => merged.push(axis),
            }
        }
        Self { axes: merged, lanes }
    }

    /// Number of lanes: the product of the sizes.
    pub fn lanes(&self) -> i64 {
        self.lanes
    }

    /// Lanes from lane `first` to the end of the innermost axis.
    pub(crate) fn run(&self, first: i64) -> i64 {
        self.axes.last().map_or(1, |inner| inner.size - first % inner.size)
    }

    /// Whether neighbouring lanes of the innermost axis are neighbours in an operand.
    pub(crate) fn steps_by_one(&self, operand: usize) -> bool {
        self.axes.last().is_none_or(|inner| inner.strides[operand] == 1)
    }

    /// Offsets of `count` consecutive lanes from lane `first`; `table` is filled only where they follow no pattern.
    pub(crate) fn offsets<'a, const TILE: usize>(
        &self,
        first: i64,
        count: usize,
        table: &'a mut Option<[[i64; TILE]; N]>,
    ) -> [Offsets<'a>; N] {
        let Some((inner, outer)) = self.axes.split_last() else {
            return [Offsets::Uniform { base: 0, stride: 0 }; N];
        };
        let mut coordinates = [0; MAX_AXES];
        let position = first % inner.size;
        let mut rest = first / inner.size;
        let mut base = [0; N];
        for (axis, coordinate) in outer.iter().zip(&mut coordinates).rev() {
            *coordinate = rest % axis.size;
            rest /= axis.size;
            for (base, stride) in base.iter_mut().zip(axis.strides) {
                *base += *coordinate * stride;
            }
        }
        if position + count as i64 <= inner.size {
            return std::array::from_fn(|slot| Offsets::Uniform {
                base: base[slot] + position * inner.strides[slot],
                stride: inner.strides[slot],
            });
        }
        let table = table.get_or_insert([[0; TILE]; N]);
        let mut position = position;
        for lane in 0..count {
            for (slot, offsets) in table.iter_mut().enumerate() {
                offsets[lane] = base[slot] + position * inner.strides[slot];
            }
            position += 1;
            if position == inner.size {
                position = 0;
                advance(outer, &mut coordinates, &mut base);
            }
        }
        table.each_ref().map(|offsets| Offsets::Listed(&offsets[..count]))
    }

    /// Lanes from lane `first` on whose offsets grow by the same strides.
    pub(crate) fn uniform_lanes(&self, first: i64) -> i64 {
        self.axes.last().map_or(1, |inner| inner.size - first % inner.size)
    }

    /// Whether the number of axes is within what [`Geometry::offsets`] can walk.
    pub fn is_walkable(&self) -> bool {
        self.axes.len() <= MAX_AXES
    }
}

/// More axes than any torch tensor has.
const MAX_AXES: usize = 64;

/// Steps the odometer of the outer axes by one.
fn advance<const N: usize>(outer: &[Axis<N>], coordinates: &mut [i64; MAX_AXES], base: &mut [i64; N]) {
    for (axis, coordinate) in outer.iter().zip(coordinates.iter_mut()).rev() {
        *coordinate += 1;
        for (base, stride) in base.iter_mut().zip(axis.strides) {
            *base += stride;
        }
        if *coordinate < axis.size {
            return;
        }
        *coordinate = 0;
        for (base, stride) in base.iter_mut().zip(axis.strides) {
            *base -= axis.size * stride;
        }
    }
}

/// Where the lanes of a tile start, in elements.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Offsets<'a> {
    /// Lane `l` starts at `base + l * stride`.
    Uniform { base: i64, stride: i64 },
    /// Lane `l` starts at `offsets[l]`.
    Listed(&'a [i64]),
}

impl Offsets<'_> {
    #[inline(always)]
    pub(crate) fn at(self, lane: usize) -> i64 {
        match self {
            Self::Uniform { base, stride } => base + lane as i64 * stride,
            Self::Listed(offsets) => offsets[lane],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Axis, Geometry};

    fn all_offsets(axes: &[Axis<3>]) -> Vec<[i64; 3]> {
        let mut offsets = vec![[0; 3]];
        for axis in axes {
            offsets = offsets
                .iter()
                .flat_map(|base| {
                    (0..axis.size).map(move |i| std::array::from_fn(|slot| base[slot] + i * axis.strides[slot]))
                })
                .collect();
        }
        offsets
    }

    #[test]
    fn test_offsets_of_any_tile_match_the_nested_loops() {
        let cases: [&[Axis<3>]; 4] = [
            &[Axis { size: 5, strides: [48, 0, 48] }, Axis { size: 3, strides: [16, 16, 16] }],
            &[
                Axis { size: 2, strides: [1, 7, 100] },
                Axis { size: 1, strides: [9, 9, 9] },
                Axis { size: 9, strides: [0, 2, 3] },
            ],
            &[
                Axis { size: 4, strides: [30, 30, 30] },
                Axis { size: 3, strides: [10, 10, 10] },
                Axis { size: 5, strides: [2, 2, 2] },
            ],
            &[],
        ];
        for axes in cases {
            let geometry = Geometry::new(axes.iter().copied());
            let expected = all_offsets(axes);
            assert_eq!(geometry.lanes() as usize, expected.len());
            for first in 0..expected.len() {
                for count in 1..=(expected.len() - first).min(8) {
                    let mut table: Option<[[i64; 8]; 3]> = None;
                    let tile = geometry.offsets(first as i64, count, &mut table);
                    for lane in 0..count {
                        for slot in 0..3 {
                            assert_eq!(tile[slot].at(lane), expected[first + lane][slot]);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn test_geometry_merges_only_uniform_axes() {
        let dense = Geometry::new([Axis { size: 4, strides: [12, 12, 12] }, Axis { size: 3, strides: [4, 4, 4] }]);
        assert_eq!(dense.axes, [Axis { size: 12, strides: [4, 4, 4] }]);
        let broadcast = Geometry::new([Axis { size: 4, strides: [12, 0, 12] }, Axis { size: 3, strides: [4, 4, 4] }]);
        assert_eq!(broadcast.axes.len(), 2);
    }

    #[test]
    fn test_offsets_beyond_two_to_the_31_use_64_bits() {
        // a stride-0 left operand stands for more than 2^31 lanes without the memory
        let size = (1_i64 << 33) + 5;
        let geometry = Geometry::new([Axis { size, strides: [0, 0, 16] }]);
        assert_eq!(geometry.lanes(), size);
        let mut table: Option<[[i64; 8]; 3]> = None;
        let tile = geometry.offsets(size - 5, 5, &mut table);
        assert_eq!(tile[0].at(4), 0);
        assert_eq!(tile[2].at(4), (size - 1) * 16);
    }
}
