//! Products of channels and small matrices: a block of rows and output channels in registers at a time.

use std::ops::Mul;

use crate::isa::Isa;
use crate::kernel::Planes;
use crate::lanes::{Lanes, Portable};
use crate::linear_program::{Panel, Source};
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

/// The kernels of an instruction set.
#[derive(Clone, Copy)]
pub(crate) struct LinearKernels<T> {
    /// Lanes of a vector.
    pub(crate) width: usize,
    /// Runs one output blade.
    pub(crate) apply: unsafe fn(&Tile<'_, T>),
    /// Adds one panel of the gradient of weights.
    pub(crate) outer: unsafe fn(&OuterTile<'_, T>),
    /// Adds the rows of some channels to `sums`: `(rows, channels, count, sums)`.
    pub(crate) sum_rows: unsafe fn(Rows<T>, usize, usize, *mut T),
}

/// Vectors of output channels held in registers at a time.
const VECTORS: usize = 2;

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
unsafe fn apply<V: Tails, const ROWS: usize>(tile: &Tile<'_, V::Scalar>)
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
unsafe fn outer<V: Tails, const INPUTS: usize>(tile: &OuterTile<'_, V::Scalar>)
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
unsafe fn sum_rows<V: Tails>(rows: Rows<V::Scalar>, channels: usize, count: usize, sums: *mut V::Scalar) {
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

/// The kernels of one vector type, compiled for its instruction set.
macro_rules! compiled {
    ($kernels:ident, $rows:literal $(, $features:literal)?) => {
        mod $kernels {
            use super::{OuterTile, Rows, Tails, Tile};

            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn apply<V: Tails>(tile: &Tile<'_, V::Scalar>)
            where
                V::Scalar: Default,
            {
                // SAFETY: the contract is the same, passed on.
                unsafe { super::apply::<V, $rows>(tile) }
            }

            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn outer<V: Tails>(tile: &OuterTile<'_, V::Scalar>)
            where
                V::Scalar: Default,
            {
                // SAFETY: the contract is the same, passed on.
                unsafe { super::outer::<V, $rows>(tile) }
            }

            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn sum_rows<V: Tails>(
                rows: Rows<V::Scalar>,
                channels: usize,
                count: usize,
                sums: *mut V::Scalar,
            ) {
                // SAFETY: the contract is the same, passed on.
                unsafe { super::sum_rows::<V>(rows, channels, count, sums) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
compiled!(avx512, 12, "avx512f,avx2,fma");
#[cfg(target_arch = "x86_64")]
compiled!(avx2, 6, "avx2,fma");
#[cfg(target_arch = "aarch64")]
compiled!(neon, 12, "neon");
compiled!(portable, 4);

/// A type with kernels for linear maps.
pub(crate) trait LinearCompute: Sized + Mul<Output = Self> {
    /// The kernels of an instruction set.
    fn linear_kernels(isa: Isa) -> LinearKernels<Self>;
}

macro_rules! linear_compute {
    ($scalar:ty, $portable:literal, $avx2:ident, $avx512:ident, $neon:ident) => {
        impl LinearCompute for $scalar {
            fn linear_kernels(isa: Isa) -> LinearKernels<Self> {
                macro_rules! kernels {
                    ($module:ident, $vector:ty) => {
                        LinearKernels {
                            width: <$vector as Lanes>::WIDTH,
                            apply: $module::apply::<$vector>,
                            outer: $module::outer::<$vector>,
                            sum_rows: $module::sum_rows::<$vector>,
                        }
                    };
                }
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => kernels!(avx512, std::arch::x86_64::$avx512),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => kernels!(avx2, std::arch::x86_64::$avx2),
                    #[cfg(target_arch = "aarch64")]
                    Isa::Neon => kernels!(neon, std::arch::aarch64::$neon),
                    _ => kernels!(portable, Portable<$scalar, $portable>),
                }
            }
        }
    };
}

linear_compute!(f32, 4, __m256, __m512, float32x4_t);
linear_compute!(f64, 2, __m256d, __m512d, float64x2_t);
