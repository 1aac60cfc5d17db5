//! Tiles of lanes: operands brought to blade planes, and results brought back.

use std::ops::Range;

use crate::dtype::Storage;
use crate::execute::Operand;
use crate::geometry::{Geometry, Offsets};
use crate::isa::Isa;
use crate::kernel::{Compute, PlanesMut};
use crate::pack::{pack, unpack};
use crate::scratch::with_scratch;

/// The operands of a loop over tiles: the first `inputs` are read, the others are written.
#[derive(Clone, Copy)]
pub(crate) struct Operands<'g, const N: usize> {
    pub(crate) geometry: &'g Geometry<N>,
    pub(crate) memory: [Operand; N],
    /// Blades of each.
    pub(crate) sizes: [usize; N],
    pub(crate) inputs: usize,
    /// Whether kernels read an operand so often that planes which compete for one set of the cache are better copied.
    pub(crate) is_reread: bool,
}

/// A tile of lanes.
pub(crate) struct Tile<T, const N: usize> {
    /// First lane.
    pub(crate) first: i64,
    /// Number of lanes.
    pub(crate) count: usize,
    /// Planes of each operand, valid for whole vectors; lanes of inputs from `count` on are zero.
    pub(crate) planes: [PlanesMut<T>; N],
}

/// Offsets of the lanes of a tile, where they follow no pattern.
pub(crate) type OffsetTable<const TILE: usize, const N: usize> = Option<[[i64; TILE]; N]>;

impl<const N: usize> Operands<'_, N> {
    /// Elements of the buffer that a tile may need.
    pub(crate) fn buffer_elements(&self, tile: usize) -> usize {
        self.sizes.iter().sum::<usize>() * tile
    }

    /// Calls `body` on each tile of `lanes`.
    ///
    /// # Safety
    /// As [`crate::execute::execute`], with elements of type `S`. `TILE` is `S::Compute::TILE`; `body` writes all lanes of
    /// all blades of each output and does not use the scratch memory of the thread.
    pub(crate) unsafe fn for_each_tile<S: Storage, const TILE: usize>(
        &self,
        isa: Isa,
        lanes: Range<i64>,
        mut body: impl FnMut(&Tile<S::Compute, N>),
    ) {
        with_scratch(self.buffer_elements(TILE) * size_of::<S::Compute>(), |scratch| {
            let mut table: OffsetTable<TILE, N> = None;
            let mut first = lanes.start;
            while first < lanes.end {
                let count = (lanes.end - first).min(TILE as i64) as usize;
                // SAFETY: scratch is large enough for a tile, the rest is passed on from the caller.
                unsafe {
                    let tile = self.bring::<S, TILE>(isa, first, count, &mut table, scratch.cast());
                    body(&tile);
                    self.send::<S, TILE>(isa, &tile, &mut table);
                }
                first += count as i64;
            }
        });
    }

    /// Brings the inputs of a tile to planes: in their tensors, or copied to `buffer`; outputs get room in the same way.
    ///
    /// # Safety
    /// As [`Self::for_each_tile`]; `buffer` holds [`Self::buffer_elements`].
    pub(crate) unsafe fn bring<S: Storage, const TILE: usize>(
        &self,
        isa: Isa,
        first: i64,
        count: usize,
        table: &mut OffsetTable<TILE, N>,
        buffer: *mut S::Compute,
    ) -> Tile<S::Compute, N> {
        const { assert!(TILE == S::Compute::TILE) };
        let offsets = self.geometry.offsets(first, count, table);
        let mut free = buffer;
        let planes = std::array::from_fn(|index| {
            let buffer = free;
            // SAFETY: the buffer holds the planes of all operands; the rest is passed on from the caller.
            unsafe {
                free = free.add(self.sizes[index] * TILE);
                self.planes::<S, TILE>(isa, index, offsets[index], count, buffer)
            }
        });
        Tile { first, count, planes }
    }

    /// Writes the outputs of a tile that are not in their tensors yet.
    ///
    /// # Safety
    /// As [`Self::for_each_tile`]; the tile was made by [`Self::bring`].
    pub(crate) unsafe fn send<S: Storage, const TILE: usize>(
        &self,
        isa: Isa,
        tile: &Tile<S::Compute, N>,
        table: &mut OffsetTable<TILE, N>,
    ) {
        let offsets = self.geometry.offsets(tile.first, tile.count, table);
        for (index, &offsets) in offsets.iter().enumerate().skip(self.inputs) {
            if self.in_place::<S>(index, offsets, tile.count).is_none() {
                let Operand { data, blade_stride } = self.memory[index];
                let shape = [tile.count, self.sizes[index], TILE];
                // SAFETY: passed on from the caller.
                unsafe {
                    let source = tile.planes[index].start;
                    unpack::<S>(isa, source, shape, data.cast::<S>(), blade_stride, offsets);
                }
            }
        }
    }

    /// The planes of an operand: in the tensor, or in `buffer`.
    ///
    /// # Safety
    /// As [`Self::for_each_tile`]; `buffer` has room for the planes of a tile.
    unsafe fn planes<S: Storage, const TILE: usize>(
        &self,
        isa: Isa,
        index: usize,
        offsets: Offsets<'_>,
        count: usize,
        buffer: *mut S::Compute,
    ) -> PlanesMut<S::Compute> {
        let (Operand { data, blade_stride }, size) = (self.memory[index], self.sizes[index]);
        // SAFETY: passed on from the caller.
        unsafe {
            if let Some(base) = self.in_place::<S>(index, offsets, count) {
                let start = data.cast::<S::Compute>().offset(base as isize);
                return PlanesMut { start, stride: blade_stride as isize };
            }
            if index < self.inputs {
                pack::<S>(isa, data.cast::<S>(), blade_stride, offsets, [count, size, TILE], buffer);
                for lane in (0..size).flat_map(|blade| blade * TILE + count..(blade + 1) * TILE) {
                    buffer.add(lane).write(S::Compute::default());
                }
            }
            PlanesMut { start: buffer, stride: TILE as isize }
        }
    }

    /// The offset of the first lane when a full tile lies lane after lane in memory, in the type of the arithmetic.
    fn in_place<S: Storage>(&self, index: usize, offsets: Offsets<'_>, count: usize) -> Option<i64> {
        /// Bytes after which addresses fall into the same set of the first cache.
        const PERIOD: u64 = 4096;
        let stride = self.memory[index].blade_stride.unsigned_abs() * size_of::<S>() as u64;
        let competes = self.is_reread && self.sizes[index] > 1 && stride.is_multiple_of(PERIOD);
        match offsets {
            Offsets::Uniform { base, stride: 1 } if S::IS_COMPUTE && count == S::Compute::TILE && !competes => {
                Some(base)
            }
            _ => None,
        }
    }
}
