//! The features of attention of one token, and their derivatives.

use std::array::from_fn;
use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::attention::{Packing, PackingTask, Tokens, copy_runs};
use crate::dtype::Storage;
use crate::kernel::Compute;

/// Arithmetic of features.
pub(crate) trait Real:
    Compute + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The number in double precision.
    fn to_f64(self) -> f64;

    /// Runs one token; `offsets` are those of the operands of the geometry of tokens.
    ///
    /// # Safety
    /// `scratch` holds two sets of planes of a token: its blades, features and points, and two more. Tensors are valid for
    /// the token.
    #[inline(always)]
    unsafe fn run_token<S: Storage<Compute = Self>>(packing: &Packing<'_>, offsets: [i64; 7], scratch: *mut Self) {
        // SAFETY: passed on from the caller.
        unsafe {
            match packing.direction {
                PackingTask::Forward => Token::<S>::new(packing, offsets, scratch).pack(),
                PackingTask::Unpack => Token::<S>::new(packing, offsets, scratch).unpack(),
                PackingTask::Backward { multivectors, scalars, weights } => {
                    Token::<S>::new(packing, offsets, scratch).pull_back(multivectors, scalars, weights);
                }
            }
        }
    }
}

impl Real for f32 {
    fn to_f64(self) -> f64 {
        self.into()
    }
}

impl Real for f64 {
    fn to_f64(self) -> f64 {
        self
    }
}

/// Calls a method on all lanes, in blocks of a constant size that the compiler turns into vectors.
macro_rules! in_blocks {
    ($lanes:expr, |$lane:ident, $size:ident| $call:expr) => {{
        let mut $lane = 0;
        while $lane + 8 <= $lanes {
            const $size: usize = 8;
            $call;
            $lane += $size;
        }
        while $lane + 4 <= $lanes {
            const $size: usize = 4;
            $call;
            $lane += $size;
        }
        while $lane < $lanes {
            const $size: usize = 1;
            $call;
            $lane += $size;
        }
    }};
}

/// Neighbouring lanes.
///
/// # Safety
/// They are valid.
#[inline(always)]
unsafe fn read_lanes<T: Copy, const LANES: usize>(source: *const T) -> [T; LANES] {
    // SAFETY: an array needs no more than the alignment of its elements; the caller vouches for these.
    unsafe { source.cast::<[T; LANES]>().read() }
}

/// One token and its working memory.
struct Token<'a, S: Storage> {
    packing: &'a Packing<'a>,
    offsets: [i64; 7],
    /// The blades of the token, plane by plane.
    planes: *mut S::Compute,
    /// The gradients of the same.
    gradients: *mut S::Compute,
    /// Features of queries or keys.
    features: *mut S::Compute,
    /// Normalised coordinates, ideal ones first, and the normaliser.
    points: *mut S::Compute,
}

impl<'a, S: Storage> Token<'a, S>
where
    S::Compute: Real,
{
    unsafe fn new(packing: &'a Packing<'a>, offsets: [i64; 7], scratch: *mut S::Compute) -> Self {
        let lanes = packing.shape.lanes();
        let (blades, features) = (packing.comparison.blades, packing.comparison.features());
        // SAFETY: scratch holds the parts one after the other, by the contract of run_token.
        unsafe {
            let gradients = scratch.add(blades * lanes);
            let features_start = gradients.add(blades * lanes);
            let points = features_start.add(features * lanes);
            Self { packing, offsets, planes: scratch, gradients, features: features_start, points }
        }
    }

    /// The element of the token in a tensor.
    #[inline(always)]
    unsafe fn at(&self, tokens: Tokens, operand: usize) -> *mut S {
        // SAFETY: the token lies in the tensor.
        unsafe { tokens.data.cast::<S>().offset(self.offsets[operand] as isize) }
    }

    /// First lane, and number of lanes, of queries, keys or values.
    fn lanes_of(&self, role: usize) -> (usize, usize) {
        let shape = &self.packing.shape;
        (shape.heads[..role].iter().sum::<usize>() * shape.channels, shape.heads[role] * shape.channels)
    }

    #[inline(always)]
    unsafe fn read_multivectors(&self) {
        let (tokens, lanes) = (self.packing.streams.multivectors, self.packing.shape.lanes());
        // SAFETY: planes hold all blades of the token.
        unsafe {
            let shape = [self.packing.comparison.blades, lanes];
            let [lane, blade] = tokens.strides.map(|stride| stride as isize);
            let source = self.at(tokens, 0).cast_const();
            copy_runs(source, [blade, lane], self.planes, [lanes as isize, 1], shape, S::widen);
        }
    }

    /// Multivectors and scalars to features.
    #[inline(always)]
    unsafe fn pack(&self) {
        // SAFETY: passed on from the caller.
        unsafe {
            self.read_multivectors();
            for role in 0..2 {
                if self.packing.shape.heads[role] > 0 {
                    self.make_features(role);
                    let lanes = self.lanes_of(role).1;
                    self.write_features(role, self.features, lanes, self.packing.comparison.features());
                }
            }
            if self.packing.shape.heads[2] > 0 {
                let first = self.lanes_of(2).0;
                let source = self.planes.add(first);
                self.write_features(2, source, self.packing.shape.lanes(), self.packing.comparison.blades);
            }
        }
    }

    /// Writes planes of features, the scalars and zeros of all heads of a role.
    #[inline(always)]
    unsafe fn write_features(&self, role: usize, source: *const S::Compute, stride: usize, count: usize) {
        let shape = &self.packing.shape;
        let (tokens, scalars) = (self.packing.streams.features[role], self.packing.streams.scalars);
        let first_head: usize = shape.heads[..role].iter().sum();
        // SAFETY: heads, channels and scalars are those of the tensors.
        unsafe {
            let target = self.at(tokens, 2 + role);
            for head in 0..shape.heads[role] {
                let target = target.offset(head as isize * tokens.strides[0] as isize);
                let source = source.add(head * shape.channels);
                let places = [shape.channels as isize, 1];
                copy_runs(source, [stride as isize, 1], target, places, [count, shape.channels], S::narrow);
                let filled = count * shape.channels;
                if shape.scalars > 0 {
                    let step = scalars.strides[0] as isize;
                    let source = self.at(scalars, 1).offset(((first_head + head) * shape.scalars) as isize * step);
                    let strides = [0, step];
                    let target = target.add(filled);
                    copy_runs(source.cast_const(), strides, target, [0, 1], [1, shape.scalars], |x| x);
                }
                for place in filled + shape.scalars..shape.widths[role] {
                    target.add(place).write(S::narrow(S::Compute::default()));
                }
            }
        }
    }

    /// The features of queries (role 0) or keys (role 1).
    #[inline(always)]
    unsafe fn make_features(&self, role: usize) {
        let comparison = self.packing.comparison;
        let all = self.packing.shape.lanes();
        let (first, lanes) = self.lanes_of(role);
        // SAFETY: every plane indexed is among those of the token.
        unsafe {
            for (index, &(blade, weight)) in comparison.inner.iter().enumerate() {
                let factor = S::Compute::from_f64(if role == 0 { weight } else { 1.0 });
                let (source, target) = (self.planes.add(blade * all + first), self.features.add(index * lanes));
                for lane in 0..lanes {
                    *target.add(lane) = factor * *source.add(lane);
                }
            }
            if comparison.ideal.is_empty() {
                return;
            }
            self.normalise_points(first, lanes);
            in_blocks!(lanes, |lane, LANES| self.make_point_features::<LANES>(role, lanes, lane));
        }
    }

    /// The features of points of `LANES` lanes from `lane` on.
    #[inline(always)]
    unsafe fn make_point_features<const LANES: usize>(&self, role: usize, lanes: usize, lane: usize) {
        let ideal = self.packing.comparison.ideal.len();
        let two = S::Compute::from_f64(2.0);
        // SAFETY: every plane indexed is among those of the token.
        unsafe {
            let point = |index: usize| read_lanes::<_, LANES>(self.points.add(index * lanes + lane));
            let first = self.packing.comparison.inner.len();
            let write = |index: usize, values: [S::Compute; LANES]| {
                self.features.add((first + index) * lanes + lane).cast::<[S::Compute; LANES]>().write(values);
            };
            let b = point(ideal);
            let mut squares = [S::Compute::default(); LANES];
            for axis in 0..ideal {
                let a = point(axis);
                squares = from_fn(|i| squares[i] + a[i] * a[i]);
            }
            if role == 0 {
                let weight = self.weights::<LANES>(lane);
                write(0, from_fn(|i| -(weight[i] * squares[i])));
                write(1, from_fn(|i| -(weight[i] * b[i] * b[i])));
                for axis in 0..ideal {
                    let a = point(axis);
                    write(axis + 2, from_fn(|i| two * weight[i] * b[i] * a[i]));
                }
            } else {
                write(0, from_fn(|i| b[i] * b[i]));
                write(1, squares);
                for axis in 0..ideal {
                    let a = point(axis);
                    write(axis + 2, from_fn(|i| a[i] * b[i]));
                }
            }
        }
    }

    /// The weights of the distances of channels of queries.
    #[inline(always)]
    fn weights<const LANES: usize>(&self, lane: usize) -> [S::Compute; LANES] {
        match self.packing.weights.get(lane..lane + LANES) {
            Some(weights) => from_fn(|i| S::Compute::from_f64(weights[i])),
            None => [S::Compute::from_f64(1.0); LANES],
        }
    }

    /// Fills the points of `lanes` lanes from lane `first`, and their normalisers.
    #[inline(always)]
    unsafe fn normalise_points(&self, first: usize, lanes: usize) {
        let comparison = self.packing.comparison;
        let all = self.packing.shape.lanes();
        let ideal = comparison.ideal.len();
        let epsilon = S::Compute::from_f64(self.packing.shape.epsilon);
        // SAFETY: every plane indexed is among those of the token.
        unsafe {
            let finite = self.planes.add(comparison.finite * all + first);
            let normaliser = self.points.add((ideal + 1) * lanes);
            for lane in 0..lanes {
                let b = *finite.add(lane);
                *normaliser.add(lane) = b / (b * b + epsilon);
            }
            for (index, &blade) in comparison.ideal.iter().chain([&comparison.finite]).enumerate() {
                let (source, target) = (self.planes.add(blade * all + first), self.points.add(index * lanes));
                for lane in 0..lanes {
                    *target.add(lane) = *source.add(lane) * *normaliser.add(lane);
                }
            }
        }
    }

    /// Cotangents of features to gradients.
    #[inline(always)]
    unsafe fn pull_back(&self, multivectors: Tokens, scalars: Tokens, weights: *mut f64) {
        let (comparison, all) = (self.packing.comparison, self.packing.shape.lanes());
        // SAFETY: passed on from the caller.
        unsafe {
            self.read_multivectors();
            self.gradients.write_bytes(0, comparison.blades * all);
            for role in 0..2 {
                let (_, lanes) = self.lanes_of(role);
                if lanes > 0 {
                    self.read_features(role, self.features, lanes, comparison.features(), scalars, 6);
                    self.pull_back_features(role, weights);
                }
            }
            if self.packing.shape.heads[2] > 0 {
                let first = self.lanes_of(2).0;
                self.read_features(2, self.gradients.add(first), all, comparison.blades, scalars, 6);
            }
            let target = self.at(multivectors, 5);
            let [lane, blade] = multivectors.strides.map(|stride| stride as isize);
            let source = self.gradients.cast_const();
            copy_runs(source, [all as isize, 1], target, [blade, lane], [comparison.blades, all], S::narrow);
        }
    }

    /// Values to multivectors and scalars.
    #[inline(always)]
    unsafe fn unpack(&self) {
        let streams = &self.packing.streams;
        let shape = [self.packing.comparison.blades, self.packing.shape.lanes()];
        // SAFETY: passed on from the caller.
        unsafe {
            self.read_features(2, self.planes, shape[1], shape[0], streams.scalars, 1);
            let target = self.at(streams.multivectors, 0);
            let [lane, blade] = streams.multivectors.strides.map(|stride| stride as isize);
            let source = self.planes.cast_const();
            copy_runs(source, [shape[1] as isize, 1], target, [blade, lane], shape, S::narrow);
        }
    }

    /// Reads the planes of features of all heads of a role, and copies the scalars behind them.
    #[inline(always)]
    unsafe fn read_features(
        &self,
        role: usize,
        target: *mut S::Compute,
        stride: usize,
        count: usize,
        scalars: Tokens,
        scalar_operand: usize,
    ) {
        let shape = &self.packing.shape;
        let tokens = self.packing.streams.features[role];
        let first_head: usize = shape.heads[..role].iter().sum();
        // SAFETY: heads, channels and scalars are those of the tensors.
        unsafe {
            let source = self.at(tokens, 2 + role);
            let step = tokens.strides[1] as isize;
            for head in 0..shape.heads[role] {
                let source = source.offset(head as isize * tokens.strides[0] as isize).cast_const();
                let target = target.add(head * shape.channels);
                let strides = [shape.channels as isize * step, step];
                copy_runs(source, strides, target, [stride as isize, 1], [count, shape.channels], S::widen);
                if shape.scalars > 0 {
                    let source = source.offset((count * shape.channels) as isize * step);
                    let place = scalars.strides[0] as isize;
                    let first = ((first_head + head) * shape.scalars) as isize;
                    let target = self.at(scalars, scalar_operand).offset(first * place);
                    copy_runs(source, [0, step], target, [0, place], [1, shape.scalars], |x| x);
                }
            }
        }
    }

    /// Cotangents of the features of queries (role 0) or keys (role 1) to gradients of blades, and of weights.
    #[inline(always)]
    unsafe fn pull_back_features(&self, role: usize, weights: *mut f64) {
        let comparison = self.packing.comparison;
        let all = self.packing.shape.lanes();
        let (first, lanes) = self.lanes_of(role);
        let ideal = comparison.ideal.len();
        // SAFETY: every plane indexed is among those of the token; there is a weight for each channel of queries.
        unsafe {
            for (index, &(blade, weight)) in comparison.inner.iter().enumerate() {
                let factor = S::Compute::from_f64(if role == 0 { weight } else { 1.0 });
                let (source, target) = (self.features.add(index * lanes), self.gradients.add(blade * all + first));
                for lane in 0..lanes {
                    *target.add(lane) += factor * *source.add(lane);
                }
            }
            if ideal == 0 {
                return;
            }
            self.normalise_points(first, lanes);
            in_blocks!(lanes, |lane, LANES| self.pull_back_points::<LANES>(role, weights, lane));
        }
    }

    /// The same of the features of points of `LANES` lanes from `lane` on.
    #[inline(always)]
    unsafe fn pull_back_points<const LANES: usize>(&self, role: usize, weights: *mut f64, lane: usize) {
        let comparison = self.packing.comparison;
        let all = self.packing.shape.lanes();
        let (first, lanes) = self.lanes_of(role);
        let ideal = comparison.ideal.len();
        let epsilon = S::Compute::from_f64(self.packing.shape.epsilon);
        let two = S::Compute::from_f64(2.0);
        let zeros = [S::Compute::default(); LANES];
        // SAFETY: every plane indexed is among those of the token; there is a weight for each channel of queries.
        unsafe {
            let point = |index: usize| read_lanes::<_, LANES>(self.points.add(index * lanes + lane));
            let cotangents = self.features.add(comparison.inner.len() * lanes + lane);
            let cotangent = |index: usize| read_lanes::<_, LANES>(cotangents.add(index * lanes));
            let coordinate = |blade: usize| read_lanes::<_, LANES>(self.planes.add(blade * all + first + lane));
            let add_gradient = |blade: usize, change: [S::Compute; LANES]| {
                let target = self.gradients.add(blade * all + first + lane).cast::<[S::Compute; LANES]>();
                let sum = target.read();
                target.write(from_fn(|i| sum[i] + change[i]));
            };
            let (b, normaliser) = (point(ideal), point(ideal + 1));
            let (mut mixed, mut squares) = (zeros, zeros);
            for axis in 0..ideal {
                let (a, c) = (point(axis), cotangent(axis + 2));
                mixed = from_fn(|i| mixed[i] + a[i] * c[i]);
                squares = from_fn(|i| squares[i] + a[i] * a[i]);
            }
            let (by_first, by_second) = (cotangent(0), cotangent(1));
            // derivatives by a are by_a * a + by_b * cotangent, the one by b is by_finite
            let (by_a, by_b, by_finite): ([_; LANES], [_; LANES], [_; LANES]);
            if role == 0 {
                let weight = self.weights::<LANES>(lane);
                if !weights.is_null() {
                    for i in 0..LANES {
                        let by_weight = two * b[i] * mixed[i] - squares[i] * by_first[i] - b[i] * b[i] * by_second[i];
                        *weights.add(lane + i) += by_weight.to_f64();
                    }
                }
                by_a = from_fn(|i| -(two * weight[i] * by_first[i]));
                by_b = from_fn(|i| two * weight[i] * b[i]);
                by_finite = from_fn(|i| two * weight[i] * (mixed[i] - b[i] * by_second[i]));
            } else {
                by_a = from_fn(|i| two * by_second[i]);
                by_b = b;
                by_finite = from_fn(|i| two * b[i] * by_first[i] + mixed[i]);
            }
            let raw_finite = coordinate(comparison.finite);
            let mut by_normaliser: [_; LANES] = from_fn(|i| raw_finite[i] * by_finite[i]);
            for (axis, &blade) in comparison.ideal.iter().enumerate() {
                let (a, c, raw) = (point(axis), cotangent(axis + 2), coordinate(blade));
                let by_coordinate: [_; LANES] = from_fn(|i| by_a[i] * a[i] + by_b[i] * c[i]);
                by_normaliser = from_fn(|i| by_normaliser[i] + raw[i] * by_coordinate[i]);
                add_gradient(blade, from_fn(|i| normaliser[i] * by_coordinate[i]));
            }
            let by_raw_finite = from_fn(|i| {
                let square = raw_finite[i] * raw_finite[i];
                let slope = (epsilon - square) / ((square + epsilon) * (square + epsilon));
                normaliser[i] * by_finite[i] + slope * by_normaliser[i]
            });
            add_gradient(comparison.finite, by_raw_finite);
        }
    }
}
