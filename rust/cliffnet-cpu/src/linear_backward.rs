//! Gradients of linear maps between channels, in one pass over cotangent and input.
//!
//! The gradient of the input is the transposed map. Those of weights and bias are sums over rows: rows are cut into
//! blocks that depend on the sizes alone, each block has sums of its own, and these are added in order, so that results
//! do not depend on the number of threads.

use std::ops::Range;

use crate::dtype::{BFloat16, DType, Float16, Storage};
use crate::kernel::Compute;
use crate::linear::{ChannelTensor, Direction, Linear, by_dtype};
use crate::linear_dispatch::LinearCompute;
use crate::linear_kernel::{Rows, padded};
use crate::linear_outer::OuterTile;
use crate::scratch::with_scratch;

/// What to compute.
#[derive(Clone, Debug)]
pub struct LinearGradients {
    /// Where the gradient of the input goes.
    pub input: Option<ChannelTensor>,
    /// Whether the sums for weights are wanted.
    pub weight: bool,
    /// Whether the sums for the bias are wanted.
    pub bias: bool,
}

impl Linear {
    /// Runs some blocks of rows.
    ///
    /// # Safety
    /// As [`apply`](Linear::apply) with the transposed direction, for the gradient of the input; `input` holds the rows if
    /// the gradient of the weights is wanted; `sums` is valid for [`blocks`](Linear::blocks) times
    /// [`sum_bytes`](Linear::sum_bytes) if a sum is.
    pub unsafe fn backward(
        &self,
        panels: *const u8,
        cotangent: &ChannelTensor,
        input: &ChannelTensor,
        wanted: &LinearGradients,
        sums: *mut u8,
        blocks: Range<i64>,
    ) {
        for block in blocks {
            // SAFETY: passed on; each block has its own sums.
            unsafe {
                let sums = sums.wrapping_add(block as usize * self.sum_bytes());
                by_dtype!(self, run_block(panels, cotangent, input, wanted, sums, block as usize));
            }
        }
    }

    unsafe fn run_block<S: Storage>(
        &self,
        panels: *const u8,
        cotangent: &ChannelTensor,
        input: &ChannelTensor,
        wanted: &LinearGradients,
        sums: *mut u8,
        block: usize,
    ) {
        let [inputs, outputs] = self.channels;
        let (blades, tiles) = (self.program.blades(), self.tiles());
        let (from, to) = (block * tiles / self.blocks(), (block + 1) * tiles / self.blocks());
        let sizes = [self.plane(outputs), self.plane(inputs), self.plane(inputs)].map(|plane| plane * blades);
        let sums = sums.cast::<S::Compute>();
        if wanted.weight || wanted.bias {
            // SAFETY: the caller vouches for the sums; all-zero bits are zeros.
            unsafe { sums.cast::<u8>().write_bytes(0, self.sum_bytes()) };
        }
        with_scratch(sizes.iter().sum::<usize>() * size_of::<S::Compute>(), |scratch| {
            let scratch = scratch.cast::<S::Compute>();
            for tile in from..to {
                let (first, rows) = self.rows_of(tile as i64);
                // SAFETY: scratch holds planes of a tile of cotangent, input and gradient; the rest is passed on.
                unsafe {
                    let free = scratch.add(sizes[0]);
                    let cotangent = self.bring_in::<S>(cotangent, first, rows, outputs, blades, scratch);
                    if let Some(out) = &wanted.input {
                        let free = free.add(sizes[1]);
                        let panels = panels.cast();
                        self.map_tile::<S>(Direction::Transposed, panels, cotangent, None, out, [first, rows], free);
                    }
                    let kernels = S::Compute::linear_kernels(self.isa);
                    let width = padded(outputs, kernels.width);
                    if wanted.weight {
                        let input = self.bring_in::<S>(input, first, rows, inputs, blades, free);
                        for (index, panel) in self.program.panels.iter().enumerate() {
                            let sums = sums.add(index * inputs * width);
                            let channels = [inputs, outputs];
                            (kernels.outer)(&OuterTile { panel, input, cotangent, channels, rows, sums });
                        }
                    }
                    if wanted.bias {
                        let start = cotangent.start.offset(self.program.scalar as isize * cotangent.stride);
                        let sums = sums.add(self.program.panels.len() * inputs * width);
                        (kernels.sum_rows)(Rows { start, stride: outputs }, outputs, rows, sums);
                    }
                }
            }
        });
    }

    /// Adds the sums of all blocks and writes the gradients: weights as contiguous (output, input, map), bias as outputs.
    ///
    /// # Safety
    /// All blocks have run with these sums; the targets are valid for what goes there.
    pub unsafe fn finish(&self, sums: *mut u8, weight: Option<*mut u8>, bias: Option<*mut u8>) {
        // SAFETY: the contract is passed on.
        unsafe { by_dtype!(self, finish_sums(sums, weight, bias)) }
    }

    unsafe fn finish_sums<S: Storage>(&self, sums: *mut u8, weight: Option<*mut u8>, bias: Option<*mut u8>) {
        let [inputs, outputs] = self.channels;
        let width = padded(outputs, S::Compute::linear_kernels(self.isa).width);
        let length = self.sum_bytes() / size_of::<S::Compute>();
        let panels = &self.program.panels;
        // SAFETY: the caller vouches for the sums of every block and for the targets.
        unsafe {
            let (total, others) =
                std::slice::from_raw_parts_mut(sums.cast::<S::Compute>(), self.blocks() * length).split_at_mut(length);
            for block in others.chunks_exact(length) {
                for (total, &part) in total.iter_mut().zip(block) {
                    *total += part;
                }
            }
            if let Some(weight) = weight {
                let weight = weight.cast::<S>();
                for (input, output) in (0..inputs).flat_map(|input| (0..outputs).map(move |output| (input, output))) {
                    let target = weight.add((output * inputs + input) * self.program.maps());
                    let mut next = 0;
                    for map in 0..self.program.maps() {
                        let mut sum = S::Compute::default();
                        // the panels of a map follow each other
                        while let Some(panel) = panels.get(next).filter(|panel| panel.map == map) {
                            let part = total[(next * inputs + input) * width + output];
                            sum += if panel.coefficient == 1.0 {
                                part
                            } else {
                                S::Compute::from_f64(panel.coefficient) * part
                            };
                            next += 1;
                        }
                        target.add(map).write(S::narrow(sum));
                    }
                }
            }
            if let Some(bias) = bias {
                let first = panels.len() * inputs * width;
                for (output, &sum) in total[first..first + outputs].iter().enumerate() {
                    bias.cast::<S>().add(output).write(S::narrow(sum));
                }
            }
        }
    }
}
