//! Products from all input channels to all output channels, one weight per pair of channels and path.
//!
//! A tile of rows is brought to planes of lanes (channel, blade, row). The unweighted products of a group of slots are
//! computed into planes (slot, channel, row) that stay in the cache; the slots of one output blade then are one side of
//! a small matrix product with the weights. Nothing larger than a tile is stored between the two.

use std::ops::Range;

use crate::channel_planes::{ChannelOperand, ChannelPlanes};
use crate::dtype::{BFloat16, DType, Float16, Storage};
use crate::geometry::{Geometry, Offsets};
use crate::isa::Isa;
use crate::kernel::Compute;
use crate::pack::{pack, unpack};
use crate::panel::PanelProduct;
use crate::scratch::{Lines, with_scratch};
use crate::slots::SlotProgram;
use crate::terms::Terms;

/// The memory of weights `(outputs, inputs, paths)`; strides in elements.
#[derive(Clone, Copy, Debug)]
pub struct WeightOperand {
    /// First element; written through only where the weights are a gradient.
    pub data: *mut u8,
    /// Stride of each axis.
    pub strides: [i64; 3],
}

/// What a product and its gradients share.
#[derive(Clone, Copy, Debug)]
pub struct FullyConnected<'a> {
    /// The slots; none of its sizes is zero.
    pub program: &'a SlotProgram,
    /// Input channels, not zero.
    pub inputs: usize,
    /// Output channels, not zero.
    pub outputs: usize,
    /// Element type of all tensors.
    pub dtype: DType,
    /// Instruction set, which must be available.
    pub isa: Isa,
}

/// Calls a method for the element type of a tensor; array lengths need the tile as a constant.
macro_rules! by_dtype {
    ($self:ident, $method:ident($($argument:expr),*)) => {
        match $self.dtype {
            DType::F32 => $self.$method::<f32, 64>($($argument),*),
            DType::F64 => $self.$method::<f64, 32>($($argument),*),
            DType::BF16 => $self.$method::<BFloat16, 64>($($argument),*),
            DType::F16 => $self.$method::<Float16, 64>($($argument),*),
        }
    };
}

impl FullyConnected<'_> {
    /// Weights in the order that [`FullyConnected::product`] reads them: path, input, output.
    ///
    /// # Safety
    /// The strides of `weight` stay inside a live tensor of the dtype.
    pub unsafe fn panel(&self, weight: WeightOperand) -> Lines {
        // SAFETY: passed on from the caller.
        unsafe { by_dtype!(self, panel_of(weight, false)) }
    }

    /// Weights in the order that [`FullyConnected::gradients`] reads them: output, path, input.
    ///
    /// # Safety
    /// As [`FullyConnected::panel`].
    pub unsafe fn transposed_panel(&self, weight: WeightOperand) -> Lines {
        // SAFETY: passed on from the caller.
        unsafe { by_dtype!(self, panel_of(weight, true)) }
    }

    /// Zeros for [`FullyConnected::gradients`] to add the gradient of the weights to.
    pub fn sums(&self) -> Lines {
        Lines::zeros(self.program.path_count() * self.inputs * self.padded_outputs() * self.compute_size())
    }

    /// Computes rows `rows` of `geometry`, whose operands are left, right and out.
    ///
    /// # Safety
    /// For every operand, row, channel and blade, the addresses given by the strides lie inside live tensors of the
    /// dtype, blades as many as the program says; distinct elements of the output have distinct addresses that no other
    /// thread touches and that are no part of another operand; `panel` comes from [`FullyConnected::panel`].
    pub unsafe fn product(
        &self,
        geometry: &Geometry<3>,
        operands: [ChannelOperand; 3],
        panel: &Lines,
        rows: Range<i64>,
    ) {
        // SAFETY: passed on from the caller.
        unsafe { by_dtype!(self, product_of(geometry, operands, panel, rows)) }
    }

    /// Computes the gradients of rows `rows` of `geometry`, whose operands are the cotangent, left, right and the
    /// gradients of left and right, and adds that of the weights to `sums`.
    ///
    /// # Safety
    /// As [`FullyConnected::product`] with two outputs; `panel` comes from [`FullyConnected::transposed_panel`] and `sums`
    /// from [`FullyConnected::sums`].
    pub unsafe fn gradients(
        &self,
        geometry: &Geometry<5>,
        operands: [ChannelOperand; 5],
        panel: &Lines,
        sums: &mut Lines,
        rows: Range<i64>,
    ) {
        // SAFETY: passed on from the caller.
        unsafe { by_dtype!(self, gradients_of(geometry, operands, panel, sums, rows)) }
    }

    /// Writes the total of `sums`, added in order, as the gradient of the weights.
    ///
    /// # Safety
    /// The strides of `gradient` stay inside a live tensor of the dtype that nothing else touches; `sums` come from
    /// [`FullyConnected::sums`].
    pub unsafe fn write_sums(&self, sums: Vec<Lines>, gradient: WeightOperand) {
        // SAFETY: passed on from the caller.
        unsafe { by_dtype!(self, write_sums_of(sums, gradient)) }
    }

    fn compute_size(&self) -> usize {
        self.dtype.size().max(4)
    }

    /// Output channels, rounded up to a whole number of vectors of any width.
    fn padded_outputs(&self) -> usize {
        self.outputs.next_multiple_of(64 / self.compute_size())
    }

    unsafe fn panel_of<S: Storage, const TILE: usize>(&self, weight: WeightOperand, is_transposed: bool) -> Lines {
        let (inputs, outputs, paths) = (self.inputs, self.outputs, self.program.path_count());
        let mut panel = Lines::zeros(paths * inputs * outputs * size_of::<S::Compute>());
        let target = panel.start().cast::<S::Compute>();
        let [output_stride, input_stride, path_stride] = weight.strides;
        // the paths are brought apart as blades are, with the channels of one side as lanes
        let (rows, lanes) = if is_transposed { (outputs, inputs) } else { (inputs, outputs) };
        let (row_stride, stride) =
            if is_transposed { (output_stride, input_stride) } else { (input_stride, output_stride) };
        let (row_step, plane) = if is_transposed { (paths * inputs, inputs) } else { (outputs, inputs * outputs) };
        for row in 0..rows {
            let offsets = Offsets::Uniform { base: row as i64 * row_stride, stride };
            // SAFETY: the caller vouches for the weights; row, plane and lanes stay inside the panel.
            unsafe {
                let target = target.add(row * row_step);
                pack::<S>(self.isa, weight.data.cast(), path_stride, offsets, [lanes, paths, plane], target);
            }
        }
        panel
    }

    unsafe fn product_of<S: Storage, const TILE: usize>(
        &self,
        geometry: &Geometry<3>,
        operands: [ChannelOperand; 3],
        panel: &Lines,
        rows: Range<i64>,
    ) {
        const { assert!(TILE == S::Compute::TILE) };
        let program = self.program;
        let (inputs, outputs) = (self.inputs, self.outputs);
        let sizes = [
            inputs * program.left_size(),
            inputs * program.right_size(),
            outputs * program.out_size(),
            inputs * program.most_slots(),
        ];
        let weight: *const S::Compute = panel.read();
        let mut segments = Vec::new();
        for_tiles::<S, TILE, 3>(geometry, rows, sizes.iter().sum(), |count, offsets, scratch| {
            let [left, right, out, slots] = carve(scratch, sizes.map(|planes| planes * TILE));
            // SAFETY: scratch holds these planes of whole tiles, one after the other; the caller vouches for the
            // tensors, and the plan for the blades.
            unsafe {
                operands[0].pack::<S>(self.isa, offsets[0], [count, inputs, program.left_size()], left);
                operands[1].pack::<S>(self.isa, offsets[1], [count, inputs, program.right_size()], right);
                for blade in program.unreached() {
                    for output in 0..outputs {
                        out.add((output * program.out_size() + blade) * TILE).write_bytes(0, TILE);
                    }
                }
                for group in program.groups() {
                    let from = [
                        ChannelPlanes::rows(left, program.left_size()),
                        ChannelPlanes::rows(right, program.right_size()),
                    ];
                    self.run(&group.forward, count, from, self.slots_of(slots), false);
                    for row in &group.blades {
                        segments.clear();
                        segments.extend(row.paths.iter().map(|path| path * inputs * outputs));
                        (S::Compute::panel_kernels(self.isa).packed)(&PanelProduct {
                            left: weight,
                            segments: &segments,
                            left_step: outputs,
                            right: slots.add(row.first * inputs * TILE),
                            right_step: TILE,
                            depth: inputs,
                            out: out.add(row.blade * TILE),
                            out_row: program.out_size() * TILE,
                            rows: outputs,
                            lanes: count,
                            adds: false,
                        });
                    }
                }
                operands[2].unpack::<S>(self.isa, out, [count, outputs, program.out_size()], offsets[2]);
            }
        });
    }

    unsafe fn gradients_of<S: Storage, const TILE: usize>(
        &self,
        geometry: &Geometry<5>,
        operands: [ChannelOperand; 5],
        panel: &Lines,
        sums: &mut Lines,
        rows: Range<i64>,
    ) {
        const { assert!(TILE == S::Compute::TILE) };
        let program = self.program;
        let (inputs, outputs, padded) = (self.inputs, self.outputs, self.padded_outputs());
        let blades = [program.out_size(), program.left_size(), program.right_size()];
        let slots = inputs * program.most_slots();
        let [out_planes, left_planes, right_planes] = [outputs * blades[0], inputs * blades[1], inputs * blades[2]];
        let sizes = [out_planes, left_planes, right_planes, left_planes, right_planes, slots, slots, padded];
        let weight: *const S::Compute = panel.read();
        let sums = sums.start().cast::<S::Compute>();
        for_tiles::<S, TILE, 5>(geometry, rows, sizes.iter().sum(), |count, offsets, scratch| {
            let [cotangent, left, right, by_left, by_right, slots, by_slots, turned] =
                carve(scratch, sizes.map(|planes| planes * TILE));
            // SAFETY: as for the product.
            unsafe {
                operands[0].pack::<S>(self.isa, offsets[0], [count, outputs, blades[0]], cotangent);
                operands[1].pack::<S>(self.isa, offsets[1], [count, inputs, blades[1]], left);
                operands[2].pack::<S>(self.isa, offsets[2], [count, inputs, blades[2]], right);
                let [left_rows, right_rows] =
                    [ChannelPlanes::rows(left, blades[1]), ChannelPlanes::rows(right, blades[2])];
                for (index, group) in program.groups().iter().enumerate() {
                    self.run(&group.forward, count, [left_rows, right_rows], self.slots_of(slots), false);
                    for row in &group.blades {
                        let lanes = cotangent.add(row.blade * TILE);
                        let offsets = Offsets::Uniform { base: 0, stride: (blades[0] * TILE) as i64 };
                        pack::<S::Compute>(self.isa, lanes, 1, offsets, [outputs, count, padded], turned);
                        for (slot, path) in (row.first..).zip(&row.paths) {
                            (S::Compute::panel_kernels(self.isa).packed)(&PanelProduct {
                                left: weight.add(path * inputs),
                                segments: &[0],
                                left_step: program.path_count() * inputs,
                                right: lanes,
                                right_step: blades[0] * TILE,
                                depth: outputs,
                                out: by_slots.add(slot * inputs * TILE),
                                out_row: TILE,
                                rows: inputs,
                                lanes: count,
                                adds: false,
                            });
                            (S::Compute::panel_kernels(self.isa).tiled)(&PanelProduct {
                                left: slots.add(slot * inputs * TILE),
                                segments: &[0],
                                left_step: 1,
                                right: turned,
                                right_step: padded,
                                depth: count,
                                out: sums.add(path * inputs * padded),
                                out_row: padded,
                                rows: inputs,
                                lanes: outputs,
                                adds: true,
                            });
                        }
                    }
                    let cotangents = self.slots_of(by_slots);
                    self.run(
                        &group.by_left,
                        count,
                        [cotangents, right_rows],
                        ChannelPlanes::rows(by_left, blades[1]),
                        index > 0,
                    );
                    self.run(
                        &group.by_right,
                        count,
                        [left_rows, cotangents],
                        ChannelPlanes::rows(by_right, blades[2]),
                        index > 0,
                    );
                }
                operands[3].unpack::<S>(self.isa, by_left, [count, inputs, blades[1]], offsets[3]);
                operands[4].unpack::<S>(self.isa, by_right, [count, inputs, blades[2]], offsets[4]);
            }
        });
    }

    unsafe fn write_sums_of<S: Storage, const TILE: usize>(&self, sums: Vec<Lines>, gradient: WeightOperand) {
        let mut sums = sums.into_iter();
        let Some(mut total) = sums.next() else { return };
        let total = total.start().cast::<S::Compute>();
        let (inputs, padded, paths) = (self.inputs, self.padded_outputs(), self.program.path_count());
        let [output_stride, input_stride, path_stride] = gradient.strides;
        // SAFETY: all sums have this many numbers; the caller vouches for the gradient.
        unsafe {
            for part in sums {
                let part: *const S::Compute = part.read();
                for index in 0..paths * inputs * padded {
                    *total.add(index) += *part.add(index);
                }
            }
            for input in 0..inputs {
                let offsets = Offsets::Uniform { base: input as i64 * input_stride, stride: output_stride };
                let source = total.add(input * padded);
                let shape = [self.outputs, paths, inputs * padded];
                unpack::<S>(self.isa, source, shape, gradient.data.cast(), path_stride, offsets);
            }
        }
    }

    /// Runs terms on the planes of every input channel.
    ///
    /// # Safety
    /// The planes are valid for the operands of the terms and a tile of lanes.
    unsafe fn run<T: Compute>(
        &self,
        terms: &Terms,
        count: usize,
        [left, right]: [ChannelPlanes<T>; 2],
        out: ChannelPlanes<T>,
        adds: bool,
    ) {
        let kernel = T::term_kernel(self.isa, count);
        for channel in 0..self.inputs {
            // SAFETY: passed on from the caller.
            unsafe { kernel(terms, left.of(channel).read(), right.of(channel).read(), out.of(channel), adds) };
        }
    }

    fn slots_of<T: Compute>(&self, start: *mut T) -> ChannelPlanes<T> {
        ChannelPlanes { start, channel: T::TILE, plane: self.inputs * T::TILE }
    }
}

/// Calls `body` for tiles of rows with their number, their offsets and `planes` planes of scratch memory.
fn for_tiles<S: Storage, const TILE: usize, const N: usize>(
    geometry: &Geometry<N>,
    rows: Range<i64>,
    planes: usize,
    mut body: impl FnMut(usize, [Offsets<'_>; N], *mut S::Compute),
) {
    with_scratch(planes * TILE * size_of::<S::Compute>(), |scratch| {
        let mut table: Option<[[i64; TILE]; N]> = None;
        let mut first = rows.start;
        while first < rows.end {
            let count = (rows.end - first).min(TILE as i64) as usize;
            body(count, geometry.offsets(first, count, &mut table), scratch.cast());
            first += count as i64;
        }
    });
}

/// Buffers of these lengths, one after the other.
fn carve<T, const N: usize>(start: *mut T, lengths: [usize; N]) -> [*mut T; N] {
    let mut free = start;
    lengths.map(|length| {
        let buffer = free;
        free = free.wrapping_add(length);
        buffer
    })
}
