//! The bilinear products, one pair of blades at a time.

use std::fmt;
use std::str::FromStr;

use crate::blade::reorder_sign;
use crate::dual::{left_complement, right_complement};
use crate::{Error, Metric};

/// A bilinear product of multivectors. Each sends a pair of blades to a multiple of one blade.
///
/// With E the [`reorder_sign`] and m the [`Metric::product_over`], `e_a e_b = E(a, b) m(a & b) e_{a ^ b}`, and
///
/// | kind | keeps the pairs with |
/// | --- | --- |
/// | geometric | any |
/// | outer | disjoint a, b |
/// | left contraction | a inside b: grade s - r |
/// | right contraction | b inside a: grade r - s |
/// | scalar | a = b: grade 0 |
/// | fat inner | one inside the other: grade abs(r - s) |
/// | Hestenes inner | as fat, but nothing with scalars |
/// | commutator (ab - ba)/2 | `e_a e_b = -e_b e_a` |
/// | anticommutator (ab + ba)/2 | `e_a e_b = e_b e_a` |
/// | regressive `lc(rc(a) ^ rc(b))` | a, b that together hold every generator |
/// | join `rc(rc(a) ^ rc(b))` | the same |
///
/// rc and lc are the complements of [`crate::dual`]; the join differs from the regressive product by `(-1)^{k(n-k)}`
/// in output grade k. The outer and the regressive product and the join do not depend on the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProductKind {
    /// a b
    Geometric,
    /// a ^ b
    Outer,
    /// The part of a b of grade s - r.
    LeftContraction,
    /// The part of a b of grade r - s.
    RightContraction,
    /// The scalar part of a b.
    Scalar,
    /// The part of a b of grade |r - s|.
    FatInner,
    /// The part of a b of grade |r - s|, zero if one of them is a scalar.
    HestenesInner,
    /// (a b - b a) / 2
    Commutator,
    /// (a b + b a) / 2
    Anticommutator,
    /// a v b = lc(rc(a) ^ rc(b)), with the pseudoscalar as unit.
    Regressive,
    /// rc(rc(a) ^ rc(b)): the right complement three times.
    ProjectiveJoin,
}

impl ProductKind {
    /// Every product.
    pub const ALL: [Self; 11] = [
        Self::Geometric,
        Self::Outer,
        Self::LeftContraction,
        Self::RightContraction,
        Self::Scalar,
        Self::FatInner,
        Self::HestenesInner,
        Self::Commutator,
        Self::Anticommutator,
        Self::Regressive,
        Self::ProjectiveJoin,
    ];

    /// The name that [`FromStr`] understands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Geometric => "geometric_product",
            Self::Outer => "outer_product",
            Self::LeftContraction => "left_contraction",
            Self::RightContraction => "right_contraction",
            Self::Scalar => "scalar_product",
            Self::FatInner => "fat_inner_product",
            Self::HestenesInner => "hestenes_inner_product",
            Self::Commutator => "commutator",
            Self::Anticommutator => "anticommutator",
            Self::Regressive => "regressive_product",
            Self::ProjectiveJoin => "projective_join",
        }
    }

    /// The product of two blades as (mask, coefficient), or `None` where it vanishes; the coefficient is never zero.
    ///
    /// ```
    /// use cliffnet_algebra::{Metric, ProductKind};
    ///
    /// let plane = Metric::from_signature(2, 0, 0)?;
    /// assert_eq!(ProductKind::Geometric.term(&plane, 0b10, 0b01), Some((0b11, -1.0)));
    /// assert_eq!(ProductKind::Outer.term(&plane, 0b10, 0b10), None);
    /// # Ok::<(), cliffnet_algebra::Error>(())
    /// ```
    #[inline]
    pub fn term(self, metric: &Metric, a: u64, b: u64) -> Option<(u64, f64)> {
        let kept = match self {
            Self::Geometric => true,
            Self::Outer => a & b == 0,
            Self::LeftContraction => a & !b == 0,
            Self::RightContraction => b & !a == 0,
            Self::Scalar => a == b,
            Self::FatInner => a & !b == 0 || b & !a == 0,
            Self::HestenesInner => (a & !b == 0 || b & !a == 0) && a != 0 && b != 0,
            Self::Commutator => reorder_sign(a, b) != reorder_sign(b, a),
            Self::Anticommutator => reorder_sign(a, b) == reorder_sign(b, a),
            Self::Regressive => return meet(metric.dim(), a, b, left_complement),
            Self::ProjectiveJoin => return meet(metric.dim(), a, b, right_complement),
        };
        let coefficient = if kept { reorder_sign(a, b) * metric.product_over(a & b) } else { 0.0 };
        (coefficient != 0.0).then_some((a ^ b, coefficient))
    }
}

/// `last(rc(a) ^ rc(b))`.
fn meet(dim: usize, a: u64, b: u64, last: fn(usize, u64) -> (u64, f64)) -> Option<(u64, f64)> {
    let (a, sign_a) = right_complement(dim, a);
    let (b, sign_b) = right_complement(dim, b);
    let (out, sign_out) = last(dim, a | b);
    (a & b == 0).then(|| (out, sign_a * sign_b * reorder_sign(a, b) * sign_out))
}

impl FromStr for ProductKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == name);
        found.ok_or_else(|| Error::UnknownProduct { name: name.to_owned() })
    }
}

impl fmt::Display for ProductKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
