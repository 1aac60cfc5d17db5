//! Products of blocks on vectors of lanes: the sums of a block of the output stay in registers.

use std::mem::MaybeUninit;

use crate::isa::Isa;
use crate::kernel::{Compute, Planes, PlanesMut};
use crate::labels::MAX_BLADES;
use crate::lanes::{Lanes, Portable};
use crate::leaf_program::{LeafProgram, Positions, Squares, is_blade_negative, is_low_product_negative};

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

/// A block of an operand, each blade with the sign that the pair gives it.
///
/// # Safety
/// The instruction set of `V` is available; `start` at `SIZE` distances is valid for a vector.
#[inline(always)]
unsafe fn load_block<V, const SIZE: usize, const METRIC: usize>(
    start: *const V::Scalar,
    distances: *const isize,
    has_squares: bool,
    is_odd: bool,
) -> [V; SIZE]
where
    V: Lanes,
    V::Scalar: Compute,
{
    // SAFETY: passed on from the caller.
    unsafe {
        let block: [V; SIZE] = std::array::from_fn(|blade| V::load(start.offset(*distances.add(blade))));
        match (has_squares, is_odd) {
            (false, false) => block,
            (false, true) => negate::<V, SIZE, METRIC, false, true>(block),
            (true, false) => negate::<V, SIZE, METRIC, true, false>(block),
            (true, true) => negate::<V, SIZE, METRIC, true, true>(block),
        }
    }
}

/// Changes the signs of a block in a pattern known at compile time.
#[inline(always)]
unsafe fn negate<V, const SIZE: usize, const METRIC: usize, const SQUARES: bool, const ODD: bool>(
    mut block: [V; SIZE],
) -> [V; SIZE]
where
    V: Lanes,
    V::Scalar: Compute,
{
    for (blade, value) in block.iter_mut().enumerate() {
        if is_blade_negative(METRIC, SQUARES, ODD, blade) {
            // SAFETY: the caller guarantees the instruction set.
            *value = unsafe { V::splat(V::Scalar::default()).subtract(*value) };
        }
    }
    block
}

/// Adds the product of two blocks in the low table, times a sign and with odd blades of the right one changed in sign.
///
/// # Safety
/// The instruction set of `V` is available.
#[inline(always)]
unsafe fn add_block<V, const SIZE: usize, const METRIC: usize, const NEGATIVE: bool, const ODD: bool>(
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
                    is_low_product_negative(METRIC, $a, $b) ^ NEGATIVE ^ is_blade_negative(METRIC, false, ODD, $b)
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
/// The instruction set of `V` is available; the planes are valid for `vectors` vectors and as many blades as the program
/// says.
#[inline(always)]
unsafe fn run_blocks<V, const SIZE: usize, const METRIC: usize>(
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
    let has_left_squares = program.squares == Squares::Left;
    let has_right_squares = program.squares == Squares::Right;
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
                    let signs = pair.signs;
                    let a = load_block::<V, SIZE, METRIC>(x, a, has_left_squares, signs.has_odd_left);
                    let b = load_block::<V, SIZE, METRIC>(y, b, has_right_squares, false);
                    match (signs.is_negative, signs.has_odd_right) {
                        (false, false) => add_block::<V, SIZE, METRIC, false, false>(&a, &b, &mut sums),
                        (false, true) => add_block::<V, SIZE, METRIC, false, true>(&a, &b, &mut sums),
                        (true, false) => add_block::<V, SIZE, METRIC, true, false>(&a, &b, &mut sums),
                        (true, true) => add_block::<V, SIZE, METRIC, true, true>(&a, &b, &mut sums),
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

/// [`run_blocks`] compiled for an instruction set.
macro_rules! compiled {
    ($name:ident, $features:literal) => {
        #[target_feature(enable = $features)]
        unsafe fn $name<V, const SIZE: usize, const METRIC: usize>(
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
            unsafe { run_blocks::<V, SIZE, METRIC>(program, vectors, left, right, out, adds) }
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
