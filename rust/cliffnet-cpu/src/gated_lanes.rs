//! What the gates and norms around a product do on a tile of lanes.

use crate::class_table::{Class, ClassTable};
use crate::kernel::{Planes, PlanesMut};
use crate::real_lanes::RealLanes;
use crate::vectorize::{LaneFunction, Vectorize};

/// A plane.
///
/// # Safety
/// The planes have that blade.
#[inline(always)]
unsafe fn plane<T: Copy>(planes: Planes<T>, blade: usize) -> *const T {
    // SAFETY: passed on from the caller.
    unsafe { planes.start.offset(blade as isize * planes.stride) }
}

/// A plane to write.
///
/// # Safety
/// The planes have that blade.
#[inline(always)]
unsafe fn plane_mut<T: Copy>(planes: PlanesMut<T>, blade: usize) -> *mut T {
    // SAFETY: passed on from the caller.
    unsafe { planes.start.offset(blade as isize * planes.stride) }
}

/// Vectors of lanes that run side by side: enough to hide the latency of an addition.
const GROUP: usize = 4;

/// Runs a body on every vector of lanes, `COUNT` at a time: as many as are left, up to [`GROUP`].
macro_rules! in_groups {
    ($vector:ident, $lanes:expr, |$count:ident, $lane:ident| $body:block) => {
        let whole = $lanes / (GROUP * $vector::WIDTH) * (GROUP * $vector::WIDTH);
        for $lane in (0..whole).step_by(GROUP * $vector::WIDTH) {
            const $count: usize = GROUP;
            $body
        }
        for $lane in (whole..$lanes).step_by($vector::WIDTH) {
            const $count: usize = 1;
            $body
        }
    };
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

/// The invariant squares of a class in `COUNT` vectors of lanes.
///
/// # Safety
/// The instruction set of `V` is available, and the planes of the class are valid for reads there.
#[inline(always)]
unsafe fn class_squares<V: RealLanes, const COUNT: usize>(
    class: &Class,
    x: Planes<V::Scalar>,
    lane: usize,
) -> [V; COUNT] {
    // SAFETY: passed on from the caller.
    unsafe {
        let mut sums = [V::constant(0.0); COUNT];
        for (blade, square) in class.measured() {
            let (source, square) = (plane(x, blade).add(lane), V::constant(square));
            for (index, sum) in sums.iter_mut().enumerate() {
                let value = V::load(source.add(index * V::WIDTH));
                *sum = square.multiply(value).add_product(value, *sum);
            }
        }
        sums
    }
}

/// The inner products of two multivectors over the blades of a class, in `COUNT` vectors of lanes.
///
/// # Safety
/// As [`class_squares`].
#[inline(always)]
unsafe fn class_dots<V: RealLanes, const COUNT: usize>(
    class: &Class,
    x: Planes<V::Scalar>,
    y: Planes<V::Scalar>,
    lane: usize,
) -> [V; COUNT] {
    // SAFETY: passed on from the caller.
    unsafe {
        let mut sums = [V::constant(0.0); COUNT];
        for &blade in class.blades() {
            let [x, y] = [x, y].map(|planes| plane(planes, usize::from(blade)).add(lane));
            for (index, sum) in sums.iter_mut().enumerate() {
                let offset = index * V::WIDTH;
                *sum = V::load(x.add(offset)).add_product(V::load(y.add(offset)), *sum);
            }
        }
        sums
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
    /// Whether all lanes are of one row.
    #[inline(always)]
    fn is_one(self) -> bool {
        self.channel + self.lanes <= self.channels
    }

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

/// The sum of the lanes of a vector.
///
/// # Safety
/// The instruction set of `V` is available.
#[inline(always)]
unsafe fn sum_of<V: RealLanes>(vector: V) -> V::Scalar {
    let mut lanes = Column([V::Scalar::default(); MOST_LANES]);
    // SAFETY: a vector has at most that many lanes.
    unsafe { vector.store(lanes.0.as_mut_ptr()) };
    // lengths that the compiler knows, so that it adds vectors
    for width in [8, 4, 2, 1] {
        if width < V::WIDTH {
            let (lower, upper) = lanes.0.split_at_mut(width);
            for lane in 0..width {
                lower[lane] += upper[lane];
            }
        }
    }
    lanes.0[0]
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
        let is_one = rows.is_one() && rows.lanes.is_multiple_of(V::WIDTH);
        for (index, class) in table.classes().iter().enumerate() {
            if class.measured().next().is_none() {
                continue;
            }
            // SAFETY: passed on from the caller.
            unsafe {
                if !is_one {
                    self.measure_rows::<V>(index, class);
                    continue;
                }
                let mut totals = [V::constant(0.0); 2];
                in_groups!(V, rows.lanes, |COUNT, lane| {
                    for square in class_squares::<V, COUNT>(class, x, lane) {
                        totals[0] = totals[0].add(square.absolute());
                    }
                    let Some(cotangent) = cotangent else { continue };
                    for dot in class_dots::<V, COUNT>(class, x, cotangent, lane) {
                        totals[1] = totals[1].add(dot);
                    }
                });
                let target = &mut *sums.add(rows.row * table.len() + index);
                target[0] += sum_of(totals[0]);
                if cotangent.is_some() {
                    target[1] += sum_of(totals[1]);
                }
            }
        }
    }
}

impl<T: Vectorize> Measure<'_, T> {
    /// The sums of one class, lane by lane: rows begin and end anywhere in a vector.
    ///
    /// # Safety
    /// As the call.
    #[inline(always)]
    unsafe fn measure_rows<V: RealLanes<Scalar = T>>(&self, index: usize, class: &Class) {
        let mut values = [Column([T::default(); MOST_LANES]); 2];
        // SAFETY: passed on from the caller; tiles have at most that many lanes.
        unsafe {
            for lane in (0..self.rows.lanes).step_by(V::WIDTH) {
                let [square] = class_squares::<V, 1>(class, self.x, lane);
                square.absolute().store(values[0].0.as_mut_ptr().add(lane));
                if let Some(cotangent) = self.cotangent {
                    let [dot] = class_dots::<V, 1>(class, self.x, cotangent, lane);
                    dot.store(values[1].0.as_mut_ptr().add(lane));
                }
            }
            self.rows.for_each(|row, first, last| {
                let target = &mut *self.sums.add(row * self.table.len() + index);
                for (values, target) in values.iter().zip(target) {
                    for &value in &values.0[first..last] {
                        *target += value;
                    }
                }
            });
        }
    }
}

/// Most lanes of a tile of any type.
const MOST_LANES: usize = 64;

/// A number for each lane of a tile, on cache lines of its own.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Column<T>([T; MOST_LANES]);

/// One of the two factors `factors[row][class]` of a class in the order of lanes.
struct Factor<V: RealLanes> {
    is_one: bool,
    first: V,
    lanes: Column<V::Scalar>,
}

impl<V: RealLanes> Factor<V> {
    /// # Safety
    /// The instruction set of `V` is available, and there are factors for every row and class.
    #[inline(always)]
    unsafe fn new(rows: Rows, factors: *const [V::Scalar; 2], [classes, class]: [usize; 2], which: usize) -> Self {
        // SAFETY: passed on from the caller.
        let factor = |row: usize| unsafe { (*factors.add(row * classes + class))[which] };
        let mut lanes = Column([V::Scalar::default(); MOST_LANES]);
        if !rows.is_one() {
            rows.for_each(|row, first, last| lanes.0[first..last].fill(factor(row)));
        }
        // SAFETY: passed on from the caller.
        Self { is_one: rows.is_one(), first: unsafe { V::splat(factor(rows.row)) }, lanes }
    }

    /// # Safety
    /// The instruction set of `V` is available, and `lane` is the first of a vector of the tile.
    #[inline(always)]
    unsafe fn at(&self, lane: usize) -> V {
        // SAFETY: passed on from the caller.
        if self.is_one { self.first } else { unsafe { V::load(self.lanes.0.as_ptr().add(lane)) } }
    }
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
        for (index, class) in table.classes().iter().enumerate() {
            // SAFETY: passed on from the caller.
            unsafe {
                let factor = Factor::<V>::new(rows, factors, [table.len(), index], 0);
                for blade in class.blades().iter().map(|&blade| usize::from(blade)) {
                    let (source, target) = (plane(x, blade), plane_mut(out, blade));
                    for lane in (0..rows.lanes).step_by(V::WIDTH) {
                        factor.at(lane).multiply(V::load(source.add(lane))).store(target.add(lane));
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
        let mut by_square = Column([T::default(); MOST_LANES]);
        for (index, class) in table.classes().iter().enumerate() {
            // SAFETY: passed on from the caller; tiles have at most that many lanes.
            unsafe {
                let [factor, slope] = [0, 1].map(|which| Factor::<V>::new(rows, factors, [table.len(), index], which));
                let zero = V::constant(0.0);
                in_groups!(V, rows.lanes, |COUNT, lane| {
                    for (index, square) in class_squares::<V, COUNT>(class, x, lane).into_iter().enumerate() {
                        let lane = lane + index * V::WIDTH;
                        let one = V::constant(1.0);
                        let negative = zero.where_greater(square, zero.subtract(one), square);
                        let sign = square.where_greater(zero, one, negative);
                        sign.multiply(slope.at(lane)).store(by_square.0.as_mut_ptr().add(lane));
                    }
                });
                for (blade, square) in class.measured() {
                    let (source, upstream, target) = (plane(x, blade), plane(cotangent, blade), plane_mut(out, blade));
                    let square = V::constant(square);
                    for lane in (0..rows.lanes).step_by(V::WIDTH) {
                        let value = V::load(source.add(lane)).multiply(square);
                        let scaled = factor.at(lane).multiply(V::load(upstream.add(lane)));
                        let by_square = V::load(by_square.0.as_ptr().add(lane));
                        by_square.subtract_product(value, scaled).store(target.add(lane));
                    }
                }
                for blade in class.null() {
                    let (upstream, target) = (plane(cotangent, blade), plane_mut(out, blade));
                    for lane in (0..rows.lanes).step_by(V::WIDTH) {
                        factor.at(lane).multiply(V::load(upstream.add(lane))).store(target.add(lane));
                    }
                }
            }
        }
    }
}
