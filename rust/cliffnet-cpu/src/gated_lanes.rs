//! What the gates and norms around a product do on a tile of lanes.

use crate::class_table::{Class, ClassTable};
use crate::kernel::{Planes, PlanesMut};
use crate::real_lanes::RealLanes;
use crate::vectorize::{LaneFunction, Vectorize};

/// One vector of a plane.
///
/// # Safety
/// The instruction set of `V` is available, and the plane is valid for reads there.
#[inline(always)]
unsafe fn load<V: RealLanes>(planes: Planes<V::Scalar>, blade: usize, lane: usize) -> V {
    // SAFETY: passed on from the caller.
    unsafe { V::load(planes.start.offset(blade as isize * planes.stride).add(lane)) }
}

/// Writes one vector of a plane.
///
/// # Safety
/// As [`load`], for writes.
#[inline(always)]
unsafe fn store<V: RealLanes>(planes: PlanesMut<V::Scalar>, blade: usize, lane: usize, value: V) {
    // SAFETY: passed on from the caller.
    unsafe { value.store(planes.start.offset(blade as isize * planes.stride).add(lane)) }
}

/// `out = a * b`, lane by lane.
pub(crate) struct Multiply<T> {
    pub(crate) lanes: usize,
    pub(crate) factors: [*const T; 2],
    pub(crate) out: *mut T,
}

impl<T> LaneFunction<T> for Multiply<T> {
    #[inline(always)]
    unsafe fn call<V: RealLanes<Scalar = T>>(self) {
        for lane in (0..self.lanes).step_by(V::WIDTH) {
            // SAFETY: passed on from the caller.
            unsafe {
                let [a, b] = self.factors.map(|factor| V::load(factor.add(lane)));
                a.multiply(b).store(self.out.add(lane));
            }
        }
    }
}

/// `out += a * b * c`, lane by lane.
pub(crate) struct AddTriple<T> {
    pub(crate) lanes: usize,
    pub(crate) factors: [*const T; 3],
    pub(crate) out: *mut T,
}

impl<T> LaneFunction<T> for AddTriple<T> {
    #[inline(always)]
    unsafe fn call<V: RealLanes<Scalar = T>>(self) {
        for lane in (0..self.lanes).step_by(V::WIDTH) {
            // SAFETY: passed on from the caller.
            unsafe {
                let [a, b, c] = self.factors.map(|factor| V::load(factor.add(lane)));
                a.multiply(b).add_product(c, V::load(self.out.add(lane))).store(self.out.add(lane));
            }
        }
    }
}

/// The invariant square of a class.
///
/// # Safety
/// As [`load`], for the blades of the class.
#[inline(always)]
unsafe fn class_square<V: RealLanes>(class: &Class, x: Planes<V::Scalar>, lane: usize) -> V {
    // SAFETY: passed on from the caller.
    unsafe {
        let mut sum = V::constant(0.0);
        for (blade, square) in class.measured() {
            let value = load::<V>(x, blade, lane);
            let other = if square == 1.0 { value } else { value.multiply(V::constant(square)) };
            sum = other.add_product(value, sum);
        }
        sum
    }
}

/// The rows of channels that the lanes of a tile lie in.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    /// Row of the first lane, and its channel.
    pub(crate) row: usize,
    pub(crate) channel: usize,
    pub(crate) channels: usize,
    /// Lanes of the tile.
    pub(crate) lanes: usize,
}

impl Rows {
    /// Calls `body` with the number, the first lane and the last lane (exclusive) of each row.
    #[inline(always)]
    fn for_each(self, mut body: impl FnMut(usize, usize, usize)) {
        let (mut first, mut row, mut rest) = (0, self.row, self.channels - self.channel);
        while first < self.lanes {
            let last = self.lanes.min(first + rest);
            body(row, first, last);
            (first, row, rest) = (last, row + 1, self.channels);
        }
    }
}

/// The sum of lanes `first..last` of an array.
///
/// # Safety
/// The instruction set of `V` is available and the array is valid for whole vectors.
#[inline(always)]
unsafe fn sum_lanes<V: RealLanes>(values: *const V::Scalar, first: usize, last: usize) -> V::Scalar {
    // SAFETY: passed on from the caller; a vector has at most 64 lanes.
    unsafe {
        let (start, end) = (first.next_multiple_of(V::WIDTH).min(last), last / V::WIDTH * V::WIDTH);
        let mut sum = V::Scalar::default();
        for lane in first..start {
            sum += *values.add(lane);
        }
        if end > start {
            let mut vector = V::constant(0.0);
            for lane in (start..end).step_by(V::WIDTH) {
                vector = vector.add(V::load(values.add(lane)));
            }
            let mut lanes = [V::Scalar::default(); 64];
            vector.store(lanes.as_mut_ptr());
            let mut width = V::WIDTH;
            while width > 1 {
                width /= 2;
                for lane in 0..width {
                    let upper = lanes[lane + width];
                    lanes[lane] += upper;
                }
            }
            sum += lanes[0];
        }
        for lane in end.max(start)..last {
            sum += *values.add(lane);
        }
        sum
    }
}

/// Adds `|q|` of every class to `sums[row][class][0]` and, where there is a cotangent, its product with the multivector
/// to `sums[row][class][1]`. Classes without blades that are measured are left out.
pub(crate) struct Measure<'a, T> {
    pub(crate) table: &'a ClassTable,
    pub(crate) rows: Rows,
    pub(crate) x: Planes<T>,
    pub(crate) cotangent: Option<Planes<T>>,
    pub(crate) sums: *mut [T; 2],
}

impl<T: Vectorize> LaneFunction<T> for Measure<'_, T> {
    #[inline(always)]
    unsafe fn call<V: RealLanes<Scalar = T>>(self) {
        let Self { table, rows, x, cotangent, sums } = self;
        let mut values = [[T::default(); MOST_LANES]; 2];
        for (index, class) in table.classes().iter().enumerate() {
            if class.measured().next().is_none() {
                continue;
            }
            // SAFETY: passed on from the caller; tiles have at most that many lanes.
            unsafe {
                for lane in (0..rows.lanes).step_by(V::WIDTH) {
                    class_square::<V>(class, x, lane).absolute().store(values[0].as_mut_ptr().add(lane));
                    let Some(cotangent) = cotangent else { continue };
                    let mut dot = V::constant(0.0);
                    for &blade in class.blades() {
                        let blade = usize::from(blade);
                        dot = load::<V>(cotangent, blade, lane).add_product(load(x, blade, lane), dot);
                    }
                    dot.store(values[1].as_mut_ptr().add(lane));
                }
                rows.for_each(|row, first, last| {
                    let target = &mut *sums.add(row * table.len() + index);
                    target[0] += sum_lanes::<V>(values[0].as_ptr(), first, last);
                    if cotangent.is_some() {
                        target[1] += sum_lanes::<V>(values[1].as_ptr(), first, last);
                    }
                });
            }
        }
    }
}

/// Most lanes of a tile of any type.
const MOST_LANES: usize = 64;

/// The factors `factors[row][class]` of a class in the order of lanes.
///
/// # Safety
/// There are factors for every row and class.
#[inline(always)]
unsafe fn spread<T: Copy>(
    rows: Rows,
    factors: *const [T; 2],
    [classes, class]: [usize; 2],
    which: usize,
    lanes: &mut [T; MOST_LANES],
) {
    rows.for_each(|row, first, last| {
        // SAFETY: passed on from the caller.
        let factor = unsafe { (*factors.add(row * classes + class))[which] };
        lanes[first..last].fill(factor);
    });
}

/// `out = factors[row][class][0] x`.
pub(crate) struct Scale<'a, T> {
    pub(crate) table: &'a ClassTable,
    pub(crate) rows: Rows,
    pub(crate) factors: *const [T; 2],
    pub(crate) x: Planes<T>,
    pub(crate) out: PlanesMut<T>,
}

impl<T: Vectorize> LaneFunction<T> for Scale<'_, T> {
    #[inline(always)]
    unsafe fn call<V: RealLanes<Scalar = T>>(self) {
        let Self { table, rows, factors, x, out } = self;
        let mut factor = [T::default(); MOST_LANES];
        for (index, class) in table.classes().iter().enumerate() {
            // SAFETY: passed on from the caller; tiles have at most that many lanes.
            unsafe {
                spread(rows, factors, [table.len(), index], 0, &mut factor);
                for lane in (0..rows.lanes).step_by(V::WIDTH) {
                    let factor = V::load(factor.as_ptr().add(lane));
                    for &blade in class.blades() {
                        let blade = usize::from(blade);
                        store(out, blade, lane, factor.multiply(load(x, blade, lane)));
                    }
                }
            }
        }
    }
}

/// `out = factors[row][class][0] cotangent - factors[row][class][1] (gradient of |q| / 2 of the class)`; `out` may be
/// `x`.
pub(crate) struct Unscale<'a, T> {
    pub(crate) table: &'a ClassTable,
    pub(crate) rows: Rows,
    pub(crate) factors: *const [T; 2],
    pub(crate) x: Planes<T>,
    pub(crate) cotangent: Planes<T>,
    pub(crate) out: PlanesMut<T>,
}

impl<T: Vectorize> LaneFunction<T> for Unscale<'_, T> {
    #[inline(always)]
    unsafe fn call<V: RealLanes<Scalar = T>>(self) {
        let Self { table, rows, factors, x, cotangent, out } = self;
        let mut lanes = [[T::default(); MOST_LANES]; 2];
        for (index, class) in table.classes().iter().enumerate() {
            // SAFETY: passed on from the caller; tiles have at most that many lanes.
            unsafe {
                for (which, lanes) in lanes.iter_mut().enumerate() {
                    spread(rows, factors, [table.len(), index], which, lanes);
                }
                for lane in (0..rows.lanes).step_by(V::WIDTH) {
                    let [factor, by_square] = lanes.each_ref().map(|values| V::load(values.as_ptr().add(lane)));
                    let zero = V::constant(0.0);
                    let square = class_square::<V>(class, x, lane);
                    let signed = zero.where_greater(square, zero.subtract(by_square), zero);
                    let by_square = square.where_greater(zero, by_square, signed);
                    for (blade, square) in class.measured() {
                        let value = load::<V>(x, blade, lane).multiply(V::constant(square));
                        let scaled = factor.multiply(load(cotangent, blade, lane));
                        store(out, blade, lane, by_square.subtract_product(value, scaled));
                    }
                    for blade in class.null() {
                        store(out, blade, lane, factor.multiply(load(cotangent, blade, lane)));
                    }
                }
            }
        }
    }
}
