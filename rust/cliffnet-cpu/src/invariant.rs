//! Invariants of classes of blades: squares, magnitudes and norms.

use std::sync::Arc;

use crate::class_table::{Class, ClassTable};
use crate::isa::Isa;
use crate::kernel::{Planes, PlanesMut};
use crate::lanewise::LaneKernel;
use crate::real_lanes::RealLanes;
use crate::vectorize::{LaneFunction, Vectorize};

/// A function of the invariant square `q` of a class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Invariant {
    /// `q`, which may be negative.
    Square,
    /// `|q|`.
    Magnitude,
    /// `(q^2 + epsilon)^(1/4)`, a smooth `sqrt(|q|)`.
    Norm {
        /// Not negative.
        epsilon: f64,
    },
}

impl Invariant {
    /// The invariant of a number.
    pub fn from_code(code: i64, epsilon: f64) -> Option<Self> {
        match code {
            0 => Some(Self::Square),
            1 => Some(Self::Magnitude),
            2 if epsilon >= 0.0 => Some(Self::Norm { epsilon }),
            _ => None,
        }
    }

    /// Value and derivative by `q`; where the value has a kink, its derivative is 0.
    ///
    /// # Safety
    /// The instruction set of `V` is available.
    #[inline(always)]
    pub(crate) unsafe fn evaluate<V: RealLanes>(self, square: V) -> [V; 2] {
        // SAFETY: passed on from the caller.
        unsafe {
            let (zero, one) = (V::constant(0.0), V::constant(1.0));
            match self {
                Self::Square => [square, one],
                Self::Magnitude => {
                    let sign = zero.where_greater(square, V::constant(-1.0), square);
                    [square.absolute(), square.where_greater(zero, one, sign)]
                }
                Self::Norm { epsilon: 0.0 } => {
                    let size = square.absolute();
                    let norm = size.square_root();
                    let slope = square.divide(norm.multiply(size).multiply(V::constant(2.0)));
                    // where the square is zero the quotient is no number
                    [norm, size.where_greater(zero, slope, square)]
                }
                Self::Norm { epsilon } => {
                    let root = square.add_product(square, V::constant(epsilon)).square_root();
                    let norm = root.square_root();
                    [norm, square.divide(norm.multiply(root).multiply(V::constant(2.0)))]
                }
            }
        }
    }
}

/// The invariant square of a class, for the vector of lanes at `lane`.
///
/// # Safety
/// The instruction set of `V` is available; the planes of the blades of the class are valid for reads there.
#[inline(always)]
pub(crate) unsafe fn class_square<V: RealLanes>(class: &Class, x: Planes<V::Scalar>, lane: usize) -> V {
    // SAFETY: passed on from the caller.
    unsafe {
        let mut sum = V::constant(0.0);
        for (blade, square) in class.measured() {
            let value = V::load(x.start.offset(blade as isize * x.stride).add(lane));
            sum = value.multiply(V::constant(square)).add_product(value, sum);
        }
        sum
    }
}

/// Adds to the gradients of the blades of a class `factor` times the gradient of its invariant square.
///
/// With `adds` unset the gradients, those of null blades too, are written over.
///
/// # Safety
/// The instruction set of `V` is available; the planes of the blades of the class are valid there.
#[inline(always)]
pub(crate) unsafe fn class_square_gradient<V: RealLanes>(
    class: &Class,
    x: Planes<V::Scalar>,
    factor: V,
    gradient: PlanesMut<V::Scalar>,
    adds: bool,
    lane: usize,
) {
    // SAFETY: passed on from the caller.
    unsafe {
        let doubled = factor.add(factor);
        for (blade, square) in class.measured() {
            let value = V::load(x.start.offset(blade as isize * x.stride).add(lane)).multiply(V::constant(square));
            let target = gradient.start.offset(blade as isize * gradient.stride).add(lane);
            let gradient = if adds { value.add_product(doubled, V::load(target)) } else { value.multiply(doubled) };
            gradient.store(target);
        }
        if !adds {
            for blade in class.null() {
                V::constant(0.0).store(gradient.start.offset(blade as isize * gradient.stride).add(lane));
            }
        }
    }
}

/// Invariants of every class: operands are the multivectors and the invariants.
#[derive(Clone, Debug)]
pub struct ClassInvariants {
    pub(crate) table: Arc<ClassTable>,
    invariant: Invariant,
    sizes: [usize; 2],
}

/// The gradient of [`ClassInvariants`]: operands are the cotangent, the multivectors and their gradient.
#[derive(Clone, Debug)]
pub struct ClassInvariantsBackward {
    table: Arc<ClassTable>,
    invariant: Invariant,
    sizes: [usize; 3],
}

impl ClassInvariants {
    /// The invariants of the classes of a table.
    pub fn new(table: Arc<ClassTable>, invariant: Invariant) -> Self {
        let sizes = [table.size(), table.len()];
        Self { table, invariant, sizes }
    }
}

impl ClassInvariantsBackward {
    /// The gradient of the invariants of the classes of a table.
    pub fn new(table: Arc<ClassTable>, invariant: Invariant) -> Self {
        let sizes = [table.len(), table.size(), table.size()];
        Self { table, invariant, sizes }
    }
}

/// A kernel with its arguments, to be called with any vectors.
struct Call<'a, K, T> {
    kernel: &'a K,
    lanes: usize,
    planes: &'a [PlanesMut<T>],
}

impl<T: Vectorize> LaneFunction<T> for Call<'_, ClassInvariants, T> {
    #[inline(always)]
    unsafe fn call<V: RealLanes<Scalar = T>>(self) {
        let &[x, out] = self.planes else { return };
        for lane in (0..self.lanes).step_by(V::WIDTH) {
            for (index, class) in self.kernel.table.classes().iter().enumerate() {
                // SAFETY: passed on from the caller.
                unsafe {
                    let [value, _] = self.kernel.invariant.evaluate::<V>(class_square(class, x.read(), lane));
                    value.store(out.start.offset(index as isize * out.stride).add(lane));
                }
            }
        }
    }
}

impl<T: Vectorize> LaneFunction<T> for Call<'_, ClassInvariantsBackward, T> {
    #[inline(always)]
    unsafe fn call<V: RealLanes<Scalar = T>>(self) {
        let &[cotangent, x, gradient] = self.planes else { return };
        for lane in (0..self.lanes).step_by(V::WIDTH) {
            for (index, class) in self.kernel.table.classes().iter().enumerate() {
                // SAFETY: passed on from the caller.
                unsafe {
                    let slope = match self.kernel.invariant {
                        Invariant::Square => V::constant(1.0),
                        invariant => invariant.evaluate::<V>(class_square(class, x.read(), lane))[1],
                    };
                    let upstream = V::load(cotangent.start.offset(index as isize * cotangent.stride).add(lane));
                    class_square_gradient(class, x.read(), upstream.multiply(slope), gradient, false, lane);
                }
            }
        }
    }
}

impl LaneKernel for ClassInvariants {
    fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    fn inputs(&self) -> usize {
        1
    }

    fn working_planes(&self) -> usize {
        0
    }

    #[inline]
    unsafe fn run<T: Vectorize>(&self, isa: Isa, lanes: usize, planes: &[PlanesMut<T>], _working: *mut T) {
        // SAFETY: passed on from the caller.
        unsafe { T::vectorize(isa, Call { kernel: self, lanes, planes }) }
    }
}

impl LaneKernel for ClassInvariantsBackward {
    fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    fn inputs(&self) -> usize {
        2
    }

    fn working_planes(&self) -> usize {
        0
    }

    #[inline]
    unsafe fn run<T: Vectorize>(&self, isa: Isa, lanes: usize, planes: &[PlanesMut<T>], _working: *mut T) {
        // SAFETY: passed on from the caller.
        unsafe { T::vectorize(isa, Call { kernel: self, lanes, planes }) }
    }
}
