//! Ordered, signed blades.

use crate::blade::full_mask;
use crate::{Error, MAX_BLADES, MAX_DENSE_GENERATORS, MAX_GENERATORS};

/// Masks below this bound are looked up in a table, others by binary search.
const TABLE_BOUND: u64 = 1 << 16;

/// The blades along the last axis of a tensor: entry `i` is the coefficient of `signs[i] e_{masks[i]}`.
///
/// ```
/// use cliffnet_algebra::Basis;
///
/// let basis = Basis::canonical(2)?;
/// assert_eq!(basis.masks(), [0b00, 0b01, 0b10, 0b11]);
/// assert_eq!(basis.index_of(0b11), Some(3));
/// # Ok::<(), cliffnet_algebra::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Basis {
    masks: Vec<u64>,
    signs: Vec<f64>,
    lookup: Lookup,
}

#[derive(Clone, Debug, PartialEq)]
enum Lookup {
    /// Index by mask; `u16::MAX` marks a missing blade.
    Table(Vec<u16>),
    /// (mask, index), sorted.
    Sorted(Vec<(u64, u16)>),
}

impl Basis {
    /// The basis of the given blades and signs, in the given order.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`], [`Error::TooManyBlades`] above 65535 blades, [`Error::TooManyGenerators`] for a mask
    /// of more than 62 bits, [`Error::InvalidSign`] for a sign other than +-1, [`Error::DuplicateBlade`].
    pub fn new(masks: Vec<u64>, signs: Vec<f64>) -> Result<Self, Error> {
        if masks.len() != signs.len() {
            return Err(Error::LengthMismatch { masks: masks.len(), signs: signs.len() });
        }
        if masks.len() > MAX_BLADES {
            return Err(Error::TooManyBlades { given: masks.len() as u64, maximum: MAX_BLADES });
        }
        if let Some(index) = signs.iter().position(|sign| sign.abs() != 1.0) {
            return Err(Error::InvalidSign { index, sign: signs[index] });
        }
        let mut sorted: Vec<(u64, u16)> = masks.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Error::DuplicateBlade { mask: pair[0].0 });
        }
        let largest = sorted.last().map_or(0, |&(mask, _)| mask);
        if largest > full_mask(MAX_GENERATORS) {
            let given = (u64::BITS - largest.leading_zeros()) as usize;
            return Err(Error::TooManyGenerators { given, maximum: MAX_GENERATORS });
        }
        let lookup = if largest < TABLE_BOUND { table(&sorted, largest) } else { Lookup::Sorted(sorted) };
        Ok(Self { masks, signs, lookup })
    }

    /// All 2^n blades by grade, then in lexicographic order of their generators, with sign +1.
    ///
    /// # Errors
    /// [`Error::TooManyGenerators`] above 12 generators.
    pub fn canonical(dim: usize) -> Result<Self, Error> {
        if dim > MAX_DENSE_GENERATORS {
            return Err(Error::TooManyGenerators { given: dim, maximum: MAX_DENSE_GENERATORS });
        }
        let grades: Vec<u32> = (0..=dim as u32).collect();
        Self::of_grades(dim, &grades)
    }

    /// The blades of the given grades in canonical order: by ascending grade, whatever the order of `grades`.
    ///
    /// # Errors
    /// [`Error::TooManyGenerators`] above 62 generators, [`Error::GradeOutOfRange`], [`Error::DuplicateGrade`],
    /// [`Error::TooManyBlades`] above 65535 blades.
    pub fn of_grades(dim: usize, grades: &[u32]) -> Result<Self, Error> {
        if dim > MAX_GENERATORS {
            return Err(Error::TooManyGenerators { given: dim, maximum: MAX_GENERATORS });
        }
        let mut grades = grades.to_vec();
        grades.sort_unstable();
        if let Some(&grade) = grades.last().filter(|&&grade| grade as usize > dim) {
            return Err(Error::GradeOutOfRange { grade, dim });
        }
        if let Some(pair) = grades.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::DuplicateGrade { grade: pair[0] });
        }
        let count = grades.iter().map(|&grade| binomial(dim as u64, u64::from(grade))).sum();
        if count > MAX_BLADES as u64 {
            return Err(Error::TooManyBlades { given: count, maximum: MAX_BLADES });
        }
        let mut masks = Vec::with_capacity(count as usize);
        for grade in grades {
            push_combinations(&mut masks, 0, 0, dim, grade);
        }
        let signs = vec![1.0; masks.len()];
        Self::new(masks, signs)
    }

    /// The masks of the blades, in order.
    pub fn masks(&self) -> &[u64] {
        &self.masks
    }

    /// The signs of the blades, in order.
    pub fn signs(&self) -> &[f64] {
        &self.signs
    }

    /// The number of blades.
    pub fn len(&self) -> usize {
        self.masks.len()
    }

    /// Whether the basis has no blade at all.
    pub fn is_empty(&self) -> bool {
        self.masks.is_empty()
    }

    /// The position of a blade; `None` if the basis lacks it.
    #[inline]
    pub fn index_of(&self, mask: u64) -> Option<usize> {
        match &self.lookup {
            Lookup::Table(table) => {
                let index = *table.get(usize::try_from(mask).ok()?)?;
                (index != u16::MAX).then_some(usize::from(index))
            }
            Lookup::Sorted(sorted) => {
                let place = sorted.binary_search_by_key(&mask, |&(mask, _)| mask).ok()?;
                Some(usize::from(sorted[place].1))
            }
        }
    }
}

fn table(sorted: &[(u64, u16)], largest: u64) -> Lookup {
    let mut table = vec![u16::MAX; largest as usize + 1];
    for &(mask, index) in sorted {
        table[mask as usize] = index;
    }
    Lookup::Table(table)
}

/// Appends `prefix` with `count` more generators from `first..dim`, in lexicographic order.
fn push_combinations(masks: &mut Vec<u64>, prefix: u64, first: usize, dim: usize, count: u32) {
    if count == 0 {
        masks.push(prefix);
        return;
    }
    for generator in first..=dim - count as usize {
        push_combinations(masks, prefix | 1 << generator, generator + 1, dim, count - 1);
    }
}

/// n choose k; exact for n <= 62.
fn binomial(n: u64, k: u64) -> u64 {
    let product = (0..k.min(n - k)).fold(1_u128, |value, i| value * u128::from(n - i) / u128::from(i + 1));
    product as u64
}
