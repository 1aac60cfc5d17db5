//! Operands of products of blocks: where their blades are.

use std::mem::MaybeUninit;

use crate::kernel::{Compute, Planes};
use crate::labels::MAX_BLADES;
use crate::lanes::Lanes;
use crate::leaf_program::{LeafProgram, Positions};
use crate::stream::prefetch_bytes;

/// Bytes read by a kernel from which on it asks for them in advance: they do not all lie in the second cache.
const FETCHED_BYTES: usize = 1 << 20;

/// Whether a program on so many vectors is to ask for its operands in advance.
#[inline(always)]
pub(crate) fn is_fetched<V>(program: &LeafProgram, vectors: usize) -> bool {
    let blades = program.left.blades.len() + program.right.blades.len();
    vectors * blades * size_of::<V>() > FETCHED_BYTES
}

/// Distances of the blades of an operand from its first element.
pub(crate) struct Distances([MaybeUninit<isize>; MAX_BLADES]);

impl Distances {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; MAX_BLADES])
    }

    #[inline(always)]
    pub(crate) fn fill(&mut self, distances: impl Iterator<Item = isize>) -> *const isize {
        for (slot, distance) in self.0.iter_mut().zip(distances) {
            slot.write(distance);
        }
        self.0.as_ptr().cast()
    }
}

/// The distances of the blades of an operand, worked out in one place for all the kernels that follow patterns.
#[inline(never)]
pub(crate) fn blade_distances(positions: &Positions, stride: isize, distances: &mut Distances) -> *const isize {
    distances.fill(positions.blades.iter().map(|&blade| blade as isize * stride))
}

/// Asks for a vector of `bytes` of each blade, two after the one at `start`; kept out of straight lines.
///
/// # Safety
/// There are as many distances as `count` says.
#[inline(never)]
pub(crate) unsafe fn fetch_blades<T>(start: *const T, distances: *const isize, count: usize, bytes: usize) {
    for position in 0..count {
        // SAFETY: the caller vouches for the distances.
        let distance = unsafe { *distances.add(position) };
        prefetch_bytes(start.wrapping_offset(distance).cast::<u8>().wrapping_add(2 * bytes), bytes);
    }
}

/// An operand on one vector of lanes at a time, its blades in the order of a program.
pub(crate) struct Source<'a, V: Lanes> {
    planes: Planes<V::Scalar>,
    positions: &'a Positions,
    pub(crate) distances: *const isize,
}

impl<'a, V> Source<'a, V>
where
    V: Lanes,
    V::Scalar: Compute,
{
    #[inline(always)]
    pub(crate) fn new(planes: Planes<V::Scalar>, positions: &'a Positions, distances: &mut Distances) -> Self {
        let distances = if positions.flips.is_empty() {
            distances.fill(positions.blades.iter().map(|&blade| blade as isize * planes.stride))
        } else {
            distances.fill((0..positions.blades.len() as isize).map(|position| position * V::WIDTH as isize))
        };
        Self { planes, positions, distances }
    }

    /// Where the blades of lanes from `lane` on start: in place, or in `buffer` if some change their sign.
    ///
    /// # Safety
    /// The planes are valid for a vector from `lane` on; the instruction set of `V` is available.
    #[inline(always)]
    pub(crate) unsafe fn at(&self, lane: usize, buffer: &mut [MaybeUninit<V>; MAX_BLADES]) -> *const V::Scalar {
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

    /// Asks for the lanes that come two vectors after `lane`, of all blades.
    #[inline(always)]
    pub(crate) fn fetch(&self, lane: usize) {
        for &blade in &self.positions.blades {
            let plane = self.planes.start.wrapping_offset(blade as isize * self.planes.stride);
            prefetch_bytes(plane.wrapping_add(lane + 2 * V::WIDTH).cast(), size_of::<V>());
        }
    }
}
