//! Products of blocks on vectors of lanes: the sums of a block of the output stay in registers.

use std::mem::MaybeUninit;

use crate::isa::Isa;
use crate::kernel::{Compute, Planes, PlanesMut};
use crate::labels::MAX_BLADES;
use crate::lanes::{Lanes, Portable};
use crate::leaf_program::{LeafProgram, Positions, Squares, is_term_negative};

/// Runs a program on a number of vectors of lanes of three sets of planes; with the flag, adds to the output.
pub(crate) type LeafKernel<T> = unsafe fn(&LeafProgram, usize, Planes<T>, Planes<T>, PlanesMut<T>, bool);

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

/// Distances of the blades of an operand from its first element.
struct Distances([MaybeUninit<isize>; MAX_BLADES]);

impl Distances {
    #[inline(always)]
    fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; MAX_BLADES])
    }

    #[inline(always)]
    fn fill(&mut self, distances: impl Iterator<Item = isize>) -> *const isize {
        for (slot, distance) in self.0.iter_mut().zip(distances) {
            slot.write(distance);
        }
        self.0.as_ptr().cast()
    }
}

/// An operand on one vector of lanes at a time, its blades in the order of a program.
struct Source<'a, V: Lanes> {
    planes: Planes<V::Scalar>,
    positions: &'a Positions,
    distances: *const isize,
}

impl<V> Source<'_, V>
where
    V: Lanes,
    V::Scalar: Compute,
{
    /// Where the blades of lanes from `lane` on start: in place, or in `buffer` if some change their sign.
    ///
    /// # Safety
    /// The planes are valid for a vector from `lane` on; the instruction set of `V` is available.
    #[inline(always)]
    unsafe fn at(&self, lane: usize, buffer: &mut [MaybeUninit<V>; MAX_BLADES]) -> *const V::Scalar {
        if self.positions.flips.is_empty() {
            return self.planes.start.wrapping_add(lane);
        }
        for (slot, (&blade, &flip)) in buffer.iter_mut().zip(self.positions.blades.iter().zip(&self.positions.flips)) {
            // SAFETY: blades are below the number of planes, for which the caller vouches.
            unsafe {
                let value = V::load(self.planes.start.offset(blade as isize * self.planes.stride).add(lane));
                slot.write(if flip { V::splat(V::Scalar::default()).subtract(value) } else { value });
            }
        }
        buffer.as_ptr().cast()
    }
}

impl<'a, V: Lanes> Source<'a, V> {
    #[inline(always)]
    fn new(planes: Planes<V::Scalar>, positions: &'a Positions, distances: &mut Distances) -> Self {
        let distances = if positions.flips.is_empty() {
            distances.fill(positions.blades.iter().map(|&blade| blade as isize * planes.stride))
        } else {
            distances.fill((0..positions.blades.len() as isize).map(|position| position * V::WIDTH as isize))
        };
        Self { planes, positions, distances }
    }
}

/// Adds the product of two blocks.
///
/// # Safety
/// The instruction set of `V` is available; `left` and `right` at their `SIZE` distances are valid for a vector.
#[inline(always)]
unsafe fn add_block<V: Lanes, const SIZE: usize, const METRIC: usize, const SQUARES: usize, const KIND: usize>(
    left: *const V::Scalar,
    left_distances: *const isize,
    right: *const V::Scalar,
    right_distances: *const isize,
    sums: &mut [V; SIZE],
) {
    // SAFETY: passed on from the caller.
    unsafe {
        let y: [V; SIZE] = std::array::from_fn(|blade| V::load(right.offset(*right_distances.add(blade))));
        macro_rules! term {
            ($b:literal, $a:tt, $x:tt) => {
                if $b < SIZE {
                    let sum = &mut sums[($a ^ $b) % SIZE];
                    let is_negative = const {
                        let squares = [Squares::Neither, Squares::Left, Squares::Right][SQUARES];
                        is_term_negative(METRIC, squares, KIND, $a, $b)
                    };
                    *sum = if is_negative {
                        $x.subtract_product(y[$b % SIZE], *sum)
                    } else {
                        $x.add_product(y[$b % SIZE], *sum)
                    };
                }
            };
        }
        macro_rules! row {
            ($a:literal, ) => {
                if $a < SIZE {
                    let x = V::load(left.offset(*left_distances.add($a)));
                    for_each_blade!(term, $a, x);
                }
            };
        }
        for_each_blade!(row,);
    }
}

/// All products of blocks.
///
/// # Safety
/// The instruction set of `V` is available; the planes are valid for `vectors` vectors and as many blades as the program
/// says.
#[inline(always)]
unsafe fn run_blocks<V, const SIZE: usize, const METRIC: usize, const SQUARES: usize>(
    program: &LeafProgram,
    vectors: usize,
    left: Planes<V::Scalar>,
    right: Planes<V::Scalar>,
    out: PlanesMut<V::Scalar>,
    adds: bool,
) where
    V: Lanes,
    V::Scalar: Compute,
{
    let mut distances: [Distances; 3] = std::array::from_fn(|_| Distances::new());
    let [left_distances, right_distances, out_distances] = &mut distances;
    let mut buffers = [[const { MaybeUninit::<V>::uninit() }; MAX_BLADES]; 2];
    let [left_buffer, right_buffer] = &mut buffers;
    let left = Source::<V>::new(left, &program.left, left_distances);
    let right = Source::<V>::new(right, &program.right, right_distances);
    let out_distances = out_distances.fill(program.out.blades.iter().map(|&blade| blade as isize * out.stride));
    for vector in 0..vectors {
        let lane = vector * V::WIDTH;
        // SAFETY: the caller vouches for the planes; positions in pairs and rows are those of whole blocks.
        unsafe {
            let x = left.at(lane, left_buffer);
            let y = right.at(lane, right_buffer);
            for (row, range) in program.rows.iter().enumerate() {
                let target = out.start.add(lane);
                let target_distances = out_distances.add(row * SIZE);
                let flips = program.out.flips.get(row * SIZE..);
                let zero = V::splat(V::Scalar::default());
                let mut sums = [zero; SIZE];
                if adds {
                    sums = std::array::from_fn(|blade| V::load(target.offset(*target_distances.add(blade))));
                    flip(flips, &mut sums);
                }
                for pair in program.pairs.get_unchecked(range.start as usize..range.end as usize) {
                    let a = left.distances.add(usize::from(pair.left));
                    let b = right.distances.add(usize::from(pair.right));
                    match pair.kind {
                        0 => add_block::<V, SIZE, METRIC, SQUARES, 0>(x, a, y, b, &mut sums),
                        1 => add_block::<V, SIZE, METRIC, SQUARES, 1>(x, a, y, b, &mut sums),
                        2 => add_block::<V, SIZE, METRIC, SQUARES, 2>(x, a, y, b, &mut sums),
                        3 => add_block::<V, SIZE, METRIC, SQUARES, 3>(x, a, y, b, &mut sums),
                        4 => add_block::<V, SIZE, METRIC, SQUARES, 4>(x, a, y, b, &mut sums),
                        5 => add_block::<V, SIZE, METRIC, SQUARES, 5>(x, a, y, b, &mut sums),
                        6 => add_block::<V, SIZE, METRIC, SQUARES, 6>(x, a, y, b, &mut sums),
                        _ => add_block::<V, SIZE, METRIC, SQUARES, 7>(x, a, y, b, &mut sums),
                    }
                }
                flip(flips, &mut sums);
                for (blade, sum) in sums.into_iter().enumerate() {
                    sum.store(target.offset(*target_distances.add(blade)));
                }
            }
        }
    }
}

/// Changes the sign of the blades of a block where `flips` says so.
#[inline(always)]
unsafe fn flip<V, const SIZE: usize>(flips: Option<&[bool]>, sums: &mut [V; SIZE])
where
    V: Lanes,
    V::Scalar: Compute,
{
    for (sum, &flip) in sums.iter_mut().zip(flips.unwrap_or_default()) {
        if flip {
            // SAFETY: the caller guarantees the instruction set.
            *sum = unsafe { V::splat(V::Scalar::default()).subtract(*sum) };
        }
    }
}

/// The kernel of a program among those of one function.
macro_rules! by_program {
    ($function:ident, $vector:ty, $program:expr) => {{
        macro_rules! by_squares {
            ($size:literal, $metric:literal) => {
                match $program.squares {
                    Squares::Neither => $function::<$vector, $size, $metric, 0>,
                    Squares::Left => $function::<$vector, $size, $metric, 1>,
                    Squares::Right => $function::<$vector, $size, $metric, 2>,
                }
            };
        }
        match ($program.low, $program.metric) {
            (2, 0) => by_squares!(4, 0),
            (2, 1) => by_squares!(4, 1),
            (2, 2) => by_squares!(4, 2),
            (2, _) => by_squares!(4, 3),
            (_, 0) => by_squares!(8, 0),
            (_, 1) => by_squares!(8, 1),
            (_, 2) => by_squares!(8, 2),
            (_, 3) => by_squares!(8, 3),
            (_, 4) => by_squares!(8, 4),
            (_, 5) => by_squares!(8, 5),
            (_, 6) => by_squares!(8, 6),
            (_, _) => by_squares!(8, 7),
        }
    }};
}

/// [`run_blocks`] compiled for an instruction set.
macro_rules! compiled {
    ($name:ident, $features:literal) => {
        #[target_feature(enable = $features)]
        unsafe fn $name<V, const SIZE: usize, const METRIC: usize, const SQUARES: usize>(
            program: &LeafProgram,
            vectors: usize,
            left: Planes<V::Scalar>,
            right: Planes<V::Scalar>,
            out: PlanesMut<V::Scalar>,
            adds: bool,
        ) where
            V: Lanes,
            V::Scalar: Compute,
        {
            // SAFETY: the contract is that of run_blocks, passed on.
            unsafe { run_blocks::<V, SIZE, METRIC, SQUARES>(program, vectors, left, right, out, adds) }
        }
    };
}

#[cfg(target_arch = "x86_64")]
compiled!(blocks_avx512, "avx512f,avx2,fma");
#[cfg(target_arch = "x86_64")]
compiled!(blocks_avx2, "avx2,fma");
#[cfg(target_arch = "aarch64")]
compiled!(blocks_neon, "neon");

macro_rules! kernels {
    ($name:ident, $scalar:ty, $portable:literal, $avx2:ident, $avx512:ident, $neon:ident) => {
        /// The kernel of a program and the lanes of its vectors.
        pub(crate) fn $name(isa: Isa, program: &LeafProgram) -> (LeafKernel<$scalar>, usize) {
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

kernels!(single_leaf, f32, 4, __m256, __m512, float32x4_t);
kernels!(double_leaf, f64, 2, __m256d, __m512d, float64x2_t);
