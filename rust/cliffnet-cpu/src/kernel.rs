//! The term interpreter: one pass over the terms for a group of lanes held in registers.

use crate::dtype::Storage;
use crate::isa::Isa;
use crate::lanes::{Lanes, Portable};
use crate::leaf_kernel::{LeafKernel, double_leaf, single_leaf};
use crate::leaf_program::LeafProgram;
use crate::matrix_kernel::{MatrixKernels, double_kernels, single_kernels};
use crate::matrix_program::Words;
use crate::panel::{PanelKernels, double_panel_kernels, single_panel_kernels};
use crate::terms::{Row, Terms};

/// Blade planes to read: blade `b` of lane `l` is at `start + b * stride + l`.
#[derive(Clone, Copy)]
pub(crate) struct Planes<T> {
    pub(crate) start: *const T,
    pub(crate) stride: isize,
}

impl<T> Planes<T> {
    /// The same planes from a later lane on.
    ///
    /// # Safety
    /// The planes hold more lanes than are skipped.
    #[inline(always)]
    pub(crate) unsafe fn skip(self, lanes: usize) -> Self {
        // SAFETY: passed on from the caller.
        Self { start: unsafe { self.start.add(lanes) }, stride: self.stride }
    }
}

/// Blade planes to write: blade `b` of lane `l` is at `start + b * stride + l`.
#[derive(Clone, Copy)]
pub(crate) struct PlanesMut<T> {
    pub(crate) start: *mut T,
    pub(crate) stride: isize,
}

impl<T> PlanesMut<T> {
    /// The same planes, to read.
    #[inline(always)]
    pub(crate) fn read(self) -> Planes<T> {
        Planes { start: self.start, stride: self.stride }
    }

    /// The same planes from a later lane on.
    ///
    /// # Safety
    /// The planes hold more lanes than are skipped.
    #[inline(always)]
    pub(crate) unsafe fn skip(self, lanes: usize) -> Self {
        // SAFETY: passed on from the caller.
        Self { start: unsafe { self.start.add(lanes) }, stride: self.stride }
    }
}

/// Runs all terms on the first lanes of three sets of planes; with the flag, adds to the output.
pub(crate) type TermKernel<T> = unsafe fn(&Terms, Planes<T>, Planes<T>, PlanesMut<T>, bool);

/// A type the arithmetic is done in.
pub(crate) trait Compute:
    Storage<Compute = Self> + Default + std::ops::AddAssign + std::ops::Mul<Output = Self>
{
    /// Lanes of one tile: 256 bytes of each blade.
    const TILE: usize;

    /// The kernel for `lanes <= TILE` lanes. It touches whole vectors, at most `TILE` lanes.
    fn term_kernel(isa: Isa, lanes: usize) -> TermKernel<Self>;

    /// The kernel of a program of blocks and the lanes of one of its vectors.
    fn leaf_kernel(isa: Isa, program: &LeafProgram) -> (LeafKernel<Self>, usize);

    /// The stages of the matrix route.
    fn matrix_kernels(isa: Isa) -> MatrixKernels<Self>;

    /// Products of small matrices.
    fn panel_kernels(isa: Isa) -> PanelKernels<Self>;

    /// The factors of words in this type.
    fn factors(words: &Words) -> &[Self];

    /// Rounds a coefficient.
    fn from_f64(value: f64) -> Self;
}

/// Adds the terms of one row to `COUNT` vectors of sums.
///
/// # Safety
/// As [`run_terms`], for the left and right planes.
#[inline(always)]
pub(crate) unsafe fn add_row<V, const COUNT: usize>(
    terms: &Terms,
    row: &Row,
    left: Planes<V::Scalar>,
    right: Planes<V::Scalar>,
    sums: &mut [V; COUNT],
) where
    V: Lanes,
    V::Scalar: Compute,
{
    // SAFETY: blade indices of terms are below the operand sizes, and the caller vouches for the planes.
    unsafe {
        for pair in terms.pairs(&row.plus) {
            let a = left.start.offset(pair.left as isize * left.stride);
            let b = right.start.offset(pair.right as isize * right.stride);
            for (index, sum) in sums.iter_mut().enumerate() {
                *sum = V::load(a.add(index * V::WIDTH)).add_product(V::load(b.add(index * V::WIDTH)), *sum);
            }
        }
        for pair in terms.pairs(&row.minus) {
            let a = left.start.offset(pair.left as isize * left.stride);
            let b = right.start.offset(pair.right as isize * right.stride);
            for (index, sum) in sums.iter_mut().enumerate() {
                *sum = V::load(a.add(index * V::WIDTH)).subtract_product(V::load(b.add(index * V::WIDTH)), *sum);
            }
        }
        for (pair, coefficient) in terms.pairs(&row.scaled).iter().zip(terms.coefficients(&row.scaled)) {
            let a = left.start.offset(pair.left as isize * left.stride);
            let b = right.start.offset(pair.right as isize * right.stride);
            let scale = V::splat(V::Scalar::from_f64(*coefficient));
            for (index, sum) in sums.iter_mut().enumerate() {
                let scaled = scale.multiply(V::load(a.add(index * V::WIDTH)));
                *sum = scaled.add_product(V::load(b.add(index * V::WIDTH)), *sum);
            }
        }
    }
}

/// Runs the terms on `COUNT` vectors of lanes.
///
/// # Safety
/// The instruction set of `V` is available; for every blade the planes are valid for `COUNT * V::WIDTH` lanes.
#[inline(always)]
unsafe fn run_terms<V, const COUNT: usize>(
    terms: &Terms,
    left: Planes<V::Scalar>,
    right: Planes<V::Scalar>,
    out: PlanesMut<V::Scalar>,
    adds: bool,
) where
    V: Lanes,
    V::Scalar: Compute,
{
    for (blade, row) in terms.rows().iter().enumerate() {
        // SAFETY: blade indices of terms are below the operand sizes, and the caller vouches for the planes.
        unsafe {
            let target = out.start.offset(blade as isize * out.stride);
            let mut sums = [V::splat(V::Scalar::default()); COUNT];
            if adds {
                for (index, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(target.add(index * V::WIDTH));
                }
            }
            add_row(terms, row, left, right, &mut sums);
            for (index, sum) in sums.into_iter().enumerate() {
                sum.store(target.add(index * V::WIDTH));
            }
        }
    }
}

/// Picks the smallest number of vectors that covers `lanes`.
macro_rules! by_count {
    ($function:ident, $vector:ty, $lanes:expr) => {
        match $lanes.div_ceil(<$vector as Lanes>::WIDTH) {
            0 | 1 => $function::<$vector, 1>,
            2 => $function::<$vector, 2>,
            3 | 4 => $function::<$vector, 4>,
            5..=8 => $function::<$vector, 8>,
            _ => $function::<$vector, 16>,
        }
    };
}

/// [`run_terms`] compiled for an instruction set.
macro_rules! compiled {
    ($name:ident, $features:literal) => {
        #[target_feature(enable = $features)]
        unsafe fn $name<V, const COUNT: usize>(
            terms: &Terms,
            left: Planes<V::Scalar>,
            right: Planes<V::Scalar>,
            out: PlanesMut<V::Scalar>,
            adds: bool,
        ) where
            V: Lanes,
            V::Scalar: Compute,
        {
            // SAFETY: the contract is that of run_terms, passed on.
            unsafe { run_terms::<V, COUNT>(terms, left, right, out, adds) }
        }
    };
}

#[cfg(target_arch = "x86_64")]
compiled!(terms_avx512, "avx512f,avx2,fma");
#[cfg(target_arch = "x86_64")]
compiled!(terms_avx2, "avx2,fma");
#[cfg(target_arch = "aarch64")]
compiled!(terms_neon, "neon");

macro_rules! compute {
    ($scalar:ty, $tile:literal, $portable:literal, $avx2:ident, $avx512:ident, $neon:ident, $leaf:ident, $kernels:ident, $panel_kernels:ident, $factors:ident) => {
        impl Compute for $scalar {
            const TILE: usize = $tile;

            fn term_kernel(isa: Isa, lanes: usize) -> TermKernel<Self> {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => by_count!(terms_avx512, std::arch::x86_64::$avx512, lanes),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => by_count!(terms_avx2, std::arch::x86_64::$avx2, lanes),
                    #[cfg(target_arch = "aarch64")]
                    Isa::Neon => by_count!(terms_neon, std::arch::aarch64::$neon, lanes),
                    _ => by_count!(run_terms, Portable<$scalar, $portable>, lanes),
                }
            }

            fn leaf_kernel(isa: Isa, program: &LeafProgram) -> (LeafKernel<Self>, usize) {
                $leaf(isa, program)
            }

            fn matrix_kernels(isa: Isa) -> MatrixKernels<Self> {
                $kernels(isa)
            }

            fn panel_kernels(isa: Isa) -> PanelKernels<Self> {
                $panel_kernels(isa)
            }

            fn factors(words: &Words) -> &[Self] {
                &words.$factors
            }

            fn from_f64(value: f64) -> Self {
                value as Self
            }
        }
    };
}

compute!(f32, 64, 4, __m256, __m512, float32x4_t, single_leaf, single_kernels, single_panel_kernels, single);
compute!(f64, 32, 2, __m256d, __m512d, float64x2_t, double_leaf, double_kernels, double_panel_kernels, double);
