//! Weights in the order of lanes.
//!
//! Lanes are counted with the channel innermost, so lane `l` has the channel `l % channels`. A panel holds the weights of
//! all channels path by path, and those of the first channels once more behind the last: the weights of a tile of lanes
//! that starts anywhere are neighbours.

use std::ops::Range;

use crate::dtype::{BFloat16, DType, Float16, Storage};
use crate::kernel::{Compute, Planes, PlanesMut};
use crate::scratch::Lines;

/// Rows of channels whose weight gradients are added up before they go into a sum of such sums: rounding errors grow with
/// the number of addends.
pub(crate) const ROWS_AT_ONCE: usize = 64;

/// Where the weights of each channel lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PanelShape {
    pub(crate) paths: usize,
    pub(crate) channels: usize,
    /// Columns from one path to the next.
    stride: usize,
}

impl PanelShape {
    /// The shape for tiles of `T`.
    pub(crate) fn of<T: Compute>(paths: usize, channels: usize) -> Self {
        // whole cache lines, an odd number of them: paths do not compete for a set of the cache
        let line = 64 / size_of::<T>();
        let lines = (channels + T::TILE).div_ceil(line) | 1;
        Self { paths, channels, stride: lines * line }
    }

    /// Number of elements.
    fn elements(self) -> usize {
        self.paths * self.stride
    }

    /// A panel of zeros.
    pub(crate) fn zeros<T>(self) -> Lines {
        Lines::zeros(self.elements() * size_of::<T>())
    }

    /// The column of a lane.
    pub(crate) fn column(self, lane: i64) -> usize {
        (lane as usize) % self.channels
    }

    /// The planes of a panel for a tile of lanes.
    ///
    /// # Safety
    /// `panel` points to a panel of this shape.
    pub(crate) unsafe fn planes<T>(self, panel: *const T, lane: i64) -> Planes<T> {
        // SAFETY: the column is below the number of channels.
        Planes { start: unsafe { panel.add(self.column(lane)) }, stride: self.stride as isize }
    }

    /// The planes of a panel for a tile of lanes, to write.
    ///
    /// # Safety
    /// `panel` points to a panel of this shape.
    pub(crate) unsafe fn planes_mut<T>(self, panel: *mut T, lane: i64) -> PlanesMut<T> {
        // SAFETY: the column is below the number of channels.
        PlanesMut { start: unsafe { panel.add(self.column(lane)) }, stride: self.stride as isize }
    }

    /// Writes gradients that are added up over lanes to `sums[path * channels + channel]`: `add` is given some lanes after
    /// the other, and a panel to add theirs to.
    ///
    /// # Safety
    /// `sums` is valid for writes of `paths * channels` elements; `add` initialises what it writes to the panel.
    pub(crate) unsafe fn sum<T: Compute>(
        self,
        lanes: Range<i64>,
        sums: *mut T,
        mut add: impl FnMut(Range<i64>, *mut T),
    ) {
        let mut panel = self.zeros::<T>();
        // whole tiles, so that they begin at the same lanes however many are added up at once
        let step = (ROWS_AT_ONCE * self.channels).next_multiple_of(T::TILE) as i64;
        // SAFETY: the panel has this shape; the rest is passed on from the caller.
        unsafe {
            sums.write_bytes(0, self.paths * self.channels);
            let mut first = lanes.start;
            while first < lanes.end {
                let last = (first + step).min(lanes.end);
                add(first..last, panel.start().cast());
                self.fold(panel.read(), sums);
                panel.clear();
                first = last;
            }
        }
    }

    /// Adds a panel to `sums[path * channels + channel]`.
    ///
    /// # Safety
    /// `panel` points to a panel of this shape whose elements are initialised, and `sums` to `paths * channels` elements.
    pub(crate) unsafe fn fold<T: Compute>(self, panel: *const T, sums: *mut T) {
        let columns = self.channels + T::TILE;
        for path in 0..self.paths {
            // SAFETY: every column and channel is within the bounds the caller vouches for.
            unsafe {
                let (row, target) = (panel.add(path * self.stride), sums.add(path * self.channels));
                for first in (0..columns).step_by(self.channels) {
                    for channel in 0..self.channels.min(columns - first) {
                        *target.add(channel) += *row.add(first + channel);
                    }
                }
            }
        }
    }
}

/// Weights `(channels, paths)` in memory: first element and strides, in elements, of channels and paths.
#[derive(Clone, Copy, Debug)]
pub struct WeightMatrix {
    /// First element.
    pub data: *const u8,
    /// Stride between channels.
    pub channel_stride: i64,
    /// Stride between paths.
    pub path_stride: i64,
}

/// Weights brought into the order of lanes, once for each call.
pub struct Weights {
    pub(crate) shape: PanelShape,
    /// Numbers of the type of the arithmetic.
    panel: Lines,
}

impl Weights {
    /// The weights of `matrix`.
    ///
    /// # Safety
    /// Every element of the matrix, `channels` by `paths`, lies inside a live tensor of `dtype`.
    pub unsafe fn new(dtype: DType, matrix: WeightMatrix, channels: usize, paths: usize) -> Self {
        // SAFETY: passed on from the caller.
        unsafe {
            match dtype {
                DType::F32 => Self::of::<f32>(matrix, channels, paths),
                DType::F64 => Self::of::<f64>(matrix, channels, paths),
                DType::BF16 => Self::of::<BFloat16>(matrix, channels, paths),
                DType::F16 => Self::of::<Float16>(matrix, channels, paths),
            }
        }
    }

    unsafe fn of<S: Storage>(matrix: WeightMatrix, channels: usize, paths: usize) -> Self {
        let shape = PanelShape::of::<S::Compute>(paths, channels);
        let mut panel = shape.zeros::<S::Compute>();
        let target = panel.start().cast::<S::Compute>();
        // SAFETY: the caller vouches for the matrix; the panel holds `elements` numbers, of which a path takes `stride`
        // and uses one for each channel and lane of a tile.
        unsafe {
            for path in 0..paths {
                let source = matrix.data.cast::<S>().offset(path as isize * matrix.path_stride as isize);
                let row = target.add(path * shape.stride);
                for channel in 0..channels {
                    let value = source.offset(channel as isize * matrix.channel_stride as isize).read();
                    row.add(channel).write(value.widen());
                }
                for column in channels..channels + S::Compute::TILE {
                    row.add(column).write(row.add(column - channels).read());
                }
            }
        }
        Self { shape, panel }
    }

    /// The weights of a tile of lanes, in the type the arithmetic of the dtype is done in.
    pub(crate) fn planes<T: Compute>(&self, lane: i64) -> Planes<T> {
        // SAFETY: the panel was made in this shape.
        unsafe { self.shape.planes(self.panel.read(), lane) }
    }
}
