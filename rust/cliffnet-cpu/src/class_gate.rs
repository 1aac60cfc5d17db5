//! Gates of classes by their own invariants, with parameters for each channel and class.
//!
//! ```text
//! y_k = f(scale_k v_k + shift_k) x_k
//! ```
//!
//! where `v_k` is an invariant of class `k`. With the logistic function these are gates, with the reciprocal divisions by
//! a mixture of a norm and a constant.

use std::ops::Range;
use std::sync::Arc;

use crate::class_table::{Class, ClassTable};
use crate::dtype::{BFloat16, DType, Float16, Storage};
use crate::execute::Operand;
use crate::geometry::Geometry;
use crate::invariant::{Invariant, class_square, class_square_gradient};
use crate::isa::Isa;
use crate::kernel::{Compute, Planes, PlanesMut};
use crate::math::logistic;
use crate::real_lanes::RealLanes;
use crate::scratch::OnLine;
use crate::tile::Operands;
use crate::vectorize::{LaneFunction, Vectorize};
use crate::weight_panel::{PanelShape, Weights};
use crate::weighted_execute::by_dtype;
use crate::weighted_program::ProductCompute;

/// The function that makes a factor of the parameters and the invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// `1 / (1 + exp(-s))`.
    Sigmoid,
    /// `1 / s`.
    Reciprocal,
}

impl Response {
    /// The response of a number.
    pub fn from_code(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::Sigmoid),
            1 => Some(Self::Reciprocal),
            _ => None,
        }
    }

    /// Value and derivative.
    ///
    /// # Safety
    /// The instruction set of `V` is available.
    #[inline(always)]
    unsafe fn evaluate<V: RealLanes>(self, x: V) -> [V; 2] {
        // SAFETY: passed on from the caller.
        unsafe {
            match self {
                Self::Sigmoid => logistic(x),
                Self::Reciprocal => {
                    let value = V::constant(1.0).divide(x);
                    [value, V::constant(0.0).subtract(value.multiply(value))]
                }
            }
        }
    }
}

/// Gates of the classes of a table.
#[derive(Clone, Debug)]
pub struct ClassGate {
    table: Arc<ClassTable>,
    /// The blade that is the invariant of its own class, of which it is the only blade.
    scalar: Option<u16>,
    invariant: Invariant,
    response: Response,
}

impl ClassGate {
    /// The gates of the classes of a table by `invariant` or, for class `scalar` unless that is negative, by its blade.
    ///
    /// `None` where class `scalar` does not exist or has several blades.
    pub fn new(table: Arc<ClassTable>, scalar: i64, invariant: Invariant, response: Response) -> Option<Self> {
        let blade = match usize::try_from(scalar) {
            Err(_) => None,
            Ok(index) => match table.classes().get(index)?.blades() {
                &[blade] => Some(blade),
                _ => return None,
            },
        };
        Some(Self { table, scalar: blade, invariant, response })
    }

    /// Blades of the multivectors, and classes.
    pub fn sizes(&self) -> [usize; 2] {
        [self.table.size(), self.table.len()]
    }

    /// The only blade of a class that is gated by it.
    #[inline(always)]
    fn scalar_of(&self, class: &Class) -> Option<usize> {
        self.scalar.filter(|blade| class.blades().first() == Some(blade)).map(usize::from)
    }

    /// The invariant that a class is gated by, and its derivative by the square or the blade.
    ///
    /// # Safety
    /// The instruction set of `V` is available; the planes of the class are valid for reads there.
    #[inline(always)]
    unsafe fn invariant<V: RealLanes>(&self, class: &Class, x: Planes<V::Scalar>, lane: usize) -> [V; 2] {
        // SAFETY: passed on from the caller.
        unsafe {
            match self.scalar_of(class) {
                Some(blade) => [V::load(x.start.offset(blade as isize * x.stride).add(lane)), V::constant(1.0)],
                None => self.invariant.evaluate(class_square(class, x, lane)),
            }
        }
    }

    /// Adds to the gradients of a class what comes by way of its invariant.
    ///
    /// # Safety
    /// As [`Self::invariant`], for the gradients too.
    #[inline(always)]
    unsafe fn add_gradient<V: RealLanes>(
        &self,
        class: &Class,
        x: Planes<V::Scalar>,
        factor: V,
        gradient: PlanesMut<V::Scalar>,
        lane: usize,
    ) {
        // SAFETY: passed on from the caller.
        unsafe {
            match self.scalar_of(class) {
                Some(blade) => {
                    let target = gradient.start.offset(blade as isize * gradient.stride).add(lane);
                    V::load(target).add(factor).store(target);
                }
                None => class_square_gradient(class, x, factor, gradient, true, lane),
            }
        }
    }
}

/// The gates applied to a tile.
struct Forward<'a, T> {
    gate: &'a ClassGate,
    lanes: usize,
    /// Scale and shift of each class and lane.
    parameters: [Planes<T>; 2],
    x: Planes<T>,
    out: PlanesMut<T>,
}

impl<T: Vectorize> LaneFunction<T> for Forward<'_, T> {
    #[inline(always)]
    unsafe fn call<V: RealLanes<Scalar = T>>(self) {
        let Self { gate, lanes, parameters, x, out } = self;
        for lane in (0..lanes).step_by(V::WIDTH) {
            for (index, class) in gate.table.classes().iter().enumerate() {
                // SAFETY: passed on from the caller.
                unsafe {
                    let [scale, shift] = parameters.map(|planes| parameter::<V>(planes, index, lane));
                    let [invariant, _] = gate.invariant::<V>(class, x, lane);
                    let [factor, _] = gate.response.evaluate(scale.add_product(invariant, shift));
                    for &blade in class.blades() {
                        let blade = blade as isize;
                        let gated = factor.multiply(V::load(x.start.offset(blade * x.stride).add(lane)));
                        gated.store(out.start.offset(blade * out.stride).add(lane));
                    }
                }
            }
        }
    }
}

/// The gradients of a tile.
struct Backward<'a, T> {
    gate: &'a ClassGate,
    /// Numbers of the lanes of a tile.
    numbers: &'a [T],
    lanes: usize,
    parameters: [Planes<T>; 2],
    cotangent: Planes<T>,
    x: Planes<T>,
    by_x: PlanesMut<T>,
    /// The gradients by scales, then by shifts, which are added to.
    by_parameters: PlanesMut<T>,
}

impl<T: Vectorize> LaneFunction<T> for Backward<'_, T> {
    #[inline(always)]
    unsafe fn call<V: RealLanes<Scalar = T>>(self) {
        let Self { gate, numbers, lanes, parameters, cotangent, x, by_x, by_parameters } = self;
        let classes = gate.table.classes();
        for lane in (0..lanes).step_by(V::WIDTH) {
            for (index, class) in classes.iter().enumerate() {
                // SAFETY: passed on from the caller.
                unsafe {
                    let [scale, shift] = parameters.map(|planes| parameter::<V>(planes, index, lane));
                    let [invariant, invariant_slope] = gate.invariant::<V>(class, x, lane);
                    let [factor, slope] = gate.response.evaluate(scale.add_product(invariant, shift));
                    let mut dot = V::constant(0.0);
                    for &blade in class.blades() {
                        let blade = blade as isize;
                        let upstream = V::load(cotangent.start.offset(blade * cotangent.stride).add(lane));
                        dot = upstream.add_product(V::load(x.start.offset(blade * x.stride).add(lane)), dot);
                        factor.multiply(upstream).store(by_x.start.offset(blade * by_x.stride).add(lane));
                    }
                    let by_shift = dot.multiply(slope);
                    gate.add_gradient(class, x, by_shift.multiply(scale).multiply(invariant_slope), by_x, lane);
                    // lanes beyond the last multivector are no channel's
                    let (end, number) = (V::constant(lanes as f64), V::load(numbers.as_ptr().add(lane)));
                    for (path, value) in [(index, by_shift.multiply(invariant)), (classes.len() + index, by_shift)] {
                        let target = by_parameters.start.offset(path as isize * by_parameters.stride).add(lane);
                        let value = end.where_greater(number, value, V::constant(0.0));
                        V::load(target).add(value).store(target);
                    }
                }
            }
        }
    }
}

/// A parameter of a class.
///
/// # Safety
/// The plane is valid for reads, and the instruction set of `V` is available.
#[inline(always)]
unsafe fn parameter<V: RealLanes>(planes: Planes<V::Scalar>, class: usize, lane: usize) -> V {
    // SAFETY: passed on from the caller.
    unsafe { V::load(planes.start.offset(class as isize * planes.stride).add(lane)) }
}

/// What the gates of a call share.
#[derive(Clone, Copy)]
pub struct ClassGateCall<'c> {
    /// The gates.
    pub gate: &'c ClassGate,
    /// Type of the elements.
    pub dtype: DType,
    /// The instruction set to use.
    pub isa: Isa,
    /// Scale and shift of each channel and class; the last leading axis is that of channels.
    pub parameters: [&'c Weights; 2],
}

/// Gates lanes `lanes` of the operands multivectors, output.
///
/// # Safety
/// As [`crate::execute`], for operands with the blades of the gate.
pub unsafe fn execute_class_gate(
    call: ClassGateCall<'_>,
    geometry: &Geometry<2>,
    operands: [Operand; 2],
    lanes: Range<i64>,
) {
    // SAFETY: the contract is passed on unchanged, with the element type named by the dtype.
    unsafe { by_dtype!(call.dtype, apply(call, geometry, operands, lanes)) }
}

unsafe fn apply<S: Storage, const TILE: usize>(
    call: ClassGateCall<'_>,
    geometry: &Geometry<2>,
    operands: [Operand; 2],
    lanes: Range<i64>,
) where
    S::Compute: ProductCompute,
{
    let ClassGateCall { gate, isa, parameters, .. } = call;
    let tiles = Operands { geometry, memory: operands, sizes: [gate.table.size(); 2], inputs: 1, is_reread: false };
    // SAFETY: the contract is passed on; planes are valid for whole vectors of lanes, at most a tile.
    unsafe {
        tiles.for_each_tile::<S, TILE>(isa, lanes, |tile| {
            let [x, out] = tile.planes;
            let parameters = parameters.map(|weights| weights.planes(tile.first));
            S::Compute::vectorize(isa, Forward { gate, lanes: tile.count, parameters, x: x.read(), out });
        });
    }
}

/// Gradients of lanes `lanes` of the operands cotangent, multivectors; gradient by these. The gradients by scale and shift,
/// summed over these lanes, are written to `partial`, those by scale first.
///
/// # Safety
/// As [`crate::execute`], for operands with the blades of the gate; `partial` is valid for writes of
/// [`crate::partial_bytes`] of both and aligned for numbers.
pub unsafe fn execute_class_gate_backward(
    call: ClassGateCall<'_>,
    geometry: &Geometry<3>,
    operands: [Operand; 3],
    lanes: Range<i64>,
    partial: *mut u8,
) {
    // SAFETY: the contract is passed on unchanged, with the element type named by the dtype.
    unsafe { by_dtype!(call.dtype, differentiate(call, geometry, operands, lanes, partial)) }
}

unsafe fn differentiate<S: Storage, const TILE: usize>(
    call: ClassGateCall<'_>,
    geometry: &Geometry<3>,
    operands: [Operand; 3],
    lanes: Range<i64>,
    partial: *mut u8,
) where
    S::Compute: ProductCompute,
{
    let ClassGateCall { gate, isa, parameters, .. } = call;
    let tiles = Operands { geometry, memory: operands, sizes: [gate.table.size(); 3], inputs: 2, is_reread: false };
    let shape = PanelShape::of::<S::Compute>(2 * gate.table.len(), parameters[0].shape.channels);
    let numbers = OnLine::<[S::Compute; TILE]>(std::array::from_fn(|lane| S::Compute::from_f64(lane as f64)));
    // SAFETY: the contract is passed on; planes are valid for whole vectors of lanes, at most a tile, and so are the
    // panels of parameters and their gradients from the column of any lane on.
    unsafe {
        shape.sum(lanes, partial.cast::<S::Compute>(), |lanes, panel| {
            tiles.for_each_tile::<S, TILE>(isa, lanes, |tile| {
                let [cotangent, x, by_x] = tile.planes;
                let backward = Backward {
                    gate,
                    numbers: &numbers.0,
                    lanes: tile.count,
                    parameters: parameters.map(|weights| weights.planes(tile.first)),
                    cotangent: cotangent.read(),
                    x: x.read(),
                    by_x,
                    by_parameters: shape.planes_mut(panel, tile.first),
                };
                S::Compute::vectorize(isa, backward);
            });
        });
    }
}
