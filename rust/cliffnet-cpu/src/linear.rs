//! Linear maps between channels: `out[o] = bias[o] + sum over inputs i and maps m of weight[o, i, m] * maps[m](in[i])`.
//!
//! Rows, the leading axes but for that of channels, are cut into tiles. Each tile is read once: its planes, in place
//! where they lie channel after channel, feed every output blade that a map takes them to. Weights are laid out once a
//! call, a matrix a map.

use std::ops::Range;
use std::sync::Arc;

use crate::dtype::{BFloat16, DType, Float16, Storage};
use crate::execute::Operand;
use crate::geometry::{Axis, Geometry, Offsets};
use crate::isa::Isa;
use crate::kernel::{Compute, Planes, PlanesMut};
use crate::linear_dispatch::LinearCompute;
use crate::linear_kernel::{Rows, Tile, padded, panel_offset};
use crate::linear_program::LinearProgram;
use crate::pack::{pack, unpack};
use crate::scratch::with_scratch;

/// Bytes that the planes of a tile may fill, and one of them: part of a second-level and of a first-level cache.
const TILE_BYTES: usize = 1 << 19;
const PLANE_BYTES: usize = 12 << 10;

/// Rows of a tile at least, and those in which many tiles are cut for the sake of threads.
const MIN_ROWS: usize = 4;
const SPREAD_ROWS: usize = 48;
const SPREAD_TILES: usize = 8;

/// Rows of a tile are a multiple of this where there are more: whole blocks of every kernel.
const ROW_BLOCK: usize = 12;

/// Bytes of tensors from which on they are fetched from memory ahead of time, and how far ahead.
const FETCHED_BYTES: usize = 2 << 20;
const AHEAD_BYTES: usize = 3 << 10;

/// Lanes packed at a time.
const PACKED: usize = 64;

/// Most blocks of rows whose gradients of weights are summed apart.
const MAX_BLOCKS: usize = 16;

/// A tensor of rows of channels: its leading axes with the channels last among them.
#[derive(Clone, Debug)]
pub struct ChannelTensor {
    operand: Operand,
    geometry: Geometry<1>,
    /// Whether the lanes of a blade follow each other without gaps.
    is_dense: bool,
}

impl ChannelTensor {
    /// A tensor from sizes and strides of its leading axes.
    pub fn new(operand: Operand, axes: impl DoubleEndedIterator<Item = (i64, i64)> + Clone) -> Self {
        let mut step = 1;
        let is_dense = axes.clone().rev().all(|(size, stride)| {
            let fits = size == 1 || stride == step;
            step *= size;
            fits
        });
        let geometry = Geometry::new(axes.map(|(size, stride)| Axis { size, strides: [stride] }));
        Self { operand, geometry, is_dense }
    }

    /// Whether the axes can be walked.
    pub fn is_walkable(&self) -> bool {
        self.geometry.is_walkable()
    }

    /// Planes of `count` lanes from lane `first` on, if they can be used where they lie.
    fn in_place<S: Storage>(&self, first: i64) -> Option<PlanesMut<S::Compute>> {
        (self.is_dense && S::IS_COMPUTE).then(|| PlanesMut {
            // a tensor without elements may have no address; nothing is read there
            start: self.operand.data.cast::<S::Compute>().wrapping_offset(first as isize),
            stride: self.operand.blade_stride as isize,
        })
    }

    /// Calls `copy` with pieces of `count` lanes from lane `first` on: source offsets, lanes done before, lanes.
    fn pieces(&self, first: i64, count: usize, mut copy: impl FnMut(Offsets<'_>, usize, usize)) {
        let mut table: Option<[[i64; PACKED]; 1]> = None;
        for done in (0..count).step_by(PACKED) {
            let lanes = (count - done).min(PACKED);
            let [offsets] = self.geometry.offsets(first + done as i64, lanes, &mut table);
            copy(offsets, done, lanes);
        }
    }
}

/// A bias: the same for all rows, or one for each.
#[derive(Clone, Debug)]
pub struct Bias {
    /// The channels, or the rows of channels.
    pub tensor: ChannelTensor,
    /// Whether each row has its own.
    pub is_by_row: bool,
}

/// Which way the maps go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From input to output channels.
    Forward,
    /// From output to input channels, by the transposed maps and matrices.
    Transposed,
}

/// A family of maps between so many channels, for tensors of so many rows.
#[derive(Clone, Debug)]
pub struct Linear {
    pub(crate) program: Arc<LinearProgram>,
    pub(crate) dtype: DType,
    pub(crate) isa: Isa,
    /// Input and output channels.
    pub(crate) channels: [usize; 2],
    rows: usize,
    /// Rows of a tile.
    tile: usize,
    /// Rows to fetch into the cache ahead of time.
    ahead: usize,
}

/// Runs a generic method for the element type of a tensor.
macro_rules! by_dtype {
    ($self:ident, $method:ident $arguments:tt) => {
        match $self.dtype {
            DType::F32 => $self.$method::<f32> $arguments,
            DType::F64 => $self.$method::<f64> $arguments,
            DType::BF16 => $self.$method::<BFloat16> $arguments,
            DType::F16 => $self.$method::<Float16> $arguments,
        }
    };
}
pub(crate) use by_dtype;

impl Linear {
    /// Maps between `channels` (input, output) for tensors of `rows` rows.
    pub fn new(program: Arc<LinearProgram>, dtype: DType, isa: Isa, channels: [usize; 2], rows: usize) -> Self {
        let size = if dtype == DType::F64 { 8 } else { 4 };
        let channel_bytes = |channels: usize| (channels * size).max(1);
        let fitting = (TILE_BYTES / (channel_bytes(channels[0] + channels[1]) * program.blades()))
            .min(PLANE_BYTES / channel_bytes(channels[0].max(channels[1])))
            .min(SPREAD_ROWS.max(rows / SPREAD_TILES))
            .max(MIN_ROWS);
        let tile = if fitting >= ROW_BLOCK { fitting / ROW_BLOCK * ROW_BLOCK } else { fitting };
        let is_large = rows * channel_bytes(channels[0] + channels[1]) * program.blades() > FETCHED_BYTES;
        let ahead = if is_large { (AHEAD_BYTES / channel_bytes(channels[0].max(channels[1]))).max(1) } else { 0 };
        Self { program, dtype, isa, channels, rows, tile, ahead }
    }

    /// Number of tiles.
    pub fn tiles(&self) -> usize {
        self.rows.div_ceil(self.tile)
    }

    /// Multiply-adds and elements touched per tile, in units of what a vector does at once.
    pub fn work_per_tile(&self) -> i64 {
        let [inputs, outputs] = self.channels;
        let products = self.program.pairs() * inputs * outputs / 4;
        ((products + self.program.blades() * (inputs + outputs)) * self.tile) as i64
    }

    fn size(&self) -> usize {
        if self.dtype == DType::F64 { 8 } else { 4 }
    }

    fn width(&self) -> usize {
        match self.dtype {
            DType::F64 => f64::linear_kernels(self.isa).width,
            _ => f32::linear_kernels(self.isa).width,
        }
    }

    fn facing(&self, direction: Direction) -> [usize; 2] {
        let [inputs, outputs] = self.channels;
        if direction == Direction::Forward { [inputs, outputs] } else { [outputs, inputs] }
    }

    fn panel_length(&self, direction: Direction) -> usize {
        let [inputs, outputs] = self.facing(direction);
        inputs * padded(outputs, self.width())
    }

    /// Bytes of the weights as the kernels want them.
    pub fn panel_bytes(&self, direction: Direction) -> usize {
        self.panel_length(direction) * self.program.panels.len() * self.size()
    }

    /// Blocks of rows whose gradients are summed apart; the same for any number of threads.
    pub fn blocks(&self) -> usize {
        let data = self.rows * self.program.blades() * (self.channels[0] + self.channels[1]) * self.size();
        let sums = 4 * self.sum_bytes();
        (data / sums.max(1)).clamp(1, MAX_BLOCKS).min(self.tiles().max(1))
    }

    /// Bytes of the sums of one block: the gradients of weights, then of the bias.
    pub fn sum_bytes(&self) -> usize {
        let [inputs, outputs] = self.channels;
        (self.program.panels.len() * inputs + 1) * padded(outputs, self.width()) * self.size()
    }

    /// Lays weights out for the kernels.
    ///
    /// # Safety
    /// `weight` is valid for the output channels, input channels and maps at the given strides, `panels` for
    /// [`panel_bytes`](Self::panel_bytes).
    pub unsafe fn pack_weights(&self, direction: Direction, weight: *const u8, strides: [i64; 3], panels: *mut u8) {
        // SAFETY: the contract is passed on.
        unsafe { by_dtype!(self, pack_weights_of(direction, weight, strides, panels)) }
    }

    unsafe fn pack_weights_of<S: Storage>(
        &self,
        direction: Direction,
        weight: *const u8,
        strides: [i64; 3],
        panels: *mut u8,
    ) {
        let facing = self.facing(direction);
        let (width, length) = (self.width(), self.panel_length(direction));
        let panels = panels.cast::<S::Compute>();
        // SAFETY: offsets are below the length of a panel, and indices below the sizes of the weight.
        unsafe {
            if !facing[1].is_multiple_of(width) {
                // lanes beyond the last channel are multiplied too, and thrown away
                panels.cast::<u8>().write_bytes(0, self.panel_bytes(direction));
            }
            for from in 0..facing[0] {
                for to in 0..facing[1] {
                    let (input, output) = if direction == Direction::Forward { (from, to) } else { (to, from) };
                    let weights =
                        weight.cast::<S>().offset((output as i64 * strides[0] + input as i64 * strides[1]) as isize);
                    let place = panels.add(panel_offset(from, to, facing, width));
                    for (index, panel) in self.program.panels.iter().enumerate() {
                        let value = weights.offset((panel.map as i64 * strides[2]) as isize).read().widen();
                        let value = if panel.coefficient == 1.0 {
                            value
                        } else {
                            S::Compute::from_f64(panel.coefficient) * value
                        };
                        place.add(index * length).write(value);
                    }
                }
            }
        }
    }

    /// Maps the rows of some tiles.
    ///
    /// # Safety
    /// `panels` are those of `direction`. Input, bias and output hold the rows and channels that go with it, and live as
    /// long as this runs; distinct elements of the output have distinct addresses that no other thread touches, and it
    /// overlaps nothing else.
    pub unsafe fn apply(
        &self,
        direction: Direction,
        panels: *const u8,
        input: &ChannelTensor,
        bias: Option<&Bias>,
        out: &ChannelTensor,
        tiles: Range<i64>,
    ) {
        // SAFETY: the contract is passed on.
        unsafe { by_dtype!(self, apply_to(direction, panels, input, bias, out, tiles)) }
    }

    unsafe fn apply_to<S: Storage>(
        &self,
        direction: Direction,
        panels: *const u8,
        input: &ChannelTensor,
        bias: Option<&Bias>,
        out: &ChannelTensor,
        tiles: Range<i64>,
    ) {
        let [from, to] = self.facing(direction);
        let blades = self.program.blades();
        let sizes = [self.plane(from) * blades, self.plane(to) * blades, self.plane(to)];
        with_scratch(sizes.iter().sum::<usize>() * size_of::<S::Compute>(), |scratch| {
            let scratch = scratch.cast::<S::Compute>();
            for tile in tiles {
                let (first, rows) = self.rows_of(tile);
                // SAFETY: scratch holds planes of a tile of input, output and bias; the rest is passed on.
                unsafe {
                    let input = self.bring_in::<S>(input, first, rows, from, blades, scratch);
                    let bias = bias.map(|bias| {
                        let (first, rows) = if bias.is_by_row { (first, rows) } else { (0, 1) };
                        let free = scratch.add(sizes[0] + sizes[1]);
                        let planes = self.bring_in::<S>(&bias.tensor, first, rows, to, 1, free);
                        Rows { start: planes.start, stride: if bias.is_by_row { to } else { 0 } }
                    });
                    self.map_tile::<S>(
                        direction,
                        panels.cast(),
                        input,
                        bias,
                        out,
                        [first, rows],
                        scratch.add(sizes[0]),
                    );
                }
            }
        });
    }

    /// Elements of a plane of a tile in scratch memory, with a gap so that planes do not compete for a cache set.
    pub(crate) fn plane(&self, channels: usize) -> usize {
        (self.tile * channels).next_multiple_of(16) + 16
    }

    /// First row and number of rows of a tile.
    pub(crate) fn rows_of(&self, tile: i64) -> (usize, usize) {
        let first = tile as usize * self.tile;
        (first, self.tile.min(self.rows - first))
    }

    /// The planes of a tile, where they lie or copied to `scratch`.
    ///
    /// # Safety
    /// The tensor holds the rows; `scratch` has room for the planes.
    pub(crate) unsafe fn bring_in<S: Storage>(
        &self,
        tensor: &ChannelTensor,
        first: usize,
        rows: usize,
        channels: usize,
        blades: usize,
        scratch: *mut S::Compute,
    ) -> Planes<S::Compute> {
        let first = (first * channels) as i64;
        if let Some(planes) = tensor.in_place::<S>(first) {
            return planes.read();
        }
        let stride = self.plane(channels);
        let Operand { data, blade_stride } = tensor.operand;
        tensor.pieces(first, rows * channels, |offsets, done, lanes| {
            let shape = [lanes, blades, stride];
            // SAFETY: passed on from the caller; pieces stay within a plane.
            unsafe { pack::<S>(self.isa, data.cast::<S>(), blade_stride, offsets, shape, scratch.add(done)) };
        });
        Planes { start: scratch, stride: stride as isize }
    }

    /// Maps one tile, in place or by way of `scratch`.
    ///
    /// # Safety
    /// As [`apply`](Self::apply) for rows `first..first + rows`; `scratch` has room for the planes of the output.
    #[expect(clippy::too_many_arguments, reason = "the operands of one tile")]
    pub(crate) unsafe fn map_tile<S: Storage>(
        &self,
        direction: Direction,
        panels: *const S::Compute,
        input: Planes<S::Compute>,
        bias: Option<Rows<S::Compute>>,
        out: &ChannelTensor,
        [first, rows]: [usize; 2],
        scratch: *mut S::Compute,
    ) {
        let kernels = S::Compute::linear_kernels(self.isa);
        let channels = self.facing(direction);
        let lane = (first * channels[1]) as i64;
        let in_place = out.in_place::<S>(lane);
        let stride = self.plane(channels[1]);
        let planes = in_place.unwrap_or(PlanesMut { start: scratch, stride: stride as isize });
        let targets = if direction == Direction::Forward { &self.program.forward } else { &self.program.transposed };
        for target in targets {
            // SAFETY: the caller vouches for the operands; a tile has `rows` rows of these channels.
            unsafe {
                (kernels.apply)(&Tile {
                    sources: &target.sources,
                    input,
                    panels,
                    panel_length: self.panel_length(direction),
                    channels,
                    rows,
                    bias: bias.filter(|_| target.blade == self.program.scalar),
                    ahead: self.ahead,
                    out: planes.start.offset(target.blade as isize * planes.stride),
                });
            }
        }
        if in_place.is_none() {
            let Operand { data, blade_stride } = out.operand;
            out.pieces(lane, rows * channels[1], |offsets, done, lanes| {
                let shape = [lanes, targets.len(), stride];
                // SAFETY: the planes of scratch were written above; the caller vouches for the output.
                unsafe { unpack::<S>(self.isa, scratch.add(done), shape, data.cast::<S>(), blade_stride, offsets) };
            });
        }
    }
}
