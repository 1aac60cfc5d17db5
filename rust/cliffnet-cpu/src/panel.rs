//! Products of small matrices that lie in the cache: every step adds a column of numbers times a row of lanes.

use crate::isa::Isa;
use crate::kernel::Compute;
use crate::lanes::{Lanes, Portable};

/// Most rows that a block of sums has.
const MOST_ROWS: usize = 6;

/// A product `out[m][n] (+)= sum over steps k of left[k][m] * right[k][n]` where `n` counts lanes.
///
/// The steps come in segments of equal length: in segment `s` the left factors begin at `left + segments[s]`, while
/// the right ones go on without a gap.
#[derive(Clone, Copy)]
pub(crate) struct PanelProduct<'a, T> {
    /// Numbers, each of which multiplies a row of lanes.
    pub(crate) left: *const T,
    /// Where the left factors of each segment begin.
    pub(crate) segments: &'a [usize],
    /// From one step to the next on the left.
    pub(crate) left_step: usize,
    /// Lanes.
    pub(crate) right: *const T,
    /// From one step to the next on the right.
    pub(crate) right_step: usize,
    /// Steps of a segment.
    pub(crate) depth: usize,
    /// The sums.
    pub(crate) out: *mut T,
    /// From one row of sums to the next.
    pub(crate) out_row: usize,
    /// Number of rows.
    pub(crate) rows: usize,
    /// Lanes of a row; whole vectors are read and written.
    pub(crate) lanes: usize,
    /// Whether the sums are added to what is there.
    pub(crate) adds: bool,
}

/// Products of small matrices for an instruction set.
///
/// # Safety
/// The instruction set is available, and all addresses that the product names, with lanes rounded up to whole
/// vectors, are valid; `out` overlaps neither operand.
#[derive(Clone, Copy)]
pub(crate) struct PanelKernels<T> {
    /// Left factors of neighbouring rows are neighbours.
    pub(crate) packed: unsafe fn(&PanelProduct<'_, T>),
    /// Left factors of neighbouring rows are a tile apart.
    pub(crate) tiled: unsafe fn(&PanelProduct<'_, T>),
}

/// [`PanelProduct`] for `ROWS` rows of `VECTORS` vectors, whose sums stay in registers.
///
/// # Safety
/// As [`PanelKernels`].
#[inline(always)]
unsafe fn block<V, const TILED: bool, const ROWS: usize, const VECTORS: usize>(
    product: &PanelProduct<'_, V::Scalar>,
    row: usize,
    lane: usize,
) where
    V: Lanes,
    V::Scalar: Compute,
{
    let left_row = if TILED { V::Scalar::TILE } else { 1 };
    // SAFETY: the caller vouches for every address of the product, of which these are a part.
    unsafe {
        let out = product.out.add(row * product.out_row + lane);
        let mut sums = [[V::splat(V::Scalar::default()); VECTORS]; ROWS];
        if product.adds {
            for (m, sums) in sums.iter_mut().enumerate() {
                for (n, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(out.add(m * product.out_row + n * V::WIDTH));
                }
            }
        }
        let mut right = product.right.add(lane);
        for segment in product.segments {
            let mut left = product.left.add(segment + row * left_row);
            for _ in 0..product.depth {
                let mut lanes = [V::splat(V::Scalar::default()); VECTORS];
                for (n, lanes) in lanes.iter_mut().enumerate() {
                    *lanes = V::load(right.add(n * V::WIDTH));
                }
                for (m, sums) in sums.iter_mut().enumerate() {
                    let factor = V::splat(*left.add(m * left_row));
                    for (lanes, sum) in lanes.iter().zip(sums) {
                        *sum = factor.add_product(*lanes, *sum);
                    }
                }
                left = left.wrapping_add(product.left_step);
                right = right.wrapping_add(product.right_step);
            }
        }
        for (m, sums) in sums.into_iter().enumerate() {
            for (n, sum) in sums.into_iter().enumerate() {
                sum.store(out.add(m * product.out_row + n * V::WIDTH));
            }
        }
    }
}

/// All rows of `VECTORS` vectors of lanes, in blocks as equal as can be.
///
/// # Safety
/// As [`PanelKernels`].
#[inline(always)]
unsafe fn columns<V, const TILED: bool, const VECTORS: usize>(product: &PanelProduct<'_, V::Scalar>, lane: usize)
where
    V: Lanes,
    V::Scalar: Compute,
{
    let mut blocks = product.rows.div_ceil(MOST_ROWS);
    let mut row = 0;
    while row < product.rows {
        let count = (product.rows - row).div_ceil(blocks);
        // SAFETY: passed on from the caller.
        unsafe {
            match count {
                1 => block::<V, TILED, 1, VECTORS>(product, row, lane),
                2 => block::<V, TILED, 2, VECTORS>(product, row, lane),
                3 => block::<V, TILED, 3, VECTORS>(product, row, lane),
                4 => block::<V, TILED, 4, VECTORS>(product, row, lane),
                5 => block::<V, TILED, 5, VECTORS>(product, row, lane),
                _ => block::<V, TILED, MOST_ROWS, VECTORS>(product, row, lane),
            }
        }
        row += count;
        blocks -= 1;
    }
}

/// The whole product.
///
/// # Safety
/// As [`PanelKernels`].
#[inline(always)]
unsafe fn multiply<V, const TILED: bool>(product: &PanelProduct<'_, V::Scalar>)
where
    V: Lanes,
    V::Scalar: Compute,
{
    let vectors = product.lanes.div_ceil(V::WIDTH);
    let mut vector = 0;
    while vector < vectors {
        let lane = vector * V::WIDTH;
        // SAFETY: passed on from the caller.
        unsafe {
            match vectors - vector {
                4.. if V::REGISTERS >= 32 => {
                    columns::<V, TILED, 4>(product, lane);
                    vector += 4;
                }
                2.. => {
                    columns::<V, TILED, 2>(product, lane);
                    vector += 2;
                }
                _ => {
                    columns::<V, TILED, 1>(product, lane);
                    vector += 1;
                }
            }
        }
    }
}

/// [`multiply`] compiled for an instruction set.
macro_rules! compiled {
    ($name:ident, $features:literal) => {
        #[target_feature(enable = $features)]
        unsafe fn $name<V, const TILED: bool>(product: &PanelProduct<'_, V::Scalar>)
        where
            V: Lanes,
            V::Scalar: Compute,
        {
            // SAFETY: the contract is that of multiply, passed on.
            unsafe { multiply::<V, TILED>(product) }
        }
    };
}

#[cfg(target_arch = "x86_64")]
compiled!(multiply_avx512, "avx512f,avx2,fma");
#[cfg(target_arch = "x86_64")]
compiled!(multiply_avx2, "avx2,fma");
#[cfg(target_arch = "aarch64")]
compiled!(multiply_neon, "neon");

macro_rules! kernels {
    ($name:ident, $scalar:ty, $portable:literal, $avx2:ident, $avx512:ident, $neon:ident) => {
        /// The kernels of an instruction set.
        pub(crate) fn $name(isa: Isa) -> PanelKernels<$scalar> {
            macro_rules! both {
                ($function:ident, $vector:ty) => {
                    PanelKernels { packed: $function::<$vector, false>, tiled: $function::<$vector, true> }
                };
            }
            match isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => both!(multiply_avx512, std::arch::x86_64::$avx512),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => both!(multiply_avx2, std::arch::x86_64::$avx2),
                #[cfg(target_arch = "aarch64")]
                Isa::Neon => both!(multiply_neon, std::arch::aarch64::$neon),
                _ => both!(multiply, Portable<$scalar, $portable>),
            }
        }
    };
}

kernels!(single_panel_kernels, f32, 4, __m256, __m512, float32x4_t);
kernels!(double_panel_kernels, f64, 2, __m256d, __m512d, float64x2_t);
