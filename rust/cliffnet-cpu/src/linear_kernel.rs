//! Products of channels and small matrices: a block of rows and output channels in registers at a time.

use crate::kernel::Planes;
use crate::linear_program::Source;
use crate::tails::Tails;

/// Rows of some channels: the channels of row `r` start at `start + r * stride`.
#[derive(Clone, Copy)]
pub(crate) struct Rows<T> {
    pub(crate) start: *const T,
    pub(crate) stride: usize,
}

/// One output blade of some rows: `out = bias + sum over sources of matrix * input`.
#[derive(Clone, Copy)]
pub(crate) struct Tile<'a, T> {
    pub(crate) sources: &'a [Source],
    pub(crate) input: Planes<T>,
    /// Matrices of weights, as [`panel_offset`] lays them out.
    pub(crate) panels: *const T,
    pub(crate) panel_length: usize,
    /// Channels of the input and of the output.
    pub(crate) channels: [usize; 2],
    pub(crate) rows: usize,
    pub(crate) bias: Option<Rows<T>>,
    pub(crate) out: *mut T,
    /// Rows from here on to fetch into the cache meanwhile, of input and output; 0 for none.
    pub(crate) ahead: usize,
}

/// Vectors of output channels held in registers at a time.
pub(crate) const VECTORS: usize = 2;

/// Channels rounded up to whole vectors.
pub(crate) fn padded(channels: usize, width: usize) -> usize {
    channels.div_ceil(width) * width
}

/// Where weight `(input channel, output channel)` stands in a panel: blocks of [`VECTORS`] vectors of output channels,
/// in each the input channels one after the other.
pub(crate) fn panel_offset(input: usize, out: usize, [inputs, outs]: [usize; 2], width: usize) -> usize {
    let block = VECTORS * width;
    let first = out / block * block;
    let block_width = (padded(outs, width) - first).min(block);
    first * inputs + input * block_width + (out - first)
}

/// Asks for some bytes to be brought into the cache, to be written if `WRITE`; they need not exist.
#[inline(always)]
fn prefetch<const WRITE: bool>(start: *const u8, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..bytes).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_ET0, _MM_HINT_T1, _mm_prefetch};
        let address = start.wrapping_add(line).cast();
        // SAFETY: a hint, which never faults.
        unsafe {
            if WRITE {
                _mm_prefetch::<_MM_HINT_ET0>(address);
            } else {
                _mm_prefetch::<_MM_HINT_T1>(address);
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, bytes);
}

/// `ROWS` rows and `COUNT` vectors of output channels from channel `column` on; `DEPTH` input channels, or any number if
/// that is zero.
///
/// # Safety
/// As [`apply`], with rows `row..row + ROWS`; `column` starts a block of `COUNT` vectors.
#[inline(always)]
unsafe fn apply_block<V: Tails, const ROWS: usize, const COUNT: usize, const DEPTH: usize>(
    tile: &Tile<'_, V::Scalar>,
    row: usize,
    column: usize,
) where
    V::Scalar: Default,
{
    let width = tile.channels[1];
    let depth = if DEPTH == 0 { tile.channels[0] } else { DEPTH };
    // lanes of the last vector that are channels
    let last = (width - column - (COUNT - 1) * V::WIDTH).min(V::WIDTH);
    // SAFETY: rows and channels stay below those of the tile, whose planes and panels the caller vouches for.
    unsafe {
        if tile.ahead > 0 && column == 0 {
            let next = row + tile.ahead;
            for source in tile.sources {
                let input = tile.input.start.wrapping_offset(source.blade as isize * tile.input.stride);
                prefetch::<false>(input.wrapping_add(next * depth).cast(), ROWS * depth * size_of::<V::Scalar>());
            }
            prefetch::<true>(tile.out.wrapping_add(next * width).cast(), ROWS * width * size_of::<V::Scalar>());
        }
        let mut sums = [[V::splat(V::Scalar::default()); COUNT]; ROWS];
        if let Some(bias) = tile.bias {
            for (index, sums) in sums.iter_mut().enumerate() {
                let bias = bias.start.add((row + index) * bias.stride + column);
                for (vector, sum) in sums.iter_mut().enumerate() {
                    let lanes = if vector + 1 == COUNT { last } else { V::WIDTH };
                    *sum = V::load_first(bias.add(vector * V::WIDTH), lanes);
                }
            }
        }
        for source in tile.sources {
            let input = tile.input.start.offset(source.blade as isize * tile.input.stride).add(row * depth);
            let panel = tile.panels.add(source.panel * tile.panel_length + column * depth);
            for channel in 0..depth {
                let weights: [V; COUNT] =
                    std::array::from_fn(|vector| V::load(panel.add((channel * COUNT + vector) * V::WIDTH)));
                for (index, sums) in sums.iter_mut().enumerate() {
                    let value = V::splat(input.add(index * depth + channel).read());
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum = value.add_product(weight, *sum);
                    }
                }
            }
        }
        for (index, sums) in sums.into_iter().enumerate() {
            let out = tile.out.add((row + index) * width + column);
            for (vector, sum) in sums.into_iter().enumerate() {
                if vector + 1 == COUNT && last < V::WIDTH {
                    sum.store_first(out.add(vector * V::WIDTH), last);
                } else {
                    sum.store(out.add(vector * V::WIDTH));
                }
            }
        }
    }
}

/// All rows of a block of columns, `ROWS` at a time and the rest in smaller blocks.
///
/// # Safety
/// As [`apply`]; `column` starts a block of `COUNT` vectors.
#[inline(always)]
unsafe fn apply_column<V: Tails, const ROWS: usize, const COUNT: usize, const DEPTH: usize>(
    tile: &Tile<'_, V::Scalar>,
    column: usize,
) where
    V::Scalar: Default,
{
    let mut row = 0;
    // SAFETY: passed on from the caller; the blocks cover each row once.
    unsafe {
        while row + ROWS <= tile.rows {
            apply_block::<V, ROWS, COUNT, DEPTH>(tile, row, column);
            row += ROWS;
        }
        while row + 4 <= tile.rows {
            apply_block::<V, 4, COUNT, 0>(tile, row, column);
            row += 4;
        }
        while row < tile.rows {
            apply_block::<V, 1, COUNT, 0>(tile, row, column);
            row += 1;
        }
    }
}

/// Computes one output blade.
///
/// # Safety
/// The instruction set of `V` is available. The planes are valid for the blades of the sources and `rows` rows of
/// channels, the panels for those of the sources, `out` and the bias for `rows` rows of output channels.
#[inline(always)]
pub(crate) unsafe fn apply<V: Tails, const ROWS: usize>(tile: &Tile<'_, V::Scalar>)
where
    V::Scalar: Default,
{
    // SAFETY: passed on from the caller.
    unsafe {
        // rows of a known length need no pointer of their own
        match tile.channels[0] {
            16 => apply_columns::<V, ROWS, 16>(tile),
            32 => apply_columns::<V, ROWS, 32>(tile),
            _ => apply_columns::<V, ROWS, 0>(tile),
        }
    }
}

/// [`apply`] for `DEPTH` input channels, or any number if that is zero.
///
/// # Safety
/// As [`apply`].
#[inline(always)]
unsafe fn apply_columns<V: Tails, const ROWS: usize, const DEPTH: usize>(tile: &Tile<'_, V::Scalar>)
where
    V::Scalar: Default,
{
    let mut column = 0;
    // SAFETY: passed on from the caller; the blocks cover each column once.
    unsafe {
        while column < tile.channels[1] {
            if tile.channels[1] - column > V::WIDTH {
                apply_column::<V, ROWS, VECTORS, DEPTH>(tile, column);
                column += VECTORS * V::WIDTH;
            } else {
                apply_column::<V, ROWS, 1, DEPTH>(tile, column);
                column += V::WIDTH;
            }
        }
    }
}
