//! Diagonal real metrics.

use crate::blade::{full_mask, parity_sign};
use crate::{Error, MAX_GENERATORS};

/// A diagonal real metric: the squares of the generators, in order.
///
/// ```
/// use cliffnet_algebra::Metric;
///
/// let projective = Metric::from_signature(3, 0, 1)?;
/// assert_eq!(projective.squares(), [0.0, 1.0, 1.0, 1.0]);
/// assert_eq!(projective.signature(), (3, 0, 1));
/// # Ok::<(), cliffnet_algebra::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    squares: Vec<f64>,
    null: u64,
    negative: u64,
    // generators whose square is neither 0 nor +-1
    scaled: u64,
}

impl Metric {
    /// The metric in which generator `i` squares to `squares[i]`.
    ///
    /// # Errors
    /// [`Error::TooManyGenerators`] above 62 generators, [`Error::NonFiniteSquare`] for an infinite or NaN square.
    pub fn new(mut squares: Vec<f64>) -> Result<Self, Error> {
        if squares.len() > MAX_GENERATORS {
            return Err(Error::TooManyGenerators { given: squares.len(), maximum: MAX_GENERATORS });
        }
        if let Some(generator) = squares.iter().position(|square| !square.is_finite()) {
            return Err(Error::NonFiniteSquare { generator, square: squares[generator] });
        }
        for square in &mut squares {
            // -0.0 becomes 0.0, so that equal metrics have equal bits
            *square += 0.0;
        }
        let select = |keep: fn(f64) -> bool| {
            squares.iter().enumerate().fold(0, |mask, (i, &square)| mask | u64::from(keep(square)) << i)
        };
        let null = select(|square| square == 0.0);
        let negative = select(|square| square < 0.0);
        let scaled = select(|square| square != 0.0 && square.abs() != 1.0);
        Ok(Self { squares, null, negative, scaled })
    }

    /// The metric of Cl(p, q, r): `r` null generators first, then `p` that square to +1, then `q` that square to -1.
    ///
    /// # Errors
    /// [`Error::TooManyGenerators`] if p + q + r exceeds 62.
    pub fn from_signature(p: usize, q: usize, r: usize) -> Result<Self, Error> {
        let given = p.saturating_add(q).saturating_add(r);
        if given > MAX_GENERATORS {
            return Err(Error::TooManyGenerators { given, maximum: MAX_GENERATORS });
        }
        Self::new([vec![0.0; r], vec![1.0; p], vec![-1.0; q]].concat())
    }

    /// The number of generators n.
    pub fn dim(&self) -> usize {
        self.squares.len()
    }

    /// The squares of the generators, in order.
    pub fn squares(&self) -> &[f64] {
        &self.squares
    }

    /// The square of one generator.
    ///
    /// # Panics
    /// If `generator` is not below [`dim`](Self::dim).
    pub fn square(&self, generator: usize) -> f64 {
        self.squares[generator]
    }

    /// Whether a generator squares to zero.
    ///
    /// # Panics
    /// If `generator` is not below [`dim`](Self::dim).
    pub fn is_null(&self, generator: usize) -> bool {
        self.squares[generator] == 0.0
    }

    /// The number (p, q, r) of generators with a positive, negative and zero square.
    pub fn signature(&self) -> (usize, usize, usize) {
        let null = self.null.count_ones() as usize;
        let negative = self.negative.count_ones() as usize;
        (self.dim() - negative - null, negative, null)
    }

    /// The mask of the pseudoscalar, 2^n - 1.
    pub fn full_mask(&self) -> u64 {
        full_mask(self.dim())
    }

    /// The mask of the generators that square to zero.
    pub fn null_mask(&self) -> u64 {
        self.null
    }

    /// The product of the squares of the generators in `mask`; 1 for the empty mask.
    ///
    /// Generators beyond [`dim`](Self::dim) are a mistake of the caller, caught in debug builds only.
    #[inline]
    pub fn product_over(&self, mask: u64) -> f64 {
        debug_assert!(mask <= self.full_mask(), "mask {mask:#b} is outside the algebra");
        if mask & self.null != 0 {
            return 0.0;
        }
        parity_sign(mask & self.negative) * self.magnitude_over(mask)
    }

    /// The product of the absolute squares of the non-null generators in `mask`.
    pub(crate) fn magnitude_over(&self, mask: u64) -> f64 {
        let mut rest = mask & self.scaled;
        let mut product = 1.0;
        while rest != 0 {
            product *= self.squares[rest.trailing_zeros() as usize].abs();
            rest &= rest - 1;
        }
        product
    }

    /// Succeeds if every mask is a blade of this algebra.
    ///
    /// # Errors
    /// [`Error::BladeOutsideAlgebra`] for the first mask with a generator beyond [`dim`](Self::dim).
    pub fn check_masks(&self, masks: &[u64]) -> Result<(), Error> {
        match masks.iter().find(|&&mask| mask > self.full_mask()) {
            Some(&mask) => Err(Error::BladeOutsideAlgebra { mask, dim: self.dim() }),
            None => Ok(()),
        }
    }
}
