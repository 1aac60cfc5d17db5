//! Gradients of weights: sums over rows of products of channels, a block of both channels in registers at a time.

use crate::kernel::Planes;
use crate::linear_kernel::{Rows, VECTORS, padded};
use crate::linear_program::Panel;
use crate::tails::Tails;

/// A panel of the gradient of weights: `sums[i][o] += sum over pairs and rows of input[r, i] * cotangent[r, o]`.
#[derive(Clone, Copy)]
pub(crate) struct OuterTile<'a, T> {
    pub(crate) panel: &'a Panel,
    pub(crate) input: Planes<T>,
    pub(crate) cotangent: Planes<T>,
    /// Channels of the input and of the cotangent.
    pub(crate) channels: [usize; 2],
    pub(crate) rows: usize,
    /// Rows of [`padded`] output channels.
    pub(crate) sums: *mut T,
}

/// `INPUTS` input channels from `input` on and `COUNT` vectors of output channels from `column` on.
///
/// # Safety
/// As [`outer`]; the channels exist, but for the last lanes of the last vector.
#[inline(always)]
unsafe fn outer_block<V: Tails, const INPUTS: usize, const COUNT: usize>(
    tile: &OuterTile<'_, V::Scalar>,
    input: usize,
    column: usize,
) where
    V::Scalar: Default,
{
    let [inputs, width] = tile.channels;
    let last = (width - column - (COUNT - 1) * V::WIDTH).min(V::WIDTH);
    let stride = padded(width, V::WIDTH);
    // SAFETY: rows and channels stay below those of the tile, whose planes and sums the caller vouches for.
    unsafe {
        let target = tile.sums.add(input * stride + column);
        let mut sums: [[V; COUNT]; INPUTS] = std::array::from_fn(|index| {
            std::array::from_fn(|vector| V::load(target.add(index * stride + vector * V::WIDTH)))
        });
        for &(out_blade, in_blade) in &tile.panel.pairs {
            let values = tile.input.start.offset(in_blade as isize * tile.input.stride).add(input);
            let weights = tile.cotangent.start.offset(out_blade as isize * tile.cotangent.stride).add(column);
            for row in 0..tile.rows {
                let weights: [V; COUNT] = std::array::from_fn(|vector| {
                    let weights = weights.add(row * width + vector * V::WIDTH);
                    if vector + 1 == COUNT && last < V::WIDTH { V::load_first(weights, last) } else { V::load(weights) }
                });
                let values = values.add(row * inputs);
                for (index, sums) in sums.iter_mut().enumerate() {
                    let value = V::splat(values.add(index).read());
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum = value.add_product(weight, *sum);
                    }
                }
            }
        }
        for (index, sums) in sums.into_iter().enumerate() {
            for (vector, sum) in sums.into_iter().enumerate() {
                sum.store(target.add(index * stride + vector * V::WIDTH));
            }
        }
    }
}

/// All input channels of a block of columns.
///
/// # Safety
/// As [`outer_block`].
#[inline(always)]
unsafe fn outer_column<V: Tails, const INPUTS: usize, const COUNT: usize>(
    tile: &OuterTile<'_, V::Scalar>,
    column: usize,
) where
    V::Scalar: Default,
{
    let mut input = 0;
    // SAFETY: passed on from the caller; the blocks cover each input channel once.
    unsafe {
        while input + INPUTS <= tile.channels[0] {
            outer_block::<V, INPUTS, COUNT>(tile, input, column);
            input += INPUTS;
        }
        while input + 4 <= tile.channels[0] {
            outer_block::<V, 4, COUNT>(tile, input, column);
            input += 4;
        }
        while input < tile.channels[0] {
            outer_block::<V, 1, COUNT>(tile, input, column);
            input += 1;
        }
    }
}

/// Adds one panel of the gradient of weights.
///
/// # Safety
/// The instruction set of `V` is available. Both planes are valid for the blades of the pairs and `rows` rows of their
/// channels, the sums for a row of padded output channels per input channel.
#[inline(always)]
pub(crate) unsafe fn outer<V: Tails, const INPUTS: usize>(tile: &OuterTile<'_, V::Scalar>)
where
    V::Scalar: Default,
{
    let mut column = 0;
    // SAFETY: passed on from the caller; the blocks cover each column once.
    unsafe {
        while column < tile.channels[1] {
            if tile.channels[1] - column > V::WIDTH {
                outer_column::<V, INPUTS, VECTORS>(tile, column);
                column += VECTORS * V::WIDTH;
            } else {
                outer_column::<V, INPUTS, 1>(tile, column);
                column += V::WIDTH;
            }
        }
    }
}

/// Adds rows up.
///
/// # Safety
/// The instruction set of `V` is available; the rows hold `channels` channels, `sums` a padded row.
#[inline(always)]
pub(crate) unsafe fn sum_rows<V: Tails>(rows: Rows<V::Scalar>, channels: usize, count: usize, sums: *mut V::Scalar) {
    for column in (0..channels).step_by(V::WIDTH) {
        let lanes = (channels - column).min(V::WIDTH);
        // SAFETY: the caller vouches for the channels of each row and for a padded row of sums.
        unsafe {
            let mut sum = V::load(sums.add(column));
            for row in 0..count {
                sum = sum.add(V::load_first(rows.start.add(row * rows.stride + column), lanes));
            }
            sum.store(sums.add(column));
        }
    }
}
