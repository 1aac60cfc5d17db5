//! Products of two blocks by two in a straight line: each load reads one plane from vector to vector, which the processor
//! foresees, and no branch depends on the program.

use std::hint::black_box;

use crate::isa::Isa;
use crate::kernel::Compute;
use crate::lanes::Lanes;
use crate::leaf_kernel::{LeafKernel, LeafRun, compiled, for_each_blade};
use crate::leaf_pattern::{COUNT, PATTERNS, Pair};
use crate::leaf_program::LeafProgram;
use crate::leaf_source::{Distances, blade_distances, fetch_blades, is_fetched};

/// Blades of a block.
const SIZE: usize = 8;

/// The blades of a multivector on one vector of lanes.
#[derive(Clone, Copy)]
struct Blades<T> {
    start: T,
    distances: *const isize,
}

/// Adds one product of blocks, if the pattern has it.
///
/// # Safety
/// As [`run_pattern`], for the blades of one vector.
#[inline(always)]
unsafe fn add_pair<V, const METRIC: usize, const PATTERN: usize, const ROW: usize, const INDEX: usize>(
    left: Blades<*const V::Scalar>,
    right: Blades<*const V::Scalar>,
    sums: &mut [V; SIZE],
) where
    V: Lanes,
    V::Scalar: Compute,
{
    const { assert!(PATTERN < COUNT) };
    let Some(Pair { left: left_block, right: right_block, .. }) = (const { PATTERNS[PATTERN].pair(ROW, INDEX) }) else {
        return;
    };
    // SAFETY: the caller vouches for the blades and the instruction set.
    unsafe {
        let load = |blades: Blades<*const V::Scalar>, position: usize| {
            V::load(blades.start.offset(*blades.distances.add(position)))
        };
        let y: [V; SIZE] = std::array::from_fn(|blade| load(right, right_block * SIZE + blade));
        macro_rules! term {
            ($b:literal, $a:tt, $x:tt) => {
                let is_negative = const {
                    match PATTERNS[PATTERN].pair(ROW, INDEX) {
                        Some(pair) => PATTERNS[PATTERN].is_negative(pair, METRIC, $a, $b),
                        None => false,
                    }
                };
                let sum = sums[$a ^ $b];
                sums[$a ^ $b] = if is_negative { $x.subtract_product(y[$b], sum) } else { $x.add_product(y[$b], sum) };
            };
        }
        macro_rules! row {
            ($a:literal,) => {
                let x = load(left, left_block * SIZE + $a);
                for_each_blade!(term, $a, x);
            };
        }
        for_each_blade!(row,);
    }
}

/// One block of the output.
///
/// # Safety
/// As [`run_pattern`], for the blades of one vector.
#[inline(always)]
unsafe fn run_row<V, const METRIC: usize, const PATTERN: usize, const ROW: usize>(
    left: Blades<*const V::Scalar>,
    right: Blades<*const V::Scalar>,
    out: Blades<*mut V::Scalar>,
    adds: bool,
) where
    V: Lanes,
    V::Scalar: Compute,
{
    // SAFETY: the caller vouches for the blades and the instruction set.
    unsafe {
        let target = |blade: usize| out.start.offset(*out.distances.add(ROW * SIZE + blade));
        let mut sums = [V::splat(V::Scalar::default()); SIZE];
        if adds {
            sums = std::array::from_fn(|blade| V::load(target(blade)));
        }
        add_pair::<V, METRIC, PATTERN, ROW, 0>(left, right, &mut sums);
        add_pair::<V, METRIC, PATTERN, ROW, 1>(left, right, &mut sums);
        for (blade, sum) in sums.into_iter().enumerate() {
            sum.store(target(blade));
        }
    }
}

/// A program of a pattern.
///
/// # Safety
/// As a [`LeafKernel`]; the program follows the pattern.
#[inline(always)]
unsafe fn run_pattern<V, const METRIC: usize, const PATTERN: usize>(run: LeafRun<'_, V::Scalar>)
where
    V: Lanes,
    V::Scalar: Compute,
{
    let LeafRun { program, vectors, left, right, out, adds } = run;
    let mut distances: [Distances; 3] = std::array::from_fn(|_| Distances::new());
    let [left_distances, right_distances, out_distances] = &mut distances;
    let left_distances = blade_distances(&program.left, left.stride, left_distances);
    let right_distances = blade_distances(&program.right, right.stride, right_distances);
    let out_distances = blade_distances(&program.out, out.stride, out_distances);
    let fetches = is_fetched::<V>(program, vectors);
    for vector in 0..vectors {
        let lane = vector * V::WIDTH;
        // hidden from the compiler, which would make a loop of its own for every case
        let [fetches, adds] = black_box([fetches, adds]);
        // SAFETY: passed on from the caller.
        unsafe {
            let left = Blades { start: left.start.add(lane), distances: left_distances };
            let right = Blades { start: right.start.add(lane), distances: right_distances };
            let out = Blades { start: out.start.add(lane), distances: out_distances };
            if fetches {
                for operand in [left, right] {
                    fetch_blades(operand.start, operand.distances, 2 * SIZE, size_of::<V>());
                }
            }
            run_row::<V, METRIC, PATTERN, 0>(left, right, out, adds);
            run_row::<V, METRIC, PATTERN, 1>(left, right, out, adds);
        }
    }
}

/// The kernel of a pattern and a metric among those of one function.
macro_rules! by_pattern {
    ($function:ident, $vector:ty, $metric:expr, $pattern:expr) => {{
        macro_rules! of_metric {
            ($m:literal) => {
                match $pattern {
                    0 => $function::<$vector, $m, 0>,
                    1 => $function::<$vector, $m, 1>,
                    2 => $function::<$vector, $m, 2>,
                    3 => $function::<$vector, $m, 3>,
                    4 => $function::<$vector, $m, 4>,
                    5 => $function::<$vector, $m, 5>,
                    6 => $function::<$vector, $m, 6>,
                    7 => $function::<$vector, $m, 7>,
                    8 => $function::<$vector, $m, 8>,
                    9 => $function::<$vector, $m, 9>,
                    10 => $function::<$vector, $m, 10>,
                    _ => $function::<$vector, $m, 11>,
                }
            };
        }
        match $metric {
            0 => of_metric!(0),
            1 => of_metric!(1),
            2 => of_metric!(2),
            3 => of_metric!(3),
            4 => of_metric!(4),
            5 => of_metric!(5),
            6 => of_metric!(6),
            _ => of_metric!(7),
        }
    }};
}

#[cfg(target_arch = "x86_64")]
compiled!(pattern_avx512 = run_pattern::<METRIC, PATTERN>, "avx512f,avx2,fma");
#[cfg(target_arch = "x86_64")]
compiled!(pattern_avx2 = run_pattern::<METRIC, PATTERN>, "avx2,fma");
#[cfg(target_arch = "aarch64")]
compiled!(pattern_neon = run_pattern::<METRIC, PATTERN>, "neon");

/// The kernel of a program that follows a pattern and the lanes of its vectors, where there is one for the instruction
/// set.
pub(crate) fn single_pattern(isa: Isa, program: &LeafProgram) -> Option<(LeafKernel<f32>, usize)> {
    let pattern = program.pattern?;
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => {
            type Vector = std::arch::x86_64::__m512;
            let kernel: LeafKernel<f32> = by_pattern!(pattern_avx512, Vector, program.metric, pattern);
            Some((kernel, Vector::WIDTH))
        }
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => {
            type Vector = std::arch::x86_64::__m256;
            let kernel: LeafKernel<f32> = by_pattern!(pattern_avx2, Vector, program.metric, pattern);
            Some((kernel, Vector::WIDTH))
        }
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => {
            type Vector = std::arch::aarch64::float32x4_t;
            let kernel: LeafKernel<f32> = by_pattern!(pattern_neon, Vector, program.metric, pattern);
            Some((kernel, Vector::WIDTH))
        }
        _ => None,
    }
}

/// Double precision has none: its products are too seldom in a hurry to be worth as much code again.
pub(crate) fn double_pattern(_: Isa, _: &LeafProgram) -> Option<(LeafKernel<f64>, usize)> {
    None
}
