//! Tensors of any strides in memory whose every other byte is watched.

use cliffnet_cpu::DType;

use crate::half::{BFLOAT16, FLOAT16};

/// Number of leading axes of the tensors here; axes of size 1 stand for fewer.
pub(crate) const RANK: usize = 3;

/// Bytes before and after the elements of a tensor; none where a sanitizer watches the allocation itself.
const GUARD: usize = if option_env!("CLIFFNET_TIGHT_MEMORY").is_some() { 0 } else { 512 };

/// What unused memory holds: a signalling NaN in every format.
const CANARY: u8 = 0xFF;

pub(crate) const DTYPES: [DType; 4] = [DType::F32, DType::F64, DType::BF16, DType::F16];

/// The nearest value of a type.
pub(crate) fn rounded(dtype: DType, value: f64) -> f64 {
    match dtype {
        DType::F64 => value,
        DType::F32 => f64::from(value as f32),
        DType::BF16 => BFLOAT16.round(value),
        DType::F16 => FLOAT16.round(value),
    }
}

/// How the axes and the blades of a tensor lie in memory.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// The leading axes `0..RANK` and the blades `RANK`, outermost first.
    pub(crate) order: [usize; RANK + 1],
    /// Elements skipped after each dimension, by dimension.
    pub(crate) gaps: [i64; RANK + 1],
    /// Dimensions that are expanded with stride 0.
    pub(crate) expanded: [bool; RANK + 1],
    /// Elements before the first one, which misalign it.
    pub(crate) shift: usize,
}

impl Layout {
    const fn packed(order: [usize; RANK + 1]) -> Self {
        Self { order, gaps: [0; RANK + 1], expanded: [false; RANK + 1], shift: 0 }
    }

    /// Lane after lane, blades together.
    pub(crate) const CONTIGUOUS: Self = Self::packed([0, 1, 2, 3]);
    /// Blade after blade, lanes together.
    pub(crate) const BLADE_MAJOR: Self = Self::packed([3, 0, 1, 2]);
    /// Blades together, axes in the wrong order.
    pub(crate) const TRANSPOSED: Self = Self::packed([2, 1, 0, 3]);
    /// One multivector for all lanes.
    pub(crate) const BROADCAST: Self = Self { expanded: [true, true, true, false], ..Self::CONTIGUOUS };
    /// Misaligned, with gaps between lanes.
    pub(crate) const GAPPED: Self = Self { gaps: [0, 0, 3, 0], shift: 1, ..Self::CONTIGUOUS };
    /// Blades apart, lanes apart.
    pub(crate) const SCATTERED: Self = Self { gaps: [1, 2, 1, 1], shift: 3, ..Self::packed([0, 2, 3, 1]) };

    pub(crate) const ALL: [Self; 6] =
        [Self::CONTIGUOUS, Self::BLADE_MAJOR, Self::TRANSPOSED, Self::BROADCAST, Self::GAPPED, Self::SCATTERED];

    /// The same without expanded dimensions, as an output has to be.
    pub(crate) fn distinct(&self) -> Self {
        Self { expanded: [false; RANK + 1], ..self.clone() }
    }

    /// Strides of the axes and of the blades.
    fn strides(&self, sizes: [i64; RANK + 1]) -> [i64; RANK + 1] {
        let mut strides = [0; RANK + 1];
        let mut step = 1;
        for &dimension in self.order.iter().rev() {
            if !self.expanded[dimension] {
                strides[dimension] = step;
                step = step * sizes[dimension].max(1) + self.gaps[dimension];
            }
        }
        strides
    }
}

/// A tensor with guard zones; bytes that belong to no element keep the canary.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    dtype: DType,
    sizes: [i64; RANK + 1],
    pub(crate) strides: [i64; RANK + 1],
    first_byte: usize,
    /// Words, so that the start is aligned like an allocation of torch.
    words: Vec<u64>,
}

impl Memory {
    pub(crate) fn new(dtype: DType, axes: [i64; RANK], blades: usize, layout: &Layout) -> Self {
        let sizes = [axes[0], axes[1], axes[2], blades as i64];
        let strides = layout.strides(sizes);
        let last: i64 = sizes.iter().zip(strides).map(|(&size, stride)| (size - 1).max(0) * stride).sum();
        let first_byte = GUARD + layout.shift * dtype.size();
        let bytes = first_byte + (last as usize + 1) * dtype.size() + GUARD;
        let words = vec![u64::from_ne_bytes([CANARY; 8]); bytes.div_ceil(8)];
        Self { dtype, sizes, strides, first_byte, words }
    }

    /// The first byte of every element, lane by lane and blade by blade.
    fn elements(&self) -> Vec<usize> {
        let [n0, n1, n2, blades] = self.sizes;
        let mut starts = Vec::with_capacity((n0 * n1 * n2 * blades) as usize);
        for i in 0..n0 {
            for j in 0..n1 {
                for k in 0..n2 {
                    for blade in 0..blades {
                        let offset: i64 = [i, j, k, blade].iter().zip(self.strides).map(|(i, stride)| i * stride).sum();
                        starts.push(self.first_byte + offset as usize * self.dtype.size());
                    }
                }
            }
        }
        starts
    }

    /// Sets the elements in order; where several lie in one place the last one stays.
    pub(crate) fn fill(&mut self, mut value: impl FnMut() -> f64) {
        let mut bytes = self.bytes();
        for start in self.elements() {
            let value = value();
            let target = &mut bytes[start..start + self.dtype.size()];
            match self.dtype {
                DType::F32 => target.copy_from_slice(&(value as f32).to_ne_bytes()),
                DType::F64 => target.copy_from_slice(&value.to_ne_bytes()),
                DType::BF16 => target.copy_from_slice(&BFLOAT16.encode(value).to_ne_bytes()),
                DType::F16 => target.copy_from_slice(&FLOAT16.encode(value).to_ne_bytes()),
            }
        }
        for (word, bytes) in self.words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().expect("eight bytes"));
        }
    }

    /// The values, lane by lane and blade by blade.
    pub(crate) fn values(&self) -> Vec<f64> {
        fn at<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
            bytes[start..start + N].try_into().expect("N bytes")
        }
        let bytes = self.bytes();
        let value = |start| match self.dtype {
            DType::F32 => f64::from(f32::from_ne_bytes(at(&bytes, start))),
            DType::F64 => f64::from_ne_bytes(at(&bytes, start)),
            DType::BF16 => BFLOAT16.decode(u16::from_ne_bytes(at(&bytes, start))),
            DType::F16 => FLOAT16.decode(u16::from_ne_bytes(at(&bytes, start))),
        };
        self.elements().into_iter().map(value).collect()
    }

    /// All bytes, those of elements and the others.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    /// Panics if a byte outside the elements was written.
    pub(crate) fn assert_untouched_outside(&self) {
        let mut bytes = self.bytes();
        for start in self.elements() {
            bytes[start..start + self.dtype.size()].fill(CANARY);
        }
        assert!(bytes.iter().all(|&byte| byte == CANARY), "memory outside the elements was written: {self:?}");
    }

    pub(crate) fn start(&self) -> *const u8 {
        self.words.as_ptr().cast::<u8>().wrapping_add(self.first_byte)
    }

    pub(crate) fn start_mut(&mut self) -> *mut u8 {
        self.words.as_mut_ptr().cast::<u8>().wrapping_add(self.first_byte)
    }
}
