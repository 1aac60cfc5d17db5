//! Between blades and the entries of matrices, for one vector of lanes: a gather and a Hadamard transform.
//!
//! A word is one vector, so that word `w` of an operand lies at `w * WIDTH` of its buffer.

use crate::kernel::{Compute, Planes, PlanesMut};
use crate::lanes::Lanes;
use crate::matrix_program::Words;

/// The unnormalised Hadamard transform of `SIZE` vectors.
#[inline(always)]
unsafe fn butterflies<V: Lanes, const SIZE: usize>(values: &mut [V; SIZE]) {
    let mut half = 1;
    while half < SIZE {
        for index in 0..SIZE {
            if index & half == 0 {
                let (a, b) = (values[index], values[index + half]);
                // SAFETY: the caller guarantees the instruction set.
                unsafe {
                    values[index] = a.add(b);
                    values[index + half] = a.subtract(b);
                }
            }
        }
        half *= 2;
    }
}

/// Transforms `SIZE` vectors `step` words apart in place.
///
/// # Safety
/// The instruction set is available and the words are valid for reads and writes.
#[inline(always)]
unsafe fn transform<V: Lanes, const SIZE: usize>(first: *mut V::Scalar, step: usize) {
    // SAFETY: passed on from the caller.
    unsafe {
        let mut values: [V; SIZE] = std::array::from_fn(|i| V::load(first.add(i * step * V::WIDTH)));
        butterflies(&mut values);
        for (i, value) in values.into_iter().enumerate() {
            value.store(first.add(i * step * V::WIDTH));
        }
    }
}

/// Gathers and transforms words in rows of `FIRST * SECOND`.
///
/// # Safety
/// As [`analyse`].
#[inline(always)]
unsafe fn analyse_rows<V, const FIRST: usize, const SECOND: usize>(
    words: &Words,
    source: Planes<V::Scalar>,
    target: *mut V::Scalar,
) where
    V: Lanes,
    V::Scalar: Compute,
{
    let length = FIRST * SECOND;
    let factors = V::Scalar::factors(words);
    for (row, (blades, factors)) in words.blades.chunks_exact(length).zip(factors.chunks_exact(length)).enumerate() {
        // SAFETY: indices of blades are below their number, for which the caller vouches; a row of `length` words lies
        // within the target.
        unsafe {
            let target = target.add(row * length * V::WIDTH);
            for offset in 0..SECOND {
                let mut values: [V; FIRST] = std::array::from_fn(|i| {
                    let position = offset + i * SECOND;
                    let plane = source.start.offset(blades[position] as isize * source.stride);
                    V::load(plane).multiply(V::splat(factors[position]))
                });
                butterflies(&mut values);
                for (i, value) in values.into_iter().enumerate() {
                    value.store(target.add((offset + i * SECOND) * V::WIDTH));
                }
            }
            if SECOND > 1 {
                for offset in 0..FIRST {
                    transform::<V, SECOND>(target.add(offset * SECOND * V::WIDTH), 1);
                }
            }
        }
    }
}

/// Transforms and scatters words in rows of `FIRST * SECOND`.
///
/// # Safety
/// As [`synthesise`].
#[inline(always)]
unsafe fn synthesise_rows<V, const FIRST: usize, const SECOND: usize>(
    words: &Words,
    source: *mut V::Scalar,
    out: PlanesMut<V::Scalar>,
) where
    V: Lanes,
    V::Scalar: Compute,
{
    let length = FIRST * SECOND;
    let factors = V::Scalar::factors(words);
    for (row, (blades, factors)) in words.blades.chunks_exact(length).zip(factors.chunks_exact(length)).enumerate() {
        // SAFETY: indices of blades are below their number, for which the caller vouches; a row of `length` words lies
        // within the source.
        unsafe {
            let source = source.add(row * length * V::WIDTH);
            if SECOND > 1 {
                for offset in 0..FIRST {
                    transform::<V, SECOND>(source.add(offset * SECOND * V::WIDTH), 1);
                }
            }
            for offset in 0..SECOND {
                let mut values: [V; FIRST] =
                    std::array::from_fn(|i| V::load(source.add((offset + i * SECOND) * V::WIDTH)));
                butterflies(&mut values);
                for (i, value) in values.into_iter().enumerate() {
                    let position = offset + i * SECOND;
                    let plane = out.start.offset(blades[position] as isize * out.stride);
                    value.multiply(V::splat(factors[position])).store(plane);
                }
            }
        }
    }
}

/// Picks the factors of a length such that the vectors of one pass stay in registers.
macro_rules! by_length {
    ($function:ident, $vector:ident, $length:expr, $($argument:expr),*) => {
        match $length {
            2 => $function::<$vector, 2, 1>($($argument),*),
            4 => $function::<$vector, 4, 1>($($argument),*),
            8 => $function::<$vector, 8, 1>($($argument),*),
            16 if $vector::REGISTERS >= 32 => $function::<$vector, 16, 1>($($argument),*),
            16 => $function::<$vector, 4, 4>($($argument),*),
            32 => $function::<$vector, 8, 4>($($argument),*),
            _ => $function::<$vector, 8, 8>($($argument),*),
        }
    };
}

/// The transformed words of an operand.
///
/// # Safety
/// The instruction set of `V` is available; for every blade the planes are valid for reads of `V::WIDTH` lanes; the
/// target holds all words; `length` is that of the program of the words.
#[inline(always)]
pub(crate) unsafe fn analyse<V>(words: &Words, length: usize, source: Planes<V::Scalar>, target: *mut V::Scalar)
where
    V: Lanes,
    V::Scalar: Compute,
{
    // SAFETY: passed on from the caller; a program has a length of 2 to 64.
    unsafe { by_length!(analyse_rows, V, length, words, source, target) }
}

/// The blades of transformed words.
///
/// # Safety
/// The instruction set of `V` is available; for every blade the planes are valid for writes of `V::WIDTH` lanes; the
/// source holds all words; `length` is that of the program of the words.
#[inline(always)]
pub(crate) unsafe fn synthesise<V>(words: &Words, length: usize, source: *mut V::Scalar, out: PlanesMut<V::Scalar>)
where
    V: Lanes,
    V::Scalar: Compute,
{
    // SAFETY: passed on from the caller; a program has a length of 2 to 64.
    unsafe { by_length!(synthesise_rows, V, length, words, source, out) }
}
