//! Multiplies classes of blades by activations of gates.

use crate::activation::{Activate, Activation};
use crate::class_table::ClassTable;
use crate::isa::Isa;
use crate::kernel::PlanesMut;
use crate::lanewise::LaneKernel;
use crate::real_lanes::RealLanes;
use crate::vectorize::{LaneFunction, Vectorize};

/// Where the gates come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// An operand of their own.
    Operand,
    /// One blade of the multivectors themselves.
    Blade(usize),
}

/// `y_I = f(gate of the class of I) x_I`: operands are the multivectors, the gates unless they are a blade, the result.
///
/// The gradient has the cotangent in front, and as outputs the gradients of the others.
#[derive(Clone, Debug)]
pub struct Gate {
    /// The blades that each gate multiplies.
    blades: Vec<Vec<usize>>,
    source: Source,
    activation: Activation,
    is_backward: bool,
    sizes: Vec<usize>,
}

impl Gate {
    /// One gate for each class of a table.
    pub fn of_classes(table: &ClassTable, activation: Activation, is_backward: bool) -> Self {
        let blades: Vec<_> = table
            .classes()
            .iter()
            .map(|class| class.blades().iter().map(|&blade| usize::from(blade)).collect())
            .collect();
        Self::new(table.size(), blades, Source::Operand, activation, is_backward)
    }

    /// One gate for all of `size` blades.
    pub fn of_all(size: usize, activation: Activation, is_backward: bool) -> Self {
        Self::new(size, vec![(0..size).collect()], Source::Operand, activation, is_backward)
    }

    /// All of `size` blades gated by one of them; `None` when there is no such blade.
    pub fn of_itself(size: usize, blade: usize, activation: Activation, is_backward: bool) -> Option<Self> {
        let blades = vec![(0..size).collect()];
        (blade < size).then(|| Self::new(size, blades, Source::Blade(blade), activation, is_backward))
    }

    fn new(size: usize, blades: Vec<Vec<usize>>, source: Source, activation: Activation, is_backward: bool) -> Self {
        let gates = blades.len();
        let sizes = match (source, is_backward) {
            (Source::Operand, false) => vec![size, gates, size],
            (Source::Blade(_), false) => vec![size, size],
            (Source::Operand, true) => vec![size, size, gates, size, gates],
            (Source::Blade(_), true) => vec![size, size, size],
        };
        Self { blades, source, activation, is_backward, sizes }
    }

    /// Values, and slopes where they are needed, of all gates.
    ///
    /// # Safety
    /// As [`LaneKernel::run`].
    unsafe fn activate<T: Vectorize>(&self, isa: Isa, lanes: usize, planes: &[PlanesMut<T>], working: *mut T) {
        let first = usize::from(self.is_backward);
        for gate in 0..self.blades.len() {
            // SAFETY: passed on from the caller; there is a working plane for each value and, backward, each slope.
            unsafe {
                let source = match self.source {
                    Source::Operand => planes[first + 1].start.offset(gate as isize * planes[first + 1].stride),
                    Source::Blade(blade) => planes[first].start.offset(blade as isize * planes[first].stride),
                };
                let values = working.add(gate * T::TILE);
                let slopes = working.add((self.blades.len() + gate) * T::TILE);
                let slopes = if self.is_backward { slopes } else { std::ptr::null_mut() };
                T::vectorize(isa, Activate { activation: self.activation, lanes, source, values, slopes });
            }
        }
    }
}

/// The gates applied, once their values are known.
struct Forward<'a, T> {
    gate: &'a Gate,
    lanes: usize,
    x: PlanesMut<T>,
    out: PlanesMut<T>,
    values: *const T,
}

impl<T: Vectorize> LaneFunction<T> for Forward<'_, T> {
    #[inline(always)]
    unsafe fn call<V: RealLanes<Scalar = T>>(self) {
        let Self { gate, lanes, x, out, values } = self;
        for lane in (0..lanes).step_by(V::WIDTH) {
            for (index, blades) in gate.blades.iter().enumerate() {
                // SAFETY: passed on from the caller.
                unsafe {
                    let value = V::load(values.add(index * T::TILE + lane));
                    for &blade in blades {
                        let blade = blade as isize;
                        let gated = value.multiply(V::load(x.start.offset(blade * x.stride).add(lane)));
                        gated.store(out.start.offset(blade * out.stride).add(lane));
                    }
                }
            }
        }
    }
}

/// The gradients, once values and slopes are known.
struct Backward<'a, T> {
    gate: &'a Gate,
    lanes: usize,
    planes: &'a [PlanesMut<T>],
    values: *const T,
    slopes: *const T,
}

impl<T: Vectorize> LaneFunction<T> for Backward<'_, T> {
    #[inline(always)]
    unsafe fn call<V: RealLanes<Scalar = T>>(self) {
        let Self { gate, lanes, planes, values, slopes } = self;
        let (cotangent, x) = (planes[0], planes[1]);
        let (by_x, by_gates) = match gate.source {
            Source::Operand => (planes[3], planes[4]),
            Source::Blade(_) => (planes[2], planes[2]),
        };
        for lane in (0..lanes).step_by(V::WIDTH) {
            for (index, blades) in gate.blades.iter().enumerate() {
                // SAFETY: passed on from the caller.
                unsafe {
                    let value = V::load(values.add(index * T::TILE + lane));
                    let mut dot = V::constant(0.0);
                    for &blade in blades {
                        let blade = blade as isize;
                        let upstream = V::load(cotangent.start.offset(blade * cotangent.stride).add(lane));
                        dot = upstream.add_product(V::load(x.start.offset(blade * x.stride).add(lane)), dot);
                        value.multiply(upstream).store(by_x.start.offset(blade * by_x.stride).add(lane));
                    }
                    let by_gate = dot.multiply(V::load(slopes.add(index * T::TILE + lane)));
                    match gate.source {
                        Source::Operand => {
                            by_gate.store(by_gates.start.offset(index as isize * by_gates.stride).add(lane));
                        }
                        Source::Blade(blade) => {
                            let target = by_x.start.offset(blade as isize * by_x.stride).add(lane);
                            V::load(target).add(by_gate).store(target);
                        }
                    }
                }
            }
        }
    }
}

impl LaneKernel for Gate {
    fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    fn inputs(&self) -> usize {
        1 + usize::from(self.is_backward) + usize::from(self.source == Source::Operand)
    }

    fn working_planes(&self) -> usize {
        2 * self.blades.len()
    }

    #[inline]
    unsafe fn run<T: Vectorize>(&self, isa: Isa, lanes: usize, planes: &[PlanesMut<T>], working: *mut T) {
        // SAFETY: passed on from the caller; there is a working plane for each value and each slope.
        unsafe {
            self.activate(isa, lanes, planes, working);
            let values = working.cast_const();
            if self.is_backward {
                let slopes = values.add(self.blades.len() * T::TILE);
                T::vectorize(isa, Backward { gate: self, lanes, planes, values, slopes });
            } else {
                let (x, out) = (planes[0], planes[planes.len() - 1]);
                T::vectorize(isa, Forward { gate: self, lanes, x, out, values });
            }
        }
    }
}
