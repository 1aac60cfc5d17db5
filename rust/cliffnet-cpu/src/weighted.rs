//! Weighted products: one weight per path and lane, so that every channel has its own product.
//!
//! ```text
//! out[k] = scale * sum over terms (k, i, j, p, c) of c * weight[p] * left[i] * right[j]
//! ```
//!
//! A gate multiplies whole multivectors, so it is a scale of the product: the plain product has the scale 1.

use cliffnet_plan::{Plan, Slot};

use crate::isa::Isa;
use crate::kernel::{Compute, Planes, PlanesMut, add_row};
use crate::lanes::{Lanes, Portable};
use crate::terms::{Pair, Terms};

/// Kernels of a weighted product on neighbouring vectors of lanes, at most one tile in all.
///
/// Planes hold blade (or path) `b` of lane `l` at `start + b * stride + l`. Planes that are written overlap no others.
#[derive(Clone, Copy)]
pub(crate) struct WeightedKernels<T> {
    /// Lanes of a vector.
    pub(crate) lanes: usize,
    /// Whether the kernels read elements of the operands more than once.
    pub(crate) is_reread: bool,
    /// The product.
    pub(crate) forward: ForwardKernel<T>,
    /// The gradients by both operands and the weights.
    pub(crate) backward: BackwardKernel<T>,
}

/// Computes a product on a number of vectors of lanes.
pub(crate) type ForwardKernel<T> = unsafe fn(&WeightedTerms, usize, &WeightedProduct<T>);

/// Computes the gradients of a product on a number of vectors of lanes.
pub(crate) type BackwardKernel<T> = unsafe fn(&WeightedTerms, usize, &WeightedGradients<T>);

/// What a product reads and writes.
pub(crate) struct WeightedProduct<T> {
    pub(crate) left: Planes<T>,
    pub(crate) right: Planes<T>,
    /// Weight `p` of lane `l`.
    pub(crate) weight: Planes<T>,
    /// A factor for each lane.
    pub(crate) scale: *const T,
    pub(crate) out: PlanesMut<T>,
}

/// What the gradients of a product read and write; `t` stands for one term `c * left * right` of path `p`.
pub(crate) struct WeightedGradients<T> {
    pub(crate) cotangent: Planes<T>,
    pub(crate) left: Planes<T>,
    pub(crate) right: Planes<T>,
    /// Weight `p` of lane `l`.
    pub(crate) weight: Planes<T>,
    /// A factor for each lane.
    pub(crate) scale: *const T,
    /// Written: `scale * sum of c * weight[p] * cotangent * right`.
    pub(crate) by_left: PlanesMut<T>,
    /// Written: `scale * sum of c * weight[p] * cotangent * left`.
    pub(crate) by_right: PlanesMut<T>,
    /// Path `p` of lane `l`; `scale * sum of cotangent * t` is added.
    pub(crate) by_weight: PlanesMut<T>,
    /// Written, for each lane: `sum of weight[p] * cotangent * t`, which is the gradient by the scale.
    pub(crate) dot: *mut T,
}

/// The terms of a weighted plan for the interpreter, seen from each slot.
#[derive(Clone, Debug)]
pub(crate) struct WeightedTerms {
    product: Sums,
    by_left: Sums,
    by_right: Sums,
}

/// Terms seen from one slot, gathered by the weight they share.
#[derive(Clone, Debug)]
struct Sums {
    /// For each blade that is written, its sums: path and row of `terms`.
    blades: Vec<Vec<(u16, u32)>>,
    terms: Terms,
}

impl Sums {
    fn new(plan: &Plan) -> Self {
        let mut keys: Vec<(u16, u16)> = plan.terms().iter().map(|term| (term.out, term.path)).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut blades = vec![Vec::new(); plan.out_size()];
        for (row, &(out, path)) in (0..).zip(&keys) {
            blades[usize::from(out)].push((path, row));
        }
        let terms = plan.terms().iter().map(|term| {
            let row = keys.partition_point(|&key| key < (term.out, term.path));
            (row, Pair { left: term.left, right: term.right }, term.coefficient)
        });
        let terms = Terms::of_rows(keys.len(), terms);
        Self { blades, terms }
    }
}

impl WeightedTerms {
    /// The terms of a weighted plan.
    pub(crate) fn new(plan: &Plan) -> Self {
        let [product, by_left, by_right] =
            [Slot::Out, Slot::Left, Slot::Right].map(|slot| Sums::new(&plan.seen_from(slot)));
        Self { product, by_left, by_right }
    }

    /// Multiply-adds of the product for each lane.
    pub(crate) fn work(&self) -> usize {
        self.product.terms.len() + self.product.blades.iter().map(Vec::len).sum::<usize>()
    }
}

/// `COUNT` vectors of a plane.
///
/// # Safety
/// The plane is valid for them, and the instruction set of `V` is available.
#[inline(always)]
unsafe fn load<V: Lanes, const COUNT: usize>(planes: Planes<V::Scalar>, blade: usize) -> [V; COUNT] {
    // SAFETY: passed on from the caller.
    unsafe {
        let plane = planes.start.offset(blade as isize * planes.stride);
        std::array::from_fn(|index| V::load(plane.add(index * V::WIDTH)))
    }
}

/// Writes `COUNT` vectors of a plane, each times its factor.
///
/// # Safety
/// As [`load`], for writes.
#[inline(always)]
unsafe fn store<V: Lanes, const COUNT: usize>(
    planes: PlanesMut<V::Scalar>,
    blade: usize,
    values: [V; COUNT],
    factors: [V; COUNT],
) {
    // SAFETY: passed on from the caller.
    unsafe {
        let plane = planes.start.offset(blade as isize * planes.stride);
        for index in 0..COUNT {
            values[index].multiply(factors[index]).store(plane.add(index * V::WIDTH));
        }
    }
}

/// `out[k] = scale * sum over paths of weight[p] * sum of c * left[i] * right[j]`.
///
/// # Safety
/// As [`load`] and [`store`], for all planes.
#[inline(always)]
unsafe fn weighted_sums<V, const COUNT: usize>(
    sums: &Sums,
    [left, right, weight]: [Planes<V::Scalar>; 3],
    scale: [V; COUNT],
    out: PlanesMut<V::Scalar>,
) where
    V: Lanes,
    V::Scalar: Compute,
{
    // SAFETY: passed on from the caller; the indices of terms are below the sizes of their planes.
    unsafe {
        for (blade, parts) in sums.blades.iter().enumerate() {
            let mut total = [V::splat(V::Scalar::default()); COUNT];
            for &(path, row) in parts {
                let mut part = [V::splat(V::Scalar::default()); COUNT];
                add_row(&sums.terms, &sums.terms.rows()[row as usize], left, right, &mut part);
                let weights = load::<V, COUNT>(weight, usize::from(path));
                for index in 0..COUNT {
                    total[index] = weights[index].add_product(part[index], total[index]);
                }
            }
            store(out, blade, total, scale);
        }
    }
}

/// The gradients by the weights and the scale.
///
/// # Safety
/// As [`load`] and [`store`], for all planes.
#[inline(always)]
unsafe fn weight_gradients<V, const COUNT: usize>(sums: &Sums, of: &WeightedGradients<V::Scalar>, scale: [V; COUNT])
where
    V: Lanes,
    V::Scalar: Compute,
{
    // SAFETY: passed on from the caller; the indices of terms are below the sizes of their planes.
    unsafe {
        let mut dot = [V::splat(V::Scalar::default()); COUNT];
        for (blade, parts) in sums.blades.iter().enumerate() {
            let cotangent = load::<V, COUNT>(of.cotangent, blade);
            for &(path, row) in parts {
                let mut part = [V::splat(V::Scalar::default()); COUNT];
                add_row(&sums.terms, &sums.terms.rows()[row as usize], of.left, of.right, &mut part);
                let weights = load::<V, COUNT>(of.weight, usize::from(path));
                let target = of.by_weight.start.offset(path as isize * of.by_weight.stride);
                for index in 0..COUNT {
                    let product = part[index].multiply(cotangent[index]);
                    dot[index] = product.add_product(weights[index], dot[index]);
                    let target = target.add(index * V::WIDTH);
                    product.add_product(scale[index], V::load(target)).store(target);
                }
            }
        }
        for (index, value) in dot.into_iter().enumerate() {
            value.store(of.dot.add(index * V::WIDTH));
        }
    }
}

/// Moves the planes of `product` forward by some lanes.
///
/// # Safety
/// The planes hold more lanes than that.
unsafe fn skip_product<T: Copy>(product: &WeightedProduct<T>, lanes: usize) -> WeightedProduct<T> {
    // SAFETY: passed on from the caller.
    unsafe {
        WeightedProduct {
            left: product.left.skip(lanes),
            right: product.right.skip(lanes),
            weight: product.weight.skip(lanes),
            scale: product.scale.add(lanes),
            out: product.out.skip(lanes),
        }
    }
}

/// Moves the planes of `gradients` forward by some lanes.
///
/// # Safety
/// The planes hold more lanes than that.
unsafe fn skip_gradients<T: Copy>(gradients: &WeightedGradients<T>, lanes: usize) -> WeightedGradients<T> {
    // SAFETY: passed on from the caller.
    unsafe {
        WeightedGradients {
            cotangent: gradients.cotangent.skip(lanes),
            left: gradients.left.skip(lanes),
            right: gradients.right.skip(lanes),
            weight: gradients.weight.skip(lanes),
            scale: gradients.scale.add(lanes),
            by_left: gradients.by_left.skip(lanes),
            by_right: gradients.by_right.skip(lanes),
            by_weight: gradients.by_weight.skip(lanes),
            dot: gradients.dot.add(lanes),
        }
    }
}

#[inline(always)]
unsafe fn product_of<V, const COUNT: usize>(terms: &WeightedTerms, of: &WeightedProduct<V::Scalar>)
where
    V: Lanes,
    V::Scalar: Compute,
{
    // SAFETY: the contract of the kernels is passed on.
    unsafe {
        let scale = load::<V, COUNT>(Planes { start: of.scale, stride: 0 }, 0);
        weighted_sums::<V, COUNT>(&terms.product, [of.left, of.right, of.weight], scale, of.out);
    }
}

#[inline(always)]
unsafe fn gradients_of<V, const COUNT: usize>(terms: &WeightedTerms, of: &WeightedGradients<V::Scalar>)
where
    V: Lanes,
    V::Scalar: Compute,
{
    // SAFETY: the contract of the kernels is passed on.
    unsafe {
        let scale = load::<V, COUNT>(Planes { start: of.scale, stride: 0 }, 0);
        weight_gradients::<V, COUNT>(&terms.product, of, scale);
        weighted_sums::<V, COUNT>(&terms.by_left, [of.cotangent, of.right, of.weight], scale, of.by_left);
        weighted_sums::<V, COUNT>(&terms.by_right, [of.left, of.cotangent, of.weight], scale, of.by_right);
    }
}

/// Vectors of lanes that run side by side: enough to hide the latency of an addition.
const GROUP: usize = 4;

/// The interpreter compiled for an instruction set.
macro_rules! interpreter {
    ($forward:ident, $backward:ident $(, $features:literal)?) => {
        /// # Safety
        /// The instruction set is available, and the planes are valid for that many vectors.
        $(#[target_feature(enable = $features)])?
        unsafe fn $forward<V>(terms: &WeightedTerms, vectors: usize, of: &WeightedProduct<V::Scalar>)
        where
            V: Lanes,
            V::Scalar: Compute,
        {
            // SAFETY: the contract is that of the functions called, passed on.
            unsafe {
                let whole = vectors / GROUP * GROUP;
                for first in (0..whole).step_by(GROUP) {
                    product_of::<V, GROUP>(terms, &skip_product(of, first * V::WIDTH));
                }
                for first in whole..vectors {
                    product_of::<V, 1>(terms, &skip_product(of, first * V::WIDTH));
                }
            }
        }

        /// # Safety
        /// The instruction set is available, and the planes are valid for that many vectors.
        $(#[target_feature(enable = $features)])?
        unsafe fn $backward<V>(terms: &WeightedTerms, vectors: usize, of: &WeightedGradients<V::Scalar>)
        where
            V: Lanes,
            V::Scalar: Compute,
        {
            // SAFETY: the contract is that of the functions called, passed on.
            unsafe {
                let whole = vectors / GROUP * GROUP;
                for first in (0..whole).step_by(GROUP) {
                    gradients_of::<V, GROUP>(terms, &skip_gradients(of, first * V::WIDTH));
                }
                for first in whole..vectors {
                    gradients_of::<V, 1>(terms, &skip_gradients(of, first * V::WIDTH));
                }
            }
        }
    };
}

interpreter!(forward_portable, backward_portable);
#[cfg(target_arch = "x86_64")]
interpreter!(forward_avx512, backward_avx512, "avx512f,avx2,fma");
#[cfg(target_arch = "x86_64")]
interpreter!(forward_avx2, backward_avx2, "avx2,fma");
#[cfg(target_arch = "aarch64")]
interpreter!(forward_neon, backward_neon, "neon");

/// A type that weighted products are computed in.
pub(crate) trait WeightedCompute: Compute {
    /// The interpreter, which runs any plan.
    fn interpreter(isa: Isa) -> WeightedKernels<Self>;
}

macro_rules! weighted_compute {
    ($scalar:ty, $portable:literal, $avx2:ident, $avx512:ident, $neon:ident) => {
        impl WeightedCompute for $scalar {
            fn interpreter(isa: Isa) -> WeightedKernels<Self> {
                macro_rules! kernels {
                    ($vector:ty, $forward_kernel:ident, $backward_kernel:ident) => {
                        WeightedKernels {
                            lanes: <$vector as Lanes>::WIDTH,
                            is_reread: true,
                            forward: $forward_kernel::<$vector>,
                            backward: $backward_kernel::<$vector>,
                        }
                    };
                }
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => kernels!(std::arch::x86_64::$avx512, forward_avx512, backward_avx512),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => kernels!(std::arch::x86_64::$avx2, forward_avx2, backward_avx2),
                    #[cfg(target_arch = "aarch64")]
                    Isa::Neon => kernels!(std::arch::aarch64::$neon, forward_neon, backward_neon),
                    _ => kernels!(Portable<$scalar, $portable>, forward_portable, backward_portable),
                }
            }
        }
    };
}

weighted_compute!(f32, 4, __m256, __m512, float32x4_t);
weighted_compute!(f64, 2, __m256d, __m512d, float64x2_t);
