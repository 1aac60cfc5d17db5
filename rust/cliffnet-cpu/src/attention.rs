//! Features of attention: vectors whose dot products are the invariants that attention compares.
//!
//! A token holds the multivectors of several heads, `channels` of each, and as many scalars of each. Its queries become
//!
//! ```text
//! w_b x_b for the blades b of the inner product,   -v |a|^2,  -v b^2,  2 v b a_1, ..., 2 v b a_n,   scalars,   zeros
//! ```
//!
//! and its keys `x_b, b^2, |a|^2, b a_1, ..., b a_n`, each for all channels of a head: where multivectors hold points
//! `(a, b)` in homogeneous coordinates, softly normalised by `b / (b^2 + epsilon)`, the dot product is minus the squared
//! distance times the weight v. Values are all blades and the scalars.

use cliffnet_plan::Plan;

use crate::attention_token::Real;
use crate::dtype::{BFloat16, DType, Float16, Storage};
use crate::geometry::{Geometry, Offsets};
use crate::isa::Isa;
use crate::kernel::Compute;
use crate::scratch::with_scratch;

/// Which blades enter the features.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Blades of the inner product, and their weights.
    pub(crate) inner: Vec<(usize, f64)>,
    /// Blades of the coordinates `a` of a point; empty where there are no points.
    pub(crate) ideal: Vec<usize>,
    /// Blade of the coordinate `b`.
    pub(crate) finite: usize,
    /// Blades of a multivector.
    pub(crate) blades: usize,
}

impl Comparison {
    /// Reads a comparison off a plan: output 0 is the inner product, a sum of weighted squares, and every further output
    /// the product of an ideal and the finite coordinate. None when the plan is of another kind.
    pub fn new(plan: &Plan) -> Option<Self> {
        let mut comparison = Self { inner: Vec::new(), ideal: Vec::new(), finite: 0, blades: plan.left_size() };
        if plan.is_weighted() || plan.right_size() != plan.left_size() {
            return None;
        }
        for term in plan.terms() {
            let (left, right) = (usize::from(term.left), usize::from(term.right));
            if term.out == 0 && left == right {
                comparison.inner.push((left, term.coefficient));
            } else if usize::from(term.out) == comparison.ideal.len() + 1
                && (comparison.ideal.is_empty() || comparison.finite == right)
            {
                comparison.ideal.push(left);
                comparison.finite = right;
            } else {
                return None;
            }
        }
        (comparison.ideal.len() + 1 == plan.out_size()).then_some(comparison)
    }

    /// Blades of a multivector.
    pub fn blades(&self) -> usize {
        self.blades
    }

    /// Features of one channel of queries and keys.
    pub fn features(&self) -> usize {
        self.inner.len() + self.points()
    }

    /// Features of one channel that measure distance.
    pub(crate) fn points(&self) -> usize {
        if self.ideal.is_empty() { 0 } else { self.ideal.len() + 2 }
    }
}

/// Sizes of a token.
#[derive(Clone, Copy, Debug)]
pub struct TokenShape {
    /// Heads of queries, keys and values: heads of a token stand in this order.
    pub heads: [usize; 3],
    /// Multivector channels of a head.
    pub channels: usize,
    /// Scalars of a head.
    pub scalars: usize,
    /// Entries of a feature vector of queries, keys and values, zeros at the end included.
    pub widths: [usize; 3],
    /// Softening of the normaliser of points.
    pub epsilon: f64,
}

impl TokenShape {
    /// Channels of all heads of a token.
    pub(crate) fn lanes(&self) -> usize {
        self.heads.iter().sum::<usize>() * self.channels
    }
}

/// A tensor of tokens: its first element, and its strides within a token, in elements: those of channels and blades, of
/// scalars (and 0), or of heads and features.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    /// First element.
    pub data: *mut u8,
    /// Strides.
    pub strides: [i64; 2],
}

/// The tensors of a call; gradients of multivectors and scalars, and cotangents of features, have the places of what they
/// belong to.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    /// Multivectors.
    pub multivectors: Tokens,
    /// Scalars, without memory where there are none.
    pub scalars: Tokens,
    /// Queries, keys and values; those of no heads have no memory.
    pub features: [Tokens; 3],
}

/// Number of operands of the geometry of tokens: multivectors, scalars, three of features, gradients of the first two.
pub const TOKEN_OPERANDS: usize = 7;

/// What to do with tokens.
#[derive(Clone, Copy, Debug)]
pub enum PackingTask {
    /// Multivectors and scalars to features.
    Forward,
    /// Cotangents of features to gradients of multivectors, scalars and weights.
    Backward {
        /// Gradients of multivectors.
        multivectors: Tokens,
        /// Gradients of scalars.
        scalars: Tokens,
        /// Where the gradients of the weights are added to; null without weights.
        weights: *mut f64,
    },
    /// Values to multivectors and scalars, the inverse of the first.
    Unpack,
}

/// A call of [`pack_tokens`].
#[derive(Clone, Copy)]
pub struct Packing<'a> {
    /// What the features are.
    pub comparison: &'a Comparison,
    /// Sizes.
    pub shape: TokenShape,
    /// Offsets of tokens.
    pub geometry: &'a Geometry<TOKEN_OPERANDS>,
    /// Tensors.
    pub streams: Streams,
    /// Weights of the distances, one for each channel of queries; empty for ones.
    pub weights: &'a [f64],
    /// What to do.
    pub direction: PackingTask,
}

/// Runs a packing on the tokens `tokens`.
///
/// # Safety
/// Every address that sizes and strides give lies inside live tensors of `dtype`; what is written has distinct addresses
/// that no other thread touches; `isa` is available.
pub unsafe fn pack_tokens(packing: &Packing<'_>, dtype: DType, isa: Isa, tokens: std::ops::Range<i64>) {
    // SAFETY: the contract is passed on unchanged, with the element type named by `dtype`.
    unsafe {
        match dtype {
            DType::F32 => run_on::<f32>(packing, isa, tokens),
            DType::F64 => run_on::<f64>(packing, isa, tokens),
            DType::BF16 => run_on::<BFloat16>(packing, isa, tokens),
            DType::F16 => run_on::<Float16>(packing, isa, tokens),
        }
    }
}

/// Reads `count` neighbouring elements.
///
/// # Safety
/// They lie in a live tensor of `dtype`.
pub unsafe fn read_numbers(dtype: DType, data: *const u8, count: usize) -> Vec<f64> {
    unsafe fn read<S: Storage<Compute: Real>>(data: *const u8, count: usize) -> Vec<f64> {
        // SAFETY: the caller vouches for the elements.
        (0..count).map(|index| unsafe { data.cast::<S>().add(index).read() }.widen().to_f64()).collect()
    }
    // SAFETY: passed on, with the element type named by `dtype`.
    unsafe {
        match dtype {
            DType::F32 => read::<f32>(data, count),
            DType::F64 => read::<f64>(data, count),
            DType::BF16 => read::<BFloat16>(data, count),
            DType::F16 => read::<Float16>(data, count),
        }
    }
}

/// Writes neighbouring elements.
///
/// # Safety
/// As [`read_numbers`], for writing.
pub unsafe fn write_numbers(dtype: DType, data: *mut u8, numbers: &[f64]) {
    unsafe fn write<S: Storage>(data: *mut u8, numbers: &[f64]) {
        for (index, &number) in numbers.iter().enumerate() {
            // SAFETY: the caller vouches for the elements.
            unsafe { data.cast::<S>().add(index).write(S::narrow(S::Compute::from_f64(number))) };
        }
    }
    // SAFETY: passed on, with the element type named by `dtype`.
    unsafe {
        match dtype {
            DType::F32 => write::<f32>(data, numbers),
            DType::F64 => write::<f64>(data, numbers),
            DType::BF16 => write::<BFloat16>(data, numbers),
            DType::F16 => write::<Float16>(data, numbers),
        }
    }
}

unsafe fn run_on<S: Storage>(packing: &Packing<'_>, isa: Isa, tokens: std::ops::Range<i64>)
where
    S::Compute: Real,
{
    let (blades, lanes) = (packing.comparison.blades, packing.shape.lanes());
    let points = packing.comparison.ideal.len();
    let planes = blades + packing.comparison.features() + points + 2;
    // outside of what is compiled for an instruction set: the standard library's functions are not, nor what they call
    with_scratch((2 * planes * lanes + 1) * size_of::<S::Compute>(), |scratch| {
        let scratch = scratch.cast();
        // SAFETY: the instruction set is available by the contract, which is passed on; scratch holds all planes of a
        // token twice.
        unsafe {
            match isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => run_avx512::<S>(packing, tokens, scratch),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => run_avx2::<S>(packing, tokens, scratch),
                _ => run::<S>(packing, tokens, scratch),
            }
        }
    });
}

/// [`run`] compiled for an instruction set.
macro_rules! compiled {
    ($name:ident, $features:literal) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = $features)]
        unsafe fn $name<S: Storage>(packing: &Packing<'_>, tokens: std::ops::Range<i64>, scratch: *mut S::Compute)
        where
            S::Compute: Real,
        {
            // SAFETY: the contract is that of run, passed on.
            unsafe { run::<S>(packing, tokens, scratch) }
        }
    };
}

compiled!(run_avx512, "avx512f,avx2,fma");
compiled!(run_avx2, "avx2,fma");

/// [`pack_tokens`] for one element type.
///
/// # Safety
/// As [`pack_tokens`]; `scratch` holds all planes of a token twice.
#[inline(always)]
unsafe fn run<S: Storage>(packing: &Packing<'_>, tokens: std::ops::Range<i64>, scratch: *mut S::Compute)
where
    S::Compute: Real,
{
    let mut table: Option<[[i64; 1]; TOKEN_OPERANDS]> = None;
    for token in tokens {
        let offsets = packing.geometry.offsets(token, 1, &mut table).map(|offsets: Offsets<'_>| offsets.at(0));
        // SAFETY: passed on from the caller.
        unsafe { S::Compute::run_token::<S>(packing, offsets, scratch) };
    }
}

/// Copies `length` elements between strided places, in blocks: a block is read before it is written, so that both are
/// vectors.
///
/// # Safety
/// Both places are valid for all of them, and do not overlap.
#[inline(always)]
unsafe fn copy_run<A: Copy, B>(
    source: *const A,
    source_stride: isize,
    target: *mut B,
    target_stride: isize,
    length: usize,
    convert: &impl Fn(A) -> B,
) {
    let mut done = 0;
    // SAFETY: the caller vouches for every element; arrays need no more than the alignment of their elements.
    unsafe {
        if source_stride == 1 && target_stride == 1 {
            while done + 8 <= length {
                let block: [B; 8] = std::array::from_fn(|i| convert(source.add(done + i).read()));
                target.add(done).cast::<[B; 8]>().write(block);
                done += 8;
            }
            if done + 4 <= length {
                let block: [B; 4] = std::array::from_fn(|i| convert(source.add(done + i).read()));
                target.add(done).cast::<[B; 4]>().write(block);
                done += 4;
            }
        }
        for index in done as isize..length as isize {
            target.offset(index * target_stride).write(convert(source.offset(index * source_stride).read()));
        }
    }
}

/// Copies `count` runs of `length` elements; strides are those of runs and elements.
///
/// # Safety
/// As [`copy_run`].
#[inline(always)]
pub(crate) unsafe fn copy_runs<A: Copy, B>(
    source: *const A,
    source_strides: [isize; 2],
    target: *mut B,
    target_strides: [isize; 2],
    [count, length]: [usize; 2],
    convert: impl Fn(A) -> B,
) {
    if (length, source_strides[1], target_strides[1]) == (4, 1, 1) {
        // the usual channels of a head
        for run in 0..count as isize {
            // SAFETY: the caller vouches for every element; arrays need no more than the alignment of their elements.
            unsafe {
                let block = source.offset(run * source_strides[0]).cast::<[A; 4]>().read();
                target.offset(run * target_strides[0]).cast::<[B; 4]>().write(block.map(&convert));
            }
        }
        return;
    }
    for run in 0..count as isize {
        // SAFETY: the caller vouches for every element.
        unsafe {
            let from = source.offset(run * source_strides[0]);
            let to = target.offset(run * target_strides[0]);
            copy_run(from, source_strides[1], to, target_strides[1], length, &convert);
        }
    }
}
