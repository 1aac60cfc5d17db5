//! Layer norms: multivectors divided by a mean over their channels.

use std::sync::Arc;

use crate::class_table::ClassTable;
use crate::invariant::{Invariant, class_square, class_square_gradient};
use crate::isa::Isa;
use crate::kernel::PlanesMut;
use crate::lanewise::{LaneKernel, RowKernel};
use crate::real_lanes::RealLanes;
use crate::vectorize::{LaneFunction, Vectorize};

/// By what the mean `m` of an invariant over the channels scales multivectors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scaling {
    /// `1 / sqrt(max(m, floor))`.
    InverseRoot {
        /// Positive.
        floor: f64,
    },
    /// `1 / (m + epsilon)`.
    Inverse {
        /// Positive.
        epsilon: f64,
    },
}

impl Scaling {
    /// Value and derivative.
    fn evaluate(self, mean: f64) -> [f64; 2] {
        match self {
            Self::InverseRoot { floor } if mean < floor => [floor.sqrt().recip(), 0.0],
            Self::InverseRoot { .. } => {
                let value = mean.sqrt().recip();
                [value, -0.5 * value / mean]
            }
            Self::Inverse { epsilon } => {
                let value = (mean + epsilon).recip();
                [value, -value * value]
            }
        }
    }
}

/// `y_c = gain scaling(mean over channels of the sum over classes of an invariant) x_c`: operands are the multivectors and
/// the result; for the gradient the cotangent, the multivectors and their gradient.
#[derive(Clone, Debug)]
pub struct ChannelNorm {
    table: Arc<ClassTable>,
    invariant: Invariant,
    scaling: Scaling,
    gain: f64,
    is_backward: bool,
    sizes: Vec<usize>,
}

impl ChannelNorm {
    /// The norm times `gain`, or its gradient.
    pub fn new(table: Arc<ClassTable>, invariant: Invariant, scaling: Scaling, gain: f64, is_backward: bool) -> Self {
        let sizes = vec![table.size(); if is_backward { 3 } else { 2 }];
        Self { table, invariant, scaling, gain, is_backward, sizes }
    }
}

/// The first stage: the invariant of every lane and, backward, its product with the cotangent.
struct Summands<'a, T> {
    norm: &'a ChannelNorm,
    lanes: usize,
    planes: &'a [PlanesMut<T>],
    working: *mut T,
}

impl<T: Vectorize> LaneFunction<T> for Summands<'_, T> {
    #[inline(always)]
    unsafe fn call<V: RealLanes<Scalar = T>>(self) {
        let Self { norm, lanes, planes, working } = self;
        let x = planes[usize::from(norm.is_backward)].read();
        for lane in (0..lanes).step_by(V::WIDTH) {
            // SAFETY: passed on from the caller.
            unsafe {
                let mut sum = V::constant(0.0);
                for class in norm.table.classes() {
                    sum = sum.add(norm.invariant.evaluate::<V>(class_square(class, x, lane))[0]);
                }
                sum.store(working.add(lane));
                let mut dot = V::constant(0.0);
                if norm.is_backward {
                    let cotangent = planes[0];
                    for blade in 0..norm.table.size() as isize {
                        let upstream = V::load(cotangent.start.offset(blade * cotangent.stride).add(lane));
                        dot = upstream.add_product(V::load(x.start.offset(blade * x.stride).add(lane)), dot);
                    }
                }
                dot.store(working.add(T::TILE + lane));
            }
        }
    }
}

/// The second stage: every lane by the factors of its row.
struct Apply<'a, T> {
    norm: &'a ChannelNorm,
    lanes: usize,
    planes: &'a [PlanesMut<T>],
    working: *const T,
}

impl<T: Vectorize> LaneFunction<T> for Apply<'_, T> {
    #[inline(always)]
    unsafe fn call<V: RealLanes<Scalar = T>>(self) {
        let Self { norm, lanes, planes, working } = self;
        let (source, out) = (planes[0], planes[planes.len() - 1]);
        for lane in (0..lanes).step_by(V::WIDTH) {
            // SAFETY: passed on from the caller.
            unsafe {
                let factor = V::load(working.add(lane));
                for blade in 0..norm.table.size() as isize {
                    let scaled = factor.multiply(V::load(source.start.offset(blade * source.stride).add(lane)));
                    scaled.store(out.start.offset(blade * out.stride).add(lane));
                }
                if !norm.is_backward {
                    continue;
                }
                let (x, by_mean) = (planes[1].read(), V::load(working.add(T::TILE + lane)));
                for class in norm.table.classes() {
                    let slope = norm.invariant.evaluate::<V>(class_square(class, x, lane))[1];
                    class_square_gradient(class, x, by_mean.multiply(slope), out, true, lane);
                }
            }
        }
    }
}

impl LaneKernel for ChannelNorm {
    fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    fn inputs(&self) -> usize {
        self.sizes.len() - 1
    }

    fn working_planes(&self) -> usize {
        2
    }

    #[inline]
    unsafe fn run<T: Vectorize>(&self, isa: Isa, lanes: usize, planes: &[PlanesMut<T>], working: *mut T) {
        // SAFETY: passed on from the caller.
        unsafe { T::vectorize(isa, Apply { norm: self, lanes, planes, working }) }
    }
}

impl RowKernel for ChannelNorm {
    #[inline]
    unsafe fn summands<T: Vectorize>(&self, isa: Isa, lanes: usize, planes: &[PlanesMut<T>], working: *mut T) {
        // SAFETY: passed on from the caller.
        unsafe { T::vectorize(isa, Summands { norm: self, lanes, planes, working }) }
    }

    fn factors(&self, [invariant, dot]: [f64; 2], channels: usize) -> [f64; 2] {
        let channels = channels as f64;
        let [value, slope] = self.scaling.evaluate(invariant / channels).map(|factor| self.gain * factor);
        // the second factor reaches the gradient of the square of every lane
        [value, if slope == 0.0 { 0.0 } else { dot * slope / channels }]
    }
}
