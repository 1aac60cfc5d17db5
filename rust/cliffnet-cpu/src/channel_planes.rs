//! Tiles of rows as planes (channel, blade) of lanes.

use crate::dtype::Storage;
use crate::geometry::Offsets;
use crate::isa::Isa;
use crate::kernel::{Compute, PlanesMut};
use crate::pack::{pack, unpack};

/// The memory of one operand whose last axes are those of channels and blades; strides in elements.
#[derive(Clone, Copy, Debug)]
pub struct ChannelOperand {
    /// First element; written through only where the operand is an output.
    pub data: *mut u8,
    /// Stride between channels.
    pub channel_stride: i64,
    /// Stride between blades.
    pub blade_stride: i64,
}

impl ChannelOperand {
    /// Whether the blades of all channels follow one another.
    fn is_dense(&self, blades: usize) -> bool {
        self.blade_stride == 1 && self.channel_stride == blades as i64
    }

    /// Brings rows into planes (channel, blade) of lanes.
    ///
    /// # Safety
    /// As [`pack`], for every channel.
    pub(crate) unsafe fn pack<S: Storage>(
        self,
        isa: Isa,
        offsets: Offsets<'_>,
        [count, channels, blades]: [usize; 3],
        target: *mut S::Compute,
    ) {
        let (data, tile) = (self.data.cast::<S>(), S::Compute::TILE);
        // SAFETY: passed on from the caller.
        unsafe {
            if self.channel_stride == 1 && self.blade_stride != 1 {
                for blade in 0..blades {
                    let source = data.offset(blade as isize * self.blade_stride as isize);
                    pack::<S>(isa, source, 1, offsets, [count, channels, blades * tile], target.add(blade * tile));
                }
                return;
            }
            if self.is_dense(blades) {
                // whole rows at once use every cache line as it comes
                return pack::<S>(isa, data, 1, offsets, [count, channels * blades, tile], target);
            }
            for channel in 0..channels {
                let source = data.offset(channel as isize * self.channel_stride as isize);
                let target = target.add(channel * blades * tile);
                pack::<S>(isa, source, self.blade_stride, offsets, [count, blades, tile], target);
            }
        }
    }

    /// Takes rows out of planes (channel, blade) of lanes.
    ///
    /// # Safety
    /// As [`unpack`], for every channel.
    pub(crate) unsafe fn unpack<S: Storage>(
        self,
        isa: Isa,
        source: *const S::Compute,
        [count, channels, blades]: [usize; 3],
        offsets: Offsets<'_>,
    ) {
        let (data, tile) = (self.data.cast::<S>(), S::Compute::TILE);
        // SAFETY: passed on from the caller.
        unsafe {
            if self.channel_stride == 1 && self.blade_stride != 1 {
                for blade in 0..blades {
                    let target = data.offset(blade as isize * self.blade_stride as isize);
                    unpack::<S>(isa, source.add(blade * tile), [count, channels, blades * tile], target, 1, offsets);
                }
                return;
            }
            if self.is_dense(blades) {
                return unpack::<S>(isa, source, [count, channels * blades, tile], data, 1, offsets);
            }
            for channel in 0..channels {
                let target = data.offset(channel as isize * self.channel_stride as isize);
                let source = source.add(channel * blades * tile);
                unpack::<S>(isa, source, [count, blades, tile], target, self.blade_stride, offsets);
            }
        }
    }
}

/// Planes of lanes for every channel: plane `b` of channel `c` begins at `start + c * channel + b * plane`.
#[derive(Clone, Copy)]
pub(crate) struct ChannelPlanes<T> {
    pub(crate) start: *mut T,
    pub(crate) channel: usize,
    pub(crate) plane: usize,
}

impl<T: Compute> ChannelPlanes<T> {
    /// The planes (channel, blade) of a tile of rows.
    pub(crate) fn rows(start: *mut T, blades: usize) -> Self {
        Self { start, channel: blades * T::TILE, plane: T::TILE }
    }

    pub(crate) fn of(self, channel: usize) -> PlanesMut<T> {
        PlanesMut { start: self.start.wrapping_add(channel * self.channel), stride: self.plane as isize }
    }
}
