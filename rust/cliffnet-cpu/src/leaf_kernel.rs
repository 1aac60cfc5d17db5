//! Products of blocks on vectors of lanes: the sums of a block of the output stay in registers.

use std::mem::MaybeUninit;

use crate::isa::Isa;
use crate::kernel::{Compute, Planes, PlanesMut};
use crate::labels::MAX_BLADES;
use crate::lanes::{Lanes, Portable};
use crate::leaf_program::{
    LeafProgram, PairSigns, Squares, is_blade_negative, is_low_product_negative, negative_squares,
};
use crate::leaf_source::{Distances, Source, is_fetched};
use crate::pattern_kernel::{double_pattern, single_pattern};
use crate::twice::Twice;

/// What a kernel works on.
#[derive(Clone, Copy)]
pub(crate) struct LeafRun<'p, T> {
    pub(crate) program: &'p LeafProgram,
    /// Vectors of lanes.
    pub(crate) vectors: usize,
    pub(crate) left: Planes<T>,
    pub(crate) right: Planes<T>,
    pub(crate) out: PlanesMut<T>,
    /// Whether to add to the output.
    pub(crate) adds: bool,
}

/// Runs a program.
///
/// # Safety
/// The instruction set is available; the planes are valid for the vectors and as many blades as the program says.
pub(crate) type LeafKernel<T> = unsafe fn(LeafRun<'_, T>);

/// Calls a macro for each of the blades of a block.
macro_rules! for_each_blade {
    ($call:ident, $($argument:tt),*) => {
        $call!(0, $($argument),*);
        $call!(1, $($argument),*);
        $call!(2, $($argument),*);
        $call!(3, $($argument),*);
        $call!(4, $($argument),*);
        $call!(5, $($argument),*);
        $call!(6, $($argument),*);
        $call!(7, $($argument),*);
    };
}
pub(crate) use for_each_blade;

/// A block of an operand, each blade with the sign of its square if the program says so.
///
/// # Safety
/// The instruction set of `V` is available; `start` at `SIZE` distances is valid for a vector.
#[inline(always)]
unsafe fn load_block<V, const SIZE: usize, const METRIC: usize>(
    start: *const V::Scalar,
    distances: *const isize,
    has_squares: bool,
) -> [V; SIZE]
where
    V: Lanes,
    V::Scalar: Compute,
{
    // SAFETY: passed on from the caller.
    unsafe {
        let mut block: [V; SIZE] = std::array::from_fn(|blade| V::load(start.offset(*distances.add(blade))));
        if has_squares {
            let zero = V::splat(V::Scalar::default());
            // a constant, for the compiler does not always work out the squares in advance
            let squares = const { negative_squares::<SIZE>(METRIC) };
            for (value, is_negative) in block.iter_mut().zip(squares) {
                if is_negative {
                    *value = zero.subtract(*value);
                }
            }
        }
        block
    }
}

/// Adds the product of two blocks in the low table, times a sign and with odd blades of either changed in sign.
///
/// # Safety
/// The instruction set of `V` is available.
#[inline(always)]
unsafe fn add_block<
    V,
    const SIZE: usize,
    const METRIC: usize,
    const NEGATIVE: bool,
    const ODD_LEFT: bool,
    const ODD_RIGHT: bool,
>(
    left: &[V; SIZE],
    right: &[V; SIZE],
    sums: &mut [V; SIZE],
) where
    V: Lanes,
    V::Scalar: Compute,
{
    macro_rules! term {
        ($b:literal, $a:tt) => {
            if ($a | $b) < SIZE {
                let (x, y, sum) = (left[$a % SIZE], right[$b % SIZE], &mut sums[($a ^ $b) % SIZE]);
                let is_negative = const {
                    is_low_product_negative(METRIC, $a, $b)
                        ^ NEGATIVE
                        ^ is_blade_negative(METRIC, false, ODD_LEFT, $a)
                        ^ is_blade_negative(METRIC, false, ODD_RIGHT, $b)
                };
                // SAFETY: the caller guarantees the instruction set.
                *sum = unsafe { if is_negative { x.subtract_product(y, *sum) } else { x.add_product(y, *sum) } };
            }
        };
    }
    macro_rules! row {
        ($a:literal, ) => {
            for_each_blade!(term, $a);
        };
    }
    for_each_blade!(row,);
}

/// All products of blocks.
///
/// # Safety
/// As [`run_blocks`].
#[inline(always)]
unsafe fn run_vectors<V, const SIZE: usize, const METRIC: usize>(run: LeafRun<'_, V::Scalar>)
where
    V: Lanes,
    V::Scalar: Compute,
{
    let LeafRun { program, vectors, left, right, out, adds } = run;
    let mut distances: [Distances; 3] = std::array::from_fn(|_| Distances::new());
    let [left_distances, right_distances, out_distances] = &mut distances;
    let mut buffers = [[const { MaybeUninit::<V>::uninit() }; MAX_BLADES]; 2];
    let [left_buffer, right_buffer] = &mut buffers;
    let left = Source::<V>::new(left, &program.left, left_distances);
    let right = Source::<V>::new(right, &program.right, right_distances);
    let out_distances = out_distances.fill(program.out.blades.iter().map(|&blade| blade as isize * out.stride));
    let has_left_squares = program.squares == Squares::Left;
    let has_right_squares = program.squares == Squares::Right;
    let fetches = is_fetched::<V>(program, vectors);
    for vector in 0..vectors {
        let lane = vector * V::WIDTH;
        if fetches {
            left.fetch(lane);
            right.fetch(lane);
        }
        // SAFETY: the caller vouches for the planes; positions in pairs and rows are those of whole blocks.
        unsafe {
            let x = left.at(lane, left_buffer);
            let y = right.at(lane, right_buffer);
            let target = out.start.add(lane);
            for (row, range) in program.rows.iter().enumerate() {
                let target_distances = out_distances.add(row * SIZE);
                let flips = program.out.flips.get(row * SIZE..).and_then(<[bool]>::first_chunk);
                let mut sums = [V::splat(V::Scalar::default()); SIZE];
                if adds {
                    sums = load_block::<V, SIZE, METRIC>(target.cast_const(), target_distances, false);
                    flip(flips, &mut sums);
                }
                for pair in program.pairs.get_unchecked(range.start as usize..range.end as usize) {
                    let a = left.distances.add(usize::from(pair.left));
                    let b = right.distances.add(usize::from(pair.right));
                    let a = load_block::<V, SIZE, METRIC>(x, a, has_left_squares);
                    let b = load_block::<V, SIZE, METRIC>(y, b, has_right_squares);
                    add_pair::<V, SIZE, METRIC>(pair.signs, &a, &b, &mut sums);
                }
                flip(flips, &mut sums);
                for (blade, sum) in sums.into_iter().enumerate() {
                    sum.store(target.offset(*target_distances.add(blade)));
                }
            }
        }
    }
}

/// [`add_block`] with the signs of a pair.
///
/// # Safety
/// As [`add_block`].
#[inline(always)]
unsafe fn add_pair<V, const SIZE: usize, const METRIC: usize>(
    signs: PairSigns,
    left: &[V; SIZE],
    right: &[V; SIZE],
    sums: &mut [V; SIZE],
) where
    V: Lanes,
    V::Scalar: Compute,
{
    macro_rules! add {
        ($negative:literal, $left:literal, $right:literal) => {
            // SAFETY: passed on from the caller.
            unsafe { add_block::<V, SIZE, METRIC, $negative, $left, $right>(left, right, sums) }
        };
    }
    match (signs.is_negative, signs.has_odd_left, signs.has_odd_right) {
        (false, false, false) => add!(false, false, false),
        (false, false, true) => add!(false, false, true),
        (false, true, false) => add!(false, true, false),
        (false, true, true) => add!(false, true, true),
        (true, false, false) => add!(true, false, false),
        (true, false, true) => add!(true, false, true),
        (true, true, false) => add!(true, true, false),
        (true, true, true) => add!(true, true, true),
    }
}

/// Changes the sign of the blades of a block where `flips` says so.
#[inline(always)]
unsafe fn flip<V, const SIZE: usize>(flips: Option<&[bool; SIZE]>, sums: &mut [V; SIZE])
where
    V: Lanes,
    V::Scalar: Compute,
{
    if let Some(flips) = flips {
        // SAFETY: the caller guarantees the instruction set.
        *sums = unsafe {
            let zero = V::splat(V::Scalar::default());
            std::array::from_fn(|blade| if flips[blade] { zero.subtract(sums[blade]) } else { sums[blade] })
        };
    }
}

/// All products of blocks: small ones on two vectors at a time where the registers hold both, which keeps as many
/// multiply-adds in flight as large ones do, and on one at the end.
///
/// # Safety
/// As a [`LeafKernel`].
#[inline(always)]
unsafe fn run_blocks<V, const SIZE: usize, const METRIC: usize>(run: LeafRun<'_, V::Scalar>)
where
    V: Lanes,
    V::Scalar: Compute,
{
    let LeafRun { vectors, left, right, out, .. } = run;
    let pairs = if SIZE == 4 && V::REGISTERS >= 32 { vectors / 2 } else { 0 };
    // SAFETY: lanes of later vectors follow those before; the rest is passed on from the caller.
    unsafe {
        if pairs > 0 {
            run_vectors::<Twice<V>, SIZE, METRIC>(LeafRun { vectors: pairs, ..run });
        }
        if 2 * pairs < vectors {
            let first = 2 * pairs * V::WIDTH;
            let (left, right, out) = (left.skip(first), right.skip(first), out.skip(first));
            run_vectors::<V, SIZE, METRIC>(LeafRun { vectors: vectors - 2 * pairs, left, right, out, ..run });
        }
    }
}

/// The kernel of a program among those of one function.
macro_rules! by_program {
    ($function:ident, $vector:ty, $program:expr) => {{
        match ($program.low, $program.metric) {
            (2, 0) => $function::<$vector, 4, 0>,
            (2, 1) => $function::<$vector, 4, 1>,
            (2, 2) => $function::<$vector, 4, 2>,
            (2, _) => $function::<$vector, 4, 3>,
            (_, 0) => $function::<$vector, 8, 0>,
            (_, 1) => $function::<$vector, 8, 1>,
            (_, 2) => $function::<$vector, 8, 2>,
            (_, 3) => $function::<$vector, 8, 3>,
            (_, 4) => $function::<$vector, 8, 4>,
            (_, 5) => $function::<$vector, 8, 5>,
            (_, 6) => $function::<$vector, 8, 6>,
            (_, _) => $function::<$vector, 8, 7>,
        }
    }};
}

/// A function on a [`LeafRun`] compiled for an instruction set.
macro_rules! compiled {
    ($name:ident = $function:ident::<$($constant:ident),*>, $features:literal) => {
        #[target_feature(enable = $features)]
        unsafe fn $name<V, $(const $constant: usize),*>(run: LeafRun<'_, V::Scalar>)
        where
            V: Lanes,
            V::Scalar: Compute,
        {
            // SAFETY: the contract is that of the function, passed on.
            unsafe { $function::<V, $($constant),*>(run) }
        }
    };
}
pub(crate) use compiled;

#[cfg(target_arch = "x86_64")]
compiled!(blocks_avx512 = run_blocks::<SIZE, METRIC>, "avx512f,avx2,fma");
#[cfg(target_arch = "x86_64")]
compiled!(blocks_avx2 = run_blocks::<SIZE, METRIC>, "avx2,fma");
#[cfg(target_arch = "aarch64")]
compiled!(blocks_neon = run_blocks::<SIZE, METRIC>, "neon");

macro_rules! kernels {
    ($name:ident, $scalar:ty, $portable:literal, $avx2:ident, $avx512:ident, $neon:ident, $pattern:ident) => {
        /// The kernel of a program and the lanes of its vectors.
        pub(crate) fn $name(isa: Isa, program: &LeafProgram) -> (LeafKernel<$scalar>, usize) {
            if let Some(kernel) = $pattern(isa, program) {
                return kernel;
            }
            match isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => {
                    type Vector = std::arch::x86_64::$avx512;
                    (by_program!(blocks_avx512, Vector, program), Vector::WIDTH)
                }
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => {
                    type Vector = std::arch::x86_64::$avx2;
                    (by_program!(blocks_avx2, Vector, program), Vector::WIDTH)
                }
                #[cfg(target_arch = "aarch64")]
                Isa::Neon => {
                    type Vector = std::arch::aarch64::$neon;
                    (by_program!(blocks_neon, Vector, program), Vector::WIDTH)
                }
                _ => {
                    type Vector = Portable<$scalar, $portable>;
                    (by_program!(run_blocks, Vector, program), Vector::WIDTH)
                }
            }
        }
    };
}

kernels!(single_leaf, f32, 4, __m256, __m512, float32x4_t, single_pattern);
kernels!(double_leaf, f64, 2, __m256d, __m512d, float64x2_t, double_pattern);
