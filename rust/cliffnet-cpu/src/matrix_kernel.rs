//! The matrix route for one vector of lanes: gather, Hadamard transform, matrix products, transform, scatter.
//!
//! A word is one vector, so that word `w` of an operand lies at `w * WIDTH` of its buffer. The entry in row `i` and
//! column `j` of a matrix is word `(i ^ j) * length + j` from its first, by [`cliffnet_plan::MatrixProduct`].

use cliffnet_plan::{Division, is_unit_product_negative};

use crate::isa::Isa;
use crate::kernel::{Compute, Planes, PlanesMut};
use crate::lanes::{Lanes, Portable};
use crate::matrix_program::{MatrixProgram, Step, Sum, Words};
use crate::transform::{analyse, synthesise};

/// The three stages of the matrix route for `lanes` lanes at a time.
pub(crate) struct MatrixKernels<T> {
    /// Lanes of one vector.
    pub(crate) lanes: usize,
    /// The transformed words of an operand: `(words, length, operand, target)`.
    pub(crate) analyse: unsafe fn(&Words, usize, Planes<T>, *mut T),
    /// The matrix products: `(program, left, right, out)`.
    pub(crate) multiply: unsafe fn(&MatrixProgram, *const T, *const T, *mut T),
    /// The blades of transformed words, which are overwritten: `(words, length, source, out)`.
    pub(crate) synthesise: unsafe fn(&Words, usize, *mut T, PlanesMut<T>),
}

/// A block of entries of the result, each with its components.
type Block<V, const UNITS: usize, const ROWS: usize, const COLUMNS: usize> = [[[V; UNITS]; COLUMNS]; ROWS];

/// What the steps on one block share: how words lie, and the first row and column of the block.
#[derive(Clone, Copy)]
struct Place {
    rows: usize,
    length: usize,
    component: usize,
    row: usize,
    column: usize,
}

/// Adds the product of `ROWS` rows of one matrix and `COLUMNS` columns of another.
///
/// # Safety
/// The instruction set of `V` is available; the matrices lie where `place` says.
#[inline(always)]
unsafe fn add_product<
    V: Lanes,
    const UNITS: usize,
    const ROWS: usize,
    const COLUMNS: usize,
    const DEPTH: usize,
    const CONJUGATE: bool,
>(
    place: Place,
    left: *const V::Scalar,
    right: *const V::Scalar,
    block: &mut Block<V, UNITS, ROWS, COLUMNS>,
) {
    let component = place.component * V::WIDTH;
    for inner in (0..place.rows).step_by(DEPTH) {
        // rows ^ columns, by the exclusive or of what is added to the first row and column of this step
        let left_x: [usize; 4] =
            std::array::from_fn(|low| (((place.row ^ inner) ^ low) * place.length + inner) * V::WIDTH);
        let right_x: [usize; 4] =
            std::array::from_fn(|low| (((inner ^ place.column) ^ low) * place.length + place.column) * V::WIDTH);
        for depth in 0..DEPTH {
            // SAFETY: rows and columns are below those of the matrices, for which the caller vouches.
            unsafe {
                let b: [[V; UNITS]; COLUMNS] = std::array::from_fn(|j| {
                    let entry = right.add(right_x[depth ^ j] + j * V::WIDTH);
                    std::array::from_fn(|unit| V::load(entry.add(unit * component)))
                });
                for (i, row) in block.iter_mut().enumerate() {
                    let entry = left.add(left_x[depth ^ i] + depth * V::WIDTH);
                    for first in 0..UNITS {
                        let a = V::load(entry.add(first * component));
                        for (j, sum) in row.iter_mut().enumerate() {
                            for second in 0..UNITS {
                                let target = &mut sum[first ^ second];
                                *target = if is_unit_product_negative(first, second) ^ (CONJUGATE && second == 1) {
                                    a.subtract_product(b[j][second], *target)
                                } else {
                                    a.add_product(b[j][second], *target)
                                };
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Negates or conjugates a block.
#[inline(always)]
unsafe fn flip<V, const UNITS: usize, const ROWS: usize, const COLUMNS: usize>(
    negates: bool,
    conjugates: bool,
    block: &mut Block<V, UNITS, ROWS, COLUMNS>,
) where
    V: Lanes,
    V::Scalar: Compute,
{
    for entry in block.iter_mut().flatten() {
        for (unit, value) in entry.iter_mut().enumerate() {
            if negates ^ (conjugates && unit == 1) {
                // SAFETY: the caller guarantees the instruction set.
                *value = unsafe { V::splat(V::Scalar::default()).subtract(*value) };
            }
        }
    }
}

/// All matrix products in blocks of `ROWS` by `COLUMNS` entries.
///
/// # Safety
/// As [`multiply`]; the number of rows is a multiple of `ROWS`, `COLUMNS` and `DEPTH`, powers of two up to 4.
#[inline(always)]
unsafe fn multiply_blocks<V, const UNITS: usize, const ROWS: usize, const COLUMNS: usize, const DEPTH: usize>(
    program: &MatrixProgram,
    left: *const V::Scalar,
    right: *const V::Scalar,
    out: *mut V::Scalar,
) where
    V: Lanes,
    V::Scalar: Compute,
{
    let component = program.component_stride();
    for Sum { out: first, steps, is_negative, is_conjugate } in &program.sums {
        for row in (0..program.rows).step_by(ROWS) {
            for column in (0..program.rows).step_by(COLUMNS) {
                let place = Place { rows: program.rows, length: program.length, component, row, column };
                // SAFETY: first words of matrices are those of the program, and so are the sizes in `place`; the
                // caller vouches for the buffers.
                unsafe {
                    let mut block = [[[V::splat(V::Scalar::default()); UNITS]; COLUMNS]; ROWS];
                    for step in steps {
                        let &Step { negates_sum, conjugates_sum, conjugates_right, .. } = step;
                        if negates_sum || conjugates_sum {
                            flip(negates_sum, conjugates_sum, &mut block);
                        }
                        let a = left.add(step.left as usize * V::WIDTH);
                        let b = right.add(step.right as usize * V::WIDTH);
                        if UNITS == 2 && conjugates_right {
                            add_product::<V, UNITS, ROWS, COLUMNS, DEPTH, true>(place, a, b, &mut block);
                        } else {
                            add_product::<V, UNITS, ROWS, COLUMNS, DEPTH, false>(place, a, b, &mut block);
                        }
                    }
                    if *is_negative || *is_conjugate {
                        flip(*is_negative, *is_conjugate, &mut block);
                    }
                    for (i, entries) in block.into_iter().enumerate() {
                        for (j, entry) in entries.into_iter().enumerate() {
                            let word = ((row ^ column) ^ (i ^ j)) * program.length + column + j;
                            for (unit, value) in entry.into_iter().enumerate() {
                                value.store(out.add((*first as usize + word + unit * component) * V::WIDTH));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// All matrix products of a program.
///
/// # Safety
/// The instruction set of `V` is available; the three buffers hold all words; `out` does not overlap the operands.
#[inline(always)]
unsafe fn multiply<V>(program: &MatrixProgram, left: *const V::Scalar, right: *const V::Scalar, out: *mut V::Scalar)
where
    V: Lanes,
    V::Scalar: Compute,
{
    let has_many_registers = V::REGISTERS >= 32;
    // SAFETY: passed on from the caller; a program has at least 4 rows, or 2 of quaternions.
    unsafe {
        match program.division {
            Division::Real if has_many_registers => multiply_blocks::<V, 1, 4, 4, 4>(program, left, right, out),
            Division::Real => multiply_blocks::<V, 1, 4, 2, 4>(program, left, right, out),
            Division::Complex if has_many_registers => multiply_blocks::<V, 2, 4, 2, 4>(program, left, right, out),
            Division::Complex => multiply_blocks::<V, 2, 2, 2, 4>(program, left, right, out),
            Division::Quaternion if has_many_registers => multiply_blocks::<V, 4, 2, 2, 2>(program, left, right, out),
            Division::Quaternion => multiply_blocks::<V, 4, 2, 1, 2>(program, left, right, out),
        }
    }
}

/// The three stages compiled for an instruction set, as a module with a function that names them.
macro_rules! compiled {
    ($module:ident, $features:literal) => {
        mod $module {
            use super::{Compute, Lanes, MatrixKernels, MatrixProgram, Planes, PlanesMut, Words};

            #[target_feature(enable = $features)]
            unsafe fn analyse<V>(words: &Words, length: usize, source: Planes<V::Scalar>, target: *mut V::Scalar)
            where
                V: Lanes,
                V::Scalar: Compute,
            {
                // SAFETY: the contract is that of the function called, passed on.
                unsafe { super::analyse::<V>(words, length, source, target) }
            }

            #[target_feature(enable = $features)]
            unsafe fn multiply<V>(
                program: &MatrixProgram,
                left: *const V::Scalar,
                right: *const V::Scalar,
                out: *mut V::Scalar,
            ) where
                V: Lanes,
                V::Scalar: Compute,
            {
                // SAFETY: the contract is that of the function called, passed on.
                unsafe { super::multiply::<V>(program, left, right, out) }
            }

            #[target_feature(enable = $features)]
            unsafe fn synthesise<V>(words: &Words, length: usize, source: *mut V::Scalar, out: PlanesMut<V::Scalar>)
            where
                V: Lanes,
                V::Scalar: Compute,
            {
                // SAFETY: the contract is that of the function called, passed on.
                unsafe { super::synthesise::<V>(words, length, source, out) }
            }

            pub(super) fn kernels<V>() -> MatrixKernels<V::Scalar>
            where
                V: Lanes,
                V::Scalar: Compute,
            {
                MatrixKernels {
                    lanes: V::WIDTH,
                    analyse: analyse::<V>,
                    multiply: multiply::<V>,
                    synthesise: synthesise::<V>,
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
compiled!(avx512, "avx512f,avx2,fma");
#[cfg(target_arch = "x86_64")]
compiled!(avx2, "avx2,fma");
#[cfg(target_arch = "aarch64")]
compiled!(neon, "neon");

/// The stages in portable code.
fn portable<V>() -> MatrixKernels<V::Scalar>
where
    V: Lanes,
    V::Scalar: Compute,
{
    MatrixKernels { lanes: V::WIDTH, analyse: analyse::<V>, multiply: multiply::<V>, synthesise: synthesise::<V> }
}

macro_rules! kernels {
    ($name:ident, $scalar:ty, $portable:literal, $avx2:ident, $avx512:ident, $neon:ident) => {
        /// The stages for an instruction set.
        pub(crate) fn $name(isa: Isa) -> MatrixKernels<$scalar> {
            match isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => avx512::kernels::<std::arch::x86_64::$avx512>(),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => avx2::kernels::<std::arch::x86_64::$avx2>(),
                #[cfg(target_arch = "aarch64")]
                Isa::Neon => neon::kernels::<std::arch::aarch64::$neon>(),
                _ => portable::<Portable<$scalar, $portable>>(),
            }
        }
    };
}

kernels!(single_kernels, f32, 4, __m256, __m512, float32x4_t);
kernels!(double_kernels, f64, 2, __m256d, __m512d, float64x2_t);
