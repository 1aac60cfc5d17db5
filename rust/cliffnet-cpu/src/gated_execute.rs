//! Gate, weighted product and norm in one pass over memory.
//!
//! ```text
//! u = product(gate(x_0) x, gate(y_0) y),    out = u / sqrt(mean over channels of |q(u_class)| + epsilon), class by class
//! ```
//!
//! Some rows of channels at a time: their products wait in the cache until the means of the rows are known. The gates
//! are factors of the product, which is linear. The gradient computes the products anew instead of keeping them.

use std::ops::Range;

use crate::activation::{Activate, Activation};
use crate::class_table::ClassTable;
use crate::dtype::{BFloat16, DType, Float16, Storage};
use crate::execute::{Operand, tile_lanes};
use crate::gated_lanes::{AddTriple, Measure, Multiply, Rows, Scale, Unscale};
use crate::geometry::Geometry;
use crate::kernel::{Compute, PlanesMut};
use crate::scratch::with_scratch;
use crate::tile::{OffsetTable, Operands, Tile};
use crate::vectorize::Vectorize;
use crate::weight_panel::ROWS_AT_ONCE;
use crate::weighted::{WeightedGradients, WeightedKernels, WeightedProduct};
use crate::weighted_execute::{WeightedCall, by_dtype};
use crate::weighted_program::ProductCompute;

/// What surrounds a product.
#[derive(Clone, Copy)]
pub struct Surroundings<'c> {
    /// Index of the scalar blade, and the function of it that multiplies each operand; `None` for no gate.
    pub gate: Option<(usize, Activation)>,
    /// Classes of blades whose norms are taken, and what is added to their squares; `None` for no norm.
    pub norm: Option<(&'c ClassTable, f64)>,
}

/// Fewest lanes that are worth a group of rows.
const GROUP_LANES: usize = 256;

/// Most lanes of a group of several rows: their products shall stay in the cache.
const MOST_GROUP_LANES: usize = 2048;

/// Rows of channels that are normalised together, so that their tiles are full where that takes few rows.
pub fn group_rows(dtype: DType, channels: usize) -> usize {
    let tile = tile_lanes(dtype) as usize;
    let mut whole = 1;
    while !(whole * channels).is_multiple_of(tile) && 2 * whole * channels <= MOST_GROUP_LANES {
        whole *= 2;
    }
    whole * (GROUP_LANES / (whole * channels)).max(1)
}

/// Arrays of one number for each lane of a tile: the gates of both operands, their derivatives, the product of the
/// gates, and the dot product of the gradient.
#[derive(Clone, Copy)]
struct Arrays<T> {
    start: *mut T,
}

impl<T: Compute> Arrays<T> {
    const COUNT: usize = 6;

    fn gate(self, operand: usize) -> *mut T {
        self.start.wrapping_add(operand * T::TILE)
    }

    fn slope(self, operand: usize) -> *mut T {
        self.start.wrapping_add((2 + operand) * T::TILE)
    }

    fn scale(self) -> *mut T {
        self.start.wrapping_add(4 * T::TILE)
    }

    fn dot(self) -> *mut T {
        self.start.wrapping_add(5 * T::TILE)
    }
}

/// A tile of a group with the memory that goes with it.
struct Piece<T, const N: usize> {
    tile: Tile<T, N>,
    rows: Rows,
    arrays: Arrays<T>,
    /// The product before it is normalised.
    product: PlanesMut<T>,
}

/// Runs groups of rows.
struct Groups<'c, T, const N: usize> {
    call: WeightedCall<'c>,
    surroundings: Surroundings<'c>,
    kernels: WeightedKernels<T>,
    tiles: Operands<'c, N>,
}

impl<'c, T: ProductCompute, const N: usize> Groups<'c, T, N> {
    fn new(
        call: WeightedCall<'c>,
        surroundings: Surroundings<'c>,
        geometry: &'c Geometry<N>,
        memory: [Operand; N],
        sizes: [usize; N],
        inputs: usize,
    ) -> Self {
        let kernels = call.program.kernels::<T>(call.isa);
        // the products of a group are computed while its operands are in the cache, and read again
        let tiles = Operands { geometry, memory, sizes, inputs, is_reread: kernels.is_reread };
        Self { call, surroundings, kernels, tiles }
    }

    /// Elements of memory that go with a tile.
    fn piece_elements(&self) -> usize {
        self.tiles.buffer_elements(T::TILE) + (self.call.program.sizes()[2] + Arrays::<T>::COUNT) * T::TILE
    }

    /// Brings the tiles of a group of rows.
    ///
    /// # Safety
    /// As [`Operands::bring`] for all tiles; `memory` holds [`Self::piece_elements`] for each.
    unsafe fn bring<S: Storage<Compute = T>, const TILE: usize>(
        &self,
        lanes: Range<i64>,
        table: &mut OffsetTable<TILE, N>,
        memory: *mut T,
        pieces: &mut Vec<Piece<T, N>>,
    ) {
        pieces.clear();
        let channels = self.call.weights.shape.channels;
        for first in lanes.clone().step_by(TILE) {
            let count = (lanes.end - first).min(TILE as i64) as usize;
            let position = (first - lanes.start) as usize;
            let rows = Rows { row: position / channels, channel: position % channels, channels, lanes: count };
            // SAFETY: every tile has memory of its own; the rest is passed on from the caller.
            unsafe {
                let memory = memory.add(pieces.len() * self.piece_elements());
                let arrays = Arrays { start: memory };
                let start = memory.add(Arrays::<T>::COUNT * TILE);
                let product = PlanesMut { start, stride: TILE as isize };
                let buffer = start.add(self.call.program.sizes()[2] * TILE);
                let tile = self.tiles.bring::<S, TILE>(self.call.isa, first, count, table, buffer);
                pieces.push(Piece { tile, rows, arrays, product });
            }
        }
    }

    /// Computes the gates of both operands of a tile.
    ///
    /// # Safety
    /// The piece was made by [`Self::bring`], and the operands are its planes.
    unsafe fn open_gates(&self, piece: &Piece<T, N>, operands: [PlanesMut<T>; 2], with_slopes: bool) {
        let (isa, lanes, arrays) = (self.call.isa, piece.tile.count, piece.arrays);
        // SAFETY: arrays hold a tile, and planes are valid for whole vectors of lanes.
        unsafe {
            let Some((scalar, activation)) = self.surroundings.gate else {
                for lane in 0..T::TILE {
                    arrays.scale().add(lane).write(T::from_f64(1.0));
                }
                return;
            };
            for (index, operand) in operands.into_iter().enumerate() {
                let source = operand.start.offset(scalar as isize * operand.stride);
                let slopes = if with_slopes { arrays.slope(index) } else { std::ptr::null_mut() };
                T::vectorize(isa, Activate { activation, lanes, source, values: arrays.gate(index), slopes });
            }
            let factors = [arrays.gate(0).cast_const(), arrays.gate(1).cast_const()];
            T::vectorize(isa, Multiply { lanes, factors, out: arrays.scale() });
        }
    }

    /// Multiplies the operands of a tile, with their gates.
    ///
    /// # Safety
    /// As [`Self::open_gates`], which was called; `out` is valid for the planes of the product.
    unsafe fn multiply(&self, piece: &Piece<T, N>, [left, right]: [PlanesMut<T>; 2], out: PlanesMut<T>) {
        let product = WeightedProduct {
            left: left.read(),
            right: right.read(),
            weight: self.call.weights.planes(piece.tile.first),
            scale: piece.arrays.scale(),
            out,
        };
        // SAFETY: planes are valid for whole vectors of lanes, at most a tile.
        unsafe {
            (self.kernels.forward)(self.call.program.terms(), piece.tile.count.div_ceil(self.kernels.lanes), &product);
        }
    }
}

/// Replaces the sums of `|q|` and, backward, of the products with the cotangent by the factors that [`Scale`] and
/// [`Unscale`] take.
fn factors<T: ProductCompute>(table: &ClassTable, epsilon: f64, channels: usize, sums: &mut [[T; 2]]) {
    let channels = channels as f64;
    for row in sums.chunks_exact_mut(table.len()) {
        for (class, entry) in table.classes().iter().zip(row) {
            let [square, dot]: [f64; 2] = entry.map(Into::into);
            *entry = if class.measured().next().is_some() {
                let inverse = (square / channels + epsilon).sqrt().recip();
                [inverse, inverse.powi(3) * dot / channels].map(T::from_f64)
            } else {
                [1.0, 0.0].map(T::from_f64)
            };
        }
    }
}

/// Multiplies rows `rows` of channels of the operands left, right, output; rows are those of a multiple of [`group_rows`]
/// on.
///
/// # Safety
/// As [`crate::execute`], for operands with the sizes of the program, whose lanes are whole rows of channels.
pub unsafe fn execute_gated(
    call: WeightedCall<'_>,
    surroundings: Surroundings<'_>,
    geometry: &Geometry<3>,
    operands: [Operand; 3],
    rows: Range<i64>,
) {
    // SAFETY: the contract is passed on unchanged, with the element type named by the dtype.
    unsafe { by_dtype!(call.dtype, multiply_rows(call, surroundings, geometry, operands, rows)) }
}

unsafe fn multiply_rows<S: Storage, const TILE: usize>(
    call: WeightedCall<'_>,
    surroundings: Surroundings<'_>,
    geometry: &Geometry<3>,
    operands: [Operand; 3],
    rows: Range<i64>,
) where
    S::Compute: ProductCompute,
{
    let channels = call.weights.shape.channels;
    let group = group_rows(call.dtype, channels);
    let groups = Groups::<S::Compute, 3>::new(call, surroundings, geometry, operands, call.program.sizes(), 2);
    let classes = surroundings.norm.map_or(0, |(table, _)| table.len());
    let mut sums = vec![[S::Compute::default(); 2]; group * classes];
    let mut pieces = Vec::new();
    let mut offsets = None;
    let elements = groups.piece_elements() * (group * channels).div_ceil(TILE);
    with_scratch(elements * size_of::<S::Compute>(), |scratch| {
        for first in rows.clone().step_by(group) {
            let last = (first + group as i64).min(rows.end);
            let lanes = first * channels as i64..last * channels as i64;
            // SAFETY: the contract is passed on; there is memory for every tile of a group, and sums for every row.
            unsafe {
                groups.bring::<S, TILE>(lanes, &mut offsets, scratch.cast(), &mut pieces);
                sums.fill([S::Compute::default(); 2]);
                for piece in &pieces {
                    let [left, right, out] = piece.tile.planes;
                    groups.open_gates(piece, [left, right], false);
                    let Some((table, _)) = surroundings.norm else {
                        groups.multiply(piece, [left, right], out);
                        continue;
                    };
                    groups.multiply(piece, [left, right], piece.product);
                    let (x, sums) = (piece.product.read(), sums.as_mut_ptr());
                    S::Compute::vectorize(call.isa, Measure { table, rows: piece.rows, x, cotangent: None, sums });
                }
                if let Some((table, epsilon)) = surroundings.norm {
                    factors(table, epsilon, channels, &mut sums);
                    for piece in &pieces {
                        let (x, out, factors) = (piece.product.read(), piece.tile.planes[2], sums.as_ptr());
                        S::Compute::vectorize(call.isa, Scale { table, rows: piece.rows, factors, x, out });
                    }
                }
                for piece in &pieces {
                    groups.tiles.send::<S, TILE>(call.isa, &piece.tile, &mut offsets);
                }
            }
        }
    });
}

/// Gradients of rows `rows` of the operands cotangent, left, right; gradient by left, gradient by right. The gradients by
/// the weights, summed over these rows, are written to `partial`.
///
/// # Safety
/// As [`execute_gated`] and [`crate::execute_weighted_backward`].
pub unsafe fn execute_gated_backward(
    call: WeightedCall<'_>,
    surroundings: Surroundings<'_>,
    geometry: &Geometry<5>,
    operands: [Operand; 5],
    rows: Range<i64>,
    partial: *mut u8,
) {
    // SAFETY: the contract is passed on unchanged, with the element type named by the dtype.
    unsafe { by_dtype!(call.dtype, differentiate_rows(call, surroundings, geometry, operands, rows, partial)) }
}

unsafe fn differentiate_rows<S: Storage, const TILE: usize>(
    call: WeightedCall<'_>,
    surroundings: Surroundings<'_>,
    geometry: &Geometry<5>,
    operands: [Operand; 5],
    rows: Range<i64>,
    partial: *mut u8,
) where
    S::Compute: ProductCompute,
{
    let shape = call.weights.shape;
    let channels = shape.channels;
    let group = group_rows(call.dtype, channels);
    let [left, right, out] = call.program.sizes();
    let groups =
        Groups::<S::Compute, 5>::new(call, surroundings, geometry, operands, [out, left, right, left, right], 3);
    let classes = surroundings.norm.map_or(0, |(table, _)| table.len());
    let mut sums = vec![[S::Compute::default(); 2]; group * classes];
    let mut panel = shape.zeros::<S::Compute>();
    let partial = partial.cast::<S::Compute>();
    let mut pieces = Vec::new();
    let mut offsets = None;
    let elements = groups.piece_elements() * (group * channels).div_ceil(TILE);
    with_scratch(elements * size_of::<S::Compute>(), |scratch| {
        // SAFETY: the contract is passed on; there is memory for every tile of a group, and sums for every row.
        unsafe {
            partial.write_bytes(0, shape.paths * channels);
            let mut rows_added = 0;
            for first in rows.clone().step_by(group) {
                let last = (first + group as i64).min(rows.end);
                let lanes = first * channels as i64..last * channels as i64;
                groups.bring::<S, TILE>(lanes, &mut offsets, scratch.cast(), &mut pieces);
                groups.cotangents(&pieces, &mut sums);
                for piece in &pieces {
                    groups.differentiate(piece, panel.start().cast());
                    groups.tiles.send::<S, TILE>(call.isa, &piece.tile, &mut offsets);
                }
                rows_added += last - first;
                if rows_added >= ROWS_AT_ONCE as i64 || last == rows.end {
                    shape.fold(panel.read(), partial);
                    panel.clear();
                    rows_added = 0;
                }
            }
        }
    });
}

impl<T: ProductCompute> Groups<'_, T, 5> {
    /// Opens the gates of a group, computes its products anew and replaces them by their cotangents.
    ///
    /// # Safety
    /// The pieces were made by [`Self::bring`], and there are sums for each of their rows and classes.
    unsafe fn cotangents(&self, pieces: &[Piece<T, 5>], sums: &mut [[T; 2]]) {
        let isa = self.call.isa;
        sums.fill([T::default(); 2]);
        // SAFETY: planes are valid for whole vectors of lanes; the rest is passed on from the caller.
        unsafe {
            for piece in pieces {
                let [cotangent, left, right, ..] = piece.tile.planes;
                self.open_gates(piece, [left, right], true);
                if let Some((table, _)) = self.surroundings.norm {
                    self.multiply(piece, [left, right], piece.product);
                    let (x, sums) = (piece.product.read(), sums.as_mut_ptr());
                    let cotangent = Some(cotangent.read());
                    T::vectorize(isa, Measure { table, rows: piece.rows, x, cotangent, sums });
                }
            }
            let Some((table, epsilon)) = self.surroundings.norm else { return };
            factors(table, epsilon, self.call.weights.shape.channels, sums);
            for piece in pieces {
                let (out, rows, factors) = (piece.product, piece.rows, sums.as_ptr());
                let cotangent = piece.tile.planes[0].read();
                T::vectorize(isa, Unscale { table, rows, factors, x: out.read(), cotangent, out });
            }
        }
    }

    /// The gradients of a tile by operands and weights, through the gates.
    ///
    /// # Safety
    /// The piece went through [`Self::cotangents`]; `panel` is a panel of weight gradients.
    unsafe fn differentiate(&self, piece: &Piece<T, 5>, panel: *mut T) {
        let [cotangent, left, right, by_left, by_right] = piece.tile.planes;
        let (lanes, arrays) = (piece.tile.count, piece.arrays);
        let cotangent = if self.surroundings.norm.is_some() { piece.product } else { cotangent };
        let shape = self.call.weights.shape;
        // SAFETY: planes and arrays are valid for whole vectors of lanes, at most a tile.
        unsafe {
            let gradients = WeightedGradients {
                cotangent: cotangent.read(),
                left: left.read(),
                right: right.read(),
                weight: self.call.weights.planes(piece.tile.first),
                scale: arrays.scale(),
                by_left,
                by_right,
                by_weight: shape.planes_mut(panel, piece.tile.first),
                dot: arrays.dot(),
            };
            (self.kernels.backward)(self.call.program.terms(), lanes.div_ceil(self.kernels.lanes), &gradients);
            let Some((scalar, _)) = self.surroundings.gate else { return };
            for (operand, gradient) in [by_left, by_right].into_iter().enumerate() {
                let factors = [arrays.slope(operand), arrays.gate(1 - operand), arrays.dot()].map(<*mut T>::cast_const);
                let out = gradient.start.offset(scalar as isize * gradient.stride);
                T::vectorize(self.call.isa, AddTriple { lanes, factors, out });
            }
        }
    }
}
